"""What tells masks of a sequence from others, and what does not."""

from typing import Any

import numpy as np
import pytest

from rgmp.config.method import Inference
from rgmp.data.images import Labels
from rgmp.inference.identity import identity_of

ONE = np.array([[0, 1, 1], [0, 0, 1]], np.uint8)
TWO = np.array([[0, 1, 2], [0, 0, 1]], np.uint8)
AGGREGATIONS: list[Any] = ["softmax", "winner_take_all", "independent"]


def identity(reference: Labels, threads: int = 1, frames: str = "f", **settings: Any) -> str:
    objects = int(reference.max())
    return identity_of(Inference(**settings), threads, frames, objects, [(0, reference)])


def test_aggregation_tells_masks_of_several_objects_apart_and_of_one_it_does_not() -> None:
    assert len({identity(ONE, aggregation=a) for a in AGGREGATIONS}) == 1
    assert len({identity(TWO, aggregation=a) for a in AGGREGATIONS}) == 3


@pytest.mark.parametrize(
    "change",
    [{"scales": (1.0,)}, {"precision": "bf16"}, {"threads": 2}, {"frames": "g"}],
    ids=str,
)
@pytest.mark.parametrize("reference", [ONE, TWO], ids=["one", "two"])
def test_what_can_change_masks_changes_their_identity(
    reference: Labels, change: dict[str, Any]
) -> None:
    assert identity(reference, **change) != identity(reference)


def test_the_reference_counts_by_its_labels() -> None:
    others = [TWO, 1 - ONE, ONE[:, :2], ONE.reshape(3, 2)]
    assert len({identity(reference) for reference in (ONE, *others)}) == 5
    assert identity(ONE.copy(order="F")) == identity(ONE)


def test_what_is_given_later_counts_with_its_frame() -> None:
    def given(*each: tuple[int, Labels]) -> str:
        return identity_of(Inference(), 1, "f", 2, each)

    found = [((0, ONE),), ((0, ONE), (2, TWO)), ((0, ONE), (3, TWO)), ((1, ONE),)]
    assert len({given(*each) for each in found}) == 4


def test_every_setting_of_inference_is_tried_here() -> None:
    assert Inference.model_fields.keys() == {"scales", "precision", "aggregation"}
