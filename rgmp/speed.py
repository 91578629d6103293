"""Seconds a frame, by one protocol for every variant.

What is timed decides the figure, so two are given, raw times with both:

- `network`: a frame on the device, padded, to labels on the device; frame 0 apart. Nothing is read,
  decoded, transferred or written.
- `clip`: as the authors counted (facts/rgmp.md, "Inference"): wall time of a whole clip over its
  frames, frame 0 among them, transfers in and labels back. Frames are decoded before; nothing is
  written.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from rgmp import davis
from rgmp.progress import Progress
from rgmp.propagation import Propagator

Clip = tuple[str, list[davis.Labels], davis.Labels]
"""A sequence's name, its frames, and the labels of frame 0."""

_WARM_UP_FRAMES = 2


def measure(
    propagator: Propagator, clips: list[Clip], repeats: int, device: torch.device
) -> dict[str, Any]:
    """Time every clip `repeats` times; before each, a warm-up on its own shape.

    Args:
        propagator: of the variant.
        clips: each of at least two frames.
        repeats: how often each clip is timed.
        device: on which `propagator` computes.

    Returns:
        `clips` with the raw seconds, and `summary`: FPS with its quartiles over frames and repeats,
        median and 95th percentile of seconds a frame, seconds of frame 0, FPS and seconds a frame
        as the authors count, peak memory of the device in bytes (None on a CPU).
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    timed = []
    progress = Progress("speed", "clips", len(clips))
    for name, frames, labels in clips:
        for frame in frames[1 : 1 + _WARM_UP_FRAMES]:
            propagator.start(frames[0], labels)
            propagator.step(frame)
        network, first, whole = [], [], []
        for _ in range(repeats):
            first.append(_seconds(lambda: propagator.start(frames[0], labels), device))  # noqa: B023
            network.append([_frame_seconds(propagator, frame, device) for frame in frames[1:]])
            whole.append(_clip_seconds(propagator, frames, labels))
        timed.append(
            {
                "sequence": name,
                "objects": len(davis.object_ids(labels)),
                "frames": len(frames),
                "height": labels.shape[0],
                "width": labels.shape[1],
                "network": network,
                "first_frame": first,
                "clip": whole,
            }
        )
        progress.at(len(timed))
    return {"clips": timed, "summary": summarise(timed) | {"peak_memory_bytes": _peak(device)}}


def summarise(clips: list[dict[str, Any]]) -> dict[str, float]:
    """The figures of `measure` from its raw seconds."""
    frames = np.concatenate([np.ravel(clip["network"]) for clip in clips])
    first = np.concatenate([clip["first_frame"] for clip in clips])
    per_clip_frame = np.concatenate([np.array(c["clip"]) / c["frames"] for c in clips])
    q1, median, q3, p95 = np.percentile(frames, [25, 50, 75, 95]).tolist()
    authors = float(np.median(per_clip_frame))
    return {
        "fps": 1 / median,
        "fps_q1": 1 / q3,
        "fps_q3": 1 / q1,
        "seconds_per_frame_median": median,
        "seconds_per_frame_p95": p95,
        "first_frame_seconds": float(np.median(first)),
        "authors_fps": 1 / authors,
        "authors_seconds_per_frame": authors,
    }


def _frame_seconds(propagator: Propagator, frame: davis.Labels, device: torch.device) -> float:
    whole = propagator.upload(frame)
    return _seconds(lambda: propagator.segment(whole), device)


def _clip_seconds(
    propagator: Propagator, frames: list[davis.Labels], labels: davis.Labels
) -> float:
    start = time.perf_counter()
    propagator.start(frames[0], labels)
    for frame in frames[1:]:
        propagator.step(frame).cpu()
    return time.perf_counter() - start


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of `work`: between two events of a GPU's own, or by the wall clock on a CPU."""
    if device.type == "cuda":
        start, end = (
            torch.Event(device, enable_timing=True),
            torch.Event(device, enable_timing=True),
        )
        torch.cuda.synchronize(device)
        start.record()
        work()
        end.record()
        torch.cuda.synchronize(device)
        return float(start.elapsed_time(end)) / 1000
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _peak(device: torch.device) -> int | None:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
