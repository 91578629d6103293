"""Two variants of the embedded benchmark, by the ordinary commands, on the device and on the CPU.

Other bits train to other weights, so J&F has no limit here: whole studies are compared by
`rgmp agree`.
"""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import yaml

from rgmp.evaluation.score_table import read_scores
from rgmp.evaluation.summary import per_object
from rgmp.minidavis.generate import render
from rgmp.runtime import cores
from rgmp.selftest import small
from rgmp.selftest.bench import Bench, importing_the_same
from rgmp.selftest.finding import Finding
from rgmp.study import layout
from rgmp.study.plan import load_plan

VARIANTS: dict[str, dict[str, object]] = {"full": {}, "no_bptt": {"finetune": {"bptt": "none"}}}
_COMMAND = "from rgmp.cli.main import main; raise SystemExit(main())"


def section(bench: Bench) -> Iterator[Finding]:
    """Plan, train and evaluate, and say J&F of every variant; both devices compute at once."""
    devices = ("cuda", "cpu") if bench.on_gpu else ("cpu",)
    figures: dict[tuple[str, str], float] = {}
    with ThreadPoolExecutor(len(devices)) as threads:
        for device, of_variants in zip(
            devices, threads.map(partial(_run, bench), devices), strict=True
        ):
            for variant, figure in of_variants.items():
                figures[device, variant] = figure
                yield Finding("J&F", {"variant": variant, "device": device}, figure, "%")
    if bench.on_gpu:
        for variant in VARIANTS:
            change = figures["cuda", variant] - figures["cpu", variant]
            yield Finding("J&F on the GPU less the CPU's", {"variant": variant}, change, "points")


def _run(bench: Bench, device: str) -> dict[str, float]:
    """J&F of every variant, in per cent, of a study on a device."""
    place = bench.work / f"study-{device}"
    results = write_study(bench, device, place)
    command(place, "plan", "study.yaml")
    render(
        results / layout.DATA,
        bench.seed,
        small.ON_CPU.contents,
        processes=cores.usable_cores(),
    )
    plan = load_plan(results)
    for training in plan.trainings:
        command(
            place,
            "train",
            f"results/{plan.study}",
            f"{training.stage}/{training.slug}-{training.identity}",
        )
    figures = {}
    for variant in VARIANTS:
        run = layout.evaluation(variant, bench.seed)
        command(place, "evaluate", f"results/{plan.study}", run)
        scores = results / layout.scores(layout.run("davis2017", variant, bench.seed))
        objects = per_object(read_scores(scores, "rgmp evaluate"))
        figures[variant] = 100 * float(objects["J&F"].mean())
    return figures


def write_study(bench: Bench, device: str, place: Path) -> Path:
    """Write the study and its variants; returns the folder of its results.

    Its extent is that of a CPU on every device: else the CPU would have no time for it.
    """
    extent = small.ON_CPU
    study = {
        "study": "selftest",
        "title": "Part of the embedded benchmark",
        "data": {"mini": {"seed": bench.seed}},
        "benchmarks": ["davis2017"],
        "seeds": [bench.seed],
        **small.METHOD,
        "pretrain": {**small.METHOD["pretrain"], **extent.pretrain},
        "finetune": {**small.METHOD["finetune"], **extent.finetune},
        "machine": {"device": device, "workers": extent.workers},
        "evaluation": {"cross_check": "off"},
    }
    (place / "ablations").mkdir(parents=True)
    (place / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    for name, overrides in VARIANTS.items():
        variant = {"label": name, "claim": "Of the selftest.", "overrides": overrides}
        path = place / "ablations" / f"{name}.yaml"
        path.write_text(yaml.safe_dump(variant), encoding="utf-8")
    return place / "results" / "selftest"


def command(place: Path, *arguments: str) -> None:
    """Run an `rgmp` command in a folder; what it prints goes to the log.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    print("rgmp", *arguments, flush=True)
    subprocess.run(
        [sys.executable, "-c", _COMMAND, *arguments],
        cwd=place,
        env=importing_the_same(),
        stdin=subprocess.DEVNULL,
        check=True,
    )
