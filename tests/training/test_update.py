"""One step of the optimiser."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.tiny_training import clip, finetune, network, pretrain

from rgmp.config.method import Compute
from rgmp.data.roots import DataRoots
from rgmp.data.sample import IGNORE, Sample
from rgmp.model.network import RGMP
from rgmp.runtime.distributed import ALONE, Team
from rgmp.training.job import TrainingJob
from rgmp.training.update import Update


def made_update(
    net: RGMP, settings: Any, accumulate: int = 1, precision: Any = "fp32", team: Team = ALONE
) -> Update:
    nowhere = Path("nowhere")
    job = TrainingJob(
        identity="",
        seed=0,
        network=net.settings,
        settings=settings,
        compute=Compute(accumulate=accumulate, precision=precision),
        data=DataRoots(davis=nowhere),
        folder=nowhere,
    )
    return Update(net, job, team)


def test_of_several_processes_one_says_that_a_precision_is_slow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rgmp.runtime.precision.cpu_has_bf16", lambda: False)
    for team, lines in ((ALONE, 1), (Team(rank=1), 0)):
        assert made_update(network(), finetune(), precision="bf16", team=team).precision == "bf16"
        assert capsys.readouterr().err.count("\n") == lines


def test_in_every_window_the_optimiser_steps_and_the_reference_is_encoded_anew() -> None:
    settings = finetune(frames=(4, 4), frames_per_update=1, learning_rate=1e-2)
    net, sample, encoded = network(), clip(), []
    net.encoder.register_forward_hook(lambda _, __, pyramid: encoded.append(pyramid.r5.detach()))
    update, steps = made_update(net, settings), []
    update.optimiser.register_step_pre_hook(lambda *_: steps.append(1))
    loss, _, norm = update(0, [sample]).tolist()
    assert len(steps) == 3
    assert len(encoded) == 6
    assert not torch.equal(encoded[0], encoded[2])
    assert loss > 0
    assert norm > 0


def test_parts_of_a_batch_give_the_gradient_of_the_whole() -> None:
    """Also where the parts know different shares of their pixels."""
    sample, gradients = clip(batch=4), []
    sample.masks[2:, 1:, :30] = IGNORE
    halves = [Sample(*(t[i::2] for t in sample)) for i in (0, 1)]
    for parts in ([sample], halves):
        net = network()
        outcome = made_update(net, finetune(), accumulate=len(parts))(0, parts)
        gradients.append([*(p.grad for p in net.parameters() if p.grad is not None), outcome])
    for whole, summed in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, summed, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "kind", "expected"),
    [
        ({"optimiser": "sgd", "weight_decay": 0.1}, torch.optim.SGD, {"momentum": 0.9}),
        ({"optimiser": "adam", "momentum": 0.8}, torch.optim.Adam, {"betas": (0.8, 0.999)}),
        ({"optimiser": "adamw", "weight_decay": 0.1}, torch.optim.AdamW, {"weight_decay": 0.1}),
    ],
)
def test_the_optimiser_is_the_one_that_is_named(
    settings: Any, kind: type, expected: dict[str, Any]
) -> None:
    update = made_update(network(), pretrain(**settings))
    assert type(update.optimiser) is kind
    (group,) = update.optimiser.param_groups
    assert group.items() >= expected.items()
    assert group["weight_decay"] == settings.get("weight_decay", 0)
    update(11, [clip(frames=2)])
    assert group["lr"] == pytest.approx(1e-4)  # of the last step


def test_a_step_of_sgd_is_the_learning_rate_times_the_clipped_gradient() -> None:
    net = network()
    before = [p.detach().clone() for p in net.parameters() if p.requires_grad]
    settings = pretrain(optimiser="sgd", learning_rate=0.5, clip_gradient=0.01)
    _, _, norm = made_update(net, settings)(0, [clip(frames=2)]).tolist()
    moved = [
        (p.detach() - b).norm()
        for p, b in zip((p for p in net.parameters() if p.requires_grad), before, strict=True)
    ]
    assert norm > 0.01
    assert torch.stack(moved).norm().item() == pytest.approx(0.5 * 0.01, rel=1e-3)
