"""Seconds a frame, the package beside the plain reference, in one run.

    python tests/benchmark_inference.py --objects 3

Ratios, since times on a machine that others use are noisy: the contestants take turns, and the
median of each counts. The plain reference computes on the CPU, here in fp32; the package on a GPU
where there is one.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from support.reference_rgmp import Image, propagate, released

from rgmp.config.method import Inference, Network
from rgmp.inference.multiscale import Passes
from rgmp.inference.propagator import Propagator, segment_next
from rgmp.model.network import RGMP
from rgmp.runtime.device import choose


def video(size: tuple[int, int], objects: int) -> tuple[list[Image], Image]:
    """Three frames of noise, and labels with that many boxes."""
    height, width = size
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(3)]
    labels = np.zeros((height, width), np.uint8)
    for i in range(objects):
        labels[i * height // objects : (i + 1) * height // objects - 2, width // 4 : -5] = i + 1
    return frames, labels


def seconds(work: Callable[[], object]) -> float:
    """Seconds of `work`, once."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def contestants(
    network: RGMP, frames: list[Image], labels: Image
) -> dict[str, Callable[[], float]]:
    """What gives each one's seconds for a frame that is not frame 0."""

    def plain() -> float:
        weights = released(network)
        with torch.inference_mode():
            clips = [frames, frames[:2]]  # frame 0 costs both the same
            longer, shorter = (seconds(partial(propagate, weights, c, labels)) for c in clips)
        return longer - shorter

    def ours(precision: str, at_once: int = 99) -> Callable[[], float]:
        settings = Inference.model_validate({"precision": precision})
        passes = partial(Passes, at_once=at_once)
        propagator = Propagator(network, settings, choose("auto"), passes=passes)
        propagator.start(frames[0], labels)
        propagator.step(frames[1])
        return partial(seconds, partial(segment_next, propagator, frames[2]))

    return {
        "plain, fp32": plain,
        "fp32, object by object": ours("fp32", 1),
        "fp32": ours("fp32"),
        "bf16, object by object": ours("bf16", 1),
        "bf16": ours("bf16"),
    }


def main() -> None:
    """Print each one's median and what it is of the plain reference's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs=2, default=(480, 854), metavar=("H", "W"))
    parser.add_argument("--objects", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.manual_seed(0)
    measured = contestants(RGMP(Network()).eval(), *video(options.size, options.objects))
    times: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(options.rounds):
        for name, once in measured.items():
            times[name].append(once())
    plain = statistics.median(times["plain, fp32"])
    for name, found in times.items():
        median = statistics.median(found)
        print(f"{name:22} {median:8.3f} s a frame, {plain / median:5.2f} x plain")


if __name__ == "__main__":
    main()
