"""Whether a study of a hundred variants stays usable: its DAG, and what is made of its results.

    python tests/large_study.py /tmp/dag dag --variants 100 --seeds 10 --checkpoints 7
    python tests/large_study.py /tmp/dag schedule --variants 100 --seeds 10 --checkpoints 7
    python tests/large_study.py /tmp/large results --variants 100 --seeds 10

`dag` writes a study that could run and plans it with Snakemake (a dry run). `schedule` plans when
its jobs would run on 1 to 1,024 GPUs, each sort of job with the time in `HOURS`. `results` draws
what such a study would leave of DAVIS val, without masks, and makes tables, figures, MLflow's runs
and the report of it. Each prints the seconds, CPU seconds, memory and size of every step.
"""

import argparse
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import yaml
from support import fake_study, tiny_study

from rgmp.study import layout, resolve
from rgmp.study.costs import Cost, Costs
from rgmp.study.estimate import Room, schedule_of
from rgmp.study.jobs import jobs_of

PROJECT = Path(__file__).parents[1]
HOURS = {
    "check": 0.05,
    "pretrain": 8.0,
    "finetune": 6.0,
    "train": 0.01,
    "evaluate": 0.2,
    "bounds": 0.1,
    "speed": 0.5,
    "tables": 0.05,
    "figures": 0.05,
    "track": 0.05,
    "report": 0.01,
}
"""What a job of each sort takes, about as with DAVIS and ResNet-50 on a GPU of today."""
GPUS = (1, 8, 64, 256, 1024)
STEPS = ("tables", "figures", "track", "report")
"""The commands that work on a study's results, in their order."""


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="an empty or a new folder")
    parser.add_argument("what", choices=WORKS)
    parser.add_argument("--variants", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--checkpoints", type=int, default=1, help="kept of each training run")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    WORKS[options.what](options.folder, options.variants, options.seeds, options.checkpoints)


def try_the_dag(folder: Path, variants: int, seeds: int, checkpoints: int) -> None:
    """Plan a study that trains every variant for itself."""
    write_study(folder, variants, seeds, checkpoints)
    snakefile = str(PROJECT / "Snakefile")
    command = ["snakemake", "--snakefile", snakefile, "--configfile", "large.yaml", "--cores", "4"]
    measured("dry run", partial(run, [*command, "--dry-run", "--quiet", "rules"], folder))


def write_study(folder: Path, variants: int, seeds: int, checkpoints: int) -> None:
    """A study with tiny data, and its variants, each of which trains both stages."""
    if (folder / "large.yaml").exists():
        return
    tiny_study.write_tree(folder)
    (folder / "ablations").mkdir()
    shutil.copy(PROJECT / "ablations/full.yaml", folder / "ablations")
    for number in range(1, variants):
        rates = {"learning_rate": 2e-3 * (1 + number / variants)}
        variant = {
            "label": f"variant {number}",
            "claim": "Another learning rate would do.",
            "overrides": {"pretrain": rates, "finetune": rates},
        }
        path = folder / f"ablations/variant_{number:03}.yaml"
        path.write_text(yaml.safe_dump(variant))
    kept = {"keep_last": checkpoints, "save_interval": 1} if checkpoints > 1 else {}
    study = tiny_study.STUDY | {"seeds": list(range(seeds))}
    study["finetune"] = {**tiny_study.STUDY["finetune"], "steps": checkpoints + 1, **kept}
    (folder / "large.yaml").write_text(yaml.safe_dump(study))


def try_the_schedule(folder: Path, variants: int, seeds: int, checkpoints: int) -> None:
    """Schedule the jobs of a study on more and more GPUs."""
    write_study(folder, variants, seeds, checkpoints)
    os.chdir(folder)
    plan, _ = resolve.find_plan(Path("large.yaml"))
    jobs = jobs_of(plan, dict.fromkeys(plan.benchmarks, 1.0))
    counted = [job._replace(units=1.0) for job in jobs if job.cost]
    known = {
        job.cost: Cost(fixed=3600 * HOURS[job.sort], each=0.0, source="stated") for job in counted
    }
    costs = Costs(device="GPU", known=known)
    for gpus in GPUS:
        began = time.process_time()
        found = schedule_of(counted, costs, Room(8 * gpus, gpus))
        print(
            f"{len(counted)} jobs, {gpus:4} GPUs: {found.seconds / 3600:8.1f} h, at least "
            f"{found.bound / 3600:8.1f} h ({found.bound_by}), longest chain "
            f"{found.path_seconds / 3600:5.1f} h, {found.idle('gpus'):4.0%} idle, "
            f"planned in {time.process_time() - began:.2f} CPU s"
        )


def try_the_results(folder: Path, variants: int, seeds: int, checkpoints: int) -> None:
    """Make of a finished study what is made of every one."""
    study = folder / "results/large"
    if not study.exists():
        measured(
            "draw",
            partial(
                fake_study.build,
                study,
                variants=variants,
                seeds=tuple(range(seeds)),
                complete=True,
                frames=70,
                keep_last=checkpoints,
            ),
        )
    print(f"{'scores':10} {size_of(study / layout.SCORES) / 1e6:7.1f} MB", flush=True)
    for step in STEPS:
        measured(step, partial(run, ["rgmp", step, "results/large"], folder))
    for path in (layout.TABLES, layout.FIGURES, "mlflow.db", layout.REPORT):
        print(f"{path:10} {size_of(study / path) / 1e6:7.1f} MB")


def run(command: list[str], folder: Path) -> None:
    """Run a command in a folder, its output to the terminal."""
    subprocess.run(command, cwd=folder, check=True)


def measured(name: str, work: Callable[[], object]) -> None:
    """Do it, and print what it took."""
    before, began = cpu_seconds(), time.monotonic()
    work()
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(
        f"{name:10} {time.monotonic() - began:7.1f} s {cpu_seconds() - before:7.1f} CPU s "
        f"{memory / 1e6:7.0f} MB at most so far",
        flush=True,
    )


def cpu_seconds() -> float:
    """Of this process and of those that it waited for."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def size_of(path: Path) -> int:
    """Bytes of a file, or of all in a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


WORKS = {"dag": try_the_dag, "schedule": try_the_schedule, "results": try_the_results}

if __name__ == "__main__":
    main()
