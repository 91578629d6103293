"""`rgmp show`: what came of a study, as `rgmp tables` has it."""

from pathlib import Path

import pytest
from support.fake_study import build

from rgmp.cli.main import main
from rgmp.reporting import tables
from rgmp.reporting.outcome import outcome
from rgmp.runtime.terminal import Screen


def test_it_prints_what_came_of_a_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = build(tmp_path / "toy", variants=2, seeds=(0, 1), frames=6)
    tables.write(folder)
    assert main(["show", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines() == [*outcome(folder, Screen())]


def test_a_study_without_tables_is_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = build(tmp_path / "toy", variants=2, benchmarks=("davis2017",), frames=5)
    assert main(["show", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "tables/ablation.csv" in said
    assert f"run `rgmp tables {folder}`" in said
    assert said.count("\n") == 1
