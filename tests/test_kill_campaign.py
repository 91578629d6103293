"""What the campaign of kills takes for a fault, and what it cannot try."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import kill_campaign
import pytest
from kill_campaign import PROJECT, announced, faults, make_workspace
from support import forked

from rgmp.config.base import STAGES
from rgmp.runtime.files import write_text
from rgmp.study import layout
from rgmp.study.jobs import Kind

TRACEBACK = """rgmp: warning: before it
Traceback (most recent call last):
  File "{module}", line 1, in main
    save()
{error}
after it
"""


@pytest.mark.parametrize(
    ("module", "error", "found"),
    [
        ("rgmp/cli/main.py", "OSError: [Errno 28] No space left on device", True),
        ("rgmp/cli/main.py", "KeyboardInterrupt", False),
        (".venv/lib/snakemake/workflow.py", "OSError: [Errno 28] No space left", False),
    ],
)
def test_a_traceback_through_our_code_is_a_fault(
    module: str, error: str, found: bool, tmp_path: Path
) -> None:
    log = tmp_path / "results/tiny/logs/train/full.log"
    log.parent.mkdir(parents=True)
    log.write_text(TRACEBACK.format(module=PROJECT / module, error=error))
    (tmp_path / "said.txt").write_text("rgmp: cannot be written; free some room\n")
    assert faults(tmp_path) == [f"results/tiny/logs/train/full.log: {error}"] * found


def test_a_traceback_that_a_full_disk_has_cut_off_is_one_too(tmp_path: Path) -> None:
    said = TRACEBACK.format(module=PROJECT / "rgmp/cli/main.py", error="")
    (tmp_path / "said.txt").write_text(said[: said.index("    save")])
    assert faults(tmp_path) == ["said.txt: a traceback, cut off"]


def test_a_full_disk_that_cannot_be_made_is_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused: subprocess.CompletedProcess[bytes] = subprocess.CompletedProcess(["mount"], 32)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: refused)
    monkeypatch.setattr(sys, "argv", ["kill_campaign.py", "--kills", "0", "--full-disk"])
    assert kill_campaign.main() == 2
    assert "not tried" in capsys.readouterr().out


@pytest.mark.slow
def test_every_rule_of_the_workflow_has_a_kind_of_job_that_is_killed(tmp_path: Path) -> None:
    for name in (layout.PLAN, f"{layout.TABLES}/ablation.csv"):
        write_text(tmp_path / "finished" / name, "{}")
    workspace = make_workspace(tmp_path / "work", tmp_path / "finished")
    rules, kinds = announced(workspace, forked.command("snakemake", "snakemake.cli"))
    files = (PROJECT / "Snakefile", *(PROJECT / "workflow/rules").glob("*.smk"))
    written = [
        name
        for file in files
        for name in re.findall(r"^ *(?:rule|checkpoint)\b *(\w*):", file.read_text(), re.MULTILINE)
    ]
    assert written.count("") == 1, "of evaluate, which has its names from the variants"
    assert {*written} - {"", "all"} <= rules
    assert {"evaluate_full", "evaluate_full_checkpoint"} <= rules
    commands = {*get_args(Kind), "compare"} - {"train"}
    assert kinds == {*commands, *STAGES, layout.CHECKPOINTS}
