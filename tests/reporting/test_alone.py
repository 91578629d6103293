"""Tables, figures and report rest on rows and records alone."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.fake_study import build
from support.html import Strict

from rgmp.reporting import report, tables
from rgmp.reporting.catalog import FIGURE_NAMES
from rgmp.reporting.figures.write import write

_WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision", "mlflow", "snakemake"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
from rgmp.cli.main import main
sys.exit(any(main([command, sys.argv[1]]) for command in ("tables", "figures", "report")))
"""


def made(folder: Path) -> dict[Path, bytes]:
    """What tables, figures and report are, by where they lie."""
    paths = [*folder.glob("tables/*"), *folder.glob("figures/*"), folder / "report.html"]
    return {path: path.read_bytes() for path in paths}


@pytest.mark.slow
def test_a_process_without_torch_or_mlflow_makes_the_same_bytes(tmp_path: Path) -> None:
    folder = build(tmp_path / "study", variants=2, benchmarks=("davis2016",))
    command = [sys.executable, "-c", _WITHOUT, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    first = made(folder)
    figures = {path.name: data for path, data in first.items() if path.parent.name == "figures"}
    assert figures.keys() == {f"{name}.{kind}" for name in FIGURE_NAMES for kind in ("png", "pdf")}
    assert all(b"/Type3" not in data for name, data in figures.items() if name.endswith(".pdf"))
    Strict((folder / "report.html").read_text(encoding="utf-8"))
    for again in (tables.write, write, report.write):
        again(folder)
    assert made(folder) == first
