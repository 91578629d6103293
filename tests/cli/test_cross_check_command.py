"""`rgmp cross-check`: whether both engines agree on the masks of a study."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from support.commands import the_record
from support.evaluator import put_evaluator, take_evaluator_away
from support.tiny_study import FRAMES, STUDY

from rgmp.cli import main as cli
from rgmp.study.cross_check import EVALUATOR_DTYPES

pytestmark = pytest.mark.torch

RECORD = "results/tiny/records/cross-check.json"
CHECK = ["cross-check", "results/tiny", "--record", RECORD]
OBJECTS = {"davis2016": 1, "davis2017": 2}


@pytest.fixture(scope="module")
def scored(workplace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of one variant with two seeds, with given weights, and of a painter's masks."""
    root = tmp_path_factory.mktemp("scored") / "here"
    shutil.copytree(workplace, root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        Path("ablations/full.yaml").write_text(
            "label: a\nclaim: b\noverrides: {weights: tiny.safetensors, stages: []}\n"
        )
        plan_study({})
        for seed in STUDY["seeds"]:
            assert cli.main(["evaluate", "results/tiny", f"full/seed{seed}"]) == 0
        assert cli.main(["score", "results/tiny", "davis2017/painter/external"]) == 0
    return root


def plan_study(evaluation: dict[str, Any]) -> None:
    painter = {"name": "painter", "label": "Painter", "masks": {"davis2017": "truth"}}
    study = {**STUDY, "external": [painter], "evaluation": evaluation}
    Path("study.yaml").write_text(yaml.safe_dump(study))
    assert cli.main(["plan", "study.yaml"]) == 0


@pytest.fixture
def study(
    scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, Any]], None]:
    """Plans that study again, with another evaluation, in a copy."""
    shutil.copytree(scored, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return plan_study


def table() -> pd.DataFrame:
    found = pd.read_csv("results/tiny/tables/evaluator.csv")
    assert [*found] == [*EVALUATOR_DTYPES]
    assert (found["frames"] == FRAMES - 2).all()
    return found


def keys(found: pd.DataFrame) -> set[tuple[str, str, float, str]]:
    rows = found[["benchmark", "variant", "seed", "sequence"]].fillna(-1)
    return {*rows.itertuples(index=False, name=None)}


def test_without_it_the_table_says_absent(
    study: Callable[[dict[str, Any]], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    take_evaluator_away(monkeypatch)
    before = {path: path.read_bytes() for path in Path("results/tiny/scores").rglob("*.csv")}
    assert cli.main(CHECK) == 0
    assert "davis2017-evaluation is absent" in capsys.readouterr().out
    found = table()
    assert {*found["evaluator"]} == {"absent"}
    assert found["J_official"].isna().all()
    assert found["J_builtin"].notna().all()
    assert len(found) == 2 * sum(OBJECTS.values())
    assert the_record(RECORD)["results"]["evaluator"] == "absent"
    assert cli.main(["cross-check", "results/tiny"]) == 0
    study({"cross_check": "off"})
    assert cli.main(CHECK) == 0
    assert {*table()["evaluator"]} == {"not asked"}
    assert before == {path: path.read_bytes() for path in before}


def test_a_sample_has_every_sequence_once_with_another_method_each(
    study: Callable[[dict[str, Any]], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put_evaluator(monkeypatch, tmp_path / "packages", error=5e-7)
    assert cli.main(CHECK) == 0
    found = table()
    assert keys(found) == {
        (benchmark, "full", seed, sequence)
        for benchmark in OBJECTS
        for seed, sequence in ((0, "val_a"), (1, "val_b"))
    }
    assert {*found["evaluator"]} == {"present"}
    assert found["largest_difference"].to_numpy() == pytest.approx(5e-7)
    assert (found["J_official"] != found["J_builtin"]).all()
    assert (found["F_official"] == found["F_builtin"]).all()
    assert "4 of 10 sequences of masks cross-checked" in capsys.readouterr().out
    results = the_record(RECORD)["results"]
    assert (results["sequences"], results["of_sequences"]) == (4, 10)
    scores = pd.read_csv("results/tiny/scores/davis2017/full/seed1.csv")
    own = found[(found["benchmark"] == "davis2017") & (found["sequence"] == "val_b")]
    mean = scores[scores["sequence"] == "val_b"].groupby("object")["J"].mean()
    assert own["J_builtin"].tolist() == mean.tolist()
    study({"cross_check": "require"})
    assert cli.main(CHECK) == 0
    found = table()
    assert len(keys(found)) == 10
    assert ("davis2017", "painter", -1, "val_b") in keys(found)


@pytest.mark.parametrize(("fault", "status"), [("other figures", 2), ("an error", 0)])
def test_a_difference_fails_and_a_fault_is_told(
    study: Callable[[dict[str, Any]], None],  # noqa: ARG001 - the folder
    fault: str,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put_evaluator(monkeypatch, tmp_path / "packages", fault)
    assert cli.main(CHECK) == status
    line = capsys.readouterr().err.splitlines()[-1]
    if status:
        assert "davis2016, full: val_a, object 1, frame 00001: J " in line
        assert not Path("results/tiny/tables/evaluator.csv").exists()
        assert not Path(RECORD).exists()
    else:
        assert "(ValueError: shapes differ); not cross-checked" in line
        assert {*table()["evaluator"]} == {"failed"}


def test_a_study_that_the_official_evaluator_scores(
    study: Callable[[dict[str, Any]], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its values are those of the tables, and the built-in engine is the other."""
    scores = Path("results/tiny/scores/davis2017/full/seed1.csv")
    built_in = pd.read_csv(scores)
    put_evaluator(monkeypatch, tmp_path / "packages", error=5e-7)
    study({"engine": "official"})
    for seed in STUDY["seeds"]:
        assert cli.main(["evaluate", "results/tiny", f"full/seed{seed}"]) == 0
    assert cli.main(["score", "results/tiny", "davis2017/painter/external"]) == 0
    official = pd.read_csv(scores)
    assert official.drop(columns="J").equals(built_in.drop(columns="J"))
    assert (official["J"] - built_in["J"]).abs().to_numpy() == pytest.approx(5e-7)
    record = the_record("results/tiny/records/scores/davis2017/full/seed1.json")
    assert record["config"] == {"engine": "official"}
    assert cli.main(CHECK) == 0
    found = table()
    own = found[(found["benchmark"] == "davis2017") & (found["sequence"] == "val_b")]
    means = official[official["sequence"] == "val_b"].groupby("object")["J"].mean()
    assert own["J_official"].tolist() == means.tolist()
    assert found["largest_difference"].to_numpy() == pytest.approx(5e-7)
    assert {*found["evaluator"]} == {"present"}
