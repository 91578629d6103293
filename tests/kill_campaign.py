"""Kill a study of seconds at random moments, and see that it ends as if nothing had been.

    python tests/kill_campaign.py --kills 30 --seed 0
    python tests/kill_campaign.py --kills 0 --full-disk --odd-folder

Each run is killed (SIGKILL) while a job of a kind that is still owed a kill is at work, at any
moment of its life: Snakemake alone, the job alone, or all of them; then the same command resumes
it, at times beside the orphans. When every kind had its kill, the study is run to its end. Rendered
data, weights, masks, archives, scores and comparisons have to be the bytes of an undisturbed run,
no process may be left, and no log may hold a traceback of ours. The cross-check has nothing to do
where DAVIS's evaluator is not installed. Minutes, by hand: pytest does not collect it. Status 1:
something ended otherwise; 2: it cannot be tried here.
"""

import argparse
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import yaml
from support import tiny_study

from rgmp.runtime.files import digest_of_file
from rgmp.study import layout
from rgmp.study.references import reference_of
from rgmp.training.job import WEIGHTS

PROJECT = Path(__file__).parents[1]
WORKFLOW = ["--snakefile", str(PROJECT / "Snakefile"), "--cores", "4"]
SNAKEMAKE = (sys.executable, "-m", "snakemake")
STUDY = ["all", "--configfile", "study.yaml"]
RENDERING = ["results/rendered/records/mini.json", "--configfile", "rendered.yaml"]
COMPARING = ["all", "--configfile", "compared.yaml"]
RUNS = (RENDERING, COMPARING, STUDY)
"""Together they have every kind of job."""
VICTIMS = ("Snakemake", "job", "all")
MADE = (
    *("tiny/weights/*/*/*.safetensors", "tiny/masks/**/*.png", "tiny/submission/*/*.zip"),
    *("tiny/scores/**/*.csv", "rendered/data/**/*.*", "compared/*/**/*.csv"),
)
TIMEOUT = 600  # seconds for a run
TRACEBACK = re.compile(r"Traceback \(most recent call last\):\n((?:[ \t].*\n?)*)(.*)")
OURS = str(PROJECT / "rgmp")


def make_workspace(root: Path, reference: Path | None = None) -> Path:
    """A folder with data and four study files, which have every kind of job between them.

    `study` has two variants, an external method, earlier checkpoints, and a split whose truth is
    withheld; `without_checkpoints` is the same without those; `rendered` renders its data;
    `compared` compares external methods alone.

    Args:
        root: where it is made.
        reference: the folder of the finished study, with which this one ends by being compared.
    """
    root.mkdir(parents=True, exist_ok=True)
    tiny_study.write_tree(root)
    _write_withheld(root)
    shutil.copytree(root / TRUTH, root / "given")
    shutil.copy(root / "given/val_a/00000.png", root / "given/val_a/00001.png")
    (root / "ablations").mkdir()
    for name in ("full", "no_bptt"):
        shutil.copy(PROJECT / f"ablations/{name}.yaml", root / "ablations")
    rendered = tiny_study.STUDY | {
        "study": "rendered",
        "seeds": [0],
        "benchmarks": ["davis2017"],
        "data": {"mini": {"seed": 0}},
    }
    methods = [
        {"name": name, "label": name, "masks": {"davis2017": masks}}
        for name, masks in (("truth", TRUTH), ("given", "given"))
    ]
    without_checkpoints = tiny_study.STUDY | {
        "pretrain": tiny_study.STUDY["pretrain"] | {"steps": 6},
        "finetune": tiny_study.STUDY["finetune"] | {"steps": 6},
        "machine": {"device": "cpu", "workers": 1, "checkpoint_seconds": 0},
        "external": methods[:1],
        "submission": {"davis": "withheld"},
    }
    kept = {"finetune": without_checkpoints["finetune"] | {"keep_last": 2}}
    compared = {
        "study": "compared",
        "title": "A comparison of seconds",
        "data": {"davis": "davis"},
        "benchmarks": ["davis2017"],
        "external": methods,
    }
    if reference is not None:
        shutil.copytree(reference, reference_of(root / "results/tiny"))
    studies = {"study": without_checkpoints | kept, "without_checkpoints": without_checkpoints}
    for name, content in (studies | {"rendered": rendered, "compared": compared}).items():
        (root / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return root


TRUTH = "davis/Annotations/480p"


def _write_withheld(root: Path) -> None:
    """A tree with a split of one sequence whose truth is withheld but for frame 0."""
    tree = shutil.copytree(root / "davis", root / "withheld")
    (tree / "ImageSets/2017/test-dev.txt").write_text("val_a\n")
    for number in range(1, tiny_study.FRAMES):
        tiny_study.annotation(tree, number).unlink()


def announced(workspace: Path, snakemake: Sequence[str] = SNAKEMAKE) -> tuple[set[str], set[str]]:
    """The rules and the kinds of all jobs of the workspace's runs, by dry runs of them.

    Args:
        workspace: see `make_workspace`.
        snakemake: what starts it, before its arguments.

    Raises:
        RuntimeError: a dry run fails, or a job in it has no command of ours.
    """
    rules: set[str] = set()
    kinds: set[str] = set()
    for run in RUNS:
        dry = [*snakemake, *WORKFLOW, *run, "--dry-run", "--forceall", "--printshellcmds"]
        done = subprocess.run(dry, cwd=workspace, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        counts = dict(re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE))
        due = int(counts.pop("total", 0)) - int(counts.pop("all", 0))
        commands = re.findall(r"^ *Shell command: (rgmp .*)$", said, re.MULTILINE)
        if done.returncode or len(commands) != due:
            raise RuntimeError(f"{shlex.join(dry)}: {len(commands)} commands of {due} jobs: {said}")
        rules.update(counts)
        kinds.update(kind_of(command.split(), command) for command in commands)
    return rules, kinds


def kind_of(command: Sequence[str], log: str) -> str:
    """The kind of a job: the command, and of `rgmp train` the stage.

    Args:
        command: `rgmp` and its arguments.
        log: names the file that it writes to, which tells a training run from the job that sees to
            its checkpoints.
    """
    if command[1] != "train":
        return command[1]
    keeps = f"/{layout.LOGS}/{layout.CHECKPOINTS}/" in log
    return layout.CHECKPOINTS if keeps else command[3].partition("/")[0]


def start(workspace: Path, what: list[str]) -> subprocess.Popen[bytes]:
    """Run the study or the rendering, or resume it: Snakemake and its jobs are a process group.

    What is killed leaves its temporary files, so they lie in a folder of the workspace.
    """
    (workspace / "tmp").mkdir(exist_ok=True)
    with (workspace / "said.txt").open("ab") as said:
        return subprocess.Popen(
            [*SNAKEMAKE, *WORKFLOW, *what],
            cwd=workspace,
            env={**os.environ, "TMPDIR": str(workspace / "tmp")},
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


def finish(workspace: Path, *runs: list[str]) -> int:
    """Run the study, or what else is named, to its end; the worst status."""
    return max(start(workspace, run).wait(timeout=TIMEOUT) for run in runs or (STUDY,))


def watch(workspace: Path, *runs: list[str]) -> dict[str, float]:
    """Run to the end undisturbed; the seconds that the longest job of each kind took.

    Raises:
        RuntimeError: a run failed.
    """
    longest: dict[str, float] = {}
    for run in runs:
        running = start(workspace, run)
        while running.poll() is None:
            for kind, job in jobs(running.pid):
                with suppress(psutil.Error):
                    longest[kind] = max(longest.get(kind, 0), time.time() - job.create_time())
            time.sleep(0.05)
        if running.returncode:
            raise RuntimeError(f"{workspace}: status {running.returncode}, see said.txt there")
    return longest


def made(workspace: Path) -> dict[str, str]:
    """The digests of data, weights, masks and scores, by path.

    Hidden folders have what a killed job had not finished.
    """
    folder = workspace / "results"
    found = {path.relative_to(folder) for pattern in MADE for path in folder.glob(pattern)}
    whole = [path for path in found if not any(part.startswith(".") for part in path.parts)]
    return {str(path): digest_of_file(folder / path) for path in whole}


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
    """The kinds and the processes of the jobs at work; their own workers are none."""
    found: list[tuple[str, psutil.Process]] = []
    with suppress(psutil.Error):
        for process in psutil.Process(snakemake).children(recursive=True):
            with suppress(psutil.Error):  # it has ended
                line = process.cmdline()
                if line[1:2] and Path(line[1]).name == "rgmp" and not _is_worker(process):
                    log = "".join(file.path for file in process.open_files() if file.fd == 1)
                    found.append((kind_of(line[1:], log), process))
    return found


def _is_worker(process: psutil.Process) -> bool:
    """Whether a process was forked by a job, whose command line it then has."""
    parent = process.parent()
    return parent is not None and parent.cmdline() == process.cmdline()


def left_over(workspace: Path) -> list[psutil.Process]:
    """The processes that work in a folder though its runs have ended, some time after that."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if Path(process.cwd()) == workspace:
                found.append(process)
    return psutil.wait_procs(found, timeout=30)[1]


def kill_one(
    workspace: Path,
    run: list[str],
    owed: Collection[str],
    seconds: dict[str, float],
    dice: random.Random,
) -> tuple[str, str] | None:
    """Run until a job of a kind that is owed a kill is at work, and kill.

    Args:
        workspace: where.
        run: what of it.
        owed: the kinds.
        seconds: how long a job of each kind takes; halved if it is over earlier.
        dice: choose the moment and the victim.

    Returns:
        The kind, and who was killed; None: the run ended before, as none of the kinds ran.

    Raises:
        RuntimeError: the run failed by itself.
    """
    running = start(workspace, run)
    while running.poll() is None:
        met = [(kind, job) for kind, job in jobs(running.pid) if kind in owed]
        if met:
            kind, job = dice.choice(met)
            if psutil.wait_procs([job], timeout=dice.uniform(0, seconds[kind]))[0]:
                seconds[kind] /= 2  # it is over earlier than was thought
                continue
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


def campaign(
    root: Path, kills: int, dice: random.Random, wanted: dict[str, str], seconds: dict[str, float]
) -> bool:
    """Kill so many times, a study after another; whether each ended as the undisturbed one.

    Args:
        root: has the undisturbed study.
        kills: how many; in each study a kind is killed once, those first that were spared so far.
        dice: for all that is random.
        wanted: what was made, as of `made`.
        seconds: how long a job of each kind takes, all kinds; lowered where one was over earlier.
    """
    weights = sorted(path for path in wanted if path.endswith(WEIGHTS))
    training = [
        *(f"results/{path}" for path in weights),
        "--configfile",
        "without_checkpoints.yaml",
    ]
    counts: Counter[tuple[str, str]] = Counter()
    same, studies = True, 0
    while counts.total() < kills:
        workspace = make_workspace(root / f"killed {studies}", root / "undisturbed/results/tiny")
        of_kind = Counter(kind for kind, _ in counts.elements())
        spared_first = sorted(sorted(seconds), key=lambda kind: (of_kind[kind], dice.random()))
        owed = {*spared_first[: kills - counts.total()]}
        # in some studies the checkpoints are made by repeating the trainings
        runs = (RENDERING, COMPARING, *dice.choice([(), (training,)]), STUDY)
        studies += 1
        for run in runs:
            while owed and (killed := kill_one(workspace, run, owed, seconds, dice)):
                counts[killed] += 1
                print(f"{counts.total():3} killed during {killed[0]}: {killed[1]}", flush=True)
                owed.remove(killed[0])
                same &= not complain_of_faults(workspace)  # before the next run writes its own logs
        status = finish(workspace, *RUNS)
        equal = made(workspace) == wanted
        same &= status == 0 and equal and not complain_of_faults(workspace)
        if left := left_over(workspace):
            print(f"    LEFT {left}")
            same = False
        print(f"study {studies}: status {status}, {'the same' if equal else 'OTHER'} bytes")
    print(f"{'kills of':12}" + "".join(f"{victim:>11}" for victim in VICTIMS))
    for kind in sorted(seconds):
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
    """Let the disk run full early and late; with room again, the study has to end the same."""
    same = True
    files = (root / "undisturbed/results/tiny").rglob("*")
    takes = sum(path.stat().st_size for path in files if path.is_file()) // 1000
    for kilobytes in (takes // 4, takes * 3 // 4):
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
    status, equal = finish(workspace, *RUNS), made(workspace) == wanted
    print(f"{workspace.name}: status {status}, {'the same' if equal else 'OTHER'} bytes")
    return status == 0 and equal


def undisturbed(root: Path) -> tuple[dict[str, str], dict[str, float]]:
    """Run everything once, and the comparison of the study with a copy of itself.

    Returns:
        What was made, as of `made`, and the seconds that a job of each kind takes.

    Raises:
        RuntimeError: a run failed, or one of the kinds was not met.
    """
    workspace = make_workspace(root / "undisturbed")
    seconds = watch(workspace, *RUNS)
    finished = workspace / "results/tiny"
    shutil.copytree(finished, reference_of(finished))
    seconds |= watch(workspace, STUDY)
    if unmet := announced(workspace)[1] ^ seconds.keys():
        raise RuntimeError(f"{workspace}: announced, but not met, or the reverse: {unmet}")
    return made(workspace), seconds


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
    began = time.monotonic()
    wanted, seconds = undisturbed(root)
    print(f"undisturbed: {len(wanted)} files in {time.monotonic() - began:.0f} s, below {root}")
    print("longest job of a kind: " + ", ".join(f"{k} {s:.1f} s" for k, s in seconds.items()))
    same = campaign(root, options.kills, random.Random(options.seed), wanted, seconds)
    if options.full_disk:
        of_study = {path: digest for path, digest in wanted.items() if path.startswith("tiny/")}
        same &= full_disk(root, of_study)
    if options.odd_folder:
        same &= odd_folder(root, wanted)
    if same:
        shutil.rmtree(root)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
