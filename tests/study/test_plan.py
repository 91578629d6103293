"""A training's identity is what can change its weights: all of that, and nothing else."""

import copy
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.tiny_study import STUDY, write_tree

from rgmp.errors import UserError
from rgmp.runtime.files import write_text
from rgmp.study import plan, resolve
from rgmp.study.plan import Plan, Training
from rgmp.study.results import Results
from rgmp.study.timing import timing

ABLATIONS = Path(__file__).parents[2] / "ablations"
USER_VARIANTS = ("full", "no_bptt", "no_reference", "no_synthetic", "winner_take_all")


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pristine")
    write_tree(root)
    return root


@pytest.fixture
def here(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder to work in: a tree, stills and the variants that the user named."""
    root = tmp_path / "here"
    shutil.copytree(pristine, root)
    (root / "ablations").mkdir()
    for name in USER_VARIANTS:
        shutil.copy(ABLATIONS / f"{name}.yaml", root / "ablations")
    monkeypatch.chdir(root)
    return root


def resolved(change: Callable[[dict[str, Any]], object] = dict) -> Plan:
    """The tiny study's plan, after a change to the study."""
    study = copy.deepcopy(STUDY)
    change(study)
    Path("study.yaml").write_text(yaml.safe_dump(study))
    return resolve.resolve(Path("study.yaml"))


def write_variant(name: str, **overrides: Any) -> None:
    text = yaml.safe_dump({"label": name, "claim": "none", "overrides": overrides})
    Path(f"ablations/{name}.yaml").write_text(text)


def identities(of: Plan, variant: str = "full", seed: int = 0) -> tuple[str, ...]:
    """Those of a variant's trainings, pretrain first."""
    return next(run.trainings for run in of.variant(variant).runs if run.seed == seed)


def folders(of: Plan) -> set[str]:
    return {training.folder for training in of.trainings}


# ---- who shares what ----


@pytest.mark.usefixtures("here")
def test_user_variants_share_all_that_they_can() -> None:
    found = resolved()
    assert len(found.trainings) == 12  # 2 full, 1 no_bptt, 2 no_reference, 1 no_synthetic; 2 seeds
    assert len({training.identity for training in found.trainings}) == 12
    assert len(folders(found)) == 12
    for seed in (0, 1):
        of = {name: identities(found, name, seed) for name in USER_VARIANTS}
        assert of["winner_take_all"] == of["full"]
        assert of["no_bptt"][0] == of["full"][0]
        assert of["no_bptt"][1] != of["full"][1]
        assert not set(of["no_reference"]) & set(of["full"])
        assert len(of["no_synthetic"]) == 1
        assert of["no_synthetic"][0] not in of["full"]


@pytest.mark.usefixtures("here")
def test_plan_says_what_each_training_is_for_and_where() -> None:
    found = resolved()
    for variant in found.variants:
        for run in variant.runs:
            trainings = [found.training(identity) for identity in run.trainings]
            assert all(variant.name in t.variants for t in trainings)
            assert all(t.seed == run.seed for t in trainings)
            assert [t.parent for t in trainings] == [None, *run.trainings[:-1]]
            assert (
                run.weights == Path("results/tiny") / trainings[-1].folder / "weights.safetensors"
            )
    for training in found.trainings:
        name = f"{training.slug}-{training.identity}"
        assert training.folder == f"weights/{training.stage}/{name}"
        assert training.slug == f"{training.variants[0]}-seed{training.seed}"
        assert training.stage in training.settings


@pytest.mark.usefixtures("here")
def test_two_variants_alike_train_once() -> None:
    before = resolved()
    write_variant("one_scale", inference={"scales": [0.5]})
    write_variant("same", pretrain=STUDY["pretrain"], network={"reference": "first"})
    after = resolved()
    assert identities(after, "one_scale") == identities(after, "same") == identities(before)
    assert len(after.trainings) == len(before.trainings)


# ---- what changes an identity ----


Change = Callable[[dict[str, Any]], object]


def put(key: str, value: Any) -> Change:
    *outer, last = key.split(".")

    def change(study: dict[str, Any]) -> None:
        for part in outer:
            study = study.setdefault(part, {})
        study[last] = value

    return change


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "change",
    [
        put("title", "Another"),
        put("benchmarks", ["davis2016"]),
        put("inference", {"scales": [0.5], "aggregation": "independent", "precision": "bf16"}),
        put("machine", {"device": "cuda", "workers": 4, "checkpoint_seconds": 1}),
        put("machine", {"processes": 2, "recompute_activations": True}),
        put("speed", {"repeats": 9}),
        put("variants", ["full"]),
        put("seeds", [7, 0]),
        put("margin", 1.5),
        put("pretrain.rotation", [-20, 20]),  # its default, written out
        put("pretrain.learning_rate", "1e-3"),  # the same number
        put("network.width", 4.0),
    ],
)
def test_what_cannot_change_the_weights_changes_no_identity(change: Change) -> None:
    assert identities(resolved(change)) == identities(resolved())


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("change", "stages"),
    [
        (put("network.width", 8), "both"),
        (put("network.decoder_width", 8), "both"),
        (put("network.reference", "none"), "both"),
        (put("network.backbone", "resnet18"), "both"),
        (put("compute.threads", 2), "both"),
        (put("compute.precision", "bf16"), "both"),
        (put("compute.accumulate", 2), "both"),
        (put("pretrain.steps", 3), "both"),  # the second stage starts from the first
        (put("pretrain.paste", 0.6), "both"),
        (put("finetune.steps", 3), "second"),
        (put("network.reference", "rolling"), "second"),
        (put("finetune.bptt", "none"), "second"),
        (put("finetune.frames_per_update", 1), "second"),
        (put("finetune.benchmark", "davis2016"), "second"),
    ],
)
def test_what_can_change_the_weights_changes_the_identity(change: Change, stages: str) -> None:
    before, after = identities(resolved()), identities(resolved(change))
    assert before[1] != after[1]
    assert (before[0] != after[0]) == (stages == "both")


@pytest.mark.usefixtures("here")
def test_a_rolling_reference_counts_in_the_only_stage_there_is() -> None:
    """Stage 1 is trained as with the first frame, but segments as it was asked to."""

    def rolling(study: dict[str, Any]) -> None:
        study["network"]["reference"] = "rolling"
        study["stages"] = ["pretrain"]

    (only,) = identities(found := resolved(rolling))
    assert only != identities(resolved())[0]
    assert found.training(only).settings["network"]["reference"] == "rolling"


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
def test_a_set_of_objects_is_other_data_than_one_of_foregrounds() -> None:
    objects = [{**STUDY["data"]["stills"][0], "labels": "objects"}]
    assert identities(resolved(put("data.stills", objects))) != identities(resolved())


@pytest.mark.usefixtures("here")
def test_seeds_and_stages_are_told_apart() -> None:
    found = resolved()
    assert not set(identities(found, seed=0)) & set(identities(found, seed=1))
    assert identities(found, "no_synthetic")[0] != identities(found)[1]


@pytest.mark.usefixtures("here")
def test_another_version_of_training_counts_where_it_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first is not named: trainings of before there were versions stay what they are."""
    wide = put("network.width", 16)
    narrow, before = identities(resolved()), identities(resolved(wide))
    monkeypatch.setattr(resolve, "version_of", lambda _: 1)
    assert identities(resolved(wide)) == before
    assert not set(identities(resolved())) & set(narrow)


@pytest.mark.usefixtures("here")
def test_label_and_claim_change_the_plan_and_no_identity() -> None:
    before = resolved()
    path = Path("ablations/no_bptt.yaml")
    variant = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**variant, "label": "new", "claim": "newer"}))
    after = resolved()
    assert after.trainings == before.trainings
    assert after.variant("no_bptt").label == "new"
    assert after != before


def jobs_of(plan: Plan) -> dict[str, str]:
    """The digest of every job of a plan, by name."""
    folder = Path("results/tiny")
    evaluated = {f"evaluate {n}": plan.evaluation_of(n, folder).digest for n in plan.evaluations}
    timings = {f"speed {name}": timing(plan, name, folder).digest for name in plan.benchmarks}
    return evaluated | timings


@pytest.mark.usefixtures("here")
def test_what_is_expected_changes_the_plan_and_no_job() -> None:
    before = resolved()
    path = Path("ablations/no_bptt.yaml")
    variant = yaml.safe_load(path.read_text())
    expects = {"overall": {"difference": "none", "because": "we think so"}}
    path.write_text(yaml.safe_dump({**variant, "expects": expects}))
    Path("attributes.csv").write_text("sequence,attribute\nval_a,mud\n")
    after = resolved(put("data.attributes", "attributes.csv"))
    assert after.variant("no_bptt").expects["overall"].because == "we think so"
    assert [one.attribute for one in after.attributes] == ["mud"]
    assert after.trainings == before.trainings
    assert jobs_of(after) == jobs_of(before)
    assert after.digest != before.digest, "the tables are made again"


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
    with pytest.raises(UserError, match=r"attributes.csv, line 2: val_c is no sequence"):
        resolved(put("data.attributes", "attributes.csv"))
    full = Path("ablations/full.yaml")
    full.write_text(yaml.safe_dump({**yaml.safe_load(full.read_text()), "expects": expects}))
    with pytest.raises(UserError, match=r"full.yaml: expects: full is what"):
        resolved()


@pytest.mark.usefixtures("here")
def test_a_variant_is_the_same_computation_where_nothing_else_is_computed() -> None:
    write_variant("relabelled")
    write_variant("small", inference={"scales": [0.5]})
    write_variant("small_wta", inference={"scales": [0.5], "aggregation": "winner_take_all"})
    found = resolved()
    changed = {
        variant.name: (
            found.changed_by(variant.name, "davis2016"),
            found.changed_by(variant.name, "davis2017"),
        )
        for variant in found.variants
    }
    assert changed == {
        "full": ("none", "none"),
        "no_bptt": ("all", "all"),
        "no_reference": ("all", "all"),
        "no_synthetic": ("all", "all"),
        "relabelled": ("none", "none"),
        "small": ("all", "all"),
        "small_wta": ("all", "all"),
        "winner_take_all": ("none", "several objects"),
    }


# ---- data ----


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("stills/images/1.jpg", (True, True)),
        ("stills/masks/1.png", (True, True)),
        ("davis/JPEGImages/480p/train_b/00001.jpg", (False, True)),
        ("davis/Annotations/480p/train_b/00001.png", (False, True)),
        ("davis/JPEGImages/480p/val_a/00001.jpg", (False, False)),
        ("davis/Annotations/480p/val_a/00001.png", (False, False)),
    ],
)
def test_changed_byte_trains_the_stages_that_read_it(path: str, changed: tuple[bool, bool]) -> None:
    before = resolved()
    flip_a_byte(Path(path))
    after = resolved()
    both = zip(identities(before), identities(after), strict=True)
    assert tuple(a != b for a, b in both) == changed
    alone = identities(before, "no_synthetic") != identities(after, "no_synthetic")
    assert alone == ("train_b" in path)
    assert after.data.digests != before.data.digests  # and what is scored is checked anew


@pytest.mark.usefixtures("here")
def test_touched_file_trains_nothing() -> None:
    before = resolved()
    for path in Path("davis").rglob("*.jpg"):
        path.touch()
    assert resolved() == before


@pytest.mark.usefixtures("here")
def test_data_that_moved_train_nothing() -> None:
    before = resolved()
    Path("elsewhere").mkdir()
    shutil.move("davis", "elsewhere/davis")
    after = resolved(put("data.davis", "elsewhere/davis"))
    assert [t.identity for t in after.trainings] == [t.identity for t in before.trainings]


@pytest.mark.usefixtures("here")
def test_order_by_which_samples_are_drawn_is_part_of_the_data() -> None:
    shutil.copytree("stills", "more")
    shutil.copy("stills/images/0.jpg", "more/images/1.jpg")
    sets = [{"images": f"{s}/images", "masks": f"{s}/masks"} for s in ("stills", "more")]
    one, other = (identities(resolved(put("data.stills", s))) for s in (sets, sets[::-1]))
    assert one != other
    before = identities(resolved())
    Path("davis/ImageSets/2017/train.txt").write_text("train_b\ntrain_a\n")
    after = identities(resolved())
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)


@pytest.mark.usefixtures("here")
def test_initial_weights_count_by_their_bytes_where_they_are_read() -> None:
    Path("a.pth").write_bytes(b"1")
    Path("b.pth").write_bytes(b"1")
    Path("c.pth").write_bytes(b"2")
    none, a, b, c = (
        resolved(put("network.initial_weights", path)) for path in (None, "a.pth", "b.pth", "c.pth")
    )
    assert identities(a) == identities(b)
    assert not set(identities(a)) & set(identities(c))
    assert not set(identities(a)) & set(identities(none))
    assert identities(a, "no_synthetic") != identities(c, "no_synthetic")
    assert (none.initial_weights, a.initial_weights) == ((), ((Path("a.pth"), "resnet10"),))
    with pytest.raises(UserError, match=r"^absent\.pth: cannot be read"):
        resolved(put("network.initial_weights", "absent.pth"))


@pytest.mark.usefixtures("here")
def test_embedded_benchmark_is_known_by_its_seed_before_it_is_rendered() -> None:
    one, other = (resolved(put("data", {"mini": {"seed": seed}})) for seed in (0, 1))
    assert one.embedded
    assert one.data.mini_seed == 0
    assert one.data.davis == Path("results/tiny/data/davis")
    assert not {t.identity for t in one.trainings} & {t.identity for t in other.trainings}
    assert identities(one) == identities(resolved(put("data", {"mini": {"seed": 0}})))
    assert not resolved().embedded


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("moved", [Path("results/old"), Path("/elsewhere/tiny")])
def test_a_study_that_moved_reads_the_embedded_benchmark_of_its_own_folder(moved: Path) -> None:
    found = resolved(put("data", {"mini": {"seed": 0}}))
    training = found.training(identities(found)[0])
    (still,) = found.roots(moved).stills
    assert still.images == moved / "data/stills/images"
    assert found.job(training, moved).data == found.roots(moved)
    assert found.check("stills", moved).stills == (still,)
    evaluation = found.evaluation_of(next(iter(found.evaluations)), moved)
    read = [
        *found.check("davis2017/val", moved).videos,
        timing(found, "davis2017", moved).videos,
        *(job.videos for run in evaluation.runs for job in run),
    ]
    assert {videos.davis for videos in read} == {moved / "data/davis"}
    assert Results(moved, found, []).davis == moved / "data/davis"
    assert resolved().roots(moved).davis == Path("davis")


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
@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda: shutil.rmtree("stills/masks"), r"stills/masks: no such folder of stills"),
        (lambda: shutil.rmtree("davis"), r"val\.txt: no such split"),
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
def test_first_stage_without_stills_is_refused_whoever_asks_for_it() -> None:
    with pytest.raises(UserError, match=r"tiny: data\.stills is empty"):
        resolved(put("data", {"davis": "davis"}))
    write_variant("both", stages=["pretrain", "finetune"])
    with pytest.raises(UserError, match=r"tiny: data\.stills is empty"):
        resolved(lambda study: study.update(stages=["finetune"], data={"davis": "davis"}))


# ---- names that last ----


@pytest.mark.usefixtures("here")
def test_variant_that_comes_to_stand_before_others_renames_no_training_that_is_there() -> None:
    def trained(training: Training) -> None:
        (Path("results/tiny") / training.folder).mkdir(parents=True)

    write_variant("zeta", network={"decoder_width": 8})
    before = resolved()
    for training in before.trainings:
        trained(training)
    write_variant("alpha", network={"decoder_width": 8}, inference={"scales": [0.5]})
    after = resolved()
    assert folders(after) == folders(before)
    assert identities(after, "alpha") == identities(before, "zeta")
    assert "zeta-seed0" in {t.slug for t in after.trainings if "alpha" in t.variants}
    Path("ablations/zeta.yaml").unlink()
    assert folders(resolved()) == folders(before)


@pytest.mark.usefixtures("here")
def test_new_variant_adds_its_own_trainings_only() -> None:
    before = resolved()
    write_variant("alpha", finetune={"skip": [0, 0]})
    after = resolved()
    assert folders(before) < folders(after)
    assert len(after.trainings) == len(before.trainings) + 2


# ---- plan.json ----


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
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"masks": {"davis2016": "nowhere"}}, "nowhere: no masks .* of external theirs"),
        ({"scores": {"davis2017": "nowhere.csv"}}, "nowhere.csv: cannot be read"),
        ({"name": "no_bptt"}, "external no_bptt: a variant has the same name"),
    ],
)
def test_what_is_not_trained_here_has_to_be_there(change: dict[str, Any], said: str) -> None:
    def changed(study: dict[str, Any]) -> None:
        external(study)
        study["external"][0] |= change

    with pytest.raises(UserError, match=said):
        resolved(changed)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("evaluation", [{"engine": "official"}, {"cross_check": "require"}])
def test_an_engine_that_is_not_installed_is_named_before_any_work(
    evaluation: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "davis2017.metrics", None)
    with pytest.raises(UserError, match="run `make evaluator`"):
        resolved(lambda study: study.update(evaluation=evaluation))
    assert resolved().evaluation.cross_check == "auto"


@pytest.mark.usefixtures("here")
def test_plan_is_written_and_read_again() -> None:
    found, folder = resolved(), Path("results/tiny")
    plan.save(found, folder)
    assert plan.load_plan(folder) == found
    plan.save(resolved(put("title", "Another")), folder)
    assert plan.load_plan(folder).title == "Another"


@pytest.mark.usefixtures("here")
def test_what_follows_from_a_plan_is_found_once_and_is_no_part_of_it() -> None:
    """A study of hundreds of jobs asks for each of them by its name."""
    found, untouched = resolved(), resolved()
    assert found.inferences is found.inferences
    assert found.scores is found.scores
    assert found.digest is found.digest
    assert found == untouched
    assert found.model_dump() == untouched.model_dump()
    fewer = found.model_copy(update={"variants": found.variants[:1], "benchmarks": ("davis2017",)})
    assert list(fewer.inferences) == ["davis2017/full/seed0", "davis2017/full/seed1"]
    assert fewer.digest != found.digest


# ---- evaluations ----


@pytest.mark.usefixtures("here")
def test_every_run_is_evaluated_once_with_all_that_have_its_weights() -> None:
    write_variant("one_scale", inference={"scales": [0.5]})
    found = resolved()
    runs = [run for together in found.evaluations.values() for run in together]
    assert sorted(runs) == sorted(found.inferences)
    for name, together in found.evaluations.items():
        variants = {found.inferences[run][1].name for run in together}
        (of,) = {found.inferences[run][2].weights_digest for run in together}
        sharing = {v.name for v in found.variants for run in v.runs if run.weights_digest == of}
        assert variants == sharing
        assert name.partition("/")[0] in variants
        job = found.evaluation_of(name, Path("results/tiny"))
        assert len({(i.weights, i.masks, i.threads) for i, _ in job.runs}) == 1
        assert [i.masks for i, _ in job.runs] == [s.source for _, s in job.runs]
        training = Path(job.runs[0][0].weights).parent
        assert job.runs[0][0].masks == Path("results/tiny/masks") / training.name
    assert "one_scale" in {v.name for v in found.sharing["full"]}
    assert {name for name in found.evaluations if name.startswith("full/")} == {
        f"full/seed{seed}" for seed in found.seeds
    }


@pytest.mark.usefixtures("here")
def test_given_weights_have_one_folder_of_masks_for_every_seed() -> None:
    Path("released.pth").write_bytes(b"2")
    for name in ("released", "released_too"):
        write_variant(name, weights="released.pth", stages=[])
    write_variant("two_threads", weights="released.pth", stages=[], compute={"threads": 2})
    found, folder = resolved(), Path("results/tiny")
    assert [v.name for v in found.sharing["released"]] == ["released", "released_too"]
    jobs = [
        found.evaluation_of(f"{name}/seed{seed}", folder)
        for name in ("released", "two_threads")
        for seed in found.seeds
    ]
    (masks,) = {inference.masks for job in jobs for inference, _ in job.runs}
    digest = found.variant("released").runs[0].weights_digest
    assert masks == folder / f"masks/given-{digest[:12]}"


def digests(found: plan.Plan) -> dict[str, str]:
    folder = Path("results/tiny")
    return {name: found.evaluation_of(name, folder).digest for name in found.evaluations}


@pytest.mark.usefixtures("here")
def test_an_evaluation_is_due_again_for_what_matters_to_it_alone() -> None:
    before = digests(resolved())
    write_variant("alpha", finetune={"skip": [0, 0]})
    with_another = digests(resolved())
    assert before.items() < with_another.items()
    more_seeds = digests(resolved(put("seeds", [0, 1, 2])))
    assert with_another.items() < more_seeds.items()
    for change in (put("title", "Another"), put("machine.device", "cpu"), put("speed.frames", 3)):
        assert digests(resolved(change)) == with_another
    write_variant("beta", inference={"aggregation": "independent"})
    sharing = digests(resolved())
    differing = {name for name in sharing if sharing[name] != with_another[name]}
    assert differing == {"full/seed0", "full/seed1"}
    other = put("evaluation", {"cross_check": "off"})
    assert not {*digests(resolved(other)).values()} & {*sharing.values()}


@pytest.mark.usefixtures("here")
def test_an_evaluation_that_there_is_not_is_named() -> None:
    with pytest.raises(UserError, match=r"^nobody/seed0: no such evaluation in results/tiny/plan"):
        resolved().evaluation_of("nobody/seed0", Path("results/tiny"))


@pytest.mark.usefixtures("here")
def test_a_check_is_of_one_part_of_the_data() -> None:
    Path("imagenet.pth").write_bytes(b"1")
    Path("released.pth").write_bytes(b"2")
    write_variant("released", weights="released.pth", stages=[])
    found, folder = resolved(put("network.initial_weights", "imagenet.pth")), Path("results/tiny")
    jobs = {part: found.check(part, folder) for part in found.checks.values()}
    assert jobs.keys() == {
        "stills", "weights", "networks", "davis2016/val", "davis2017/val", "davis2017/train"
    }  # fmt: skip
    assert jobs["stills"].stills == found.data.stills
    assert jobs["weights"].weights == ((Path("imagenet.pth"), "resnet10"),)
    assert jobs["networks"].networks == (Path("released.pth"),)
    (videos,) = jobs["davis2017/train"].videos
    assert (videos.davis, videos.benchmark, videos.split) == (Path("davis"), "davis2017", "train")
    for part, job in jobs.items():
        assert job.record == folder / found.check_of(part)
        read = [bool(each) for each in (job.videos, job.stills, job.weights, job.networks)]
        assert sum(read) == 1
    with pytest.raises(UserError, match=r"^davis2018/val: no such part of the data in results/"):
        found.check("davis2018/val", folder)


def test_folder_that_is_no_study_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^{tmp_path}: not a study folder"):
        plan.load_plan(tmp_path)


@pytest.mark.usefixtures("here")
def test_plan_of_another_version_is_named() -> None:
    folder = Path("results/tiny")
    plan.save(resolved(), folder)
    value = json.loads((folder / "plan.json").read_text())
    others: list[Any] = [
        {**value, "new": 1},
        {**value, "trainings": [{**value["trainings"][0], "new": 1}]},
        [],
    ]
    for broken in others:
        (folder / "plan.json").write_text(json.dumps(broken))
        with pytest.raises(UserError, match=rf"^{folder}/plan\.json: "):
            plan.load_plan(folder)


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
def test_results_that_cannot_be_written_are_named_before_data_are_read() -> None:
    Path("results").write_text("a file")
    shutil.rmtree("davis")
    with pytest.raises(UserError, match=r"^results/tiny: cannot be written"):
        resolved()


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


# ---- the longer study ----


@pytest.mark.usefixtures("here")
def test_a_longer_study_is_one_with_the_verdicts_of_these_variants() -> None:
    longer = Path("results/reference/longer")
    for given, said in (
        ("nowhere", r"\(=nowhere\): no folder of a finished study; name one"),
        ("results/tiny", r"\(=results/tiny\): is this study; name another"),
    ):
        with pytest.raises(UserError, match=rf"^study.yaml: longer_study.*{said}"):
            resolved(put("longer_study", given))
    assert resolved().longer_study is None
    plan.save(resolved(), longer)
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
        UserError, match=r"longer\): has no comparison of this study; name the folder"
    ):
        resolved(name)


@pytest.mark.usefixtures("here")
def test_a_longer_study_changes_the_plan_and_no_job() -> None:
    before, longer = resolved(), Path("results/reference/longer")
    plan.save(before, longer)
    for table in ("ablation", "difficulty"):
        path = longer / f"tables/{table}.csv"
        write_text(path, "benchmark,variant,difference_verdict\ndavis2016,no_bptt,worse\n")
    after = resolved(put("longer_study", str(longer)))
    assert after.trainings == before.trainings
    assert jobs_of(after) == jobs_of(before)
    assert after.digest != before.digest
