"""Memory by the number of objects: what a frame takes, and what each further object adds."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from rgmp.config.method import Inference, Network
from rgmp.inference.probes import growth_of_frames, memory_by_length
from rgmp.inference.propagator import Propagator
from rgmp.provenance.machine import peak_memory
from rgmp.runtime.precisions import Precision
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Condition, Finding, at_most
from rgmp.selftest.scenes import discs, random_network, video

OBJECTS = (1, 2, 3, 4, 5)
_FRAMES = 3
_MIB = 2**20
_GROWTH = 0.5
"""Most bytes a pixel that a further frame may add, on a GPU, where they can be counted: a label map
of a frame that is kept would be 1."""


class Size(NamedTuple):
    """What is run: a network on frames of that size, in those precisions."""

    network: Network
    height: int
    width: int
    scales: tuple[float, ...]
    precisions: tuple[Precision, ...]


ON_GPU = Size(Network(), 480, 854, (0.5, 0.75, 1.0), ("fp32", "bf16"))
ON_CPU = Size(Network(backbone="resnet18"), 120, 214, (1.0,), ("fp32",))


def section(bench: Bench) -> Iterator[Finding]:
    """The peak of every number of objects, and the line through them, in every precision.

    On a GPU that is what PyTorch reserves for one propagator and its CUDA graph, without the search
    for algorithms that comes first. On a CPU it is the peak of the whole process so far, and so
    only grows with the number of objects.
    """
    size = ON_GPU if bench.on_gpu else ON_CPU
    network = random_network(size.network, bench.seed).to(bench.device)
    frames = video(_FRAMES, size.height, size.width, bench.seed)
    for precision in size.precisions:
        settings = Inference(scales=size.scales, precision=precision)
        conditions: dict[str, Condition] = {
            "backbone": size.network.backbone,
            "size": f"{size.width}x{size.height}",
            "scales": len(size.scales),
            "precision": precision,
        }
        peaks = []
        for objects in OBJECTS:
            labels = discs(objects, size.height, size.width)
            propagator, used = memory_by_length(
                partial(Propagator, network, settings, bench.device), frames, labels
            )
            peaks.append((used.long_bytes if bench.on_gpu else peak_memory()) / _MIB)
            here = {**conditions, "objects": objects}
            yield Finding("peak memory", here, peaks[-1], "MiB")
            if bench.on_gpu:
                growth = growth_of_frames(propagator, frames, labels) / labels.size
                yield at_most("memory of a further frame", here, growth, _GROWTH, "bytes/pixel")
            del propagator
            bench.release()
        per_object, fixed = np.polyfit(OBJECTS, peaks, 1)
        yield Finding("memory of each object", conditions, float(per_object), "MiB")
        yield Finding("memory beside the objects", conditions, float(fixed), "MiB")
