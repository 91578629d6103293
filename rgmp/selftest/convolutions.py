"""The convolutions of a step: which they are, and what they take by themselves."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from rgmp.data.images import Labels
from rgmp.inference.propagator import Propagator
from rgmp.runtime.precision import rounding
from rgmp.runtime.precisions import Precision
from rgmp.runtime.timers import seconds_of
from rgmp.selftest.bench import Bench

RUNS = 4
"""How often all convolutions run in a turn: the first time is not counted."""


class Convolution(NamedTuple):
    """A convolution by all that decides its time.

    Attributes:
        image: (B, C, H, W).
        kernel: (O, C, h, w).
        stride: down and right.
        padding: likewise.
        dtype: of both.
    """

    image: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dtype: torch.dtype

    @property
    def operations(self) -> int:
        """Floating-point operations, a multiplication and an addition counted as two."""
        batch, _, *size = self.image
        pixels = [
            (size[i] + 2 * self.padding[i] - self.kernel[2 + i]) // self.stride[i] + 1
            for i in range(2)
        ]
        return int(2 * batch * np.prod(pixels) * np.prod(self.kernel))


class Convolutions(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the convolutions that run while it is on, in order, whoever calls them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[Convolution] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Note a convolution, and run what was called."""
        if func in _CONVOLVE:  # in inference mode the first of them is not taken apart
            image, kernel = args[:2]
            stride, padding = ((*args, *_DEFAULTS[len(args) :])[i] for i in (3, 4))
            self.found.append(
                Convolution(
                    tuple(image.shape),
                    tuple(kernel.shape),
                    tuple(stride),
                    tuple(padding),
                    image.dtype,
                )
            )
        return func(*args, **(kwargs or {}))


_CONVOLVE = torch.ops.aten.conv2d.default, torch.ops.aten.convolution.default
_DEFAULTS = (None, None, None, (1, 1), (0, 0))
"""Of both: image, kernel, bias, stride and padding."""


def convolutions_of(
    propagator: Propagator, frames: Sequence[Labels], labels: Labels
) -> list[Convolution]:
    """The convolutions of a step, in their order.

    Args:
        propagator: one that does not replay its steps: replayed ones call nothing.
        frames: two, each uint8 (H, W, 3).
        labels: of the first, uint8 (H, W).
    """
    propagator.start(frames[0], labels)
    whole = propagator.upload(frames[1])
    with torch.inference_mode(), Convolutions() as noted:
        propagator.segment(whole)
    found: list[Convolution] = noted.found
    return found


class Alone:
    """Convolutions one after another with nothing between them, without their biases.

    They are those of cuDNN on a GPU, in channels-last memory, as one CUDA graph; every shape has
    operands of its own, which are random.
    """

    def __init__(self, bench: Bench, wanted: Sequence[Convolution], precision: Precision) -> None:
        """Make the operands, and run all of them."""
        self._device = bench.device
        self._wanted = wanted
        self._operands = {each: self._random(each) for each in wanted}
        with rounding(precision):
            self._work = self._captured()

    def _random(self, convolution: Convolution) -> tuple[Tensor, Tensor]:
        image, kernel = (
            torch.rand(shape, device=self._device)
            .to(convolution.dtype)
            .contiguous(memory_format=torch.channels_last)
            for shape in (convolution.image, convolution.kernel)
        )
        return image, kernel

    @torch.inference_mode()
    def _run(self) -> None:
        for each in self._wanted:
            image, kernel = self._operands[each]
            F.conv2d(image, kernel, stride=each.stride, padding=each.padding)

    def _captured(self) -> Callable[[], object]:
        """All of them as a CUDA graph, which launches without Python between; on a CPU as is."""
        self._run()  # here cuDNN chooses its algorithms, which it cannot in the capture
        if self._device.type != "cuda":
            return self._run
        torch.cuda.synchronize(self._device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._run()
        return graph.replay

    def times(self) -> list[float]:
        """Seconds of all of them, again and again, after a run that is not counted."""
        _, *counted = (seconds_of(self._work, self._device) for _ in range(RUNS))
        return counted
