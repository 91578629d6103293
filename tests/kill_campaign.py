"""Kill a study of seconds at random moments, and see that it ends as if nothing had been.

    python tests/kill_campaign.py --kills 30 --seed 0
    python tests/kill_campaign.py --kills 0 --full-disk --odd-folder

Each run is killed (SIGKILL) while a job of a kind that is still owed a kill is at work: Snakemake
alone, the job alone, or all of them; then the same command resumes it, at times beside the orphans.
When every kind had its kill, the study is run to its end. Rendered data, weights, masks and scores
have to be the bytes of an undisturbed run, and no log may hold a traceback of ours. Minutes, by
hand: pytest does not collect it. Status 1: something ended otherwise; 2: it cannot be tried here.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import yaml
from support import tiny_study

from rgmp.config.base import STAGES
from rgmp.reporting.figures.job_graph import WAITS_FOR
from rgmp.runtime.files import digest_of_file
from rgmp.study.references import reference_of

PROJECT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile")]
COMMAND += ["--cores", "4"]
STUDY = ["all", "--configfile", "study.yaml"]
RENDERING = ["results/rendered/records/mini.json", "--configfile", "rendered.yaml"]
KINDS = (*(command for command in WAITS_FOR if command != "train"), *STAGES)
"""Of the jobs: the commands of the workflow, and of `rgmp train` its stages."""
VICTIMS = ("Snakemake", "job", "all")
MADE = (
    *("tiny/weights/*/*/weights.safetensors", "tiny/masks/*/*/*.png", "tiny/scores/*/*/*.csv"),
    *("tiny/scores/*/bounds.csv", "rendered/data/**/*.*"),
)
TIMEOUT = 600  # seconds for a run
TRACEBACK = re.compile(r"Traceback \(most recent call last\):\n((?:[ \t].*\n?)*)(.*)")
OURS = str(PROJECT / "rgmp")


def make_workspace(root: Path, reference: Path | None = None) -> Path:
    """A folder with data, a study of two variants and an external method, and a rendered one.

    Args:
        root: where it is made.
        reference: the folder of the finished study, with which this one ends by being compared.
    """
    root.mkdir(parents=True, exist_ok=True)
    tiny_study.write_tree(root)
    (root / "ablations").mkdir()
    for name in ("full", "no_bptt"):
        shutil.copy(PROJECT / f"ablations/{name}.yaml", root / "ablations")
    rendered = tiny_study.STUDY | {
        "study": "rendered",
        "seeds": [0],
        "benchmarks": ["davis2017"],
        "data": {"mini": {"seed": 0}},
    }
    truth = {"davis2017": "davis/Annotations/480p"}
    study = rendered | {
        "study": "tiny",
        "data": tiny_study.STUDY["data"],
        "external": [{"name": "truth", "label": "Truth", "masks": truth}],
    }
    if reference is not None:
        shutil.copytree(reference, reference_of(root / "results/tiny"))
    for name, content in (("study", study), ("rendered", rendered)):
        (root / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return root


def start(workspace: Path, what: list[str]) -> subprocess.Popen[bytes]:
    """Run the study or the rendering, or resume it: Snakemake and its jobs are a process group."""
    with (workspace / "said.txt").open("ab") as said:
        return subprocess.Popen(
            [*COMMAND, *what], cwd=workspace, stdout=said, stderr=said, start_new_session=True
        )


def finish(workspace: Path, *runs: list[str]) -> int:
    """Run the study, or what else is named, to its end; the worst status."""
    return max(start(workspace, run).wait(timeout=TIMEOUT) for run in runs or (STUDY,))


def made(workspace: Path) -> dict[str, str]:
    """The digests of data, weights, masks and scores, by path."""
    folder = workspace / "results"
    paths = [path for pattern in MADE for path in folder.glob(pattern)]
    return {str(path.relative_to(folder)): digest_of_file(path) for path in paths}


def faults(workspace: Path) -> list[str]:
    """The tracebacks in what Snakemake and the jobs have said that pass through a module of ours.

    Those of an interruption are none of a fault.
    """
    found = []
    for log in (workspace / "said.txt", *workspace.glob("results/*/logs/**/*.log")):
        text = log.read_text(encoding="utf-8", errors="replace")
        for frames, error in TRACEBACK.findall(text):
            if OURS in frames and not error.startswith(("KeyboardInterrupt", "SystemExit")):
                found.append(f"{log.relative_to(workspace)}: {error or 'a traceback, cut off'}")
    return found


def jobs(snakemake: int) -> list[tuple[str, psutil.Process]]:
    """The kinds and the processes of the jobs at work."""
    found = []
    with suppress(psutil.Error):
        for process in psutil.Process(snakemake).children(recursive=True):
            with suppress(psutil.Error):  # it has ended
                line = process.cmdline()
                if line[1:2] and Path(line[1]).name == "rgmp":
                    kind = line[2] if line[2] != "train" else line[4].partition("/")[0]
                    found.append((kind, process))
    return found


def kill_one(workspace: Path, owed: set[str], dice: random.Random) -> tuple[str, str] | None:
    """Run until a job of a kind that is owed a kill is at work, and kill; the rendering first.

    Returns:
        The kind, and who was killed; None: the run ended before, as none of the kinds ran.

    Raises:
        RuntimeError: the run failed by itself.
    """
    running = start(workspace, RENDERING if "mini" in owed else STUDY)
    while running.poll() is None:
        met = [(kind, job) for kind, job in jobs(running.pid) if kind in owed]
        if met:
            kind, job = dice.choice(met)
            time.sleep(dice.uniform(0, 1.5))
            if (kind, job) not in jobs(running.pid):
                continue  # it has ended
            victim = dice.choice(VICTIMS)
            with suppress(ProcessLookupError, psutil.Error):
                if victim == "job":
                    job.kill()
                elif victim == "Snakemake":
                    running.kill()
                else:
                    os.killpg(running.pid, signal.SIGKILL)
            running.wait(timeout=TIMEOUT)
            if victim == "Snakemake" and dice.random() < 0.5:  # else beside the orphan
                psutil.wait_procs([job], timeout=TIMEOUT)
            return kind, victim
        time.sleep(0.01)
    if running.returncode:
        raise RuntimeError(f"{workspace}: the run failed unkilled, see said.txt there")
    return None


def complain_of_faults(workspace: Path) -> bool:
    """Print what `faults` finds; whether it is anything."""
    found = faults(workspace)
    for fault in found:
        print(f"    FAULT {fault}")
    return bool(found)


def campaign(root: Path, kills: int, dice: random.Random, wanted: dict[str, str]) -> bool:
    """Kill so many times, a study after another; whether each ended as the undisturbed one."""
    counts: Counter[tuple[str, str]] = Counter()
    same, studies = True, 0
    while counts.total() < kills:
        workspace = make_workspace(root / f"killed {studies}", root / "undisturbed/results/tiny")
        studies += 1
        owed: set[str] = {*KINDS}
        while owed and counts.total() < kills:
            killed = kill_one(workspace, owed, dice)
            if killed is None:
                break
            counts[killed] += 1
            print(f"{counts.total():3} killed during {killed[0]}: {killed[1]}", flush=True)
            owed.remove(killed[0])
            same &= not complain_of_faults(workspace)  # before the next run writes its own logs
        status = finish(workspace, RENDERING, STUDY)
        equal = made(workspace) == wanted
        same &= status == 0 and equal and not complain_of_faults(workspace)
        print(f"study {studies}: status {status}, {'the same' if equal else 'OTHER'} bytes")
    print(f"{'kills of':12}" + "".join(f"{victim:>11}" for victim in VICTIMS))
    for kind in KINDS:
        print(f"{kind:12}" + "".join(f"{counts[kind, victim]:11}" for victim in VICTIMS))
    print(f"{counts.total()} kills in {studies} studies: {'all' if same else 'NOT all'} the same")
    return same


def mount(folder: Path, kilobytes: int) -> bool:
    """Mount a disk of a size at a folder; whether that is possible here."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    return subprocess.run(command, check=False).returncode == 0


def can_mount() -> bool:
    """Whether a disk can be made here that runs full."""
    with tempfile.TemporaryDirectory() as folder:
        mounted = mount(Path(folder), 400)
        if mounted:
            subprocess.run(["umount", folder], check=True)
    return mounted


def full_disk(root: Path, wanted: dict[str, str]) -> bool:
    """Let the disk run full at two sizes; with room again, the study has to end the same."""
    same = True
    for kilobytes in (400, 800):
        disk = root / f"disk {kilobytes}"
        disk.mkdir()
        if not mount(disk, kilobytes):
            raise RuntimeError(f"{disk}: could be mounted before, and cannot now")
        try:
            outside = make_workspace(root / f"beside {kilobytes}")
            (outside / "results").symlink_to(disk)
            first = finish(outside)
            lines = Counter(
                line
                for log in disk.rglob("logs/**/*.log")
                for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
                if line.startswith("rgmp: ")
            )
            same &= not complain_of_faults(outside)
            subprocess.run(["mount", "-o", "remount,size=1g", str(disk)], check=True)
            second, equal = finish(outside), made(outside) == wanted
            same &= first != 0 and second == 0 and equal and not complain_of_faults(outside)
            print(
                f"a disk of {kilobytes} kB: status {first}, then with room {second}, "
                f"{'the same' if equal else 'OTHER'} bytes; logs: {dict(lines)}"
            )
        finally:
            subprocess.run(["umount", str(disk)], check=True)
    return same


def odd_folder(root: Path, wanted: dict[str, str]) -> bool:
    """A folder with spaces, umlauts and quotes in its name."""
    workspace = make_workspace(root / "Prüfung 'über'  Größe & Maß")
    status, equal = finish(workspace), made(workspace) == wanted
    print(f"{workspace.name}: status {status}, {'the same' if equal else 'OTHER'} bytes")
    return status == 0 and equal


def main() -> int:
    """Run what is asked for; 0 where everything ended the same."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--full-disk", action="store_true")
    parser.add_argument("--odd-folder", action="store_true")
    options = parser.parse_args()
    if options.full_disk and not can_mount():
        print("--full-disk: not tried, for a tmpfs cannot be mounted here; are you root?")
        return 2
    root = Path(tempfile.mkdtemp(prefix="kill campaign "))
    reference = make_workspace(root / "undisturbed")
    began = time.monotonic()
    if status := finish(reference, *([RENDERING] if options.kills else []), STUDY):
        print(f"{reference}: the undisturbed run failed with status {status}, see said.txt there")
        return 1
    wanted = made(reference)
    print(f"undisturbed: {len(wanted)} files in {time.monotonic() - began:.0f} s, below {root}")
    same = campaign(root, options.kills, random.Random(options.seed), wanted)
    of_study = {path: digest for path, digest in wanted.items() if path.startswith("tiny/")}
    if options.full_disk:
        same &= full_disk(root, of_study)
    if options.odd_folder:
        same &= odd_folder(root, of_study)
    if same:
        shutil.rmtree(root)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
