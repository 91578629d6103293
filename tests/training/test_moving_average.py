"""The moving average of weights: known answers, and the plain sum."""

import pytest
import torch
from support.tiny_training import finetune, network

from rgmp.training.moving_average import MovingAverage, decay


def test_the_decay_is_that_of_the_ratio_after_a_short_beginning() -> None:
    assert [decay(1000, 0.1, step) for step in (0, 1, 7)] == pytest.approx([2 / 11, 3 / 12, 0.5])
    assert decay(1000, 0.1, 999) == 0.99
    assert decay(100_000, 0.1, 99_999) == 0.9999
    assert decay(5, 0.1, 4) == 0, "less than a step: the last weights"


def test_it_is_the_plain_weighted_sum_of_the_weights_of_all_steps() -> None:
    settings, ratio = finetune(steps=30, ema_ratio=0.3), 0.3
    net = network()
    average = MovingAverage(net, settings, ratio)
    followed = next(p for p in net.parameters() if p.requires_grad)
    plain = followed.detach().double().clone()
    for step in range(30):
        with torch.no_grad():
            followed.add_(
                torch.randn(followed.shape, generator=torch.Generator().manual_seed(step))
            )
        average.update(step)
        kept = min(1 - 1 / 9, (2 + step) / (11 + step))
        plain = plain.mul(kept).add(followed.detach(), alpha=1 - kept)
    found = next(average.network.parameters())
    torch.testing.assert_close(found.double(), plain, atol=1e-5, rtol=1e-5)
    assert not torch.equal(found, followed)


def test_what_does_not_change_is_kept_bit_by_bit_and_nothing_is_shared() -> None:
    net = network()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    average = MovingAverage(net, finetune(), 0.5)
    for step in range(12):
        average.update(step)
    theirs = average.network.state_dict()
    assert all(torch.equal(theirs[key], value) for key, value in before.items())
    with torch.no_grad():
        for parameter in average.network.parameters():
            parameter.zero_()
    assert all(torch.equal(net.state_dict()[key], value) for key, value in before.items())
    assert not any(p.requires_grad for p in average.network.parameters())
    assert any(p.requires_grad for p in net.parameters())
