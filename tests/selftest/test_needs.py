"""`make wheels` brings what the selftest imports; the packages of the rest need not be there."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from support.documents import PROJECT

from rgmp.minidavis.cast import TRAIN, VAL
from rgmp.minidavis.generate import Contents
from rgmp.selftest import small, study
from rgmp.selftest.bench import Bench
from rgmp.selftest.sections import SECTIONS

LEFT_OUT = (
    "argcomplete", "jinja2", "matplotlib", "mlflow", "requests", "rocrate", "seaborn",
    "snakemake", "tabulate", "torchvision", "urllib3",
)  # fmt: skip
"""What the package requires, and the wheels leave out."""
WITHOUT = f"""
import sys
from importlib.machinery import PathFinder

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, *of):
        return None if name.partition(".")[0] in {LEFT_OUT!r} else super().find_spec(name, *of)

sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
"""

FORKING = """
import gc, json, os, sys
import torch
from rgmp.cli import main
from rgmp.data import loader
from rgmp.inference import evaluation
from rgmp.selftest import study
from rgmp.training import train

torch.optim.SGD([torch.zeros(1)])  # imports half of torch
gc.freeze()  # else a round of the garbage collector would copy all of it into each process
for line in sys.stdin:
    folder, code, *arguments = json.loads(line)
    child = os.fork()
    if not child:
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        sys.argv = ["-c", *arguments]
        exec(code)
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Runs code in processes that it forks: torch, which takes seconds, is imported once."""

Python = Callable[..., int]
"""Runs code in a folder with arguments, as `python -c` does; returns the exit status."""


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Python]:
    """Runs code without the packages, as does every process that starts from now on."""
    folder, pipe = tmp_path_factory.mktemp("without"), subprocess.PIPE
    (folder / "sitecustomize.py").write_text(WITHOUT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{folder}:{PROJECT}:{os.environ.get('PYTHONPATH', '')}")
        patch.syspath_prepend(folder)  # commands of the selftest import what this process does
        with subprocess.Popen(
            [sys.executable, "-c", FORKING], stdin=pipe, stdout=pipe, text=True, bufsize=1
        ) as process:
            assert process.stdin
            assert process.stdout
            asking, answers = process.stdin, process.stdout

            def run(place: Path, code: str, *arguments: str) -> int:
                print(json.dumps([str(place), code, *arguments]), file=asking, flush=True)
                return int(answers.readline())

            yield run


def test_what_is_left_out_and_what_is_brought_is_all_that_is_required() -> None:
    project = (PROJECT / "pyproject.toml").read_text().partition("[project.optional")[0]
    required = {*re.findall(r'^    "([a-z0-9-]+)>=', project, re.MULTILINE)}
    makefile = (PROJECT / "Makefile").read_text()
    (brought,) = re.findall(r"^selftest_needs := ((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    there = {
        *brought.replace("\\", " ").split(),
        "torch",
        "numpy",
        "snakemake-interface-logger-plugins",
    }
    assert required - there == {*LEFT_OUT}
    assert not there & {*LEFT_OUT}


@pytest.mark.slow
def test_sections_and_the_command_line_import_without_them(without: Python, tmp_path: Path) -> None:
    modules = ", ".join(["rgmp.cli.main", "rgmp.selftest.run", "rgmp.selftest.worker"])
    modules += "".join(f", {section.module}" for section in SECTIONS)
    assert without(tmp_path, f"import {modules}") == 0, "see standard error"
    done = subprocess.run(
        [sys.executable, "-c", "import mlflow"], capture_output=True, text=True, check=False
    )
    assert "No module named 'mlflow'" in done.stderr


@pytest.mark.slow
def test_the_ordinary_commands_train_and_score_without_them(
    without: Python, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but `plan`, which imports little, are forked."""
    start_one = study.command

    def command(place: Path, *arguments: str) -> None:
        if arguments[0] == "plan":
            start_one(place, *arguments)
        else:
            assert without(place, study._COMMAND, *arguments) == 0, arguments

    monkeypatch.setattr(study, "command", command)
    two = {"steps": 2, "batch": 2}
    extent = small.Extent(Contents(TRAIN[:1], VAL[:1], 3), two, two, workers=0)
    monkeypatch.setattr(small, "ON_CPU", extent)
    monkeypatch.setattr("rgmp.runtime.cores.usable_cores", lambda: 1)
    bench = Bench(torch.device("cpu"), tmp_path, tmp_path / "work", time.monotonic() + 600)
    found = [*study.section(bench)]
    assert [finding.conditions["variant"] for finding in found] == ["full", "no_bptt"]
    assert all(0 <= float(finding.value) <= 100 for finding in found)
