"""What has to be the same in two studies whose results are compared. Needs no pandas."""

from typing import Any

from rgmp.config.base import Benchmark
from rgmp.config.dataset import Dataset
from rgmp.study.plan import Plan


def data_of(plan: Plan, benchmark: Benchmark) -> dict[str, Any]:
    """What identifies the pictures behind the names of a benchmark's sequences.

    Of a DAVIS tree the digest does not: it is of the whole split, whose common part is compared.
    Frames of the same name, objects and number are taken to be the same there.
    """
    described = plan.data.sets.get(benchmark)
    rendered = plan.data.digests[f"{benchmark}/{plan.split}"][:10] if plan.embedded else None
    return {
        "split": plan.split,
        "resolution": plan.data.resolution,
        "seed of the rendering": plan.data.mini_seed,
        "digest of the rendering": rendered,
        **({"data set": _read_and_scored(described.dataset)} if described else {}),
    }


def _read_and_scored(dataset: Dataset) -> dict[str, Any]:
    """What of a description changes the scores of the same masks on the same files."""
    return {**dataset.meaning, "score_last": dataset.score_last}


def first_difference(ours: dict[str, Any], theirs: dict[str, Any]) -> tuple[str, Any, Any] | None:
    """The first key whose values differ, and both values; None where all are the same."""
    keys = dict.fromkeys([*ours, *theirs])
    pairs = ((key, ours.get(key), theirs.get(key)) for key in keys)
    return next((found for found in pairs if found[1] != found[2]), None)
