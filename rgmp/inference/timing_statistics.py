"""What rounds of interleaved timings amount to: intervals, ratios, cost per object.

In a round every computation is timed once, so that what slows the machine for a while slows all of
them: times vary by round, ratios within a round little. Rounds are the sample, and intervals are
Student's t over their values, 95 % each; of times and ratios over their logarithms, so that the
inverse of a ratio has the inverse interval. Stopping when intervals are narrow makes them a little
optimistic.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from rgmp.inference.quiet import is_settled

NARROW = 0.03
"""Half-width of a ratio's interval, as a fraction of the ratio, at which measuring may stop."""


class Interval(NamedTuple):
    """An estimate with the ends of its 95 % interval."""

    mean: float
    low: float
    high: float

    def columns(self, name: str) -> dict[str, float]:
        """Its numbers as `name`, `name_low` and `name_high`."""
        return {name: self.mean, f"{name}_low": self.low, f"{name}_high": self.high}


def mean(values: ArrayLike) -> Interval:
    """The mean of a value for each of at least two rounds."""
    sample = np.asarray(values, dtype=np.float64)
    middle = float(sample.mean())
    error = np.std(sample, ddof=1) / np.sqrt(len(sample))
    half = float(stdtrit(len(sample) - 1, 0.975) * error)
    return Interval(middle, middle - half, middle + half)


def mean_share(values: ArrayLike) -> Interval:
    """The same of shares, which are from 0 to 1, as the ends of the interval then are."""
    return Interval(*np.clip(mean(values), 0, 1).tolist())


def geometric_mean(values: ArrayLike) -> Interval:
    """The same of positive values, over their logarithms."""
    return Interval(*np.exp(mean(np.log(values))).tolist())


def seconds_by_round(clips: Iterable[Mapping[str, Any]], kind: str) -> NDArray[np.float64]:
    """Seconds per frame in each round: median over a clip's frames, mean over clips.

    A clip counts by its frames. Clips have their own medians because frames with more objects take
    longer: the median of all would lie anywhere between two kinds of frames.

    Args:
        clips: each with seconds by round and frame under `kind`, for the same rounds.
        kind: such as `network`.

    Returns:
        float64 (rounds,).
    """
    times = [np.asarray(clip[kind], dtype=np.float64) for clip in clips]
    medians = [np.median(clip, axis=1) for clip in times]
    return np.average(medians, axis=0, weights=[clip.shape[1] for clip in times])


def authors_seconds(clips: Iterable[Mapping[str, Any]]) -> Interval:
    """Seconds per frame as the authors count: wall time of whole clips, by their frames.

    Args:
        clips: each with its `frames` and the seconds of every round under `clip`.
    """
    clips = [*clips]
    wall = np.sum([clip["clip"] for clip in clips], axis=0)
    return geometric_mean(wall / sum(clip["frames"] for clip in clips))


def ratio(seconds: NDArray[np.float64], first: NDArray[np.float64]) -> Interval:
    """Frames per second relative to those of the first computation, paired by round."""
    return geometric_mean(first / seconds)


def are_known(ratios: Iterable[Interval], to_itself: Iterable[Interval]) -> bool:
    """Whether measuring may stop.

    Args:
        ratios: of computations to the first; each has to be narrow.
        to_itself: of the first, timed once more; it has to tell whether the machine is quiet
            (`rgmp.inference.quiet`).
    """
    return are_narrow(ratios) and all(is_settled(low, high) for _, low, high in to_itself)


def are_narrow(ratios: Iterable[Interval]) -> bool:
    """Whether the interval of every ratio reaches at most `NARROW` of it to either side."""
    return all(high / middle - 1 <= NARROW for middle, _, high in ratios)


class ObjectCost(NamedTuple):
    """Seconds per frame as a straight line over the number of objects."""

    fixed: Interval
    per_object: Interval


def cost_of_objects(counts: ArrayLike, seconds: ArrayLike) -> ObjectCost:
    """Fixed seconds per frame and seconds per object: least squares in each round.

    Args:
        counts: of objects, (N,), N >= 2.
        seconds: per frame with that many, (N, rounds).
    """
    slopes, intercepts = np.polyfit(np.asarray(counts), np.asarray(seconds), deg=1)
    return ObjectCost(mean(intercepts), mean(slopes))
