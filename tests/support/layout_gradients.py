"""Gradients of a small network with channels last against contiguous ones, a process each.

Run as a script under the CPU settings to be tried; it prints a line for each case that crashed,
hung, or whose gradients differ. A process of its own for every case: a kernel that writes where it
must not may bring down another case much later.
"""

import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial

import torch

from rgmp.config.method import Network
from rgmp.model.network import RGMP

WIDTHS = (1, 2, 4, 8, 12, 16)
"""Of conv1. Below a vector's 8 or 16 channels is where kernels have failed."""
BOTTLENECK_WIDTHS = (1, 4, 12)
"""Of the networks whose blocks begin and end with a 1x1 convolution."""
CROPS = ((32, 32), (96, 160), (192, 320))
"""Height and width; what is allowed are multiples of 32. With AVX-512 only the largest failed."""
BATCH = 4
"""As many cases fail with oneDNN's strided 1x1 kernel as in a batch of 8; with 1 image, fewer."""
_SECONDS = 60
_TOLERANCE = 1e-3


def gradient(
    backbone: str, width: int, crop: tuple[int, int], layout: torch.memory_format
) -> torch.Tensor:
    """All the gradients of a network of that width, float64 (N,), for a fixed batch."""
    torch.manual_seed(width)
    network = RGMP(
        Network.model_validate({"backbone": backbone, "width": width, "decoder_width": width})
    )
    network = network.to(memory_format=layout).train()
    frame = torch.rand(BATCH, 3, *crop).contiguous(memory_format=layout)
    mask = torch.rand(BATCH, 1, *crop).round()
    logits, _ = network(frame, mask, network.reference(frame, mask))
    logits.square().mean().backward()
    learned = [p.grad.double().flatten() for p in network.parameters() if p.grad is not None]
    return torch.cat(learned)


def difference(backbone: str, width: int, crop: tuple[int, int]) -> float:
    """The largest difference of the two gradients, relative to the largest component."""
    plain = gradient(backbone, width, crop, torch.contiguous_format)
    last = gradient(backbone, width, crop, torch.channels_last)
    return float((plain - last).abs().max() / plain.abs().max())


def fate(work: Callable[[], float]) -> str:
    """What became of a case in a process of its own; empty where its difference is small."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(_SECONDS)
        try:
            found = work()
            said = "" if found < _TOLERANCE else f"gradients differ by {found:g}"
        except BaseException as error:  # this process must not go on as its parent
            said = f"{type(error).__name__}: {error}"
        os.write(writer, said.encode()[:4000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8", errors="replace") as pipe:
        said = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return f"ended by {signal.Signals(-status).name}" if status < 0 else said


def main() -> None:
    torch.set_num_threads(1)  # a process that forks must not have other threads
    gc.freeze()  # else a round of the collector would copy torch into each of them
    cases = [("resnet10", width, crop) for width in WIDTHS for crop in CROPS]
    cases += [("resnet50", width, CROPS[1]) for width in BOTTLENECK_WIDTHS]
    fates = {
        f"{backbone} {width} {crop[0]}x{crop[1]}": fate(partial(difference, backbone, width, crop))
        for backbone, width, crop in cases
    }
    wrong = {case: said for case, said in fates.items() if said}
    print(
        json.dumps({"capability": torch.backends.cpu.get_cpu_capability(), "wrong": wrong}),
        file=sys.stdout,
    )


if __name__ == "__main__":
    main()
