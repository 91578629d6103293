"""A study with external methods alone: what it says, what it refuses, and what it compares."""

import copy
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from support import tiny_study

from rgmp.cli.main import main
from rgmp.config.load import load_study
from rgmp.errors import UserError
from rgmp.study.comparison import ComparisonPlan, resolve_any
from rgmp.study.plan import load_plan

STUDY: dict[str, Any] = {
    "study": "others",
    "title": "Masks of others",
    "data": {"davis": "davis"},
    "benchmarks": ["davis2017"],
    "external": [
        {"name": "same", "label": "The truth", "masks": {"davis2017": "masks"}},
        {
            "name": "table",
            "label": "A/B",
            "scores": {"davis2017": "scores.csv"},
            "protocol": {"online_finetuning": True},
        },
    ],
}
FOLDER = Path("results/others")


def write(study: dict[str, Any]) -> Path:
    Path("study.yaml").write_text(yaml.safe_dump(study))
    return Path("study.yaml")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tiny_study.write_tree(tmp_path)
    lines = ["sequence,object,frame,J,F"]
    for name in ("val_a", "val_b"):
        shutil.copytree(f"davis/Annotations/480p/{name}", f"masks/{name}")
        frames = range(1, tiny_study.FRAMES - 1)
        lines += [f"{name},{i},{t:05d},0.5,0.7" for i in (1, 2) for t in frames]
    Path("scores.csv").write_text("\n".join(lines))
    return tmp_path


def test_it_is_planned_and_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(write(STUDY))]) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[0] == "rgmp compare results/others davis2017  for The truth, A/B"
    assert main(["compare", str(FOLDER), "davis2017"]) == 0
    assert "The truth" in capsys.readouterr().out
    made = FOLDER / "davis2017"
    methods = pd.read_csv(made / "tables/methods.csv").set_index("method")
    assert methods["label"].to_dict() == {"same": "The truth", "table": "A/B"}
    assert methods.loc["table", "J&F"] == pytest.approx(0.6)
    assert "Masks of others: 2 methods on DAVIS-2017 val" in (made / "report.html").read_text()
    assert (made / "scores/table.csv").is_file()
    assert (made / "figures/methods.png").is_file()


def test_its_digest_is_of_what_decides_it_alone() -> None:
    def digest(study: dict[str, Any]) -> str:
        plan = resolve_any(write(study))
        assert isinstance(plan, ComparisonPlan)
        return plan.digest("davis2017")

    first = digest(STUDY)
    moved = copy.deepcopy(STUDY)
    shutil.copytree("masks", "elsewhere")
    moved["external"][0]["masks"]["davis2017"] = "elsewhere"
    assert digest(moved) == first
    for change in ({"margin": 1}, {"title": "Another"}):
        assert digest(STUDY | change) != first
    mask = Path("masks/val_a/00001.png")
    mask.write_bytes(Path("masks/val_b/00002.png").read_bytes())
    assert digest(STUDY) != first


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seeds": [0]}, "unknown key seeds; allowed there: study, title, data"),
        ({"external": STUDY["external"][:1]}, "davis2017: masks or scores of same; give those of"),
        ({"benchmarks": ["davis2016"]}, "external same: davis2017 is not scored in this study"),
        ({"data": {"mini": {"seed": 0}}}, "unknown key data.mini; allowed there: davis, davis2016"),
        ({"data": {"davis": "none"}}, "none"),
        ({"title": ""}, "title (='')"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    change: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(write(STUDY | change))]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert not (FOLDER / "plan.json").exists()


def test_one_label_is_of_one_method(capsys: pytest.CaptureFixture[str]) -> None:
    study = copy.deepcopy(STUDY)
    study["external"][1]["label"] = "The truth"
    assert main(["plan", str(write(study))]) == 2
    assert "duplicate label The truth" in capsys.readouterr().err


def test_what_needs_a_training_says_that_there_is_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["plan", str(write(STUDY))]) == 0
    for refusing in (lambda: load_plan(FOLDER), lambda: load_study(Path("study.yaml"))):
        with pytest.raises(UserError, match="only compares external methods"):
            refusing()
    capsys.readouterr()
    for arguments, said in (
        ([], "no benchmark; name one of davis2017"),
        (["davis2016"], "davis2016: no benchmark of"),
        (["davis2017", "--margin", "2"], "leave out --margin"),
    ):
        assert main(["compare", str(FOLDER), *arguments]) == 2
        assert said in capsys.readouterr().err
