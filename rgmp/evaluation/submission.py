"""The archive of masks that DAVIS's server takes, for splits whose ground truth it alone has.

The server unpacks the archive and runs davis2017-evaluation's `evaluation_codalab.py` on it, which
scores nothing unless

- the folders of the sequences lie at the top of the archive, with no folder above them;
- every sequence of the split is there;
- every frame has an indexed PNG named as the frame, `<sequence>/00000.png`, frame 0 included;
- no index is larger than those of frame 0, as void (255) would be;
- every mask has the size of the frames.

Sources: that script and the README of davisvideochallenge/davis2017-evaluation, and issue 2709 of
codalab/codalab-competitions (an archive with a top folder).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from rgmp.data import davis, images
from rgmp.data.images import Like
from rgmp.data.mask_source import MaskFile, MaskSource, files_of, open_masks
from rgmp.data.sequence import Sequence
from rgmp.data.videos import Videos
from rgmp.errors import UserError, refuse
from rgmp.runtime.archives import Content
from rgmp.runtime.files import digest_of_bytes
from rgmp.runtime.progress import Progress


def masks_at(study: Path, places: Mapping[str, str]) -> MaskSource:
    """The masks of a study's run, which lie where its record says (`Record.masks`)."""
    files = {name: davis.masks_in(study / place) for name, place in places.items()}
    folders = {name: {path.name: MaskFile(path) for path in of} for name, of in files.items()}
    return MaskSource(study, "", folders)


def masks_in(path: Path, videos: Videos) -> MaskSource:
    """The masks in a folder or an archive, as `rgmp.data.mask_source.open_masks` reads them.

    Raises:
        UserError: as `open_masks`, or the split is unknown.
    """
    return open_masks(path, videos.names())


def contents_of(videos: Videos, source: MaskSource) -> list[Content]:
    """What goes into the archive, once checked: every frame of every sequence, and nothing else.

    Args:
        videos: the split; of its annotations those of frame 0 alone are read.
        source: the masks.

    Raises:
        ProblemsError: the server would not take the masks; a line for each problem.
        UserError: the split cannot be read.
    """
    sequences = videos.open()
    progress = Progress("check masks", "frames", sum(len(s.frames) for s in sequences))
    contents: list[Content] = []
    problems: list[str] = []
    for sequence in sequences:
        for member in _of_sequence(sequence, source):
            if isinstance(member, str):
                problems.append(member)
            else:
                contents.append(member)
                progress.at(len(contents))
    refuse(problems)
    return contents


def _of_sequence(sequence: Sequence, source: MaskSource) -> Iterator[Content | str]:
    """The members of a sequence, and its problems as text."""
    names = [frame.stem for frame in sequence.frames]
    found, where = source.masks_of(sequence.name, names), source.where(sequence.name)
    if not found.masks:
        yield f"{where}: no masks {names[0]}.png to {names[-1]}.png; segment {sequence.name}"
        return
    if missing := [f"{name}.png" for name in names if name not in found.masks]:
        yield f"{where}: missing {', '.join(missing)}; the server wants a mask of every frame"
    if found.surplus:
        yield f"{where}: no frame for {', '.join(found.surplus)}; remove them"
    try:
        first = sequence.read(0)
    except UserError as error:
        yield str(error)
        return
    objects, like = [*sequence.objects], Like("frame 0's annotation", first.shape)
    for name, mask in found.masks.items():
        try:
            _require_taken(mask, len(objects), like)
        except UserError as error:
            yield str(error)
        else:
            with mask.open() as file:
                content = file.read()
            member = f"{sequence.name}/{name}.png"
            yield Content(member, len(content), digest_of_bytes(content), mask.open)


def _require_taken(mask: MaskFile, objects: int, like: Like) -> None:
    """Check that the server reads a mask as it is meant.

    Raises:
        UserError: it is no palette PNG, of another size, or has an index that frame 0 has not.
    """
    picture = images.decode(mask, mask.open, like)
    if (picture.image.format, picture.image.mode) != ("PNG", "P"):
        kind = f"{picture.image.format} of mode {picture.image.mode}"
        raise UserError(f"{mask}: is a {kind}; the server takes palette PNGs alone; convert it")
    largest = int(np.asarray(picture.image).max())
    if largest > objects:
        raise UserError(
            f"{mask}: index {largest}, but frame 0 has 1 to {objects}; the server would score "
            "nothing; map it to one of these, or to 0"
        )


def require_archive(path: Path) -> None:
    """Check that a file is an archive of masks, such as an earlier one that is replaced.

    Raises:
        UserError: it is not.
    """
    if not files_of(path):
        raise UserError(f"{path}: no archive of masks")
