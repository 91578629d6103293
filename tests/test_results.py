"""What of a study's folder counts: what is in its plan."""

import json
from pathlib import Path
from typing import Any

import pytest
from synthetic_study import build

from rgmp import tables
from rgmp.results import Results, load, seconds_of


@pytest.fixture
def three(tmp_path: Path) -> Path:
    return build(tmp_path, variants=3, frames=6)


def superseded(folder: Path, name: str, **changes: Any) -> None:
    """Leave a record of an earlier plan, made by other code, beside the one called `name`."""
    record = json.loads((folder / "records" / f"{name}.json").read_text())
    record |= {"name": f"{name}-old", **changes}
    record["code"]["sources"] = "7" * 64
    (folder / "records" / f"{name}-old.json").write_text(json.dumps(record))


def cost(results: Results) -> tuple[int, list[str]]:
    """How many trainings the table of costs has, and its notes."""
    table = tables.build(results)[-1]
    return len(table.rows), table.notes


def test_records_of_an_earlier_plan_count_no_more(three: Path) -> None:
    before = load(three)
    training = before.plan.trainings[0].folder
    superseded(three, training)
    superseded(three, "masks/davis2016/full/seed0", seed=7)
    superseded(three, "scores/davis2016/full/seed0", variant="removed")
    superseded(three, "speed/davis2016/full", benchmark="davis2018")
    after = load(three)
    assert after.records == before.records
    assert after.disagreements == []
    assert cost(after) == cost(before)


def test_records_of_no_variant_stay(three: Path) -> None:
    superseded(three, "scores/davis2016/full/seed0", kind="mini", benchmark=None, variant=None)
    assert len(load(three).of_kind("mini")) == 1


def test_a_training_took_all_its_attempts_any_other_job_its_own(three: Path) -> None:
    results = load(three)
    assert {seconds_of(record) for record in results.of_kind("train")} == {123.4}
    assert {seconds_of(record) for record in results.of_kind("infer", "score", "speed")} == {2.5}
