"""The workflow on a machine with few cores, and after a kill that Snakemake did not survive."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from test_workflow import PROJECT, make_workspace, snakemake

from rgmp.study.resolve import resolve

BUSY = """
include: "{common}"
rule all:
    input:
        expand("{{n}}.txt", n=range(5)),
        "whole.txt",
rule one:
    output:
        "{{n}}.txt",
    shell:
        "date +%s.%N > {{output}}; sleep 0.5; date +%s.%N >> {{output}}"
rule more_than_there_is:
    output:
        "whole.txt",
    threads: 3
    shell:
        "echo {{threads}}; date +%s.%N > {{output}}; sleep 0.5; date +%s.%N >> {{output}}"
"""
COMMAND = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile")]


def on_one_core(workspace: Path, *arguments: str) -> str:
    """Run `BUSY` with the project's settings where one core may be used; what Snakemake prints."""
    make_workspace(workspace)
    common = PROJECT / "workflow/rules/common.smk"
    (workspace / "Snakefile").write_text(BUSY.format(common=common), encoding="utf-8")
    core = str(min(os.sched_getaffinity(0)))
    command = ["taskset", "--cpu-list", core, sys.executable, "-m", "snakemake", "all"]
    command += ["--cores", "4", *arguments, "--configfile", "seconds.yaml"]
    done = subprocess.run(
        command, cwd=workspace, capture_output=True, text=True, timeout=300, check=True
    )
    return done.stdout + done.stderr


def test_no_more_jobs_at_a_time_than_the_machine_has_cores(tmp_path: Path) -> None:
    """A job that asks for more threads than that has them all."""
    on_one_core(tmp_path)
    spans = sorted(tuple(map(float, p.read_text().split())) for p in tmp_path.glob("*.txt"))
    assert len(spans) == 6
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


@pytest.mark.parametrize(("arguments", "threads"), [((), 1), (("--jobs", "7"), 3)])
def test_jobs_that_go_to_other_machines_are_not_limited(
    tmp_path: Path, arguments: tuple[str, ...], threads: int
) -> None:
    said = on_one_core(tmp_path, "--dry-run", "--printshellcmds", *arguments)
    assert f"echo {threads};" in said


class Running:
    """Snakemake making one file, as a process of its own."""

    def __init__(self, workspace: Path, target: str) -> None:
        self.folder, self.target = workspace, target

    def __enter__(self) -> "Running":
        command = [*COMMAND, self.target, "--cores", "4", "--configfile", "seconds.yaml"]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=quiet, stderr=quiet)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def training(self) -> psutil.Process:
        """The `rgmp train` that it has started."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.Error):  # it has ended
                    if "train" in child.cmdline()[2:3]:
                        return child
            time.sleep(0.02)
        raise TimeoutError


def wait_for(path: Path, text: str) -> None:
    """Wait until a file holds a text."""
    deadline = time.monotonic() + 60
    while not (path.is_file() and text in path.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def first_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """A workspace, and where the first training of its study lies."""
    monkeypatch.chdir(make_workspace(tmp_path))
    return tmp_path, resolve(Path("seconds.yaml")).trainings[0].folder


@pytest.mark.slow
def test_a_training_that_outlived_snakemake_is_kept(first_training: tuple[Path, str]) -> None:
    workspace, folder = first_training
    study = workspace / "results/tiny"
    record, weights = study / f"records/{folder}.json", study / folder / "weights.safetensors"
    target = str(record.relative_to(workspace))
    with Running(workspace, target) as running:
        orphan = running.training()
        running.process.kill()
    psutil.wait_procs([orphan], timeout=120)
    before = record.read_bytes(), weights.read_bytes(), weights.stat().st_ino
    done = snakemake(workspace, target)
    assert done.returncode == 0, done.stderr
    assert (record.read_bytes(), weights.read_bytes(), weights.stat().st_ino) == before
    log = (study / f"logs/train/{folder.removeprefix('weights/')}.log").read_text()
    assert log == f"{folder}: already trained according to its record; kept\n"
    assert "Nothing to be done" in snakemake(workspace, target).stderr


@pytest.mark.slow
def test_an_orphan_and_its_resumption_take_turns(first_training: tuple[Path, str]) -> None:
    workspace, folder = first_training
    record = f"results/tiny/records/{folder}.json"
    with Running(workspace, record) as running:
        orphan = running.training()
        stage, name = folder.rsplit("/", 1)
        wait_for(workspace / f"results/tiny/{stage}/.{name}.lock", f"process {orphan.pid} of ")
        orphan.suspend()
        running.process.kill()
    log = workspace / f"results/tiny/logs/train/{folder.removeprefix('weights/')}.log"
    with Running(workspace, record) as running:
        running.training()
        wait_for(log, f"process {orphan.pid} of ")
        orphan.resume()
        assert running.process.wait(timeout=120) == 0
    assert log.read_text().splitlines()[1:] == [
        f"{folder}: already trained according to its record; kept"
    ]


@pytest.mark.slow
def test_a_living_snakemake_keeps_its_lock(first_training: tuple[Path, str]) -> None:
    workspace, folder = first_training
    record = f"results/tiny/records/{folder}.json"
    with Running(workspace, record) as running:
        training = running.training()
        training.suspend()
        other = snakemake(workspace, record)
        training.resume()
        assert other.returncode != 0
        assert "cannot be locked" in other.stdout + other.stderr
        assert running.process.wait(timeout=120) == 0
