"""`rgmp bounds`: the floor and the ceiling, of a study and of any DAVIS tree."""

from pathlib import Path

import pytest
import yaml
from support import tiny_study

from rgmp.cli.main import main
from rgmp.data.videos import Videos
from rgmp.evaluation.bounds import score_bounds
from rgmp.evaluation.job import BOUNDS
from rgmp.evaluation.score_table import read_scores, table_of
from rgmp.provenance.record import read
from rgmp.study.bounds import bounds_job
from rgmp.study.plan import load_plan
from rgmp.study.results import bounds_of, load, scores_of

RESULTS = Path("results/tiny")
VAL = ["--davis", "davis", "--benchmark", "davis2017"]
ABLATION = "{label: whole, claim: a test}"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tiny_study.write_tree(tmp_path)
    Path("ablations").mkdir()
    Path("ablations/full.yaml").write_text(ABLATION)
    Path("study.yaml").write_text(yaml.safe_dump(tiny_study.STUDY))
    return tmp_path


@pytest.mark.usefixtures("here")
def test_a_job_of_a_study_and_flags_write_the_same_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["plan", "study.yaml"]) == 0
    capsys.readouterr()
    assert main(["bounds", str(RESULTS), "davis2017"]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == "scored on annotations of objects"
    assert main(["bounds", *VAL, "--out", "out.csv", "--processes", "2"]) == 0
    assert capsys.readouterr().out == printed
    made = RESULTS / "scores/davis2017/bounds.csv"
    assert made.read_bytes() == Path("out.csv").read_bytes()
    expected = table_of(score_bounds(Videos(davis=Path("davis"), benchmark="davis2017")))
    assert read_scores(made, "rgmp bounds").equals(expected)
    record = read(RESULTS / "records/scores/davis2017/bounds.json")
    assert record["kind"] == "bounds"
    assert record["study"] == "tiny"
    assert record["results"]["annotation"] == "objects"
    means = expected[expected["variant"] == "floor"].groupby(["sequence", "object"])["J"].mean()
    assert record["results"]["floor J_mean"] == pytest.approx(means.mean())


@pytest.mark.usefixtures("here")
def test_the_bounds_of_a_study_are_no_scores_of_a_method() -> None:
    assert main(["plan", "study.yaml"]) == 0
    assert main(["bounds", str(RESULTS), "davis2017"]) == 0
    results = load(RESULTS)
    assert {*bounds_of(results)["variant"]} == {*BOUNDS}
    assert scores_of(results).empty
    assert "scores/davis2017/bounds.csv" in results.plan.measured
    assert "scores/davis2017/bounds.csv" not in results.plan.scores


@pytest.mark.usefixtures("here")
def test_the_digest_of_the_job_is_that_of_its_data_wherever_they_lie() -> None:
    assert main(["plan", "study.yaml"]) == 0
    plan = load_plan(RESULTS)
    job = bounds_job(plan, "davis2017", RESULTS)
    assert job.digest == bounds_job(plan, "davis2017", Path("elsewhere")).digest
    assert job.digest != bounds_job(plan, "davis2016", RESULTS).digest
    assert job.digest != job.model_copy(update={"reads": {"data": "other"}}).digest


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["results/tiny", "davis2018"], "davis2018: no such benchmark in results/tiny/plan.json"),
        (["results/tiny"], "missing the job of this study"),
        (["results/tiny", "davis2017", "--out", "x.csv"], "leave out --out"),
        (VAL, "missing --out"),
        ([*VAL, "--out", "study.yaml"], "study.yaml"),
        ([*VAL, "--sequences", "nobody", "--out", "x.csv"], "nobody: unknown sequence"),
    ],
)
def test_a_mistake_is_a_line_and_status_2(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["plan", "study.yaml"]) == 0
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    capsys.readouterr()
    assert main(["bounds", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("rgmp: ")
    assert words in said
    assert said.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in here.rglob("*")} == before


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("bound", BOUNDS)
def test_no_variant_takes_the_name_of_a_bound(
    capsys: pytest.CaptureFixture[str], bound: str
) -> None:
    Path(f"ablations/{bound}.yaml").write_text(ABLATION)
    assert main(["plan", "study.yaml"]) == 2
    assert f"{bound} is a reserved row name" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_a_table_of_another_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "study.yaml"]) == 0
    assert main(["bounds", str(RESULTS), "davis2017"]) == 0
    folder = RESULTS / "scores"
    (folder / "davis2016").mkdir()
    (folder / "davis2017/bounds.csv").rename(folder / "davis2016/bounds.csv")
    capsys.readouterr()
    assert main(["tables", str(RESULTS)]) == 2
    said = capsys.readouterr().err
    assert "davis2016/bounds.csv: has scores of davis2017, ceiling, expected davis2016" in said
