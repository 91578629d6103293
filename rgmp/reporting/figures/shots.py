"""Frames under their masks: which are worth showing, and how they are painted."""

from collections import defaultdict
from collections.abc import Collection
from math import isnan
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import maximum_filter, minimum_filter

from rgmp.config.base import Benchmark
from rgmp.data import davis
from rgmp.data.encodings import read_mask
from rgmp.data.images import Labels, read_frame
from rgmp.data.mask_source import MaskFile
from rgmp.data.sequences import Sequence
from rgmp.reporting.figures.style import COLOURBLIND
from rgmp.runtime.tidy import rows_of
from rgmp.study import layout
from rgmp.study.results import Results

# of objects 1, 2, ...: vivid ones first
OBJECT_COLOURS = [COLOURBLIND[i] for i in (3, 9, 8, 2, 6, 0, 1, 4, 5, 7)]
PIXELS = 300  # width of a picture: 1.5 inches at 200 dots an inch


class Shot(NamedTuple):
    """A frame of a benchmark; J of each method there, mean over objects, first seed.

    `view` is the part of it that is shown, left, top, right and bottom in pixels; None: all.
    """

    benchmark: Benchmark
    sequence: str
    frame: str
    regions: dict[str, float]
    view: tuple[int, int, int, int] | None = None


def within_reach(results: Results) -> bool:
    """Whether there are pictures to show, here: tables may travel without frames and masks."""
    return (
        all(results.videos(b).tree.frames_folder.is_dir() for b in results.plan.benchmarks)
        and (results.folder / layout.MASKS).is_dir()
    )


def most_divergent(
    results: Results, benchmark: Benchmark, count: int, shown: Collection[str] = ()
) -> list[Shot]:
    """The `count` frames, one per sequence, at which J of the methods is furthest apart.

    Frames in which an object cannot be seen come last, since a single pixel decides J there; so do
    the sequences `shown` already.
    """
    furthest = [max(shots, key=_worth) for shots in _shots(results, benchmark).values()]
    furthest.sort(key=lambda shot: (shot.sequence not in shown, _worth(shot)), reverse=True)
    return furthest[:count]


def hardest(results: Results, benchmark: Benchmark, count: int) -> list[list[Shot]]:
    """Of the `count` sequences with the lowest J of full: frame 0, then three scored frames."""
    scored = [shots for shots in _shots(results, benchmark).values() if "full" in shots[0].regions]
    scored.sort(key=lambda shots: sum(shot.regions["full"] for shot in shots) / len(shots))
    return [
        [
            Shot(benchmark, shots[0].sequence, _first(results, shots[0]), {}),
            *(shots[round(part * (len(shots) - 1))] for part in (1 / 3, 2 / 3, 1)),
        ]
        for shots in scored[:count]
    ]


def _first(results: Results, shot: Shot) -> str:
    """The name of the first frame of the shot's sequence that gives an object."""
    return _sequence(results, shot).from_first_object.annotated[0]


def mask_of(results: Results, shot: Shot, method: str) -> MaskFile | None:
    """A method's mask; None where it has none: not scored there, or by scores alone.

    Raises:
        UserError: as `Results.mask_of`.
    """
    if method not in shot.regions:
        return None
    return results.mask_of(shot.benchmark, method, shot.sequence, shot.frame)


def cropped(results: Results, shot: Shot) -> Shot:
    """A shot cropped to its objects and what the methods took for them; at least half of it.

    Raises:
        UserError: the annotation or a mask is missing or broken.
    """
    files = filter(None, (mask_of(results, shot, method) for method in shot.regions))
    masks = [_labels(results, shot, file) for file in (None, *files)]
    rows, columns = np.nonzero(np.any([(m > 0) & (m != davis.VOID) for m in masks], axis=0))
    height, width = masks[0].shape
    if not rows.size:
        return shot
    share = max(0.5, 1.2 * np.ptp(rows) / height, 1.2 * np.ptp(columns) / width)
    if share >= 1:
        return shot
    tall, wide = round(share * height), round(share * width)
    top = min(max(0, (rows.min() + rows.max() - tall) // 2), height - tall)
    left = min(max(0, (columns.min() + columns.max() - wide) // 2), width - wide)
    return shot._replace(view=(int(left), int(top), int(left) + wide, int(top) + tall))


def paint(results: Results, shot: Shot, mask: MaskFile | None) -> npt.NDArray[np.uint8]:
    """A frame under a mask (None: the truth) in colour, the truth's outline in white.

    Returns:
        uint8 (h, w, 3), w = `PIXELS`.

    Raises:
        UserError: the frame, its annotation or the mask is missing or broken.
    """
    sequence = _sequence(results, shot)
    path = sequence.frames[sequence.names.index(shot.frame)]
    frame = Image.fromarray(read_frame(path))
    view = shot.view or (0, 0, *frame.size)
    size = (PIXELS, round(PIXELS * (view[3] - view[1]) / (view[2] - view[0])))
    painted = np.array(frame.resize(size, Image.Resampling.LANCZOS, view), float)
    labels, truth = (
        np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST, view))
        for labels in (_labels(results, shot, mask), _labels(results, shot, None))
    )
    for number in set(np.unique(labels).tolist()) - {0, davis.VOID}:
        colour = 255 * np.array(OBJECT_COLOURS[(number - 1) % len(OBJECT_COLOURS)])
        painted[labels == number] = 0.45 * painted[labels == number] + 0.55 * colour
    painted[_outline(truth)] = 255
    return painted.astype(np.uint8)


def _labels(results: Results, shot: Shot, mask: MaskFile | None) -> Labels:
    """What a mask says of the shot's frame, uint8 (H, W); None: the truth."""
    sequence = _sequence(results, shot)
    if mask is None:
        return sequence.read(sequence.annotated.index(shot.frame))
    return read_mask(mask, sequence.dataset, [*sequence.objects]).labels


def _sequence(results: Results, shot: Shot) -> Sequence:
    """The files of the shot's sequence.

    Raises:
        UserError: they are not there any more.
    """
    return results.videos(shot.benchmark).tree.open_sequence(shot.sequence)


def _shots(results: Results, benchmark: Benchmark) -> dict[str, list[Shot]]:
    """Every scored frame of a benchmark, by sequence, in order."""
    frames = rows_of(results.table("frames"), benchmark=benchmark)
    scored = {*frames["variant"].unique()}
    order = [method for method in results.methods if method in scored]
    table = frames.pivot(index=["sequence", "frame"], columns="variant", values="J")[order]
    shots: dict[str, list[Shot]] = defaultdict(list)
    for sequence, frame, *values in table.sort_index().reset_index().itertuples(index=False):
        regions = {m: value for m, value in zip(order, values, strict=True) if not isnan(value)}
        shots[sequence].append(Shot(benchmark, sequence, frame, regions))
    return shots


def _worth(shot: Shot) -> tuple[bool, float]:
    """How much a frame is worth showing: are its objects in sight, how far apart is J."""
    best, least = max(shot.regions.values()), min(shot.regions.values())
    return best < 1, best - least  # exactly 1: no object is in sight, and none was found


def _outline(labels: Labels) -> npt.NDArray[np.bool_]:
    """The pixels of objects that have another label within a pixel: bool (h, w)."""
    window = (3, 3)
    edge = maximum_filter(labels, window) != minimum_filter(labels, window)
    return np.asarray(edge & (labels > 0) & (labels != davis.VOID))
