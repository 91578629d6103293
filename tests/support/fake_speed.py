"""What the timing of a fake study left."""

import json
from pathlib import Path
from typing import Any

from rgmp.config.base import Benchmark
from rgmp.study.plan import Plan
from rgmp.study.timing import computations
from support.fake_files import random_of, write, write_record


def write_speed(folder: Path, plan: Plan, benchmark: Benchmark, objects: dict[str, int]) -> None:
    """Every distinct computation in five rounds, the first of them once more."""
    groups = [*computations(plan, benchmark).items()]
    timed: list[dict[str, Any]] = [
        {"name": variants[0].name, "identity": identity, "again": again}
        | variants[0].inference.model_dump(mode="json")
        | _timing(benchmark, number, objects)
        for (identity, variants), number, again in [
            *((group, number, False) for number, group in enumerate(groups)),
            (groups[0], 0, True),
        ]
    ]
    for end in ("", "_low", "_high"):
        del timed[0]["summary"][f"ratio{end}"]
    value = {
        "benchmark": benchmark,
        "device": "Xeon",
        "threads": 2,
        "rounds": 5,
        "others_share": 0.01,
        "launchers_share": 0.0,
        "computations": timed,
    }
    write(folder / f"speed/{benchmark}.json", json.dumps(value))
    made = {"speed": f"speed/{benchmark}.json"}
    write_record(folder, "speed", f"speed/{benchmark}", None, 0, benchmark=benchmark, made=made)


def _timing(benchmark: Benchmark, number: int, objects: dict[str, int]) -> dict[str, Any]:
    """The clips and the summary of the computation of that number, each slower than the last."""
    slowness, random = 1 + 0.15 * number, random_of("speed", benchmark, number)
    fps = 21 / slowness
    clips: list[dict[str, Any]] = []
    for sequence, count in list(objects.items())[:3]:
        seconds = slowness * 0.02 * (1 + count) * random.lognormal(0, 0.05, (5, 9))
        whole = 10 * 1.25 / fps * random.lognormal(0, 0.05, 5)
        clips.append(
            {
                "sequence": sequence,
                "objects": count,
                "frames": 10,
                "network": seconds.tolist(),
                "clip": whole.tolist(),
            }
        )
    several = benchmark == "davis2017"
    summary = {
        **_ends("fps", fps),
        **_ends("ratio", 1 / slowness),
        **_ends("end_to_end_fps", 0.9 * fps),
        **(_ends("fixed_seconds", 0.02) | _ends("object_seconds", 0.02) if several else {}),
        "seconds_per_frame_p95": 1.2 / fps,
        "end_to_end_seconds_per_frame_p95": 1.3 / fps,
        "first_frame_seconds": 0.03,
        "authors_fps": 0.8 * fps,
        "authors_seconds_per_frame": 1.25 / fps,
        "flops_per_frame": 5e9,
        "matmul_flops_per_second": 1e12,
        "fraction_of_limit": 0.31 / slowness,
        "peak_memory_bytes": 512_000_000,
        "short_frames": 10,
        "short_bytes": 510_000_000,
        "long_frames": 40,
        "long_bytes": 510_500_000,
    }
    return {"clips": clips, "of_objects": {}, "summary": summary}


def _ends(name: str, value: float) -> dict[str, float]:
    """A measurement with an interval of 1 % to either side."""
    return {name: value, f"{name}_low": 0.99 * value, f"{name}_high": 1.01 * value}
