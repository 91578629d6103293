"""Several objects' probabilities become one label a pixel, as the facts say."""

import math
from itertools import product
from typing import get_args

import pytest
import torch
from torch import Tensor

from rgmp.config.method import Aggregation, Inference
from rgmp.inference.aggregation import aggregate, needs_union

ALL: tuple[Aggregation, ...] = get_args(Aggregation)


def pixel(values: list[float], union: float | None, aggregation: Aggregation) -> tuple[Tensor, int]:
    """The soft result and the label of one pixel."""
    shared = None if union is None else torch.tensor([[union]])
    soft, labels = aggregate(torch.tensor(values).view(-1, 1, 1), shared, aggregation)
    assert soft.shape == (len(values), 1, 1)
    assert labels.dtype == torch.uint8
    return soft.flatten(), int(labels)


def test_the_three_are_those_that_a_study_can_name() -> None:
    assert get_args(Inference.model_fields["aggregation"].annotation) == ALL


def test_only_softmax_of_several_needs_the_union() -> None:
    needing = {(a, m) for a, m in product(ALL, (1, 2, 10)) if needs_union(a, m)}
    assert needing == {("softmax", 2), ("softmax", 10)}


@pytest.mark.parametrize("aggregation", ALL)
def test_one_object_is_itself_above_a_half(aggregation: Aggregation) -> None:
    p = torch.tensor([[[0.0, 0.4, 0.5, math.nextafter(0.5, 1) + 1e-7, 1.0]]])
    soft, labels = aggregate(p, None, aggregation)
    assert torch.equal(soft, p)
    assert labels.tolist() == [[0, 0, 0, 1, 1]]


def test_softmax_shares_a_pixel_by_the_odds() -> None:
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(3, 7, 5, generator=generator)
    union = torch.rand(7, 5, generator=generator)
    soft, labels = aggregate(p, union, "softmax")
    for y, x in product(range(7), range(5)):
        q = [1 - float(union[y, x]), *p[:, y, x].tolist()]
        odds = [v / (1 - v) for v in q]
        shares = [o / sum(odds) for o in odds]
        assert soft[:, y, x].tolist() == pytest.approx(shares[1:], rel=1e-4, abs=1e-6)
        assert int(labels[y, x]) == shares.index(max(shares))
    assert set(labels.flatten().tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize("values", list(product([0.0, 0.5, 1.0], repeat=3)))
def test_softmax_of_certainties_is_finite_and_sums_to_less_than_one(
    values: tuple[float, ...],
) -> None:
    objects, union = list(values[:2]), values[2]
    soft, label = pixel(objects, union, "softmax")
    assert bool(((soft >= 0) & (soft <= 1)).all())
    assert float(soft.sum()) <= 1 + 1e-6
    q = [1 - union, *objects]
    assert label == q.index(max(q))


def test_softmax_clamps_at_a_ten_millionth() -> None:
    soft, _ = pixel([1.0, 0.5], 0.5, "softmax")
    certain = (1 - 1e-7) / 1e-7
    assert float(soft[1]) == pytest.approx(1 / (certain + 2), rel=0.25)  # float32 near 1
    assert float(pixel([0.0, 0.0], 1.0, "softmax")[0][0]) == pytest.approx(1 / 3, rel=1e-5)


def test_softmax_can_label_below_a_half() -> None:
    assert pixel([0.4, 0.3], 0.8, "softmax")[1] == 1
    assert pixel([0.4, 0.3], None, "independent")[1] == 0


def test_independent_changes_nothing_and_labels_the_most_probable() -> None:
    soft, label = pixel([0.6, 0.9, 0.7], None, "independent")
    assert soft.tolist() == pytest.approx([0.6, 0.9, 0.7])
    assert label == 2
    assert pixel([0.5, 0.2], None, "independent")[1] == 0


def test_winner_takes_all() -> None:
    soft, label = pixel([0.6, 0.9, 0.7], None, "winner_take_all")
    assert soft.tolist() == pytest.approx([0, 0.9, 0])
    assert label == 2
    soft, label = pixel([0.3, 0.1], None, "winner_take_all")
    assert soft.tolist() == pytest.approx([0.3, 0])
    assert label == 0


@pytest.mark.parametrize("aggregation", ["winner_take_all", "independent"])
def test_of_equals_the_first_wins(aggregation: Aggregation) -> None:
    soft, label = pixel([0.8, 0.8], None, aggregation)
    assert label == 1
    assert soft.tolist() == pytest.approx([0.8, 0.0 if aggregation == "winner_take_all" else 0.8])


@pytest.mark.parametrize("aggregation", ALL)
def test_input_is_left_as_it_was(aggregation: Aggregation) -> None:
    p = torch.rand(2, 4, 4)
    before = p.clone()
    aggregate(p, p.sum(0).clamp(max=1) if aggregation == "softmax" else None, aggregation)
    assert torch.equal(p, before)
