"""The convolutions of a step are all found, with their sizes."""

import time
from pathlib import Path

import pytest
import torch
from support.videos import CPU, random_network, video
from torch import nn

from rgmp.config.method import Inference, Network
from rgmp.inference import speed
from rgmp.inference.propagator import Propagator
from rgmp.selftest import limits, workload
from rgmp.selftest.bench import Bench

SMALL = workload.of(CPU)._replace(
    network=Network(backbone="resnet10", width=4, decoder_width=4),
    size=(45, 70),
    precisions=("fp32",),
)


def test_operations_of_the_convolutions_are_those_of_the_step() -> None:
    """PyTorch counts the same; of ResNet-50 too, with its strided shortcuts and sliced kernels."""
    for backbone in ("resnet10", "resnet50"):
        settings = {"backbone": backbone, "width": 4, "decoder_width": 4}
        network = random_network(Network.model_validate(settings))
        propagator = Propagator(network, Inference(), CPU)
        found = limits.convolutions_of(propagator, SMALL)
        whole = propagator.upload(video(1, *SMALL.size)[0])
        total = sum(each.operations * count for each, count in found.items())
        assert total == propagator.operations(whole)


def test_a_convolution_has_its_operations() -> None:
    """An output of 2x3x4x5 pixels, each of 6x3x3 products."""
    image, kernel = torch.rand(2, 6, 8, 10), torch.rand(3, 6, 3, 3)
    with limits.Convolutions() as counted:
        nn.functional.conv2d(image, kernel, stride=2, padding=1)
        nn.functional.conv2d(image, kernel, stride=2, padding=1)
        nn.functional.conv2d(image, kernel)
    (halved, twice), (whole, once) = counted.found.items()
    assert (halved.operations, twice) == (2 * (2 * 3 * 4 * 5) * (6 * 9), 2)
    assert (whole.operations, once) == (2 * (2 * 3 * 6 * 8) * (6 * 9), 1)


def test_frames_a_second_are_those_of_the_sum(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a machine where every convolution takes a millisecond."""
    monkeypatch.setattr(workload, "of", lambda _: SMALL)
    monkeypatch.setattr(limits, "_seconds", lambda *_: 1e-3)
    monkeypatch.setattr(speed, "matrix_products", lambda *_: 5e9)
    bench = Bench(CPU, tmp_path, tmp_path, time.monotonic() + 100)
    found = {finding.quantity: finding for finding in limits.section(bench)}
    fps = found["frames a second, if a step were its convolutions alone"]
    assert fps.value == pytest.approx(1000 / int(fps.conditions["convolutions"]))
    assert found["operations a second of a large matrix product"].value == pytest.approx(0.005)
    rate = found["operations a second of the step's convolutions alone"].value
    step = found["operations of a step"].value
    assert rate == pytest.approx(float(step) * float(fps.value) / 1e3)


def test_a_precision_that_fails_is_said_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def products(_: torch.device, precision: str) -> float:
        if precision == "bf16":
            raise RuntimeError("no such kernel\nlong story")
        return 1e9

    work = SMALL._replace(precisions=("bf16", "fp32"))
    monkeypatch.setattr(workload, "of", lambda _: work)
    monkeypatch.setattr(limits, "_seconds", lambda *_: 1e-3)
    monkeypatch.setattr(speed, "matrix_products", products)
    bench = Bench(CPU, tmp_path, tmp_path, time.monotonic() + 100)
    of_products = [f for f in limits.section(bench) if "matrix product" in f.quantity]
    failed, other = of_products
    assert failed.value == "RuntimeError: no such kernel"
    assert failed.holds is False
    assert other.value == pytest.approx(0.001)
