"""Every way to compute the step gives the labels of the eager path; one that fails is said."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import small_workload
from support.videos import CPU, random_network

from rgmp.config.method import Inference, Network
from rgmp.inference.multiscale import Passes
from rgmp.inference.propagator import Propagator
from rgmp.model.network import RGMP
from rgmp.selftest import compiling, scenes, variations, ways, workload
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Finding

SIZE = 45, 70
SMALL = small_workload.SMALL._replace(size=SIZE, frames=3)


@pytest.mark.parametrize(
    ("backbone", "precision"), [("resnet10", "fp32"), ("resnet50", "fp32"), ("resnet10", "bf16")]
)
def test_labels_of_each_way_are_the_eager_ones(backbone: str, precision: str) -> None:
    network = Network.model_validate({"backbone": backbone, "width": 4, "decoder_width": 4})
    settings = Inference.model_validate({"precision": precision})
    made = ways.ways(scenes.random_network(network), settings, CPU)
    wanted = labels_of(made[ways.EAGER](), 2)
    assert len(np.unique(wanted)) == 3, "background and both objects"
    least = 0.999 if precision == "fp32" else 0.97  # bf16 rounds in other places
    for name, maker in made.items():
        assert (labels_of(maker(), 2) == wanted).mean() >= least, name


def labels_of(propagator: Propagator, objects: int) -> np.ndarray[Any, Any]:
    first, *others = scenes.video(4, *SIZE)
    propagator.start(first, scenes.discs(objects, *SIZE))
    return np.stack([propagator.step(frame).numpy() for frame in others])


def test_a_way_differs_from_what_is_built() -> None:
    """Else the comparison would be of a thing with itself."""
    network = random_network()
    settings = Inference()
    built = Passes(network, settings, CPU).network
    assert is_channels_last(built)
    assert not is_channels_last(variations.ChannelsFirstPasses(network, settings, CPU).network)
    whole = variations.unfolded(network, settings, CPU).network
    norms = [sum(isinstance(m, torch.nn.BatchNorm2d) for m in n.modules()) for n in (built, whole)]
    assert norms[0] == 0
    assert norms[1] > 8


def test_every_relu_behind_a_convolution_is_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    original, calls = variations._with_relu, 0

    def counting(*given: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return original(*given)

    monkeypatch.setattr(variations, "_with_relu", counting)
    make = partial(Propagator, random_network(), Inference(), CPU, passes=variations.fused)
    labels_of(make(), 1)
    blocks, residuals = 4 * 2, 7
    passes = 3 * 3  # scales and frames; at each scale the reference is encoded, too
    assert calls == passes * (blocks + residuals) + 3 * blocks


def is_channels_last(network: RGMP) -> bool:
    kernels = [p for p in network.encoder.layer2.parameters() if p.dim() == 4 and p.shape[-1] > 1]
    return all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)


def broken(*_: object) -> Passes:
    raise RuntimeError("no engine found\nfor these strides")


def test_a_way_that_raises_is_said_and_the_others_are_compared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(workload, "of", lambda _: SMALL)
    monkeypatch.setattr(ways, "fused", broken)
    bench = Bench(CPU, tmp_path, tmp_path, time.monotonic() + 60)
    found = list(ways.section(bench))
    (failed,) = [finding for finding in found if finding.holds is False]
    assert failed.conditions["way"] == "ReLU and shortcut in the convolution"
    assert failed.value == "RuntimeError: no engine found"
    alike = {
        f.conditions["way"]: f.value for f in found if f.quantity.startswith("share of pixels")
    }
    assert len(alike) == 5, "all but the eager path itself and the one that failed"
    assert min(float(value) for value in alike.values()) > 0.99
    gains = [f for f in found if f.quantity == "speed relative to what is built"]
    assert len(gains) == 5
    assert all(f.low is not None and f.low < float(f.value) for f in gains)


def slow(*_: object) -> Any:
    time.sleep(60)


def test_compiling_that_takes_too_long_is_ended_and_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("compile_step", "compile_training"):
        monkeypatch.setattr(compiling, name, slow)
    bench = Bench(CPU, tmp_path, tmp_path, time.monotonic() + 8)
    found: list[Finding] = list(compiling.section(bench))
    assert [finding.quantity for finding in found] == [
        f"torch.compile{mode}: no figure" for mode in ("", ", max-autotune-no-cudagraphs", "")
    ]
    assert all(str(finding.value).startswith("TimeoutError: not done") for finding in found)


def test_streams_keep_the_order_of_the_scales() -> None:
    """The mean over scales has the same bits."""
    network: RGMP = scenes.random_network(SMALL.network)
    built = Propagator(network, Inference(), CPU)
    beside = Propagator(network, Inference(), CPU, passes=variations.StreamedPasses)
    for propagator in (built, beside):
        labels_of(propagator, 2)
    assert torch.equal(built._soft, beside._soft)
