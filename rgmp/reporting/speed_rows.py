"""The timings of a study as rows: one for each distinct computation on each benchmark."""

from statistics import median
from typing import Any

from rgmp.config.base import Benchmark
from rgmp.inference.quiet import is_quiet
from rgmp.runtime import cores
from rgmp.study import layout
from rgmp.study.results import Results
from rgmp.study.timing import SpeedFiles, computations, timed_computations

Row = dict[str, Any]


def is_busy(speed: SpeedFiles, benchmark: Benchmark) -> bool:
    """Whether others used much of the machine while a benchmark was timed."""
    return bool(speed.get(benchmark, {"others_share": 0})["others_share"] > cores.BUSY)


def rows(results: Results, speed: SpeedFiles) -> list[Row]:
    """A row for each benchmark and computation, with the variants that share it.

    What concerns all computations of a benchmark stands in each of their rows.
    """
    on_gpu = {record["name"] for record in results.of_kind("speed") if record["machine"]["gpu"]}
    found: list[Row] = []
    for benchmark, timed in speed.items():
        common = {
            "benchmark": benchmark,
            **{key: timed[key] for key in ("device", "rounds", "others_share")},
            "busy": is_busy(speed, benchmark),
            "threads": None if record_of(benchmark) in on_gpu else timed["threads"],
            **_again(timed),
        }
        by_identity = timed_computations(timed)
        for identity, variants in computations(results.plan, benchmark).items():
            if identity in by_identity:
                names = [variant.name for variant in variants]
                shared = {"variant": names[0], "shared_by": " ".join(names[1:])}
                found.append(common | shared | _timing(by_identity[identity]))
    return found


def record_of(benchmark: Benchmark) -> str:
    """The name of the record of a benchmark's timing."""
    return layout.record_name(layout.speed(benchmark))


def _again(timed: Row) -> Row:
    """The ratio of the computation that was timed twice to itself, and whether it is about 1."""
    for computation in timed["computations"]:
        if computation["again"]:
            summary = computation["summary"]
            ratio = {f"again_{key}": summary[key] for key in ("ratio", "ratio_low", "ratio_high")}
            return ratio | {"quiet": is_quiet(summary["ratio_low"], summary["ratio_high"])}
    return {}


def _timing(computation: Row) -> Row:
    """What is known of a computation: settings, summary, FPS by the number of objects."""
    row = {key: computation[key] for key in ("precision", "aggregation")}
    row["scales"] = " ".join(map(str, computation["scales"]))
    row |= computation["summary"]
    for count in sorted({clip["objects"] for clip in computation["clips"]}):
        clips = [clip for clip in computation["clips"] if clip["objects"] == count]
        frames = [second for clip in clips for run in clip["network"] for second in run]
        row[f"fps_{count}_objects"] = 1 / median(frames)
    return row
