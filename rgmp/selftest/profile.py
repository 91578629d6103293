"""Where the time goes: kernels by kind, the longest ones, and how long the device is idle.

On a GPU these are the kernels that ran there, from PyTorch's profiler; on a CPU its operators, each
without those that it calls. The profiler slows what it watches: idle time is at most what it says.
What a device waits for in a whole clip is measured without it (`rgmp.selftest.whole_clips`).
"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.profiler import ProfilerActivity

from rgmp.config.method import Inference
from rgmp.inference.propagator import Propagator, segment_next
from rgmp.selftest import papers_study, workload
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Condition, Finding, failed
from rgmp.selftest.scenes import discs, random_network, video
from rgmp.selftest.training_jobs import jobs_of
from rgmp.selftest.training_runs import TrainingRun
from rgmp.selftest.workload import Workload

_KINDS: tuple[tuple[str, str], ...] = (
    ("interpolation", r"upsample|interpolate"),
    (
        "copies and layouts",
        r"memcpy|memset|copy|nchwtonhwc|nhwctonchw|cat|transpose|_pad|::to\b|fill",
    ),
    ("optimiser", r"multi_tensor|adam|lpnorm|_foreach|fused_sgd"),
    ("batch norm", r"batch_norm|bn_fw|bn_bw|batchnorm"),
    (
        "convolution",
        r"conv|xmma|gemm|cutlass|fprop|dgrad|wgrad|cudnn|cublas|sm\d\d_|splitk|winograd|::mm\b|addmm",
    ),
    (
        "elementwise, reductions and pooling",
        r"elementwise|reduce|softmax|pool|relu|add|mul|div|sub|sum|nll|max|min|where|index|clamp|eq",
    ),
)
"""Kinds of kernels and operators with what their names contain, the first that fits."""
OTHER = "other"

_LARGEST_TRACE = 5 * 2**20
"""Bytes of a compressed trace beyond which it is not kept."""
_TOP = 15
_STEPS = {"inference": 5, "training": 1}


class Row(NamedTuple):
    """What a kernel or an operator took.

    Attributes:
        name: of it.
        seconds: in all, without those that it calls.
        times: how often it ran.
    """

    name: str
    seconds: float
    times: int


def section(bench: Bench) -> Iterator[Finding]:
    """Profile inference, then training, in the fastest precision."""
    work = workload.of(bench.device)
    for name, prepare in (("inference", _inference), ("training", _training)):
        conditions: dict[str, Condition] = {"of": name, "precision": work.precisions[0]}
        try:
            yield from _profiled(bench, name, prepare(bench, work), conditions)
        except Exception as error:  # the other goes on
            yield failed("profile", conditions, error)


def _inference(bench: Bench, work: Workload) -> Callable[[], object]:
    """A step with one object at the paper's scales, from a frame in memory to labels there."""
    settings = Inference(scales=work.scales[0], precision=work.precisions[0])
    network = random_network(work.network, bench.seed).to(bench.device)
    propagator = Propagator(network, settings, bench.device)
    first, second = video(2, *work.size)
    propagator.start(first, discs(1, *work.size))
    return partial(segment_next, propagator, second)


def _training(bench: Bench, work: Workload) -> Callable[[], object]:
    """A step of stage 2, its batch on the device."""
    job = jobs_of(bench, work, papers_study.load())["finetune"]
    return partial(TrainingRun(bench, job, work.precisions[0]).take_steps, 1)


def _profiled(
    bench: Bench, name: str, step: Callable[[], object], conditions: Mapping[str, Condition]
) -> Iterator[Finding]:
    """Profile some steps, after some that are not."""
    for _ in range(3):
        step()
    _watched(bench, step, 1)  # the first time the profiler itself has much to do
    profiler = _watched(bench, step, _STEPS[name])
    trace = bench.folder / f"trace-{name}.json.gz"
    profiler.export_chrome_trace(str(trace))
    if bench.on_gpu:
        kernels = kernels_in(trace)
        yield from _findings(rows_of(kernels), conditions, _STEPS[name])
        quantity = "share of time the device is idle, step after step, while it is profiled"
        yield Finding(quantity, conditions, idle_share(kernels))
    else:
        averages = profiler.key_averages()
        rows = [Row(e.key, e.self_cpu_time_total / 1e6, e.count) for e in averages]
        yield from _findings(rows, conditions, _STEPS[name])
    yield _kept(trace, conditions)


def _watched(bench: Bench, step: Callable[[], object], steps: int) -> torch.profiler.profile:
    """Profile some steps: on a GPU what runs there, for to watch operators too would slow it."""
    activity = ProfilerActivity.CUDA if bench.on_gpu else ProfilerActivity.CPU
    bench.synchronise()
    profiler = torch.profiler.profile(activities=[activity])
    with profiler:
        for _ in range(steps):
            step()
        bench.synchronise()
    return profiler


def _findings(
    rows: Iterable[Row], conditions: Mapping[str, Condition], steps: int
) -> Iterator[Finding]:
    """The time by kind, then that of the longest rows."""
    rows = sorted(rows, key=lambda row: row.seconds, reverse=True)
    total = sum(row.seconds for row in rows)
    if not total:
        raise RuntimeError("the profiler saw nothing")
    by_kind: dict[str, float] = {}
    for row in rows:
        kind = kind_of(row.name)
        by_kind[kind] = by_kind.get(kind, 0.0) + row.seconds
    yield Finding("time of a step by the profiler", conditions, 1e3 * total / steps, "ms")
    for kind, seconds in sorted(by_kind.items(), key=lambda item: item[1], reverse=True):
        yield Finding("share of a step", {**conditions, "kind": kind}, seconds / total)
    for rank, row in enumerate(rows[:_TOP], start=1):
        where: dict[str, Condition] = {
            "rank": rank,
            "name": row.name[:120],
            "times": row.times // steps,
        }
        yield Finding(
            "share of one kernel or operator", {**conditions, **where}, row.seconds / total
        )


def kind_of(name: str) -> str:
    """The kind of a kernel or an operator, by its name."""
    lowered = name.lower()
    return next((kind for kind, pattern in _KINDS if re.search(pattern, lowered)), OTHER)


class Kernel(NamedTuple):
    """A run of a kernel on a GPU; times in microseconds."""

    name: str
    start: float
    duration: float


def kernels_in(trace: Path) -> list[Kernel]:
    """What ran on the GPU according to a Chrome trace, compressed: kernels, copies, fillings."""
    with gzip.open(trace, "rt", encoding="utf-8") as file:
        events: list[dict[str, Any]] = json.load(file)["traceEvents"]
    wanted = {"kernel", "gpu_memcpy", "gpu_memset"}
    return [
        Kernel(event["name"], float(event["ts"]), float(event["dur"]))
        for event in events
        if event.get("cat") in wanted
    ]


def rows_of(kernels: Iterable[Kernel]) -> list[Row]:
    """What each kernel took in all."""
    seconds: dict[str, float] = {}
    counts: Counter[str] = Counter()
    for kernel in kernels:
        seconds[kernel.name] = seconds.get(kernel.name, 0.0) + kernel.duration / 1e6
        counts[kernel.name] += 1
    return [Row(name, took, counts[name]) for name, took in seconds.items()]


def idle_share(kernels: Iterable[Kernel]) -> float:
    """The share of the time, from the first kernel's start to the last one's end, with none on.

    Kernels of several streams may overlap.
    """
    ordered = sorted(kernels, key=lambda kernel: kernel.start)
    if not ordered:
        return 1.0
    began = until = ordered[0].start
    idle = 0.0
    for kernel in ordered:
        idle += max(kernel.start - until, 0.0)
        until = max(until, kernel.start + kernel.duration)
    return idle / (until - began)


def _kept(trace: Path, conditions: Mapping[str, Condition]) -> Finding:
    """Keep the trace if it is small, for chrome://tracing."""
    size = trace.stat().st_size
    if size > _LARGEST_TRACE:
        trace.unlink()
        return Finding("trace too large to be kept", conditions, size / 1e6, "MB")
    return Finding(f"trace kept: {trace.name}", conditions, size / 1e6, "MB")
