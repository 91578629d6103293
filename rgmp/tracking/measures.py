"""What the numbers of a study are called in MLflow.

The name of J&F begins with its measure, `J_and_F/davis2016`, that of any other with its benchmark,
`davis2016/F_decay`: MLflow sorts names by their bytes, capitals first, and its comparison and
charts open on the first. A name means the same in every run: a score in that of a job, a seed or,
as the mean over seeds, a variant. Pages are read, so accuracies are in per cent and differences in
points; records and tables have the fractions.
"""

import re
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from rgmp.config.base import Benchmark
from rgmp.evaluation.measures import MEASURES
from rgmp.provenance.record import Record

_SPEED = ("fps", "end_to_end_fps", "authors_fps", "fraction_of_limit", "peak_memory_bytes")
_JF = "J_and_F"
SUMMARIES = {
    "J&F": _JF,
    "J&F_spread": f"{_JF}_sd",
    "difference_mean": "difference",
    "difference_low": "difference_low",
    "difference_high": "difference_high",
    "seeds": "seeds",
}
"""Columns of the table `ablation` -> what a variant's metric is called before its benchmark."""
WORDS = {"difference_verdict": "verdict", "expected": "expected", "claim": "claim"}
"""Columns of the table `ablation` -> what a variant's tag is called before its benchmark."""


_ACCURACIES = {*MEASURES, "J", "F", "final_J"}
"""Of the numbers of records and curves, those that are fractions; of bounds, after their names."""


def point(numbers: Mapping[str, float]) -> dict[str, float]:
    """A point of a training curve as pages show it."""
    return {key: _shown(key, value) for key, value in numbers.items()}


def _shown(key: str, value: float) -> float:
    *_, measure = key.split(" ")
    return _in_per_cent(value) if measure in _ACCURACIES else value


def _in_per_cent(fraction: float) -> float:
    """A fraction in per cent, without digits that say nothing."""
    return round(100 * fraction, 4)


def numbers(record: Record) -> dict[str, float]:
    """A record's numeric results, under names that MLflow accepts."""
    kind, benchmark = record["kind"], record["benchmark"]
    measured = benchmark if kind in {"score", "speed"} else None
    return {
        _name(key, measured): _shown(key, float(value))
        for key, value in record["results"].items()
        if isinstance(value, int | float)
    }


def _name(key: str, benchmark: str | None) -> str:
    if benchmark is not None and key == "J&F":
        return f"{_JF}/{benchmark}"
    named = re.sub(r"[^\w. /:-]", "_", key.replace("&", "_and_"))
    return f"{benchmark}/{named}" if benchmark is not None else named


def speed(benchmark: Benchmark, summary: Mapping[str, float | None]) -> dict[str, float]:
    """What a run shows of the speed of its variant, measured or shared with another."""
    shown = {key: summary.get(key) for key in _SPEED}
    return {f"{benchmark}/{key}": value for key, value in shown.items() if value is not None}


def summary(row: Mapping[Hashable, Any]) -> dict[str, float]:
    """The numbers of a variant, from its row in the table `ablation`."""
    benchmark = row["benchmark"]
    named = {column: f"{metric}/{benchmark}" for column, metric in SUMMARIES.items()}
    named |= {column: f"{benchmark}/{column}" for column in ("J_mean", "F_mean")}
    return {
        key: float(row[column]) if column == "seeds" else _in_per_cent(row[column])
        for column, key in named.items()
        if not pd.isna(row[column])
    }


def words(row: Mapping[Hashable, Any]) -> dict[str, str]:
    """What that row says in words, as tags."""
    named = {column: f"{tag}/{row['benchmark']}" for column, tag in WORDS.items()}
    return {key: str(row[column]) for column, key in named.items() if row[column]}
