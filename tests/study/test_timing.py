"""What a study times: which variants compute the same, and what makes a timing due again."""

from pathlib import Path
from typing import Any

import pytest
from support.fake_study import build

from rgmp.config.method import Inference
from rgmp.errors import UserError
from rgmp.study.plan import Plan, load_plan
from rgmp.study.planned import PlannedVariant
from rgmp.study.timing import computations, representative, summary_of, timing


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return load_plan(build(tmp_path_factory.mktemp("ten"), variants=10, frames=6))


def with_variant(plan: Plan, name: str, like: str, **changes: Any) -> Plan:
    """A plan with one more variant, before all but the first."""
    new = plan.variant(like).model_copy(update={"name": name, **changes})
    first, *others = plan.variants
    return plan.model_copy(update={"variants": (first, new, *others)})


def names(groups: dict[str, tuple[PlannedVariant, ...]]) -> list[list[str]]:
    return [[variant.name for variant in group] for group in groups.values()]


def test_what_was_trained_otherwise_computes_the_same(ten: Plan) -> None:
    full = ["full", "no_bptt", "no_synthetic"]
    others = [["no_reference"], ["winner_take_all"], ["independent"], ["one_scale"]]
    networks = [["no_guidance"], ["small_kernel_3x3"]]
    assert names(computations(ten, "davis2017")) == [[*full, "frozen_encoder"], *others, *networks]


def test_one_object_has_nothing_to_aggregate(ten: Plan) -> None:
    (full, *others) = names(computations(ten, "davis2016"))
    assert {"winner_take_all", "independent"} < {*full}
    assert others == [["no_reference"], ["one_scale"], ["no_guidance"], ["small_kernel_3x3"]]


def test_each_computation_is_timed_once_and_the_first_again(ten: Plan) -> None:
    job = timing(ten, "davis2017", Path("results/mini"))
    timed = [(computation.name, computation.again) for computation in job.computations]
    others = ["no_reference", "winner_take_all", "independent", "one_scale"]
    once = ["full", *others, "no_guidance", "small_kernel_3x3"]
    assert timed == [*((name, False) for name in once), ("full", True)]
    assert (job.threads, job.seed) == (2, 0)
    assert job.out == Path("results/mini/speed/davis2017.json")


def test_the_plainest_variant_stands_for_a_computation(ten: Plan) -> None:
    network = {"network": {"reference": "none"}}
    plain, more = (
        ten.variant("no_reference").model_copy(update={"name": name, "overrides": overrides})
        for name, overrides in (
            ("plain", network),
            ("more", network | {"finetune": {"skip": [0, 0], "bptt": "none"}}),
        )
    )
    assert representative((more, plain)) is plain
    assert representative((plain, more)) is plain


def test_a_timing_is_due_again_for_what_changes_the_time_alone(ten: Plan) -> None:
    folder = Path("results/mini")

    def digest(plan: Plan) -> str:
        return timing(plan, "davis2017", folder).digest

    before = digest(ten)
    same = [
        with_variant(ten, "another", "no_reference", overrides={"finetune": {"skip": [0, 0]}}),
        with_variant(ten, "another", "no_bptt"),
        ten.model_copy(update={"seeds": (0, 1, 2)}),
        ten.model_copy(update={"title": "Another"}),
    ]
    assert {digest(plan) for plan in same} == {before}
    scaled = Inference(scales=(0.25,))
    other = [
        with_variant(ten, "another", "full", inference=scaled),
        ten.model_copy(update={"speed": ten.speed.model_copy(update={"frames": 7})}),
        ten.model_copy(update={"variants": ten.variants[:-2]}),
    ]
    assert before not in {digest(plan) for plan in other}


def test_every_variant_finds_the_timing_that_it_shares(ten: Plan) -> None:
    for benchmark, same in (("davis2016", True), ("davis2017", False)):
        groups = computations(ten, benchmark)
        file = {
            "computations": [
                {"identity": identity, "again": again, "summary": {"fps": float(number)}}
                for again in (False, True)
                for number, identity in enumerate(groups, start=100 * again)
            ]
        }
        fps = {v.name: summary_of(ten, file, benchmark, v)["fps"] for v in ten.variants}
        assert fps["full"] == fps["no_bptt"] == 0
        assert (fps["winner_take_all"] == 0) is same
        assert fps["one_scale"] not in {0, 100}


def test_what_has_not_been_timed_has_no_summary(ten: Plan) -> None:
    assert summary_of(ten, {"computations": []}, "davis2017", ten.variants[0]) == {}


def test_a_timing_that_there_is_not_is_named(ten: Plan) -> None:
    with pytest.raises(UserError, match=r"^davis2018: no such timing job in results/mini/plan"):
        timing(ten, "davis2018", Path("results/mini"))
