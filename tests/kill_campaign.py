"""Kill a study of seconds at random moments, and see that it ends as if nothing had been.

    python tests/kill_campaign.py --kills 30 --seed 0
    python tests/kill_campaign.py --kills 0 --full-disk --odd-folder

Each run is killed (SIGKILL) while a job of a kind that is still owed a kill is at work: Snakemake
alone, the job alone, or all of them; then the same command resumes it, at times beside the orphans.
When every kind had its kill, the study is run to its end, and weights, masks and scores have to be
the bytes of an undisturbed run. Minutes, by hand: pytest does not collect it.
"""

import argparse
import os
import random
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

from rgmp.runtime.files import digest_of_file

PROJECT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile")]
COMMAND += ["all", "--cores", "4", "--configfile", "study.yaml"]
KINDS = (
    "check", "pretrain", "finetune", "infer", "score", "speed", "tables", "figures", "track",
    "report",
)  # fmt: skip
VICTIMS = ("Snakemake", "job", "all")
MADE = ("weights/*/*/weights.safetensors", "masks/*/*/*/*/*.png", "scores/*/*/*.csv")
PATIENCE = 600  # seconds for a run


def make_workspace(root: Path) -> Path:
    """A folder with data, a study and two variants."""
    root.mkdir(parents=True, exist_ok=True)
    tiny_study.write_tree(root)
    (root / "ablations").mkdir()
    for name in ("full", "no_bptt"):
        shutil.copy(PROJECT / f"ablations/{name}.yaml", root / "ablations")
    study = tiny_study.STUDY | {"seeds": [0], "benchmarks": ["davis2017"]}
    (root / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    return root


def start(workspace: Path) -> subprocess.Popen[bytes]:
    """Run the study, or resume it: Snakemake and its jobs are a process group."""
    with (workspace / "said.txt").open("ab") as said:
        return subprocess.Popen(
            COMMAND, cwd=workspace, stdout=said, stderr=said, start_new_session=True
        )


def finish(workspace: Path) -> int:
    """Run the study to its end; the status."""
    return start(workspace).wait(timeout=PATIENCE)


def made(workspace: Path) -> dict[str, str]:
    """The digests of weights, masks and scores, by path."""
    folder = workspace / "results/tiny"
    paths = [path for pattern in MADE for path in folder.glob(pattern)]
    return {str(path.relative_to(folder)): digest_of_file(path) for path in paths}


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
    """Run the study until a job of a kind that is owed a kill is at work, and kill.

    Returns:
        The kind, and who was killed; None: the run ended before, as none of the kinds ran.

    Raises:
        RuntimeError: the run failed by itself.
    """
    running = start(workspace)
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
            running.wait(timeout=PATIENCE)
            if victim == "Snakemake" and dice.random() < 0.5:  # else beside the orphan
                psutil.wait_procs([job], timeout=PATIENCE)
            return kind, victim
        time.sleep(0.01)
    if running.returncode:
        raise RuntimeError(f"{workspace}: the run failed unkilled, see said.txt there")
    return None


def campaign(root: Path, kills: int, dice: random.Random, wanted: dict[str, str]) -> bool:
    """Kill so many times, a study after another; whether each ended as the undisturbed one."""
    counts: Counter[tuple[str, str]] = Counter()
    same, studies = True, 0
    while counts.total() < kills:
        workspace = make_workspace(root / f"killed {studies}")
        studies, owed = studies + 1, set(KINDS)
        while owed and counts.total() < kills:
            killed = kill_one(workspace, owed, dice)
            if killed is None:
                break
            counts[killed] += 1
            print(f"{counts.total():3} killed during {killed[0]}: {killed[1]}", flush=True)
            owed.remove(killed[0])
        status = finish(workspace)
        equal = made(workspace) == wanted
        same &= status == 0 and equal
        print(f"study {studies}: status {status}, {'the same' if equal else 'OTHER'} bytes")
    print(f"{'kills of':12}" + "".join(f"{victim:>11}" for victim in VICTIMS))
    for kind in KINDS:
        print(f"{kind:12}" + "".join(f"{counts[kind, victim]:11}" for victim in VICTIMS))
    print(f"{counts.total()} kills in {studies} studies: {'all' if same else 'NOT all'} the same")
    return same


def full_disk(root: Path, wanted: dict[str, str]) -> bool:
    """Let the disk run full at two sizes; with room again, the study has to end the same."""
    same = True
    for kilobytes in (400, 800):
        disk = root / f"disk {kilobytes}"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)]
        if subprocess.run(mount, check=False).returncode:
            print("full disk: skipped, a tmpfs cannot be mounted here")
            return True
        try:
            outside = make_workspace(root / f"beside {kilobytes}")
            (outside / "results").symlink_to(disk)
            first = finish(outside)
            lines = Counter(
                line
                for log in disk.rglob("logs/**/*.log")
                for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
                if line.startswith(("rgmp: ", "Traceback"))
            )
            subprocess.run(["mount", "-o", "remount,size=1g", str(disk)], check=True)
            second, equal = finish(outside), made(outside) == wanted
            same &= second == 0 and equal
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
    root = Path(tempfile.mkdtemp(prefix="kill campaign "))
    reference = make_workspace(root / "undisturbed")
    began = time.monotonic()
    if status := finish(reference):
        print(f"{reference}: the undisturbed run failed with status {status}, see said.txt there")
        return 1
    wanted = made(reference)
    print(f"undisturbed: {len(wanted)} files in {time.monotonic() - began:.0f} s, below {root}")
    same = campaign(root, options.kills, random.Random(options.seed), wanted)
    if options.full_disk:
        same &= full_disk(root, wanted)
    if options.odd_folder:
        same &= odd_folder(root, wanted)
    if same:
        shutil.rmtree(root)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
