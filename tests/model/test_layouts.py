"""Maps with channels last change no gradient, on whatever CPU: kernels have failed there."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from support.layout_gradients import fate
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from rgmp.config.method import Network
from rgmp.model.network import RGMP

SETTINGS = {
    "native": {},
    "AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
    "AVX512": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "ATEN_CPU_CAPABILITY": "avx512"},
}


NATIVE_IS_MORE = torch.cpu._is_avx512_supported() and torch.cpu._is_amx_tile_supported()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "native",
        "AVX2",
        pytest.param(
            "AVX512",
            marks=pytest.mark.skipif(not NATIVE_IS_MORE, reason="none, or it is the native one"),
        ),
    ],
)
def test_gradients_are_those_of_contiguous_maps(name: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in SETTINGS["AVX2"]}
    command = [sys.executable, str(Path(__file__).parents[1] / "support/layout_gradients.py")]
    done = subprocess.run(
        command, env=environment | SETTINGS[name], capture_output=True, timeout=600, check=True
    )
    found = json.loads(done.stdout)
    if name != "native" and found["capability"] != name:
        pytest.skip(f"this CPU has no {name}: PyTorch uses {found['capability']}")
    assert not found["wrong"]


def test_what_became_of_a_case_is_told() -> None:
    def fail() -> float:
        raise ValueError("no such layout")

    def die() -> float:
        signal.raise_signal(signal.SIGKILL)
        return 0.0

    assert fate(lambda: 0.0) == ""
    assert fate(lambda: 0.5) == "gradients differ by 0.5"
    assert fate(lambda: math.nan) == "gradients differ by nan"
    assert fate(fail) == "ValueError: no such layout"
    assert fate(die) == "ended by SIGKILL"


class _Convolutions(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the kernel size and the stride of every convolution that is computed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[tuple[tuple[int, ...], tuple[int, ...]]] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.ops.aten.convolution.default:
            weight: Tensor = args[1]
            self.seen.add((tuple(weight.shape[2:]), tuple(args[3])))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("backbone", ["resnet10", "resnet50"])
def test_no_1x1_convolution_is_strided(backbone: str) -> None:
    """oneDNN's writes beyond its workspace in the backward pass (uxlfoundation/oneDNN 6035)."""
    network = RGMP(Network.model_validate({"backbone": backbone, "width": 4, "decoder_width": 4}))
    frame, mask = torch.rand(1, 3, 32, 64), torch.rand(1, 1, 32, 64)
    with _Convolutions() as convolutions:
        network(frame, mask, network.reference(frame, mask))
    assert ((3, 3), (2, 2)) in convolutions.seen
    assert ((1, 1), (1, 1)) in convolutions.seen
    assert ((1, 1), (2, 2)) not in convolutions.seen
