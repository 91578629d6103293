"""The same masks under the conventions by which J and F are reported, a figure for each.

Papers and tools differ in what they average and over which frames, so the same masks have several
figures; which one is meant is often left unsaid. DAVIS's convention is that of `rgmp.evaluation.
summary`, whose functions compute the others too.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import pandas as pd

from rgmp.data.annotations import Annotation
from rgmp.evaluation.measures import Score
from rgmp.evaluation.score_table import SCORE_DTYPES, table_of
from rgmp.evaluation.summary import per_object, summarise
from rgmp.runtime.tidy import Dtypes, require_header

End = Literal["first", "last", "neither"]
"""Whether a frame is the first or the last of its sequence."""
Boundary = Literal["davis", "vot"]
"""Which boundaries F matches: DAVIS's, or those of the VOT toolkit (`vot_boundary`)."""
MeanOver = Literal["objects", "sequences", "frames"]
"""Over what the mean is taken: of the means of objects, as DAVIS; of those of sequences, which are
the means of their objects'; of all objects in all frames."""
Ends = Literal["neither", "last", "both"]
"""Which of the first and the last frame are scored; DAVIS: neither."""
Absent = Literal["counted", "skipped"]
"""What becomes of frames whose truth lacks the object; DAVIS counts them, as 0, or as 1 where the
mask lacks it too."""

CONVENTION_DTYPES: Dtypes = {
    "official": "boolean",
    "annotation": "str",
    "boundary": "str",
    "mean_over": "str",
    "ends": "str",
    "absent": "str",
    "sequences": "str",
    **dict.fromkeys(("J", "F", "J&F"), "float64"),
}
"""The columns of a table of conventions: whether it is DAVIS's own, what distinguishes it, and J, F
and J&F in [0, 1]."""

FIGURES = ("J&F", "J", "F")


class Frame(NamedTuple):
    """One object in one frame, measured in every way that a convention asks for.

    Attributes:
        annotation: the kind of annotation that it is measured against.
        score: J and F as DAVIS has them.
        end: whether the frame is the first or the last.
        absent: whether the truth lacks the object.
        vot: F on boundaries of the VOT toolkit, in [0, 1].
    """

    annotation: Annotation
    score: Score
    end: End
    absent: bool
    vot: float


FRAME_DTYPES: Dtypes = {
    "annotation": "str",
    **SCORE_DTYPES,
    "end": "str",
    "absent": "bool",
    "vot": "float64",
}
"""The columns of `Frame`."""


def frames_table(frames: Iterable[Frame]) -> pd.DataFrame:
    """Frames as a table with the columns of `FRAME_DTYPES`."""
    listed = [*frames]
    others = pd.DataFrame(
        [(frame.annotation, frame.end, frame.absent, frame.vot) for frame in listed],
        columns=["annotation", "end", "absent", "vot"],
    )
    joined = pd.concat([table_of(frame.score for frame in listed), others], axis=1)
    return joined[[*FRAME_DTYPES]].astype(FRAME_DTYPES)


def require_conventions(path: Path) -> None:
    """Check that a file has the header of a table of conventions.

    Raises:
        UserError: it does not, or cannot be read.
    """
    require_header(path, CONVENTION_DTYPES, "a table of conventions")


def conventions_of(frames: pd.DataFrame, sequences: Mapping[str, Collection[str]]) -> pd.DataFrame:
    """J and F under every convention that makes a difference.

    Left out is what is the same for a reason: the mean over sequences where each has one object,
    skipping where no truth lacks an object, and ends of which a mask is missing.

    Args:
        frames: with the columns of `FRAME_DTYPES`, of one method on one benchmark with one seed.
        sequences: the names of those to average over, by what they are called; all of them first.

    Returns:
        A row for each convention (`CONVENTION_DTYPES`), DAVIS's first; then those on the annotation
        that comes first in `frames`, its score table's first.
    """
    kinds = frames["annotation"].unique()
    whole = next(iter(sequences))
    rows = [
        {
            "official": (annotation, name) in {("foreground", whole), ("objects", whole)}
            and (ends, absent, boundary, over) == ("neither", "counted", "davis", "objects"),
            "annotation": annotation,
            "boundary": boundary,
            "mean_over": over,
            "ends": ends,
            "absent": absent,
            "sequences": name,
            **means,
        }
        for annotation, name, ends, absent in product(
            kinds, sequences, get_args(Ends), get_args(Absent)
        )
        for boundary, over, means in _means(
            frames[(frames["annotation"] == annotation) & frames["sequence"].isin(sequences[name])],
            ends,
            absent,
        )
    ]
    table = pd.DataFrame(rows, columns=[*CONVENTION_DTYPES]).astype(CONVENTION_DTYPES)
    return table.sort_values("official", ascending=False, kind="stable", ignore_index=True)


def _means(
    frames: pd.DataFrame, ends: Ends, absent: Absent
) -> Iterator[tuple[Boundary, MeanOver, dict[str, float]]]:
    """The means of the frames that a convention scores; none where it is no other convention."""
    needed = {"neither": (), "last": ("last",), "both": ("first", "last")}[ends]
    everywhere = frames["sequence"].nunique()
    if any(frames.loc[frames["end"] == e, "sequence"].nunique() < everywhere for e in needed):
        return
    scored = frames[frames["end"].isin(["neither", *needed])]
    if absent == "skipped":
        if not scored["absent"].any():
            return
        scored = scored[~scored["absent"]]
    if scored.empty:
        return
    for boundary in get_args(Boundary):
        scores = scored if boundary == "davis" else scored.assign(F=scored["vot"])
        for over, means in _averages(scores).items():
            yield boundary, over, means


def _averages(scores: pd.DataFrame) -> dict[MeanOver, dict[str, float]]:
    """J, F and J&F, averaged over objects, sequences and frames."""
    objects = per_object(scores)
    named = {"J_mean": "J", "F_mean": "F", "J&F": "J&F"}
    found: dict[MeanOver, pd.Series] = {
        "objects": summarise(objects).iloc[0][[*named]].rename(named)
    }
    if objects["sequence"].duplicated().any():
        found["sequences"] = objects.groupby("sequence")[[*named]].mean().mean().rename(named)
    frames = scores[["J", "F"]].mean()
    found["frames"] = pd.concat([frames, pd.Series({"J&F": frames.mean()})])
    return {over: {name: float(means[name]) for name in FIGURES} for over, means in found.items()}


TOLERANCE = 0.05
"""Points by which a figure with one decimal may differ from what it was rounded from."""


def matches_of(table: pd.DataFrame, figure: float) -> dict[str, pd.DataFrame]:
    """The conventions that give a figure within `TOLERANCE`.

    Args:
        table: as `conventions_of` returns it.
        figure: in points.

    Returns:
        By the name of the figure (J&F, J, F) the rows that give it, in the table's order. Of those
        that differ in boundaries alone, which J does not depend on, J has one row.
    """
    found = {}
    for name in FIGURES:
        near = table[(100 * table[name] - figure).abs() <= TOLERANCE + _ROUNDING]
        found[name] = near[near["boundary"] == "davis"] if name == "J" else near
    return {name: rows for name, rows in found.items() if not rows.empty}


_ROUNDING = 1e-9
"""Points by which binary fractions may miss decimal ones."""
