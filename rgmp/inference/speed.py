"""Seconds per frame, by one protocol for every computation.

The result depends on what is timed, so three timings are reported, each with raw times:

- `network`: from a padded frame on the device to labels on the device. Nothing is read, decoded,
  transferred or written. Frame 0 is timed separately.
- `end_to_end`: from a decoded frame in main memory to its labels there, one frame at a time;
  without disk access.
- `clip`: wall time of a whole clip divided by its frames, including frame 0, reading, transfers,
  resizing and writing. The authors divide a clip's wall time, including frame 0, resizing and
  transfers, by its frames (facts/rgmp.md, "Inference"); whether it includes reading is not known.

Several computations take turns, clip by clip, in an order shuffled in each round, each turn after a
warm-up on its own shape. They are compared within rounds
(`rgmp.inference.timing_statistics`), which go on until every ratio to the first is known to 3 %,
and that of the first to itself tells whether the machine is quiet (`rgmp.inference.quiet`), or the
time is up.

They are also compared with the machine's limit: the counted floating-point operations of a step
over its time, relative to the fastest matrix product in the same run and precision. On a CPU that
share may exceed 1: in fp32 the libraries' 3x3 convolutions can be faster than their matrix
products.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from numpy.typing import NDArray

from rgmp.config.study import Speed
from rgmp.data import davis
from rgmp.data.images import Labels
from rgmp.data.sequence import Sequence as Video
from rgmp.inference import timing_statistics
from rgmp.inference.probes import memory_by_length, share_labelled_alike
from rgmp.inference.propagator import Propagator, segment_next
from rgmp.inference.segment import segment_sequence
from rgmp.provenance.machine import peak_device_memory
from rgmp.runtime import cores
from rgmp.runtime.precision import rounding
from rgmp.runtime.precisions import Precision
from rgmp.runtime.progress import Progress
from rgmp.runtime.timers import seconds_of


class TimedClip(NamedTuple):
    """A video to time: of at least two frames, each uint8 (H, W, 3); labels, uint8 (H, W)."""

    sequence: Video
    frames: list[Labels]
    labels: Labels


class PropagatorMaker(NamedTuple):
    """A computation to time.

    Attributes:
        make: makes its propagator.
        precision: that it computes in, for the matrix products.
        exact: makes one that computes the same in fp32, for the agreement of their labels; None:
            it does itself.
        again: the first computation once more: its ratio tells how quiet the machine is.
    """

    make: Callable[[], Propagator]
    precision: Precision
    exact: Callable[[], Propagator] | None = None
    again: bool = False


OBJECTS = (1, 2, 3, 4, 5)
"""How many objects a frame's cost is fitted over."""
_FRAMES_OF_OBJECTS = 3
PRODUCT_SIZES = {"cuda": 8192, "cpu": 1024}
"""Rows and columns of the matrices whose product shows what a device can do."""
_PRODUCTS = 10


def choose_sequences(sequences: list[Video], limit: int) -> list[Video]:
    """At most `limit` of the sequences, evenly spaced from the fewest objects to the most.

    Raises:
        UserError: a first annotation cannot be read.
    """

    def objects(sequence: Video) -> int:
        return len(sequence.objects)

    ordered = sorted(sequences, key=objects)
    count = min(limit, len(ordered))
    return [ordered[i * (len(ordered) - 1) // max(count - 1, 1)] for i in range(count)]


def measure(
    makers: Sequence[PropagatorMaker], clips: list[TimedClip], limits: Speed
) -> dict[str, Any]:
    """Time every computation on every clip, round after round.

    The cost of objects is measured where the data set has several. Their masks are strips of the
    frame: the content of a mask does not change the time.

    Args:
        makers: what to time; ratios are to the first.
        clips: what to time it on.
        limits: how many rounds at least, and for how long.

    Returns:
        `rounds`; the shares of the machine's cores used during the measurement by others
        (`others_share`), and by the processes that launched this one (`launchers_share`), use of a
        GPU by others is not seen; and `computations`, each with the raw seconds of its `clips` and
        `of_objects`, and a `summary`: that of `summarise_clips`; `ratio`, FPS relative to the
        first, but of the first itself; `fixed_seconds` and `object_seconds`, the cost of objects,
        or nothing; the operations per second of a matrix product, and the fraction of it that the
        network reaches; `rgmp.inference.probes.Memory`, and peak memory in bytes, on a GPU of this
        computation, else of the process; `labels_as_fp32`, the share of pixels labelled as in
        fp32, or nothing.
    """
    watch = cores.Watch()
    timed = [_Timed(maker, clips) for maker in makers]
    count = _time_rounds(timed, clips, limits)
    taken = {"others_share": watch.others_share(), "launchers_share": watch.launchers_share()}
    peak = peak_device_memory()  # before the matrix products
    limit = cache(lambda precision: matrix_products(timed[0].propagator.device, precision))
    return {
        "rounds": count,
        **taken,
        "computations": [each.result(timed[0], limit, peak) for each in timed],
    }


def _time_rounds(timed: list["_Timed"], clips: list[TimedClip], limits: Speed) -> int:
    """Time round after round, until ratios are known well enough or time is up: their number.

    End to end, whole clips and the cost of objects are in no ratio: the first rounds do for them.
    """
    has_several = clips[0].sequence.dataset.has_several
    several = [_strips(clips[0], count) for count in OBJECTS] if has_several else []
    progress = Progress("speed", "rounds", limits.repeats)
    began, done = time.perf_counter(), 0
    while True:
        whole = done < limits.repeats
        order = np.random.default_rng(done).permutation(len(timed))
        for number, clip in enumerate(clips):
            for index in order:
                timed[index].time_clip(number, clip, whole)
        for clip in several if whole else []:
            for index in order:
                timed[index].time_objects(clip)
        done += 1
        if whole:
            progress.at(done)
        if done >= limits.repeats and (
            time.perf_counter() - began >= limits.seconds or _are_known(timed)
        ):
            return done


def _are_known(timed: list["_Timed"]) -> bool:
    """Whether ratios to the first are known well enough."""
    first, *others = timed
    return timing_statistics.are_known(
        [each.ratio_to(first) for each in others if not each.again],
        [each.ratio_to(first) for each in others if each.again],
    )


class _Timed:
    """A computation and its times so far, warmed up."""

    def __init__(self, maker: PropagatorMaker, clips: list[TimedClip]) -> None:
        self._precision, self.again = maker.precision, maker.again
        first = clips[0]
        self.propagator, self._memory = memory_by_length(maker.make, first.frames, first.labels)
        self._as_fp32 = None
        if maker.exact is not None:
            videos = [(clip.frames, clip.labels) for clip in clips]
            self._as_fp32 = share_labelled_alike(self.propagator, maker.exact(), videos)
        self._clips = [self._described(clip) for clip in clips]
        self._of_objects: dict[int, list[list[float]]] = {}

    def _described(self, clip: TimedClip) -> dict[str, Any]:
        """What a clip is, and empty lists for its times."""
        self.propagator.start(clip.frames[0], clip.labels)
        return {
            "sequence": clip.sequence.name,
            "objects": len(davis.object_ids(clip.labels)),
            "frames": len(clip.frames),
            "height": clip.labels.shape[0],
            "width": clip.labels.shape[1],
            "flops_per_frame": self.propagator.operations(self.propagator.upload(clip.frames[1])),
            **{kind: [] for kind in ("network", "end_to_end", "first_frame", "clip")},
        }

    def time_clip(self, number: int, clip: TimedClip, whole: bool) -> None:
        """Time a clip: the network, and if `whole` also end to end and as the authors."""
        times, propagator = self._clips[number], self.propagator
        (zero, *frames), labels = clip.frames, clip.labels
        self._warm_up(clip)
        times["first_frame"].append(
            seconds_of(lambda: propagator.start(zero, labels), propagator.device)
        )
        times["network"].append([network_seconds(propagator, frame) for frame in frames])
        if whole:
            propagator.start(zero, labels)
            times["end_to_end"].append([end_to_end_seconds(propagator, frame) for frame in frames])
            times["clip"].append(_clip_seconds(propagator, clip.sequence))

    def time_objects(self, clip: TimedClip) -> None:
        """Time the network on frames with that many objects."""
        self._warm_up(clip)
        times = [network_seconds(self.propagator, frame) for frame in clip.frames[1:]]
        count = len(davis.object_ids(clip.labels))
        self._of_objects.setdefault(count, []).append(times)

    def _warm_up(self, clip: TimedClip) -> None:
        """Run frame 0 and the next, in this shape and after another computation's turn."""
        self.propagator.start(clip.frames[0], clip.labels)
        self.propagator.step(clip.frames[1])

    def ratio_to(self, first: "_Timed") -> timing_statistics.Interval:
        """Frames per second of the network relative to another's."""
        own, other = (
            timing_statistics.seconds_by_round(t._clips, "network") for t in (self, first)
        )
        return timing_statistics.ratio(own, other)

    def result(
        self, first: "_Timed", limit: Callable[[Precision], float], peak: int
    ) -> dict[str, Any]:
        """Raw seconds and their summary, as `measure` returns them."""
        on_gpu = self.propagator.device.type == "cuda"
        products = limit(self._precision)
        summary = summarise_clips(self._clips) | {
            **({} if self is first else self.ratio_to(first).columns("ratio")),
            **_cost_of_objects(self._of_objects),
            "matmul_flops_per_second": products,
            "fraction_of_limit": float(np.median(_rates(self._clips))) / products,
            "peak_memory_bytes": self._memory.long_bytes if on_gpu else peak,
            **self._memory._asdict(),
        }
        if self._as_fp32 is not None:
            summary["labels_as_fp32"] = self._as_fp32
        of_objects = {str(count): times for count, times in self._of_objects.items()}
        return {"summary": summary, "clips": self._clips, "of_objects": of_objects}


def _strips(clip: TimedClip, count: int) -> TimedClip:
    """A short clip with that many objects: vertical strips of the frame."""
    height, width = clip.labels.shape
    strips = np.arange(width) * count // width + 1
    labels = np.broadcast_to(strips, (height, width)).astype(np.uint8)
    return clip._replace(frames=clip.frames[: 1 + _FRAMES_OF_OBJECTS], labels=labels)


def _cost_of_objects(of_objects: dict[int, list[list[float]]]) -> dict[str, float]:
    """The cost of objects by the columns of its two intervals; none where it was not measured."""
    if not of_objects:
        return {}
    seconds = [
        timing_statistics.seconds_by_round([{"network": t}], "network") for t in of_objects.values()
    ]
    cost = timing_statistics.cost_of_objects([*of_objects], seconds)
    return {
        **cost.fixed.columns("fixed_seconds"),
        **cost.per_object.columns("object_seconds"),
    }


def summarise_clips(clips: list[dict[str, Any]]) -> dict[str, float]:
    """What raw seconds amount to.

    Args:
        clips: of one computation, each with `frames`, `flops_per_frame` and its times.

    Returns:
        `fps` and `end_to_end_fps`, geometric means over rounds with their intervals, and the 95th
        percentile of seconds over frames and rounds; median seconds of frame 0; `authors_fps` and
        seconds per frame of whole clips, a geometric mean over rounds; operations per frame.
    """
    authors = timing_statistics.authors_seconds(clips).mean
    operations = [np.full(np.size(c["network"]), c["flops_per_frame"]) for c in clips]
    return {
        **_frames_per_second(clips, "network", ""),
        **_frames_per_second(clips, "end_to_end", "end_to_end_"),
        "first_frame_seconds": float(np.median([clip["first_frame"] for clip in clips])),
        "authors_fps": 1 / authors,
        "authors_seconds_per_frame": authors,
        "flops_per_frame": float(np.mean(np.concatenate(operations))),
    }


def _frames_per_second(clips: list[dict[str, Any]], kind: str, prefix: str) -> dict[str, float]:
    seconds = timing_statistics.seconds_by_round(clips, kind)
    every = np.concatenate([np.ravel(clip[kind]) for clip in clips])
    return {
        **timing_statistics.geometric_mean(1 / seconds).columns(f"{prefix}fps"),
        f"{prefix}seconds_per_frame_p95": float(np.percentile(every, 95)),
    }


def matrix_products(device: torch.device, precision: Precision, runs: int = _PRODUCTS) -> float:
    """Floating-point operations per second of a large matrix product, the best of several runs.

    It is computed both directly and as a 1x1 convolution: on a CPU two libraries do these, and the
    faster one is the limit.
    """
    n = PRODUCT_SIZES[device.type]
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = torch.rand(2, n, n, device=device).to(dtype)
    image = a.T.reshape(1, n, 64, -1).contiguous(memory_format=torch.channels_last)
    kernel = b[..., None, None].contiguous(memory_format=torch.channels_last)
    seconds = []
    with rounding(precision):
        for product in (lambda: a @ b, lambda: F.conv2d(image, kernel)):
            product()
            seconds += [seconds_of(product, device) for _ in range(runs)]
    return 2 * float(n) ** 3 / min(seconds)


def network_seconds(propagator: Propagator, frame: Labels) -> float:
    """Seconds of the network for the next frame: from it on the device to its labels there."""
    whole = propagator.upload(frame)
    return seconds_of(lambda: propagator.segment(whole), propagator.device)


def end_to_end_seconds(propagator: Propagator, frame: Labels) -> float:
    """Seconds for the next frame, from it in main memory to its labels there."""
    start = time.perf_counter()
    segment_next(propagator, frame)
    return time.perf_counter() - start


def _clip_seconds(propagator: Propagator, sequence: Video) -> float:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        segment_sequence(propagator, sequence, Path(folder) / sequence.name)
        return time.perf_counter() - start


def _rates(clips: list[dict[str, Any]]) -> NDArray[np.float64]:
    """Operations per second of the network, for every frame."""
    return np.concatenate([c["flops_per_frame"] / np.ravel(c["network"]) for c in clips])
