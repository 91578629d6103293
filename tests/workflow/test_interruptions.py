"""The workflow on a machine with few cores, and after a kill that Snakemake did not survive."""

import re
import subprocess
import sys
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
import yaml
from support import forked
from support.workflow import PROJECT, STUDY, make_workspace, snakemake

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


ELSEWHERE = """
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings

common_settings = CommonSettings(non_local_exec=True, implies_no_shared_fs=False,
                                 job_deploy_sources=False)


class Executor(RemoteExecutor):
    run_job = check_active_jobs = cancel_jobs = None
"""


def on_one_core(workspace: Path, *arguments: str) -> str:
    """Run Snakemake with four cores where one may be used; what it prints."""
    plugin = workspace / "plugins/snakemake_executor_plugin_elsewhere/__init__.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text(ELSEWHERE, encoding="utf-8")
    command = ["all", "--cores", "4", *arguments, "--configfile", "seconds.yaml"]
    done = forked.run("snakemake", "support.one_core", command, workspace, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def busy(tmp_path: Path) -> Path:
    """A workspace with the jobs of `BUSY`, which are limited as the project's are."""
    make_workspace(tmp_path)
    common = PROJECT / "workflow/rules/common.smk"
    (tmp_path / "Snakefile").write_text(BUSY.format(common=common), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("arguments", [(), ("--jobs", "7")], ids=["cores", "cores and jobs"])
def test_no_more_jobs_at_a_time_than_the_machine_has_cores(
    busy: Path, arguments: tuple[str, ...]
) -> None:
    """A job that asks for more threads than that has as many as there are, and is alone."""
    on_one_core(busy, *arguments)
    spans = sorted(tuple(map(float, p.read_text().split())) for p in busy.glob("*.txt"))
    assert len(spans) == 6
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


@pytest.mark.parametrize(
    ("arguments", "threads"),
    [
        ((), 1),
        (("--jobs", "7"), 1),
        (("--jobs", "7", "--executor", "elsewhere"), 3),
        (("--mode", "remote"), 3),  # as it is started there
    ],
    ids=["here", "here, counted", "elsewhere", "sent here"],
)
def test_only_jobs_of_other_machines_are_not_limited(
    busy: Path, arguments: tuple[str, ...], threads: int
) -> None:
    said = on_one_core(busy, "--dry-run", "--printshellcmds", *arguments)
    assert f"echo {threads};" in said


@pytest.mark.parametrize("elsewhere", [False, True])
def test_jobs_are_told_how_many_threads_they_are_granted(tmp_path: Path, elsewhere: bool) -> None:
    make_workspace(tmp_path)
    study = STUDY | {"compute": {"threads": 3}, "machine": {"device": "cpu", "processes": 2}}
    (tmp_path / "seconds.yaml").write_text(yaml.safe_dump(study))
    arguments = ["--jobs", "7", "--executor", "elsewhere"] if elsewhere else []
    arguments += ["--dry-run", "--printshellcmds", "--snakefile", str(PROJECT / "Snakefile")]
    said = on_one_core(tmp_path, *arguments)
    found = set(re.findall(r"rgmp (train|evaluate|speed) .*--threads (\d+) ", said))
    here = {("train", "1"), ("evaluate", "1"), ("speed", "1")}
    there = {("train", "6"), ("evaluate", "3"), ("speed", "3")}  # train has two processes
    assert found == (there if elsewhere else here)


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
@pytest.mark.torch
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
    alive = workspace / ".snakemake/alive"
    here = alive.read_text(encoding="utf-8")
    alive.write_text("node7 of-another-kernel", encoding="utf-8")
    refused = snakemake(workspace, target)
    assert refused.returncode != 0
    assert "this folder is locked by a Snakemake on node7; if it is no longer" in refused.stderr
    alive.write_text(here, encoding="utf-8")
    done = snakemake(workspace, target)
    assert done.returncode == 0, done.stderr
    assert (record.read_bytes(), weights.read_bytes(), weights.stat().st_ino) == before
    log = (study / f"logs/train/{folder.removeprefix('weights/')}.log").read_text()
    assert log == f"{folder}: already trained according to its record; kept\n"
    assert "Nothing to be done" in snakemake(workspace, target).stderr


@pytest.mark.slow
@pytest.mark.torch
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
@pytest.mark.torch
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
