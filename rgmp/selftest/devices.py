"""The same weights on the device and on the CPU: the same labels, the same J&F.

The weights are trained on the device by the package's own loop. A CPU would be compared with
itself, which says nothing; there, and beside the GPU, the judge is the same network in double
precision.
"""

import time
from collections.abc import Iterator

import torch

from rgmp.config.method import Inference
from rgmp.model import weights
from rgmp.model.network import RGMP
from rgmp.selftest import small
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Condition, Finding, at_least, at_most

ALIKE = 0.999
"""Least share of pixels that are labelled alike in fp32, wherever it is computed."""
_FOUND = 12.0
"""Least J&F, in per cent: a network that finds nothing labels everything alike on every device.

One that was trained for too short a time had 8.4, that of a CPU has 20.5; other bits give others.
"""
_POINTS = 0.1
"""Largest difference of J&F, in points."""


def section(bench: Bench) -> Iterator[Finding]:
    """Train, segment on the device, on the CPU and in double precision, and compare."""
    extent, began = small.extent_of(bench), time.perf_counter()
    trained = small.trained(bench)
    steps = {"pretrain": extent.pretrain["steps"], "finetune": extent.finetune["steps"]}
    yield Finding("rendering and training", steps, time.perf_counter() - began, "s")
    network, _ = weights.load(trained.weights)
    settings = Inference.model_validate(small.METHOD["inference"])
    cpu = torch.device("cpu")
    ways: dict[str, tuple[RGMP, torch.device]] = {"GPU": (network, bench.device)}
    if not bench.on_gpu:
        ways.clear()
    ways["CPU"] = network, cpu
    ways["CPU in double precision"] = weights.load(trained.weights)[0].double(), cpu
    masks, figures = {}, {}
    for way, (of, device) in ways.items():
        out = bench.work / f"masks-{way.replace(' ', '-')}"
        masks[way] = small.segment(of, settings, device, trained.videos, out)
        figures[way] = small.j_and_f(trained.videos, masks[way])
        yield at_least("J&F", {"computed on": way}, figures[way], _FOUND, "%")
    first, *others = ways
    for other in others:
        compared: dict[str, Condition] = {"on": first, "and on": other}
        alike = small.share_alike(trained.videos, masks[first], masks[other])
        yield at_least("labels equal", compared, alike, ALIKE)
        points = abs(figures[first] - figures[other])
        yield at_most("difference of J&F", compared, points, _POINTS, "points")
