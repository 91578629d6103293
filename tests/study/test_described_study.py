"""A study on a data set that is described: planned, trained, segmented and scored."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import tiny_study
from support.described_sets import DATASETS, FOUR, labels, write_youtube_vos

from rgmp.cli import main as cli
from rgmp.data.davis import write_mask
from rgmp.errors import UserError
from rgmp.evaluation.score_table import read_scores
from rgmp.study import layout
from rgmp.study.comparable import data_of, first_difference
from rgmp.study.comparison import ComparisonPlan, resolve_any
from rgmp.study.plan import Plan, load_plan
from rgmp.study.resolve import resolve

SETS = {"ytvos": {"file": "ytvos.yaml", "root": "ytvos"}}
STUDY: dict[str, Any] = {
    **tiny_study.STUDY,
    "data": {"sets": SETS, "stills": tiny_study.STUDY["data"]["stills"]},
    "benchmarks": ["ytvos"],
    "seeds": [0],
    "variants": ["full", "winner_take_all"],
    "finetune": {**tiny_study.STUDY["finetune"], "benchmark": "ytvos", "frames": [2, 2]},
}
ABLATIONS = Path(__file__).parents[2] / "ablations"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """YouTube-VOS's training videos, parted by lists of one's own, and stills."""
    monkeypatch.chdir(tmp_path)
    tiny_study.write_tree(tmp_path)
    write_youtube_vos(tmp_path / "ytvos")
    describe()
    (tmp_path / "ytvos/lists").mkdir()
    (tmp_path / "ytvos/lists/train.txt").write_text("0a1b\nff00\n")
    (tmp_path / "ytvos/lists/val.txt").write_text("0a1b\n")
    shutil.copytree(ABLATIONS, "ablations")
    return tmp_path


def describe(**changes: Any) -> None:
    text = (DATASETS / "youtube_vos.yaml").read_text().replace("{split}/", "train/")
    described = {**yaml.safe_load(text), "sequences": "lists/{split}.txt", **changes}
    Path("ytvos.yaml").write_text(yaml.safe_dump(described))


def planned(**changes: Any) -> Plan:
    Path("study.yaml").write_text(yaml.safe_dump({**STUDY, **changes}))
    return resolve(Path("study.yaml"))


def finetuned(plan: Plan) -> str:
    return next(one.identity for one in plan.trainings if one.stage == "finetune")


def test_what_annotations_mean_is_part_of_the_identity_and_where_they_lie_is_not() -> None:
    before = planned()
    assert Plan.model_validate(before.model_dump(mode="json")) == before
    assert before.videos("ytvos", Path("results/tiny")).names() == ["0a1b"]
    shutil.move("ytvos", "elsewhere")
    moved = {"data": {**STUDY["data"], "sets": {"ytvos": {**SETS["ytvos"], "root": "elsewhere"}}}}
    assert finetuned(planned(**moved)) == finetuned(before)
    describe(void=255)
    assert finetuned(planned(**moved)) != finetuned(before)


def test_studies_that_score_other_frames_are_not_compared() -> None:
    before = planned()
    describe(score_last=False)
    after = planned()
    assert finetuned(after) == finetuned(before)
    found = first_difference(data_of(before, "ytvos"), data_of(after, "ytvos"))
    assert found is not None
    assert found[0] == "data set"
    assert [each["score_last"] for each in found[1:]] == [True, False]
    assert first_difference(data_of(after, "ytvos"), data_of(planned(), "ytvos")) is None


def test_the_bytes_of_annotations_are_part_of_the_identity() -> None:
    before = finetuned(planned())
    write_mask(Path("ytvos/train/Annotations/0a1b/00030.png"), labels({4: FOUR}))
    assert finetuned(planned()) != before


def test_aggregation_counts_where_there_may_be_several_objects() -> None:
    assert planned().changed_by("winner_take_all", "ytvos") == "several objects"
    describe(objects="foreground")
    assert planned().changed_by("winner_take_all", "ytvos") == "none"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"benchmarks": ["davis2017"]}, r"benchmarks \(=davis2017\): no data set .*allowed: ytvos"),
        (
            {"finetune": tiny_study.STUDY["finetune"]},
            r"finetune\.benchmark \(=davis2017\): no",
        ),
        ({"data": {"sets": {"davis2017": SETS["ytvos"]}}}, "davis2017 is a year of DAVIS"),
        ({"data": {"sets": {"Youtube VOS": SETS["ytvos"]}}}, "data.sets"),
        ({"data": {"mini": {"seed": 0}, "sets": SETS}}, "set exactly one of mini and davis"),
        ({"evaluation": {"engine": "official"}}, "davis2017-evaluation"),
        (
            {
                "data": {**STUDY["data"], "sets": {"speed": SETS["ytvos"]}},
                "benchmarks": ["speed"],
                "finetune": {**STUDY["finetune"], "benchmark": "speed"},
            },
            "speed: is the name of a table",
        ),
        (
            {
                "data": {
                    **STUDY["data"],
                    "sets": {"ytvos": {"file": "nowhere.yaml", "root": "ytvos"}},
                }
            },
            "nowhere.yaml",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        planned(**changes)
    assert "\n" not in str(refused.value)


def test_a_study_that_only_compares_may_name_such_a_set() -> None:
    masks = {"ytvos": "ytvos/train/Annotations"}
    external = [{"name": name, "label": name, "masks": masks} for name in ("a", "b")]
    study = {"study": "two", "title": "Two", "data": {"sets": SETS}, "benchmarks": ["ytvos"]}
    Path("two.yaml").write_text(yaml.safe_dump({**study, "external": external}))
    plan = resolve_any(Path("two.yaml"))
    assert isinstance(plan, ComparisonPlan)
    assert plan.job("ytvos", Path("results/two")).videos.names() == ["0a1b"]
    Path("two.yaml").write_text(yaml.safe_dump({**study, "data": {}, "external": external}))
    with pytest.raises(UserError, match=r"benchmarks \(=ytvos\): no data set of the study"):
        resolve_any(Path("two.yaml"))


@pytest.mark.slow
@pytest.mark.torch
def test_a_study_trains_and_is_evaluated_on_such_a_set() -> None:
    Path("study.yaml").write_text(yaml.safe_dump(STUDY))
    assert cli.main(["plan", "study.yaml"]) == 0
    folder = Path("results/tiny")
    plan = load_plan(folder)
    for part in ("ytvos/train", "ytvos/val"):
        assert cli.main(["check", str(folder), part]) == 0
    for training in plan.trainings:
        name = f"{training.stage}/{training.slug}-{training.identity}"
        assert cli.main(["train", str(folder), name]) == 0
    for command in (["evaluate", str(folder), "full/seed0"], ["bounds", str(folder), "ytvos"]):
        assert cli.main(command) == 0
    for name in plan.scores:
        rows = read_scores(folder / name, "evaluate")
        found = [*rows[["frame", "object"]].itertuples(index=False, name=None)]
        late = [(frame, number) for frame in ("00020", "00030") for number in (1, 4)]
        assert found == [("00010", 1), *late]
        assert {*rows["benchmark"]} == {"ytvos"}
    assert cli.main(["speed", str(folder), "ytvos", "--threads", "1"]) == 0
    assert cli.main(["cross-check", str(folder)]) == 0
    assert cli.main(["tables", str(folder)]) == 0
    table = (folder / layout.TABLES / "ytvos.md").read_text()
    assert "ytvos (1 sequences scored); scores are not comparable with the paper's" in table
