"""What is said of a variant on its page in MLflow."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

from support.fake_study import build

from rgmp.study.plan import load_plan
from rgmp.tracking.sentences import of_variant

ROW: dict[Hashable, Any] = {
    "benchmark": "davis2017",
    "J&F": 0.5,
    "J&F_spread": 0.1,
    "seeds": 2,
    "difference_mean": -0.02,
    "difference_low": -0.03,
    "difference_high": -0.01,
    "difference_verdict": "worse",
    "claim": "undecided",
    "same_data_as": "",
}


def test_a_verdict_over_all_and_the_claim_on_several_objects_say_so(tmp_path: Path) -> None:
    plan = load_plan(build(tmp_path, variants=5, frames=6))
    said = {
        name: of_variant(plan, plan.variant(name), [ROW | {"variant": name}]).rpartition(": ")[2]
        for name in ("winner_take_all", "no_bptt")
    }
    assert said == {
        "winner_take_all": "worse, over all; claim undecided, several objects.",
        "no_bptt": "worse; claim undecided.",
    }


def test_what_repeats_another_benchmark_says_which(tmp_path: Path) -> None:
    plan = load_plan(build(tmp_path, variants=2, frames=6))
    row = ROW | {"variant": "no_bptt", "same_data_as": "davis2016"}
    said = of_variant(plan, plan.variant("no_bptt"), [row])
    assert said.endswith("; claim undecided; same sequences and masks as embedded, foreground.")
