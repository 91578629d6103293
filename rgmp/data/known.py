"""What is known of the sequences of DAVIS (`facts/davis_sequences.csv`)."""

from functools import cache
from typing import NamedTuple

from rgmp import facts
from rgmp.config.base import Benchmark


class Known(NamedTuple):
    """A sequence of DAVIS; how many objects it has is known of some."""

    split: str
    frames: int
    objects: int | None


@cache
def known_sequences(benchmark: Benchmark) -> dict[str, Known]:
    """The sequences of a benchmark's own splits by name; none of what is not DAVIS."""
    return {
        row["sequence"]: Known(
            row["split"], int(row["frames"]), int(row["objects"]) if row["objects"] else None
        )
        for row in facts.read("davis_sequences.csv")
        if row["benchmark"] == benchmark
    }


def official(benchmark: Benchmark, split: str) -> set[str]:
    """The sequences of DAVIS's own split; none of a split that is not known."""
    return {name for name, one in known_sequences(benchmark).items() if one.split == split}
