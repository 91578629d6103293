import pytest
from support.fake_study import build

from rgmp.config.method import Inference
from rgmp.study.paper_order import paper_order
from rgmp.study.plan import Plan, load_plan
from rgmp.study.results import load


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder = build(tmp_path_factory.mktemp("ten"), variants=10, seeds=(0,), frames=5)
    assert load(folder).variants == paper_order(load_plan(folder))
    return load_plan(folder)


def test_variants_stand_by_the_part_of_the_method_that_they_change(plan: Plan) -> None:
    assert paper_order(plan) == [
        "full",
        *("no_guidance", "no_reference", "small_kernel_3x3"),  # the network
        "no_synthetic",  # stage 1
        *("independent", "one_scale", "winner_take_all"),  # inference
        *("frozen_encoder", "no_bptt"),  # of which the plan shows no change
    ]


def test_the_order_does_not_depend_on_that_of_the_plan(plan: Plan) -> None:
    full, *others = plan.variants
    turned = plan.model_copy(update={"variants": (*reversed(others), full)})
    assert paper_order(turned) == paper_order(plan)


def test_a_given_network_has_its_place_by_inference(plan: Plan) -> None:
    """Where nothing is trained, only inference can differ."""
    given = tuple(
        variant.model_copy(
            update={
                "runs": tuple(run.model_copy(update={"trainings": ()}) for run in variant.runs),
                "inference": Inference(scales=(1.0,)) if variant.name == "no_bptt" else Inference(),
            }
        )
        for variant in plan.variants
    )
    order = paper_order(plan.model_copy(update={"variants": given, "trainings": ()}))
    assert order[:2] == ["full", "no_bptt"]
    assert order[2:] == sorted(order[2:])
