"""Frames under their masks: which are worth showing, and how they are painted."""

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import isnan
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import binary_dilation, maximum_filter, minimum_filter

from rgmp.config.base import Benchmark
from rgmp.data import davis
from rgmp.data.encodings import read_mask
from rgmp.data.images import Labels, read_frame
from rgmp.data.mask_source import MaskFile
from rgmp.runtime.tidy import rows_of
from rgmp.study import layout
from rgmp.study.results import Results

Colour = tuple[int, int, int]
Picture = npt.NDArray[np.uint8]
FALSE_POSITIVE: tuple[Colour, Colour] = ((255, 176, 0), (110, 50, 0))
FALSE_NEGATIVE: tuple[Colour, Colour] = ((120, 200, 255), (0, 40, 110))
"""The light and the dark stripes of what a mask has too much, and of what it lacks."""
_STRIPE = 5  # pixels: the width of a stripe
_OPAQUE = 0.6  # of a mask's colour


class Shot(NamedTuple):
    """A frame of a benchmark; J of each method there, mean over objects, first seed.

    `view` is the part of it that is shown, left, top, right and bottom in pixels; None: all.
    """

    benchmark: Benchmark
    sequence: str
    frame: str
    regions: dict[str, float]
    view: tuple[int, int, int, int] | None = None

    @property
    def number(self) -> int:
        """The frame's, with which its name ends."""
        return int(re.findall(r"\d+$", self.frame)[0])


@dataclass(frozen=True)
class Strip:
    """A sequence as it is shown: what is given, some of its frames, and J in all of them.

    Attributes:
        shots: the given frame, then scored ones, in order and with one view.
        methods: those that are shown.
        numbers: of every scored frame.
        courses: J of each method in these, per cent.
    """

    shots: list[Shot]
    methods: list[str]
    numbers: list[int]
    courses: dict[str, list[float]]


def colour_of_object(number: int) -> Colour:
    """The colour of an object in DAVIS's palette."""
    red, green, blue = davis.PALETTE[3 * number : 3 * number + 3]
    return red, green, blue


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

    Those with several objects come first, if the benchmark has any. Frames in which an object
    cannot be seen come last, since a single pixel decides J there; so do the sequences `shown`
    already.
    """
    several = _with_several_objects(results, benchmark)
    furthest = [max(shots, key=_worth) for shots in _shots(results, benchmark).values()]
    furthest.sort(
        key=lambda shot: (shot.sequence not in shown, shot.sequence in several, _worth(shot)),
        reverse=True,
    )
    return furthest[:count]


def divergent_strips(
    results: Results,
    benchmark: Benchmark,
    count: int,
    columns: int,
    methods: Sequence[str],
    shown: Collection[str] = (),
) -> list[Strip]:
    """The sequences with the `most_divergent` frames, in `columns` pictures of each method.

    Raises:
        UserError: an annotation or a mask is missing or broken.
    """
    of_sequences = _shots(results, benchmark)
    return [
        _strip(results, of_sequences[shot.sequence], columns, methods, shot)
        for shot in most_divergent(results, benchmark, count, shown)
    ]


def hardest_strips(
    results: Results, benchmark: Benchmark, count: int, columns: int, shown: Collection[str] = ()
) -> list[Strip]:
    """The `count` sequences with the lowest J of full, in `columns` pictures each.

    Those with several objects come first, and the sequences `shown` already last.

    Raises:
        UserError: an annotation or a mask is missing or broken.
    """
    several = _with_several_objects(results, benchmark)
    scored = [shots for shots in _shots(results, benchmark).values() if "full" in shots[0].regions]
    scored.sort(
        key=lambda shots: (
            shots[0].sequence in shown,
            shots[0].sequence not in several,
            sum(shot.regions["full"] for shot in shots) / len(shots),
        )
    )
    return [_strip(results, shots, columns, ["full"]) for shots in scored[:count]]


def _strip(
    results: Results,
    shots: list[Shot],
    columns: int,
    methods: Sequence[str],
    included: Shot | None = None,
) -> Strip:
    """The given frame of a sequence and scored ones at even distances, one of them `included`."""
    places = np.linspace(0, len(shots) - 1, columns)[1:].round().astype(int).tolist()
    if included is not None:
        place = shots.index(included)
        places[min(range(len(places)), key=lambda i: abs(places[i] - place))] = place
    chosen = [shots[place] for place in sorted(dict.fromkeys(places))]
    shown = [m for m in methods if any(mask_of(results, shot, m) for shot in chosen)]
    chosen = [_given(results, shots[0]), *chosen]
    view = _view(results, chosen, shown)
    return Strip(
        shots=[shot._replace(view=view) for shot in chosen],
        methods=shown,
        numbers=[shot.number for shot in shots],
        courses={
            method: [100 * shot.regions.get(method, float("nan")) for shot in shots]
            for method in shown
        },
    )


def _given(results: Results, shot: Shot) -> Shot:
    """The first frame of a shot's sequence that gives an object."""
    first = results.sequence(shot.benchmark, shot.sequence).from_first_object.annotated[0]
    return shot._replace(frame=first, regions={})


def _with_several_objects(results: Results, benchmark: Benchmark) -> set[str]:
    """The sequences of a benchmark that have more than one object."""
    objects = rows_of(results.table("objects"), benchmark=benchmark)
    return {*objects.loc[objects["object"] > 1, "sequence"]}


def mask_of(results: Results, shot: Shot, method: str) -> MaskFile | None:
    """A method's mask; None where it has none: not scored there, or by scores alone.

    Raises:
        UserError: as `Results.mask_of`.
    """
    if method not in shot.regions:
        return None
    return results.mask_of(shot.benchmark, method, shot.sequence, shot.frame)


def _view(
    results: Results, shots: list[Shot], methods: list[str]
) -> tuple[int, int, int, int] | None:
    """The part of some frames with their objects and what methods took for them.

    It has the shape of a frame, and at least half of its width; None: all of it.
    """
    masks = [_labels(results, shot, None) for shot in shots]
    for shot in shots:
        files = filter(None, (mask_of(results, shot, method) for method in methods))
        masks += [_labels(results, shot, file) for file in files]
    rows, columns = np.nonzero(np.any([(m > 0) & (m != davis.VOID) for m in masks], axis=0))
    height, width = masks[0].shape
    if not rows.size:
        return None
    share = max(0.5, 1.2 * np.ptp(rows) / height, 1.2 * np.ptp(columns) / width)
    if share >= 1:
        return None
    tall, wide = round(share * height), round(share * width)
    top = min(max(0, (rows.min() + rows.max() - tall) // 2), height - tall)
    left = min(max(0, (columns.min() + columns.max() - wide) // 2), width - wide)
    return int(left), int(top), int(left) + wide, int(top) + tall


def paint(results: Results, shot: Shot, mask: MaskFile | None, width: int) -> Picture:
    """A frame, paled, under a mask (None: the truth) in the colours of DAVIS's palette.

    The truth is outlined in white on black, and stripes tell what the mask has too much and what
    it lacks, where that is known.

    Args:
        results: of the study.
        shot: which frame, and which part of it.
        mask: of a method.
        width: pixels of the picture.

    Returns:
        uint8 (h, width, 3).

    Raises:
        UserError: the frame, its annotation or the mask is missing or broken.
    """
    sequence = results.sequence(shot.benchmark, shot.sequence)
    frame = Image.fromarray(read_frame(sequence.frames[sequence.names.index(shot.frame)]))
    view = shot.view or (0, 0, *frame.size)
    size = (width, round(width * frame.height / frame.width))  # a view has a frame's shape
    labels, truth = (
        np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST, view))
        for labels in (_labels(results, shot, mask), _labels(results, shot, None))
    )
    painted = _pale(np.array(frame.resize(size, Image.Resampling.LANCZOS, view), float))
    for number in set(np.unique(labels).tolist()) - {0, davis.VOID}:
        at = labels == number
        painted[at] = (1 - _OPAQUE) * painted[at] + _OPAQUE * np.array(colour_of_object(number))
    known = truth != davis.VOID
    _stripe(painted, known & (labels > 0) & (labels != truth), FALSE_POSITIVE, 1)
    _stripe(painted, known & (labels == 0) & (truth > 0), FALSE_NEGATIVE, -1)
    outline = _outline(truth)
    painted[binary_dilation(outline, np.ones((3, 3), bool))] = 0
    painted[outline] = 255
    return painted.astype(np.uint8)


def _pale(frame: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A frame with a third of its colour, so that none of it is taken for a mask's."""
    grey = frame @ (0.299, 0.587, 0.114)
    return (frame + 2 * grey[..., None]) / 3


def _stripe(
    painted: npt.NDArray[np.float64],
    where: npt.NDArray[np.bool_],
    colours: tuple[Colour, Colour],
    slope: int,
) -> None:
    """Fill a part of a picture with stripes, which rise to the right with a `slope` of 1."""
    y, x = np.indices(where.shape)
    light = (x + slope * y) // _STRIPE % 2 == 0
    painted[where & light], painted[where & ~light] = colours


def _labels(results: Results, shot: Shot, mask: MaskFile | None) -> Labels:
    """What a mask says of the shot's frame, uint8 (H, W); None: the truth."""
    sequence = results.sequence(shot.benchmark, shot.sequence)
    if mask is None:
        return sequence.read(sequence.annotated.index(shot.frame))
    return read_mask(mask, sequence.dataset, [*sequence.objects]).labels


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
