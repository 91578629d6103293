"""What data consist of, with digests of their bytes: the manifest of a part of a study's data.

The digest of a manifest identifies the part, wherever it lies: it is in records, in MLflow and
under every table. It includes the order of sets and sequences, which decides how samples are drawn.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rgmp.config.study import Stills
from rgmp.data.sequence import Sequence as Video
from rgmp.data.stills import list_pairs
from rgmp.errors import UserError
from rgmp.runtime.digest_cache import Digests
from rgmp.runtime.files import digest_of


@dataclass
class Manifest:
    """The manifest of a part of the data.

    Attributes:
        unit: what it has some of, such as `sequence`.
        size: how many of them.
        digest: of all of it, in order.
        parts: what it consists of, by name: `sha256` of each, and what else is known of it.
        files: every file.
    """

    unit: str
    size: int
    digest: str
    parts: dict[str, dict[str, int | str]] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)


def of_videos(sequences: Sequence[Video], digests: Digests, meaning: Mapping[str, Any]) -> Manifest:
    """The manifest of the sequences of a split, in its order.

    Args:
        sequences: their files.
        digests: of files.
        meaning: what the name of their data set leaves open of how annotations are read; it counts
            as content.
    """
    names = [sequence.name for sequence in sequences]
    paths = [path for sequence in sequences for path in sequence.files]
    return Manifest(
        "sequence",
        len(names),
        digest_of([names, digests.of_all(paths), *([meaning] if meaning else [])]),
        {sequence.name: {"sha256": digests.of_all(sequence.files)} for sequence in sequences},
        paths,
    )


def of_stills(sets: Iterable[Stills], digests: Digests) -> Manifest:
    """The manifest of sets of stills.

    Raises:
        UserError: a set is empty, or as `list_pairs`.
    """
    found = Manifest("image", 0, "")
    whole = []
    for number, stills in enumerate(sets, start=1):
        pairs = list_pairs(stills)
        if not pairs:
            raise UserError(f"{stills.images}: no images; stage 1 needs at least one")
        content: list[Any] = [
            stills.labels,
            *(
                [str(image.relative_to(stills.images)), digests.of(image), digests.of(mask)]
                for image, mask in pairs
            ),
        ]
        whole.append(content)
        found.size += len(pairs)
        found.files += [path for pair in pairs for path in pair]
        found.parts[f"{number}. {stills.images}"] = {
            "sha256": digest_of(content),
            "images": len(pairs),
        }
    found.digest = digest_of(whole)
    return found


def of_encoders(weights: Sequence[tuple[Path, str]], digests: Digests) -> Manifest:
    """The manifest of ImageNet weights, each with its backbone."""
    given = [(digests.of(path), backbone) for path, backbone in weights]
    return _of_weights(digest_of(given), [path for path, _ in weights], digests)


def of_networks(paths: Sequence[Path], digests: Digests) -> Manifest:
    """The manifest of trained networks."""
    return _of_weights(digest_of([digests.of(path) for path in paths]), paths, digests)


def _of_weights(digest: str, paths: Sequence[Path], digests: Digests) -> Manifest:
    parts: dict[str, dict[str, int | str]] = {
        str(path): {"sha256": digests.of(path)} for path in paths
    }
    return Manifest("file", len(paths), digest, parts, [*paths])
