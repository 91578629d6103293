"""On what a comparison rests, where that is not plain from its row."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

from support.fake_study import build

from rgmp.study.compared_data import is_over_all
from rgmp.study.plan import load_plan


def test_over_all_is_what_differs_on_several_objects_alone(tmp_path: Path) -> None:
    plan = load_plan(build(tmp_path, variants=6, frames=6, external=True))
    names = [*(variant.name for variant in plan.variants), "painter", "floor"]
    rows: list[dict[Hashable, Any]] = [
        {"benchmark": b, "variant": name} for b in plan.benchmarks for name in names
    ]
    found = [(row["benchmark"], row["variant"]) for row in rows if is_over_all(plan, row)]
    assert found == [("davis2017", "winner_take_all"), ("davis2017", "independent")]
    parts = [row | {"difficulty": name} for row in rows for name in ("several objects", "fast")]
    assert not any(is_over_all(plan, row) for row in parts)
    whole = [row | {"difficulty": empty} for row in rows for empty in ("", float("nan"))]
    assert sum(is_over_all(plan, row) for row in whole) == 2 * len(found)
