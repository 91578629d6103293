"""What a plan says of its jobs: who shares them, which data they read and when they are due."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.tiny_plan import (
    identities,
    put,
    resolved,
    write_variant,
)

from rgmp.errors import UserError
from rgmp.runtime.files import write_json, write_text
from rgmp.study import plan
from rgmp.study.plan import Plan
from rgmp.study.results import Results
from rgmp.study.timing import timing


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
        assert [*training.config] == ["network", training.stage, "compute"]


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
def test_a_longer_study_changes_the_plan_and_no_job() -> None:
    before, longer = resolved(), Path("results/reference/longer")
    plan.save(resolved(put("finetune.steps", 3)), longer)
    for table in ("ablation", "difficulty"):
        path = longer / f"tables/{table}.csv"
        write_text(path, "benchmark,variant,difference_verdict\ndavis2016,no_bptt,worse\n")
    after = resolved(put("longer_study", str(longer)))
    assert after.trainings == before.trainings
    assert jobs_of(after) == jobs_of(before)
    assert after.digest != before.digest


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
    assert Results(moved, found, []).videos("davis2016").davis == moved / "data/davis"
    assert resolved().roots(moved).davis == Path("davis")


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


# ---- plan.json ----


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


def test_folder_that_is_no_study_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^{tmp_path}: not a study folder"):
        plan.load_plan(tmp_path)


@pytest.mark.usefixtures("here")
def test_plan_of_before_settings_had_types_is_read() -> None:
    """A study that runs for days outlives a version: its records have the settings in this form."""
    found, folder = resolved(), Path("results/tiny")
    value = found.model_dump(mode="json")
    for training, planned in zip(value["trainings"], found.trainings, strict=True):
        training["settings"] = planned.config
        del training["network"], training["compute"]
    write_json(folder / "plan.json", value)
    assert plan.load_plan(folder) == found


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
def test_earlier_checkpoints_are_evaluated_as_the_last_and_beside_it() -> None:
    before, folder = resolved(put("finetune.steps", 9)), Path("results/tiny")

    def keep_three(study: dict[str, Any]) -> None:
        study["finetune"] |= {"steps": 9, "keep_last": 3, "save_interval": 4}

    found = resolved(keep_three)
    assert found.scores == before.scores
    assert found.trainings[1].settings.earlier_checkpoints == (1, 5)
    added = found.evaluations.keys() - before.evaluations.keys()
    assert added == {f"{name}/step{step}" for name in before.evaluations for step in (1, 5)}
    for name, runs in before.evaluations.items():
        assert found.evaluations[name] == runs
        last = found.evaluation_of(name, folder)
        assert last == before.evaluation_of(name, folder), "nothing of it is due again"
        earlier = found.evaluation_of(f"{name}/step5", folder)
        assert earlier.digest != last.digest
        for (ours, scoring), (theirs, _) in zip(earlier.runs, last.runs, strict=True):
            assert ours.weights == theirs.weights.with_name("weights-step5.safetensors")
            assert ours.masks == scoring.source == Path(f"{theirs.masks}-step5")
            alike = ("videos", "settings", "threads", "variant", "seed", "device")
            assert all(getattr(ours, key) == getattr(theirs, key) for key in alike)
    kept = {f"results/tiny/{path}" for path in found.checkpoint_scores}
    assert kept == {
        str(scoring.out) for name in added for _, scoring in found.evaluation_of(name, folder).runs
    }
    assert {*found.measured} - {*before.measured} == {*found.checkpoint_scores}
    assert "scores/davis2017/full/seed1/step5.csv" in found.checkpoint_scores


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
def test_an_evaluation_is_due_again_for_what_matters_to_it_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rgmp.study.resolve.require", lambda *_: None)  # of the evaluator
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
    assert digests(resolved(put("evaluation", {"cross_check": "off"}))) == sharing
    other = put("evaluation", {"engine": "official"})
    assert not {*digests(resolved(other)).values()} & {*sharing.values()}


@pytest.mark.usefixtures("here")
def test_an_evaluation_that_there_is_not_is_named() -> None:
    with pytest.raises(UserError, match=r"^nobody/seed0: no such evaluation in results/tiny/plan"):
        resolved().evaluation_of("nobody/seed0", Path("results/tiny"))
