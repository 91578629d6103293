"""What a study reads has to be there and to fit together, before any work."""

import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.evaluator import take_evaluator_away
from support.tiny_plan import (
    USER_VARIANTS,
    Change,
    folders,
    put,
    resolved,
    write_variant,
)
from support.tiny_study import make_archive_of_2016

from rgmp.config.base import Benchmark
from rgmp.errors import ProblemsError, UserError
from rgmp.runtime.files import digest_of_file, write_text
from rgmp.study import plan, resolve


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("machine.processes", 3), r"full\.yaml: pretrain\.batch \(=2\) .*processes \(=3\)"),
        (put("compute.accumulate", 4), r"full\.yaml: .*batch \(=2\) .*accumulate \(=4\)"),
    ],
)
def test_a_batch_that_cannot_be_shared_is_refused(change: Change, said: str) -> None:
    with pytest.raises(UserError, match=said):
        resolved(change)


@pytest.mark.usefixtures("here")
def test_an_expectation_is_about_a_difficulty_that_there_is() -> None:
    path = Path("ablations/no_bptt.yaml")
    variant = yaml.safe_load(path.read_text())
    for difficulty in ("overall", "occlusion", "mud"):
        expects = {difficulty: {"difference": "worse", "because": "x"}}
        path.write_text(yaml.safe_dump({**variant, "expects": expects}))
        if difficulty == "mud":
            with pytest.raises(UserError, match=r"no_bptt.yaml: expects.mud: no seq.*: overall, "):
                resolved()
            Path("attributes.csv").write_text("sequence,attribute\nval_a,mud\n")
        resolved(put("data.attributes", "attributes.csv") if difficulty == "mud" else dict)
    Path("attributes.csv").write_text("sequence,attribute\nval_c,mud\n")
    with pytest.raises(UserError, match=r"attributes.csv, line 2: val_c is not a sequence"):
        resolved(put("data.attributes", "attributes.csv"))
    full = Path("ablations/full.yaml")
    full.write_text(yaml.safe_dump({**yaml.safe_load(full.read_text()), "expects": expects}))
    with pytest.raises(UserError, match=r"full.yaml: expects: full is what"):
        resolved()


@pytest.mark.usefixtures("here")
def test_results_that_cannot_be_written_are_named_before_data_are_read() -> None:
    Path("results").write_text("a file")
    shutil.rmtree("davis")
    with pytest.raises(UserError, match=r"^results/tiny: cannot be written"):
        resolved()


@pytest.mark.usefixtures("here")
def test_study_is_complete_on_the_whole_of_the_official_split_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not resolved().complete
    assert len(resolve.official_val("davis2016")) == 20
    assert len(resolve.official_val("davis2017")) == 30
    monkeypatch.setattr(resolve, "official_val", lambda _: {"val_a", "val_b"})
    assert resolved().complete
    assert not resolved(put("split", "train")).complete
    assert not resolved(put("data", {"mini": {"seed": 0}})).complete
    Path("davis/ImageSets/2016/val.txt").write_text("val_a\n")
    assert not resolved().complete
    assert resolved(put("benchmarks", ["davis2017"])).complete


@pytest.mark.usefixtures("here")
def test_a_longer_study_is_one_with_the_verdicts_of_these_variants() -> None:
    longer = Path("results/reference/longer")
    for given, said in (
        ("nowhere", r"\(=nowhere\): not the folder of a finished study; name one"),
        ("results/tiny", r"\(=results/tiny\): is this study; name another"),
    ):
        with pytest.raises(UserError, match=rf"^study.yaml: longer_study.*{said}"):
            resolved(put("longer_study", given))
    assert resolved().longer_study is None
    plan.save(resolved(put("pretrain.steps", 4)), longer)
    name = put("longer_study", str(longer))
    tables = [longer / f"tables/{name}.csv" for name in ("ablation", "difficulty")]
    for path in tables:
        with pytest.raises(
            UserError, match=rf"{path}: cannot be read .*; run `rgmp tables {longer}"
        ):
            resolved(name)
        write_text(path, "benchmark,variant\ndavis2016,no_bptt\n")
        with pytest.raises(
            UserError, match=rf"{path}: not a table of a study's verdicts .*verdict"
        ):
            resolved(name)
        write_text(path, "benchmark,variant,difference_verdict\ndavis2016,no_bptt,worse\n")
    assert resolved(name).longer_study == longer
    write_variant("no_bptt", finetune={"bptt": "detached"})
    with pytest.raises(
        UserError, match=r"longer\): shares no comparison with this study; name the folder"
    ):
        resolved(name)


# ---- data ----


@pytest.mark.usefixtures("here")
def test_only_data_that_are_read_are_asked_for() -> None:
    for name in USER_VARIANTS[1:]:
        Path(f"ablations/{name}.yaml").unlink()
    Path("davis/ImageSets/2016/train.txt").unlink()
    assert set(resolved().data.digests) == {
        "stills",
        "davis2017/train",
        "davis2016/val",
        "davis2017/val",
    }

    def without_stage_1(study: dict[str, Any]) -> None:
        study.update(stages=["finetune"], data={"davis": "davis"})

    assert "stills" not in resolved(without_stage_1).data.digests
    write_variant("on_2016", finetune={"benchmark": "davis2016"})
    with pytest.raises(UserError, match=r"2016/train\.txt: no such split"):
        resolved()


@pytest.mark.usefixtures("here")
def test_outside_a_project_the_missing_variants_are_said_and_where_there_are_some() -> None:
    shutil.rmtree("ablations")
    there = re.escape(str(Path(__file__).parents[2]))
    with pytest.raises(UserError, match=rf"no such folder here; .* the Snakefile, such as {there}"):
        resolved()
    assert not Path("results").exists()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (
            lambda: shutil.rmtree("stills/masks"),
            r"stills/masks: no such file or folder \(data\.stills\.0\.masks\); put it there",
        ),
        (lambda: shutil.rmtree("davis"), r"^davis: no such file or folder \(data\.davis\); put"),
        (lambda: Path("davis/ImageSets/2017/val.txt").unlink(), r"val\.txt: no such split"),
        (
            lambda: Path("davis/JPEGImages/480p/train_a/00001.jpg").unlink(),
            r"train_a: 00001\.jpg is missing",
        ),
        (
            lambda: Path("davis/Annotations/480p/val_b/00001.png").unlink(),
            r"val_b: 00001\.png is missing",
        ),
    ],
)
def test_data_that_are_not_there_are_named(break_it: Callable[[], object], said: str) -> None:
    break_it()
    with pytest.raises(UserError, match=said):
        resolved()
    assert not Path("results").exists()


@pytest.mark.usefixtures("here")
def test_all_that_is_not_there_is_told_at_once_with_the_command_that_fetches_it() -> None:
    """As of the paper's study in a new checkout; of one set each problem is the same."""
    voc = {key: f"more data/voc2012/{key}" for key in ("images", "masks", "names")}
    data = {
        "davis": "data/davis2017",
        "davis2016": "mine/davis",
        "stills": [{**voc, "labels": "objects"}, {"images": "stills/images", "masks": "absent"}],
    }

    def changed(study: dict[str, Any]) -> None:
        study.update(data=data, submission={"davis": "stills/davis2017-test-dev"})
        study["network"] |= {"initial_weights": "data/resnet50/resnet50.pth"}

    with pytest.raises(ProblemsError) as error:
        resolved(changed)
    set_of_voc = "data.stills.0.images, data.stills.0.masks, data.stills.0.names"
    assert error.value.problems == tuple(
        f"{place}: no such file or folder ({keys}); {what_to_do}"
        for place, keys, what_to_do in (
            ("data/davis2017", "data.davis", "`rgmp download davis2017` makes it in data"),
            ("mine/davis", "data.davis2016", "put it there, or correct its path"),
            ("more data/voc2012", set_of_voc, "`rgmp download voc2012` makes it in more data"),
            ("absent", "data.stills.1.masks", "put it there, or correct its path"),
            (
                "data/resnet50",
                "network.initial_weights",
                "`rgmp download resnet50` makes it in data",
            ),
            (
                "stills/davis2017-test-dev",
                "submission.davis",
                "`rgmp download davis2017-test-dev` makes it in stills",
            ),
        )
    )
    Path("more data/voc2012").mkdir(parents=True)
    with pytest.raises(ProblemsError, match=r"voc2012/names: .*names\); put it there, or correct"):
        resolved(changed)
    assert not Path("results").exists()


@pytest.mark.usefixtures("here")
def test_davis_2016_may_have_a_tree_of_its_own() -> None:
    """Its archive, as published; else DAVIS-2017's annotations are made binary."""
    one = resolved()
    shutil.copytree("davis", "davis2016")
    make_archive_of_2016(Path("davis2016"))
    shutil.rmtree("davis/ImageSets/2016")
    two = resolved(put("data.davis2016", "davis2016"))
    folder = Path("results/tiny")
    roots: dict[Benchmark, str] = {"davis2016": "davis2016", "davis2017": "davis"}
    for benchmark, root in roots.items():
        assert two.videos(benchmark, folder).davis == Path(root)
        (checked,) = two.check(f"{benchmark}/val", folder).videos
        assert checked.davis == Path(root)
    same = {part for part, digest in two.data.digests.items() if one.data.digests[part] == digest}
    assert same == {*one.data.digests} - {"davis2016/val"}
    assert folders(one) == folders(two)
    with pytest.raises(UserError, match=r"davis/ImageSets/2016/val.txt: no such split"):
        resolved()


@pytest.mark.usefixtures("here")
def test_first_stage_without_stills_is_refused_whoever_asks_for_it() -> None:
    with pytest.raises(UserError, match=r"tiny: data\.stills is empty"):
        resolved(put("data", {"davis": "davis"}))
    write_variant("both", stages=["pretrain", "finetune"])
    with pytest.raises(UserError, match=r"tiny: data\.stills is empty"):
        resolved(lambda study: study.update(stages=["finetune"], data={"davis": "davis"}))


# ---- what is not trained here ----


def external(study: dict[str, Any]) -> None:
    """Masks for one benchmark, scores for the other."""
    shutil.copytree("davis/Annotations/480p", "given/masks", dirs_exist_ok=True)
    Path("given/scores.csv").write_text("sequence,object,frame,J,F\n")
    study["external"] = [
        {
            "name": "theirs",
            "label": "Theirs",
            "masks": {"davis2016": "given/masks"},
            "scores": {"davis2017": "given/scores.csv"},
        }
    ]


@pytest.mark.usefixtures("here")
def test_what_is_not_trained_here_is_planned_by_its_bytes() -> None:
    without, found = resolved(), resolved(external)
    assert folders(found) == folders(without)
    more = {
        "scores/davis2016/theirs/external.csv": ("davis2016", "theirs"),
        "scores/davis2017/theirs/external.csv": ("davis2017", "theirs"),
    }
    assert found.scores == without.scores | more
    Path("given/masks/val_a/00001.png").touch()
    assert resolved(external).digest == found.digest
    Path("given/scores.csv").write_text("frame,sequence,object,J,F\n")
    of_scores = resolve.resolve(Path("study.yaml"))
    assert of_scores.digest != found.digest
    assert of_scores.external[0].digests["davis2016"] == found.external[0].digests["davis2016"]
    Path("given/masks/val_a/00001.png").unlink()
    of_masks = resolve.resolve(Path("study.yaml"))
    assert of_masks.external[0].digests["davis2016"] != found.external[0].digests["davis2016"]


@pytest.mark.usefixtures("here")
def test_a_zip_of_masks_is_planned_and_scored_again_by_its_bytes() -> None:
    def packed(study: dict[str, Any]) -> None:
        external(study)
        shutil.make_archive("given/packed", "zip", "given", "masks")  # below a folder
        study["external"][0]["masks"] = {"davis2016": "given/packed.zip"}

    def digest_of_job(found: plan.Plan) -> str:
        return found.adoption("davis2016/theirs/external", Path("results/tiny")).digest

    found = resolved(packed)
    path = Path("given/packed.zip")
    assert found.external[0].digests["davis2016"] == digest_of_file(path)
    path.touch()
    assert digest_of_job(resolve.resolve(Path("study.yaml"))) == digest_of_job(found)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("val_a/surplus.png", b"")
    assert digest_of_job(resolve.resolve(Path("study.yaml"))) != digest_of_job(found)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"masks": {"davis2016": "nowhere"}}, r"nowhere: no such .*theirs: masks\.davis2016"),
        ({"masks": {"davis2016": "given/scores.csv"}}, "given/scores.csv: not a readable zip"),
        ({"masks": {"davis2016": "empty.zip"}}, "empty.zip: no masks .* of external theirs"),
        ({"scores": {"davis2017": "nowhere.csv"}}, r"nowhere\.csv: no such .*scores\.davis2017"),
        ({"name": "no_bptt"}, "external no_bptt: a variant has the same name"),
    ],
)
def test_what_is_not_trained_here_has_to_be_there(change: dict[str, Any], said: str) -> None:
    def changed(study: dict[str, Any]) -> None:
        external(study)
        zipfile.ZipFile("empty.zip", "w").close()
        study["external"][0] |= change

    with pytest.raises(UserError, match=said):
        resolved(changed)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("evaluation", [{"engine": "official"}, {"cross_check": "require"}])
def test_an_engine_that_is_not_installed_is_named_before_any_work(
    evaluation: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    take_evaluator_away(monkeypatch)
    with pytest.raises(UserError, match="run `make evaluator`"):
        resolved(lambda study: study.update(evaluation=evaluation))
    assert resolved().evaluation.cross_check == "auto"


# ---- checkpoints ----


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("key", "value"), [("keep_last", 2), ("save_interval", 1)])
def test_a_variant_keeps_the_checkpoints_of_its_study(key: str, value: int) -> None:
    """It may share the training run of one that would keep others."""
    write_variant("other", finetune={key: value})
    said = rf"other\.yaml: overrides\.finetune\.{key} \(={value}\): all variants .* study file"
    with pytest.raises(UserError, match=said):
        resolved()
    assert resolved(lambda study: study["finetune"].update({key: value})).variant("other")


# ---- weights from elsewhere ----


@pytest.mark.usefixtures("here")
def test_weights_from_elsewhere_need_no_training() -> None:
    Path("released.pth").write_bytes(b"weights")
    write_variant("released", weights="released.pth", stages=[])
    before = resolved()
    assert [run.trainings for run in before.variant("released").runs] == [(), ()]
    assert {run.weights for run in before.variant("released").runs} == {Path("released.pth")}
    assert before.networks == (Path("released.pth"),)
    assert not any("released" in training.variants for training in before.trainings)
    assert before.check_of("networks").startswith("records/data/networks-")
    Path("released.pth").write_bytes(b"other weights")
    assert resolved().check_of("networks") != before.check_of("networks")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "overrides", [{"weights": "released.pth"}, {"stages": []}], ids=["stages too", "neither"]
)
def test_weights_from_elsewhere_and_no_stages_go_together(overrides: dict[str, Any]) -> None:
    write_variant("released", **overrides)
    with pytest.raises(UserError, match=r"released\.yaml.*set both weights and stages"):
        resolved()


@pytest.mark.usefixtures("here")
def test_weights_from_elsewhere_are_called_by_no_other_name() -> None:
    """`without reference` over a file that has a reference would be a wrong row."""
    write_variant("released", weights="w.pth", stages=[], network={"reference": "none"})
    with pytest.raises(UserError, match=r"released\.yaml: overrides\.network: already fixed by"):
        resolved()


@pytest.mark.usefixtures("here")
def test_a_variant_may_train_where_its_study_takes_weights_from_elsewhere() -> None:
    Path("released.pth").write_bytes(b"weights")
    write_variant("own", weights=None, stages=["finetune"], network={"reference": "none"})
    given = {"weights": "released.pth", "stages": [], "variants": ["full", "own"]}
    found = resolved(lambda study: study.update(given))
    assert all(len(run.trainings) == 1 for run in found.variant("own").runs)
    assert all(run.trainings == () for run in found.variant("full").runs)


@pytest.mark.usefixtures("here")
def test_weights_that_are_not_there_are_named() -> None:
    write_variant("released", weights="nowhere.pth", stages=[])
    with pytest.raises(UserError, match=r"nowhere\.pth"):
        resolved()
