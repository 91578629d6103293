"""What the numbers of a study are called in MLflow.

The name of J&F begins with its measure, `J_and_F/davis2016`, that of any other with its benchmark,
`davis2016/F_decay`: MLflow sorts names by their bytes, capitals first, and its comparison and
charts open on the first. A name means the same in every run: a score in that of a job, a seed or,
as the mean over seeds, a variant.
"""

import re
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from rgmp.config.base import Benchmark
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


def numbers(record: Record) -> dict[str, float]:
    """A record's numeric results, under names that MLflow accepts."""
    kind, benchmark = record["kind"], record["benchmark"]
    measured = benchmark if kind in {"score", "speed"} else None
    return {
        _name(key, measured): float(value)
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
    return {key: float(row[column]) for column, key in named.items() if not pd.isna(row[column])}


def words(row: Mapping[Hashable, Any]) -> dict[str, str]:
    """What that row says in words, as tags."""
    named = {column: f"{tag}/{row['benchmark']}" for column, tag in WORDS.items()}
    return {key: str(row[column]) for column, key in named.items() if row[column]}
