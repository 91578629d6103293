"""A CUDA graph of the step for each shape, against the same step without one."""

from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO
from typing import NamedTuple, get_args

import numpy as np

from rgmp.config.method import Aggregation, Inference, Network
from rgmp.data.images import Labels
from rgmp.inference.propagator import Propagator, segment_frames
from rgmp.model.network import RGMP
from rgmp.selftest.bench import Bench
from rgmp.selftest.devices import ALIKE
from rgmp.selftest.finding import Condition, Finding, at_least, required
from rgmp.selftest.scenes import discs, random_network, video


class Shape(NamedTuple):
    """Of a video: height and width in pixels, and how many objects it has."""

    height: int
    width: int
    objects: int


SHAPES = (
    Shape(480, 854, 1),
    Shape(480, 854, 5),
    Shape(240, 427, 3),
    Shape(480, 854, 1),  # a graph that is there already
    Shape(97, 161, 2),
    Shape(854, 480, 3),
)
"""The videos that a propagator segments one after the other."""
_FRAMES = 4
_BACKBONE = "resnet18"
_REFUSED = "no CUDA graph"
"""What the propagator says of a step that cannot be recorded."""


def section(bench: Bench) -> Iterator[Finding]:
    """Compare both ways for every aggregation on videos of changing sizes."""
    network = random_network(Network(backbone=_BACKBONE), bench.seed).to(bench.device)
    for aggregation in get_args(Aggregation):
        yield from compared(bench, network, aggregation, SHAPES)


def compared(
    bench: Bench, network: RGMP, aggregation: Aggregation, shapes: tuple[Shape, ...]
) -> Iterator[Finding]:
    """Segment videos with one propagator that records its steps and with one that does not."""
    settings = Inference(aggregation=aggregation)
    said = StringIO()
    recording = Propagator(network, settings, bench.device)
    eager = Propagator(network, settings, bench.device, graphs=False)
    for number, shape in enumerate(shapes):
        frames = video(_FRAMES, shape.height, shape.width, bench.seed + number)
        with redirect_stderr(said):
            found, wanted = (labels_of(p, frames, shape) for p in (recording, eager))
        here: dict[str, Condition] = {
            "aggregation": aggregation,
            "size": f"{shape.width}x{shape.height}",
            "objects": shape.objects,
        }
        yield at_least("labels equal", here, float(np.mean(found == wanted)), ALIKE)
    messages = " / ".join(said.getvalue().splitlines())
    yield required("every shape recorded", {"aggregation": aggregation}, _REFUSED not in messages)
    if messages:
        yield Finding("messages", {"aggregation": aggregation}, messages)


def labels_of(propagator: Propagator, frames: list[Labels], shape: Shape) -> Labels:
    """The labels of all frames but the first: uint8 (T - 1, H, W)."""
    labels = discs(shape.objects, shape.height, shape.width)
    return np.stack([*segment_frames(propagator, frames, labels)])
