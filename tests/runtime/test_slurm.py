"""A job that asks Slurm to start it again."""

from pathlib import Path

import pytest

from rgmp.runtime import slurm


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an scontrol writes what it is told; it refuses job 13."""
    program = tmp_path / "scontrol"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/told\n[ $2 != 13 ] || {{ echo no >&2; exit 1; }}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path / "told"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("12", "job 12 is to be started again by Slurm\n"),
        ("13", "job 13 is not started again by Slurm: no\n"),
    ],
)
def test_a_job_is_requeued_by_its_number(
    number: str,
    said: str,
    told: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", number)
    slurm.requeue()
    assert told.read_text() == f"requeue {number}\n"
    assert capsys.readouterr().err == said


def test_outside_slurm_nothing_is_asked(told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    slurm.requeue()
    assert not told.exists()


def test_without_scontrol_a_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("PATH", str(tmp_path))
    slurm.requeue()
    said = "job 12 is not started again by Slurm: scontrol: No such file or directory\n"
    assert capsys.readouterr().err == said
