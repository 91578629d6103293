"""Tables, report and outcome of an unfinished study: what is there, and that it is not all."""

import re
import shutil
from html import unescape
from pathlib import Path

import pytest
from PIL import Image
from support.fake_study import build

from rgmp.reporting import catalog, report, tables
from rgmp.reporting.figures.style import empty_figure
from rgmp.reporting.outcome import outcome
from rgmp.runtime.terminal import Screen
from rgmp.study.results import load

GONE = {
    "everything": ("scores", "speed", "weights", "masks", "records"),
    "all but stage 1": ("scores", "speed", "records/*/finetune", "records/scores", "masks"),
    "the scores of full": ("scores/*/full",),
    "all scores but one": ("scores/*/[!f]*", "scores/*/full/seed1.csv", "speed"),
    "a benchmark": ("scores/davis2017", "speed/davis2017.json"),
    "a speed file": ("speed/davis2016.json",),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("whole") / "study", variants=3, frames=6)


def made(folder: Path) -> dict[str, str]:
    """What is said of a study, with stand-ins for its figures, in one line each."""
    tables.write(folder)
    (folder / "figures").mkdir()
    for name in catalog.FIGURE_NAMES:
        Image.new("RGB", (7, 3)).save(folder / "figures" / f"{name}.png")
    report.write(folder)
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in ("report.html",)}
    for path in sorted((folder / "tables").glob("*.*")):
        if path.suffix in {".md", ".tex"} and path.name != "README.md":
            texts[path.name] = path.read_text(encoding="utf-8")
    texts["outcome"] = "\n".join(outcome(folder, Screen()))
    return {name: " ".join(unescape(text).split()) for name, text in texts.items()}


@pytest.mark.parametrize("gone", [*GONE])
def test_what_is_there_is_printed_with_how_much_is_missing(
    gone: str, whole: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(whole, tmp_path / "study")
    for pattern in GONE[gone]:
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    planned = load(folder).plan.measured
    missing = sum(not (folder / path).exists() for path in planned)
    assert 0 < missing <= len(planned)
    told = f"The study is not complete: {missing} of {len(planned)} results are missing."
    texts = made(folder)
    assert {"ablation.md", "ablation.tex", "methods.md", "report.html", "outcome"} <= texts.keys()
    assert [name for name, text in texts.items() if told not in text] == []
    assert "incomplete" in str(empty_figure(load(folder), 2.0)._supxlabel.get_text())  # type: ignore[attr-defined]


def test_a_whole_study_says_nothing_of_it(whole: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(whole, tmp_path / "study")
    assert not [text for text in made(folder).values() if re.search("not complete", text)]
    assert load(folder).unfinished == ""
