"""Choose a precision that the device is fast in, warn about a slow choice, and round as it says."""

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rgmp.runtime.precisions import AskedPrecision, Precision

_AMPERE = (8, 0)
"""The first GPUs with TF32 and bfloat16 in their tensor cores (compute capability)."""
_WITHOUT_BF16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"}
"""Values of ONEDNN_MAX_CPU_ISA that disable bfloat16 instructions (oneDNN's manual)."""


def choose(
    asked: AskedPrecision, device: torch.device, training: bool, warns: bool = True
) -> Precision:
    """The precision to compute in; warns on standard error if the requested one is slow.

    `auto` is bf16 if the device has instructions for it, else fp32. In training on a CPU it is
    always fp32: with AVX512-BF16 a step in bf16 took 0.9 to 1.0 times as long as in fp32, but a
    frame at inference half as long.

    Args:
        asked: the setting.
        device: where to compute.
        training: whether the network is trained, or only run.
        warns: whether this process does; of those that share a training run one alone.
    """
    if asked == "auto":
        worthwhile = _has_bf16(device) and not (training and device.type == "cpu")
        return "bf16" if worthwhile else "fp32"
    if warns and asked == "bf16" and not _has_bf16(device):
        _warn(f"bf16: this {_kind(device)} has no bf16 instructions, so fp32 is faster")
    if warns and asked == "tf32" and not _has_tf32(device):
        _warn(f"tf32: this {_kind(device)} does not support it and computes in fp32")
    return asked


@contextmanager
def rounding(precision: Precision) -> Iterator[None]:
    """A block in which the products of fp32 are rounded as tf32 has them, or are not.

    Those of convolutions and of matrices have a setting each.
    """
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    convolutions.allow_tf32 = products.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before


def _warn(problem: str) -> None:
    advice = "`auto` chooses what the device is fast at"
    print(f"rgmp: warning: precision {problem}; {advice}", file=sys.stderr, flush=True)


def _kind(device: torch.device) -> str:
    return "CPU" if device.type == "cpu" else "GPU"


def _has_tf32(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= _AMPERE


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= _AMPERE
    held_back = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in _WITHOUT_BF16
    return cpu_has_bf16() and not held_back


def cpu_has_bf16() -> bool:
    """Whether the CPU has bfloat16 products; emulated, each costs several fp32 ones."""
    if platform.machine() not in {"x86_64", "AMD64"}:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    # on x86 this is also true for AVX-512 without BF16, where oneDNN emulates it
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
