"""The limit that can be had: a large matrix product, and the step's own convolutions alone."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from rgmp.config.method import Inference
from rgmp.inference import speed
from rgmp.inference.propagator import Propagator
from rgmp.runtime.precisions import Precision
from rgmp.selftest import workload
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Condition, Finding
from rgmp.selftest.scenes import discs, random_network, video
from rgmp.selftest.turns import failed, reason_of
from rgmp.selftest.workload import Workload

_BURST = {"cuda": 20, "cpu": 1}
"""How often a convolution runs between two looks at the clock: one alone takes microseconds."""
_REPEATS = 5


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
    """Counts the convolutions that run while it is on, whoever calls them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: Counter[Convolution] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Note a convolution, and run what was called."""
        if func in _CONVOLVE:  # in inference mode the first of them is not taken apart
            image, kernel = args[:2]
            stride, padding = ((*args, *_DEFAULTS[len(args) :])[i] for i in (3, 4))
            self.found[
                Convolution(
                    tuple(image.shape),
                    tuple(kernel.shape),
                    tuple(stride),
                    tuple(padding),
                    image.dtype,
                )
            ] += 1
        return func(*args, **(kwargs or {}))


_CONVOLVE = torch.ops.aten.conv2d.default, torch.ops.aten.convolution.default
_DEFAULTS = (None, None, None, (1, 1), (0, 0))
"""Of both: image, kernel, bias, stride and padding."""


def section(bench: Bench) -> Iterator[Finding]:
    """Measure what the device can do, in every precision."""
    work = workload.of(bench.device)
    for precision in work.precisions:
        conditions: dict[str, Condition] = {"precision": precision}
        try:
            rate = speed.matrix_products(bench.device, precision)
        except Exception as error:  # the others go on
            yield failed("matrix product", conditions, reason_of(error))
            continue
        rows = speed.PRODUCT_SIZES[bench.device.type]
        yield Finding(
            "operations a second of a large matrix product",
            {**conditions, "rows": rows},
            rate / 1e12,
            "TFLOP/s",
        )
    network = random_network(work.network, bench.seed)
    for precision in work.precisions:
        settings = Inference(scales=work.scales[0], precision=precision)
        conditions = {
            "precision": precision,
            "scales": len(work.scales[0]),
            "objects": 1,
        }
        try:
            propagator = Propagator(network, settings, bench.device, graphs=False)
            found = convolutions_of(propagator, work)
            yield from _alone(bench, found, precision, conditions)
        except Exception as error:  # the others go on
            yield failed("convolutions alone", conditions, reason_of(error))


def convolutions_of(propagator: Propagator, work: Workload) -> Counter[Convolution]:
    """The convolutions of a step for a frame with one object, and how often each runs.

    Args:
        propagator: one that does not replay its steps: replayed ones call nothing.
        work: whose size the frame has.
    """
    first, second = video(2, *work.size)
    propagator.start(first, discs(1, *work.size))
    whole = propagator.upload(second)
    with torch.inference_mode(), Convolutions() as counted:
        propagator.segment(whole)
    found: Counter[Convolution] = counted.found
    return found


def _alone(
    bench: Bench,
    found: Counter[Convolution],
    precision: Precision,
    conditions: Mapping[str, Condition],
) -> Iterator[Finding]:
    """What these convolutions take, each alone."""
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    seconds = {each: _seconds(bench, each) for each in found}
    total = sum(seconds[each] * count for each, count in found.items())
    operations = sum(each.operations * count for each, count in found.items())
    count = {"convolutions": found.total(), "shapes": len(found)}
    yield Finding(
        "frames a second, if a step were its convolutions alone",
        {**conditions, **count},
        1 / total,
        "frames/s",
    )
    yield Finding(
        "operations a second of the step's convolutions alone",
        conditions,
        operations / total / 1e12,
        "TFLOP/s",
    )
    yield Finding("operations of a step", conditions, operations / 1e9, "GFLOP")
    slowest = sorted(found, key=lambda each: seconds[each] * found[each], reverse=True)[:5]
    for each in slowest:
        yield Finding(
            "share of a step's convolutions",
            {
                "precision": precision,
                "image": "x".join(map(str, each.image)),
                "kernel": "x".join(map(str, each.kernel)),
                "times": found[each],
                "TFLOP/s": round(each.operations / seconds[each] / 1e12, 3),
            },
            seconds[each] * found[each] / total,
        )


@torch.inference_mode()
def _seconds(bench: Bench, convolution: Convolution) -> float:
    """Seconds of a convolution in channels-last memory, without its bias: the least of some.

    Its operands are the same each time, so that small ones stay in a GPU's cache: a limit.
    """

    def random(shape: tuple[int, ...]) -> Tensor:
        made = torch.rand(shape, device=bench.device).to(convolution.dtype)
        return made.contiguous(memory_format=torch.channels_last)

    image, kernel = random(convolution.image), random(convolution.kernel)
    burst = _BURST[bench.device.type]

    def run() -> None:
        for _ in range(burst):
            F.conv2d(image, kernel, stride=convolution.stride, padding=convolution.padding)

    work = _captured(bench, run)
    return min(speed.seconds_of(work, bench.device) for _ in range(_REPEATS)) / burst


def _captured(bench: Bench, run: Callable[[], None]) -> Callable[[], object]:
    """The same as a CUDA graph, which launches without Python between; on a CPU as it is."""
    run()
    if not bench.on_gpu:
        return run
    bench.synchronise()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay
