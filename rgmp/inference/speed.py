"""Seconds per frame, by one protocol for every variant.

The result depends on what is timed, so three timings are reported, each with raw times:

- `network`: from a padded frame on the device to labels on the device. Nothing is read, decoded,
  transferred or written. Frame 0 is timed separately.
- `end_to_end`: from a decoded frame in main memory to its labels there, one frame at a time;
  without disk access.
- `clip`: wall time of a whole clip divided by its frames, including frame 0, reading, transfers,
  resizing and writing. The authors divide a clip's wall time, including frame 0, resizing and
  transfers, by its frames (facts/rgmp.md, "Inference"); whether it includes reading is not known.

They are compared with the machine's limit: the counted floating-point operations of a step over its
time, relative to the fastest matrix product in the same run and precision. On a CPU that share may
exceed 1: in fp32 the libraries' 3x3 convolutions can be faster than their matrix products.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

from rgmp.config.base import Benchmark
from rgmp.data import davis
from rgmp.data.images import Labels
from rgmp.inference.propagator import Propagator, download
from rgmp.inference.segment import segment_sequence
from rgmp.provenance.machine import peak_device_memory
from rgmp.runtime import cores
from rgmp.runtime.progress import Progress


class Clip(NamedTuple):
    """A video to time: of at least two frames, each uint8 (H, W, 3); labels, uint8 (H, W)."""

    sequence: davis.Sequence
    frames: list[Labels]
    labels: Labels


_WARM_UP_FRAMES = 2
_PRODUCTS = 10


def choose_sequences(
    sequences: list[davis.Sequence], benchmark: Benchmark, limit: int
) -> list[davis.Sequence]:
    """At most `limit` of the sequences, evenly spaced from the fewest objects to the most.

    Raises:
        UserError: a first annotation cannot be read.
    """

    def objects(sequence: davis.Sequence) -> int:
        return len(davis.object_ids(davis.read_annotation(sequence.annotations[0], benchmark)))

    ordered = sorted(sequences, key=objects)
    count = min(limit, len(ordered))
    return [ordered[i * (len(ordered) - 1) // max(count - 1, 1)] for i in range(count)]


def measure(
    propagator: Propagator,
    clips: list[Clip],
    benchmark: Benchmark,
    repeats: int,
    precision: str,
) -> dict[str, Any]:
    """Time every clip `repeats` times, each after a warm-up on its own shape.

    Args:
        propagator: of the variant.
        clips: what to time.
        benchmark: how the clips' annotations are read.
        repeats: how often each clip is timed.
        precision: of the network, for the matrix products.

    Returns:
        `clips` with the raw seconds, and `summary`: `fps` of the network with its quartiles, median
        and 95th percentile of seconds over frames and repeats; the same of `end_to_end`; seconds of
        frame 0; `authors_fps` of whole clips; operations per frame; operations per second of a
        matrix product; the fraction of it that the network reaches; peak memory in bytes, of the
        GPU or else of the process; the shares of the machine's cores used during the measurement
        by others, and by the processes that launched this one. Use of a GPU by others is not seen.
    """
    device = propagator.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    timed = []
    progress, watch = Progress("speed", "clips", len(clips)), cores.Watch()
    for clip in clips:
        _warm_up(propagator, clip)
        timed.append(_time(propagator, clip, benchmark, repeats))
        progress.at(len(timed))
    taken = {"others_share": watch.others_share(), "launchers_share": watch.launchers_share()}
    peak = peak_device_memory()  # before the matrix products
    limit = matrix_products(device, precision)
    summary = summarise(timed) | {
        "matmul_flops_per_second": limit,
        "fraction_of_limit": float(np.median(_rates(timed))) / limit,
        "peak_memory_bytes": peak,
        **taken,
    }
    return {"clips": timed, "summary": summary}


def summarise(clips: list[dict[str, Any]]) -> dict[str, float]:
    """The summary that `measure` gives, from its raw seconds."""
    first = np.concatenate([clip["first_frame"] for clip in clips])
    per_clip_frame = np.concatenate([np.array(c["clip"]) / c["frames"] for c in clips])
    authors = float(np.median(per_clip_frame))
    operations = [np.full(np.size(c["network"]), c["flops_per_frame"]) for c in clips]
    return {
        **_spread([clip["network"] for clip in clips], ""),
        **_spread([clip["end_to_end"] for clip in clips], "end_to_end_"),
        "first_frame_seconds": float(np.median(first)),
        "authors_fps": 1 / authors,
        "authors_seconds_per_frame": authors,
        "flops_per_frame": float(np.mean(np.concatenate(operations))),
    }


def matrix_products(device: torch.device, precision: str) -> float:
    """Floating-point operations per second of a large matrix product, the best of several runs.

    It is computed both directly and as a 1x1 convolution: on a CPU two libraries do these, and the
    faster one is the limit.
    """
    n = 8192 if device.type == "cuda" else 1024
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = torch.rand(2, n, n, device=device).to(dtype)
    image = a.T.reshape(1, n, 64, -1).contiguous(memory_format=torch.channels_last)
    kernel = b[..., None, None].contiguous(memory_format=torch.channels_last)
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    seconds = []
    for product in (lambda: a @ b, lambda: F.conv2d(image, kernel)):
        product()
        seconds += [_seconds(product, device) for _ in range(_PRODUCTS)]
    torch.backends.cuda.matmul.allow_tf32 = before
    return 2 * float(n) ** 3 / min(seconds)


def _warm_up(propagator: Propagator, clip: Clip) -> None:
    for frame in clip.frames[1 : 1 + _WARM_UP_FRAMES]:
        propagator.start(clip.frames[0], clip.labels)
        propagator.step(frame)


def _time(propagator: Propagator, clip: Clip, benchmark: Benchmark, repeats: int) -> dict[str, Any]:
    """One clip's raw seconds, `repeats` times for each kind."""
    (zero, *frames), labels = clip.frames, clip.labels
    first, network, end_to_end, whole = [], [], [], []
    for _ in range(repeats):
        first.append(_seconds(lambda: propagator.start(zero, labels), propagator.device))
        network.append([_network_seconds(propagator, frame) for frame in frames])
        propagator.start(zero, labels)
        end_to_end.append([_end_to_end_seconds(propagator, frame) for frame in frames])
        whole.append(_clip_seconds(propagator, clip.sequence, benchmark))
    return {
        "sequence": clip.sequence.name,
        "objects": len(davis.object_ids(labels)),
        "frames": len(clip.frames),
        "height": labels.shape[0],
        "width": labels.shape[1],
        "flops_per_frame": propagator.operations(propagator.upload(frames[0])),
        "network": network,
        "end_to_end": end_to_end,
        "first_frame": first,
        "clip": whole,
    }


def _network_seconds(propagator: Propagator, frame: Labels) -> float:
    whole = propagator.upload(frame)
    return _seconds(lambda: propagator.segment(whole), propagator.device)


def _end_to_end_seconds(propagator: Propagator, frame: Labels) -> float:
    start = time.perf_counter()
    download(propagator.step(frame))()
    return time.perf_counter() - start


def _clip_seconds(propagator: Propagator, sequence: davis.Sequence, benchmark: Benchmark) -> float:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        segment_sequence(propagator, sequence, benchmark, Path(folder) / sequence.name)
        return time.perf_counter() - start


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of `work`: between two CUDA events on a GPU, by the wall clock on a CPU."""
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


def _spread(seconds: list[list[list[float]]], kind: str) -> dict[str, float]:
    """Median, quartiles and 95th percentile over all frames, weighted equally."""
    frames = np.concatenate([np.ravel(clip) for clip in seconds])
    q1, median, q3, p95 = np.percentile(frames, [25, 50, 75, 95]).tolist()
    return {
        f"{kind}fps": 1 / median,
        f"{kind}fps_q1": 1 / q3,
        f"{kind}fps_q3": 1 / q1,
        f"{kind}seconds_per_frame_median": median,
        f"{kind}seconds_per_frame_p95": p95,
    }


def _rates(clips: list[dict[str, Any]]) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Operations per second of the network, for every frame."""
    return np.concatenate([c["flops_per_frame"] / np.ravel(c["network"]) for c in clips])
