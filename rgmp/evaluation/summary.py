"""From the scores of frames to figures of a data set, their spread, and what a difference is worth.

All figures are fractions, not per cent. From the inside out:

1. an object's frames -> its mean, recall and decay (`rgmp.evaluation.measures.statistics_of`);
2. objects -> one figure a seed, the mean over *objects*, as DAVIS has it;
3. seeds -> the mean over seeds, and their sample standard deviation (`summarise`);
4. a variant against `full` -> the paired difference, its interval and a word (`compare`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from rgmp.errors import UserError
from rgmp.evaluation.measures import Statistics, statistics_of
from rgmp.evaluation.score_table import Score

Measure = Literal["J&F", "J_mean", "J_recall", "J_decay", "F_mean", "F_recall", "F_decay"]


MEASURES: tuple[Measure, ...] = get_args(Measure)


Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ObjectScores:
    """What one variant reached on every object of one benchmark, with every seed.

    Attributes:
        benchmark: as in the rows.
        variant: as in the rows.
        seeds: the S seeds, ascending; none where no training here made the masks, and S is 1.
        objects: the O objects as (sequence, id), sorted.
        values: for each measure float64 (S, O), fractions; `J&F` is the mean of J_mean and F_mean.
    """

    benchmark: str
    variant: str
    seeds: tuple[int, ...]
    objects: tuple[tuple[str, int], ...]
    values: dict[Measure, Values]


@dataclass(frozen=True)
class Summary:
    """One figure of a variant on a benchmark.

    Attributes:
        mean: over seeds, of the mean over objects.
        spread: sample standard deviation over seeds (n - 1); None with one seed or none.
        seeds: how many.
    """

    mean: float
    spread: float | None
    seeds: int


def per_object(rows: Iterable[Score]) -> ObjectScores:
    """Gather the rows of one variant on one benchmark, all its seeds.

    Raises:
        UserError: no row; rows of two variants or benchmarks; a frame that stands twice; seeds that
            differ in their objects or frames; rows with a seed beside rows without.
    """
    measured: dict[int | None, _Frames] = {}
    names = set()
    for row in rows:
        names.add((row.benchmark, row.variant))
        frames = measured.setdefault(row.seed, {}).setdefault((row.sequence, row.object), {})
        if row.frame in frames:
            raise UserError(
                f"{row.variant}, seed {row.seed}: {row.sequence}, object {row.object}, frame "
                f"{row.frame} is scored twice; give each table once"
            )
        frames[row.frame] = (row.J, row.F)
    if len(names) != 1:
        raise UserError(
            f"one variant on one benchmark is needed, got the scores of {sorted(names)}"
        )
    ((benchmark, variant),) = names
    seeds = sorted(seed for seed in measured if seed is not None)
    if seeds and None in measured:
        raise UserError(f"{variant}: has rows with a seed and rows without; score it anew")
    _require_same_frames(variant, measured)
    runs: list[int | None] = [*seeds] or [None]
    objects = sorted(measured[runs[0]])
    statistics = np.array(  # (S, O, 2, 3): J and F; mean, recall and decay
        [[_statistics(measured[run][key]) for key in objects] for run in runs]
    )
    columns: list[Values] = [
        statistics[..., 0].mean(axis=-1),
        *np.moveaxis(statistics.reshape(len(runs), len(objects), 6), -1, 0),
    ]
    values = dict(zip(MEASURES, columns, strict=True))
    return ObjectScores(benchmark, variant, tuple(seeds), tuple(objects), values)


_Frames = dict[tuple[str, int], dict[str, tuple[float, float]]]
"""Of each (sequence, object) its frames by number, and their J and F."""


def _statistics(frames: dict[str, tuple[float, float]]) -> list[Statistics]:
    """Those of J, then of F."""
    in_order = [frames[frame] for frame in sorted(frames)]
    return [statistics_of(values) for values in zip(*in_order, strict=True)]


def _require_same_frames(variant: str, measured: dict[int | None, _Frames]) -> None:
    """Refuse seeds that were scored on different frames."""
    first, *others = measured
    for seed in others:
        for key in sorted({*measured[first], *measured[seed]}):
            if measured[first].get(key, {}).keys() != measured[seed].get(key, {}).keys():
                raise UserError(
                    f"{variant}: seeds {first} and {seed} are scored on different frames of "
                    f"{key[0]}, object {key[1]}; score every seed on the same sequences"
                )


def summarise(scores: ObjectScores) -> dict[Measure, Summary]:
    """The figures of a variant on a benchmark, one a measure."""
    return {
        measure: _summary(values.mean(axis=1), len(scores.seeds))
        for measure, values in scores.values.items()
    }


def _summary(by_seed: Values, seeds: int) -> Summary:
    spread = float(by_seed.std(ddof=1)) if seeds > 1 else None
    return Summary(float(by_seed.mean()), spread, seeds)
