"""The convolutions of a step are all found, with their sizes, and run by themselves."""

import time
from pathlib import Path

import torch
from support.videos import CPU, random_network, video
from torch import nn

from rgmp.config.method import Inference, Network
from rgmp.inference.propagator import Propagator
from rgmp.selftest.bench import Bench
from rgmp.selftest.convolutions import (
    RUNS,
    Alone,
    Convolution,
    Convolutions,
    convolutions_of,
)
from rgmp.selftest.scenes import discs

SIZE = 45, 70


def test_operations_of_the_convolutions_are_those_of_the_step() -> None:
    """PyTorch counts the same; of ResNet-50 too, with its strided shortcuts and sliced kernels."""
    for backbone in ("resnet10", "resnet50"):
        settings = {"backbone": backbone, "width": 4, "decoder_width": 4}
        network = random_network(Network.model_validate(settings))
        propagator = Propagator(network, Inference(), CPU)
        frames = video(2, *SIZE)
        found = convolutions_of(propagator, frames, discs(1, *SIZE))
        total = sum(each.operations for each in found)
        assert total == propagator.operations(propagator.upload(frames[1]))


def test_a_convolution_has_its_operations() -> None:
    """An output of 2x3x4x5 pixels, each of 6x3x3 products."""
    image, kernel = torch.rand(2, 6, 8, 10), torch.rand(3, 6, 3, 3)
    with Convolutions() as noted:
        nn.functional.conv2d(image, kernel, stride=2, padding=1)
        nn.functional.conv2d(image, kernel)
        nn.functional.conv2d(image, kernel, stride=2, padding=1)
    halved, whole, again = noted.found
    assert halved == again
    assert halved.operations == 2 * (2 * 3 * 4 * 5) * (6 * 9)
    assert whole.operations == 2 * (2 * 3 * 6 * 8) * (6 * 9)


def test_all_of_them_run_in_their_order_and_memory(tmp_path: Path) -> None:
    wanted = [
        Convolution((1, 4, 8, 6), (2, 4, 3, 3), (2, 2), (1, 1), torch.float32),
        Convolution((1, 4, 8, 6), (2, 4, 1, 1), (1, 1), (0, 0), torch.bfloat16),
        Convolution((1, 4, 8, 6), (2, 4, 3, 3), (2, 2), (1, 1), torch.float32),
    ]
    alone = Alone(Bench(CPU, tmp_path, tmp_path, time.monotonic() + 9), wanted, "fp32")
    with Convolutions() as noted:
        times = alone.times()
    assert len(times) == RUNS - 1
    assert noted.found[:3] == wanted
    assert len(noted.found) % 3 == 0
    for operands in alone._operands.values():
        assert all(t.is_contiguous(memory_format=torch.channels_last) for t in operands)
