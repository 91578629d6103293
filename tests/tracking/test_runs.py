"""Which runs a study's files require in MLflow, and what each of them holds."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from support.fake_files import write_record as fake_record
from support.fake_study import build
from support.tracked_study import (
    ABLATIONS,
    TIMEOUT,
    Store,
    mirrored,
    retrack,
    training_of,
    write_ablation,
    write_curve,
    write_record,
    write_score,
    write_training,
)

from rgmp.errors import UserError
from rgmp.provenance.code import package_sources
from rgmp.runtime.files import digest_of_file
from rgmp.study import layout
from rgmp.study.mlflow_links import ABLATION_VIEW
from rgmp.study.plan import load_plan
from rgmp.tracking.runs import read_mirrors
from rgmp.tracking.store import mirror


@pytest.fixture(scope="module")
def whole(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study's folder, whose mirror is complete, to be read alone."""
    results = tmp_path_factory.mktemp("whole") / "results"
    shutil.copytree(made, results)
    mirrored(results / "tiny")
    return results / "tiny"


def test_every_job_is_one_run_below_its_variant_and_seed(whole: Path) -> None:
    store = Store(whole)
    plan = load_plan(whole)
    assert len(store.all) == len(store.runs)
    parents = {name: store.parent(run) for name, run in store.runs.items()}
    expected: dict[str, str | None] = {
        "study": None,
        "check": "study",
        "tables": "study",
        "speed/davis2016": "study",
    }
    for variant in ABLATIONS:
        expected[f"variants/{variant}"] = None
        expected[f"{variant}/seed0"] = f"variants/{variant}"
        expected[f"scores/davis2016/{variant}/seed0"] = f"{variant}/seed0"
    for training in plan.trainings:
        expected[training.folder] = f"{training.variants[0]}/seed0"
    assert parents == expected
    assert {run.info.status for run in store.all} == {"FINISHED"}


def test_shared_training_is_one_run_that_all_who_share_it_name(whole: Path) -> None:
    store = Store(whole)
    shared = training_of(whole, "pretrain")
    assert store.runs[shared.folder].data.tags["variants"] == "full, no_bptt, winner_take_all"
    for variant in ABLATIONS:
        tags = store.runs[f"{variant}/seed0"].data.tags
        assert tags["training.pretrain"] == shared.folder
        assert tags["training.finetune"] == training_of(whole, "finetune", variant).folder


def test_run_of_a_training_has_its_settings_curve_weights_and_data(whole: Path) -> None:
    store = Store(whole)
    training = training_of(whole, "finetune")
    run = store.runs[training.folder]
    assert run.data.params["finetune.bptt"] == "full"
    assert run.data.params["network.backbone"] == "resnet10"
    assert store.curve(run, "loss") == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert store.curve(run, "final_loss") == [(0, 0.25)]
    assert run.data.tags["weights"] == "ab" * 32
    assert run.data.tags["identity"] == training.identity
    content = store.content()[training.folder]
    assert content["data"] == [("tiny/finetune", training.data[:36])]
    assert run.data.tags["input.data"] == training.data


def test_run_of_a_variant_has_its_row_of_the_ablation_table(whole: Path) -> None:
    store = Store(whole)
    run = store.runs["variants/no_bptt"]
    assert run.data.metrics == {
        "J_and_F/davis2016": 62.5,
        "J_and_F_sd/davis2016": 12.5,
        "difference/davis2016": -25.0,
        "difference_low/davis2016": -50.0,
        "difference_high/davis2016": 6.25,
        "seeds/davis2016": 1,
        "davis2016/J_mean": 50.0,
        "davis2016/F_mean": 75.0,
        "davis2016/fps": 8.0,
    }
    words = {key: run.data.tags[f"{key}/davis2016"] for key in ("verdict", "expected", "claim")}
    assert words == {"verdict": "worse", "expected": "worse", "claim": "supported"}
    assert run.data.params == {
        "variant": "no_bptt",
        "finetune.bptt": "none",
        "inference.aggregation": "softmax",
    }
    assert run.data.tags["mlflow.note.content"] == (
        "It matters\n\nembedded, foreground: J&F 62.5 ± 12.5, 1 seed; "
        "\N{MINUS SIGN}25.0 [\N{MINUS SIGN}50.0, +6.2] to full: worse; claim supported."
    )
    full = store.runs["variants/full"].data
    assert "difference/davis2016" not in full.metrics
    assert full.tags["mlflow.note.content"].endswith("foreground: J&F 62.5 ± 12.5, 1 seed.")


def test_variant_without_tables_has_its_speed_alone(folder: Path) -> None:
    shutil.rmtree(folder / "tables")
    run = retrack(folder).runs["variants/full"]
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"davis2016/fps": 8.0})


def test_broken_table_is_named(folder: Path) -> None:
    (folder / "tables" / "ablation.csv").write_text("benchmark\n")
    with pytest.raises(UserError, match=r"ablation\.csv"):
        mirrored(folder)


def test_changed_table_reaches_the_variant_that_is_there_also_with_smaller_numbers(
    folder: Path,
) -> None:
    before = retrack(folder)
    write_ablation(folder, ABLATIONS, **{"J&F": 0.375})
    after = retrack(folder)
    assert after.names == before.names
    assert after.runs["variants/full"].data.metrics["J_and_F/davis2016"] == 37.5
    assert mirrored(folder).written == 0


def test_number_that_is_gone_is_not_kept(folder: Path) -> None:
    before = retrack(folder)
    write_ablation(folder, ["full"])
    after = retrack(folder)
    assert "J_and_F/davis2016" not in after.runs["variants/no_bptt"].data.metrics
    assert after.parent(after.runs["no_bptt/seed0"]) == "variants/no_bptt"
    seeds = [store.runs["no_bptt/seed0"].info.run_id for store in (before, after)]
    assert seeds[0] == seeds[1]


def test_duration_is_that_of_the_work_without_the_time_between(whole: Path) -> None:
    store = Store(whole)
    took = {n: run.info.end_time - run.info.start_time for n, run in store.runs.items()}
    for name, run in store.runs.items():
        below = [took[n] for n, child in store.runs.items() if store.parent(child) == name]
        if run.data.tags["kind"] in {"variant", "seed"}:
            assert below
            assert took[name] == sum(below)
    others = [took[n] for n, run in store.runs.items() if store.parent(run) == "study"]
    variants = [took[f"variants/{variant}"] for variant in ABLATIONS]
    assert took["study"] == sum(others) + sum(variants)


def test_every_run_says_in_a_sentence_what_it_is(whole: Path) -> None:
    notes = {n: run.data.tags["mlflow.note.content"] for n, run in Store(whole).runs.items()}
    assert all(len(note) > 10 for name, note in notes.items() if "variants/" not in name)
    training = training_of(whole, "pretrain")
    assert notes[training.folder] == (
        "Training, stage pretrain, 3 steps with seed 0, for full, no\\_bptt, winner\\_take\\_all."
    )
    assert notes["speed/davis2016"].startswith("Seconds per frame on embedded, foreground")
    assert notes["scores/davis2016/full/seed0"] == (
        "J and F of every frame of embedded, foreground, of masks by full with seed 0."
    )


def test_comparison_opens_on_j_and_f(whole: Path) -> None:
    """MLflow takes the first name, sorted by bytes, that all runs to compare have."""
    runs = Store(whole).runs
    for name in ("variants/{}", "{}/seed0"):
        shared = [set(runs[name.format(variant)].data.metrics) for variant in ABLATIONS]
        assert min(set.intersection(*shared)) == "J_and_F/davis2016"


def test_views_show_what_is_there(whole: Path) -> None:
    store = Store(whole)
    views = {
        key.rpartition(".")[2]: json.loads(value)
        for key, value in store.experiment.tags.items()
        if key.startswith("mlflow.sharedViewState.")
    }
    newest = max(views, key=lambda key: views[key]["createdAt"])
    assert newest == ABLATION_VIEW
    for view in views.values():
        state = json.loads(view["state"])
        found = store.client.search_runs([store.experiment.experiment_id], state["searchFilter"])
        assert found
        for column in state["selectedColumns"]:
            kind, name = column.rstrip("`").split(".`")
            have = [getattr(run.data, kind, {}) for run in found]
            assert kind == "attributes" or any(name in each for each in have), column


def test_weights_are_models_with_their_scores_by_data_set(folder: Path) -> None:
    training = training_of(folder, "finetune")
    weights = folder / training.folder / "weights.safetensors"
    weights.write_bytes(b"weights")
    digest = digest_of_file(weights)
    write_training(folder, training, outputs={f"{training.folder}/weights.safetensors": digest})
    part = {"manifest": "cd" * 32}
    about: dict[str, Any] = {"variant": "full", "seed": 0, "benchmark": "davis2016"}
    write_record(
        folder, "infer", "masks/davis2016/full/seed0", **about, inputs=part | {"weights": digest}
    )
    write_score(folder, "full", inputs=part, J=0.5)
    store = retrack(folder)
    content = store.content()
    ((name, status, kind, params, files, known, kept, identity, metrics),) = content[
        training.folder
    ]["model"]
    assert name == training.folder.removeprefix("weights/").replace("/", "-")
    assert (status, kind, files) == ("READY", "weights", ["weights.safetensors"])
    assert params == store.runs[training.folder].data.params
    assert (known, kept, identity) == (digest, "as an artifact", training.identity)
    assert metrics == [
        ("J_and_F/davis2016", 50.0, "tiny/davis2016"),
        ("davis2016/J", 50.0, "tiny/davis2016"),
    ]
    assert content[training.folder]["makes"] == [(training.folder, 3)]
    for reader in ("masks/davis2016/full/seed0", "scores/davis2016/full/seed0", "full/seed0"):
        assert content[reader]["reads"] == [training.folder]
    assert mirrored(folder).written == 0


def test_run_of_a_seed_has_its_final_scores_and_what_its_variant_changes(whole: Path) -> None:
    run = Store(whole).runs["winner_take_all/seed0"]
    assert run.data.metrics == {
        "davis2016/J": 50.0,
        "J_and_F/davis2016": 50.0,
        "davis2016/fps": 8.0,
    }
    assert run.data.params == {
        "variant": "winner_take_all",
        "seed": "0",
        "finetune.bptt": "full",
        "inference.aggregation": "winner_take_all",
    }


def test_scores_of_an_earlier_checkpoint_are_not_the_final_ones(folder: Path) -> None:
    about: dict[str, Any] = {"variant": "full", "seed": 0, "benchmark": "davis2016"}
    for kind, name in (("score", "scores"), ("infer", "masks")):
        results = {"J": 0.9}
        write_record(folder, kind, f"{name}/davis2016/full/seed0/step2", results=results, **about)
    mirrors = {mirror.name: mirror for mirror in read_mirrors(load_plan(folder), folder)}
    earlier = mirrors["scores/davis2016/full/seed0/step2"]
    assert (earlier.parent, earlier.metrics) == ("full/seed0", {"davis2016/J": 90.0})
    assert mirrors["full/seed0"].metrics["davis2016/J"] == 50.0


def test_every_run_says_by_which_code_environment_and_machine(whole: Path) -> None:
    store = Store(whole)
    for name in (
        "full/seed0",
        "scores/davis2016/full/seed0",
        training_of(whole, "finetune").folder,
    ):
        tags, code = store.runs[name].data.tags, package_code()
        assert (tags["commit"], tags["sources"], tags["lock"]) == code
        assert tags.get("mlflow.source.git.commit") == code[0]
        assert tags["machine"]
        assert (
            name.startswith("scores") or tags["identity"] == training_of(whole, "finetune").identity
        )


def package_code() -> tuple[str | None, str, str]:
    """The commit, sources and lock of this checkout."""
    lock = Path(__file__).parents[2] / "requirements.lock"
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=lock.parent, capture_output=True, text=True, check=False
    )
    return commit.stdout.strip() or None, package_sources(), digest_of_file(lock)


def test_run_of_a_variant_names_all_its_data_and_links_to_its_training_runs(whole: Path) -> None:
    store = Store(whole)
    run = store.runs["no_bptt/seed0"]
    data = store.content()["no_bptt/seed0"]["data"]
    trainings = [training_of(whole, stage, "no_bptt") for stage in ("pretrain", "finetune")]
    assert sorted(data) == sorted((f"tiny/{t.stage}", t.data[:36]) for t in trainings)
    note = run.data.tags["mlflow.note.content"]
    assert note.startswith("No BPTT, trained and evaluated with seed 0.")
    assert store.runs["variants/no_bptt"].data.tags["mlflow.note.content"].startswith("It matters")
    for training in trainings:
        run_id = store.runs[training.folder].info.run_id
        assert f"[{training.folder}](#/experiments/1/runs/{run_id})" in note


def test_small_weights_are_artifacts_large_ones_are_named_by_their_hash(folder: Path) -> None:
    training = training_of(folder, "finetune")
    weights = folder / training.folder / "weights.safetensors"
    weights.write_bytes(b"weights" * 1000)
    outputs = {f"{training.folder}/weights.safetensors": digest_of_file(weights)}
    write_training(folder, training, outputs=outputs)
    uri = f"sqlite:///{folder.parent}/mlflow.db"
    mirror(folder, uri, 0.001, TIMEOUT)
    store = Store(folder)
    run = store.runs[training.folder]
    assert store.artifacts(run) == ["record.json"]
    assert store.files_of(store.models[training.folder]) == ["weights.json"]
    assert run.data.tags["weights"] == digest_of_file(weights)
    mirror(folder, uri, 1, TIMEOUT)
    kept = Store(folder)
    assert "weights.safetensors" in kept.files_of(kept.models[training.folder])
    assert kept.runs[training.folder].info.run_id == run.info.run_id


def test_weights_that_are_not_those_of_the_record_are_not_copied(folder: Path) -> None:
    training = training_of(folder, "finetune")
    (folder / training.folder / "weights.safetensors").write_bytes(b"others")
    store = retrack(folder)
    assert store.files_of(store.models[training.folder]) == ["weights.json"]


def test_artifacts_are_what_was_rendered_and_the_records(whole: Path) -> None:
    store = Store(whole)
    assert store.artifacts(store.runs["study"]) == [
        "logs/train/a.log",
        "plan.json",
        "tables/ablation.csv",
    ]
    score = store.runs["scores/davis2016/full/seed0"]
    assert store.artifacts(score) == ["record.json", "seed0.csv"]
    location = whole.parent / "mlflow-artifacts"
    assert store.experiment.artifact_location == location.as_uri()


def test_claim_and_title_are_text_also_where_they_begin_like_a_list(folder: Path) -> None:
    plan = json.loads((folder / "plan.json").read_text())
    plan["title"], plan["variants"][0]["claim"] = "# 1", "1. It works"
    (folder / "plan.json").write_text(json.dumps(plan))
    store = retrack(folder)
    assert store.experiment.tags["mlflow.note.content"].startswith(r"\# 1.")
    note = store.runs["variants/full"].data.tags["mlflow.note.content"]
    assert note.startswith(r"1\. It works")


def test_variant_that_is_not_scored_is_not_finished(folder: Path) -> None:
    (folder / layout.record("scores/davis2016/full/seed0")).unlink()
    store = retrack(folder)
    unfinished = {n for n, run in store.runs.items() if run.info.status != "FINISHED"}
    assert unfinished == {"study", "variants/full", "full/seed0"}


# ---- a training run in progress ----


def test_training_is_followed_while_it_runs(folder: Path) -> None:
    training = training_of(folder, "finetune")
    record = folder / layout.record(training.folder)
    record.rename(folder / "kept")
    write_curve(folder, training, 2)
    early = retrack(folder)
    run = early.runs[training.folder]
    assert run.info.status == "RUNNING"
    assert early.curve(run, "loss") == [(1, 1.0), (2, 0.5)]
    assert run.data.params["finetune.bptt"] == "full"

    write_curve(folder, training, 3)
    (folder / "kept").rename(record)
    late = retrack(folder)
    assert late.names == early.names
    assert late.runs[training.folder].info.status == "FINISHED"
    assert late.curve(run, "loss") == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert late.curve(run, "J") == [(1, 10.0), (2, 20.0), (3, 30.0)]


def test_training_that_has_ceased_to_log_is_killed_until_it_logs_again(folder: Path) -> None:
    training = training_of(folder, "finetune")
    (folder / layout.record(training.folder)).unlink()
    past = time.time() - 3600
    os.utime(folder / training.folder / "metrics.jsonl", (past, past))
    assert retrack(folder).runs[training.folder].info.status == "KILLED"
    write_curve(folder, training, 3)
    assert retrack(folder).runs[training.folder].info.status == "RUNNING"


def test_training_that_starts_anew_differently_leaves_no_point_of_the_old(folder: Path) -> None:
    training = training_of(folder, "finetune")
    (folder / layout.record(training.folder)).unlink()
    mirrored(folder)
    path = folder / training.folder / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 7.0, "J": 0.0, "seconds": 1.0}\n')
    store = retrack(folder)
    assert store.curve(store.runs[training.folder], "loss") == [(1, 7.0)]


def test_finished_training_stays_while_it_is_made_again(folder: Path) -> None:
    training = training_of(folder, "finetune")
    before = retrack(folder)
    (folder / layout.record(training.folder)).unlink()
    write_curve(folder, training, 1)
    during = retrack(folder)
    assert during.content()[training.folder] == before.content()[training.folder]
    write_training(folder, training, final_loss=0.125)
    after = retrack(folder)
    assert after.curve(after.runs[training.folder], "loss") == [(1, 1.0)]
    assert after.curve(after.runs[training.folder], "final_loss") == [(0, 0.125)]


def test_training_that_the_study_has_dropped_does_not_run_for_ever(folder: Path) -> None:
    training = training_of(folder, "finetune")
    (folder / layout.record(training.folder)).unlink()
    write_curve(folder, training, 2)
    assert retrack(folder).runs[training.folder].info.status == "RUNNING"
    (folder / training.folder / "metrics.jsonl").unlink()
    assert retrack(folder).runs[training.folder].info.status == "KILLED"


def test_data_are_known_by_their_manifests(tmp_path: Path) -> None:
    """The check of a part, which has the manifest, and what was scored on it, by one digest."""
    folder = build(tmp_path, variants=1, benchmarks=("davis2016",), seeds=(0,), frames=4)
    plan = load_plan(folder)
    part = "davis2016/val"
    digest = plan.data.digests[part]
    check = plan.check_of(part)
    fake_record(folder, "check", check[len("records/") : -len(".json")], None, None)
    for path, inputs, manifest in (
        (check, {"data": digest, part: digest}, {part: {"cows": {"sha256": "ab", "frames": 104}}}),
        ("records/scores/davis2016/full/seed0.json", {"data": "read", "manifest": digest}, {}),
    ):
        record = json.loads((folder / path).read_text())
        (folder / path).write_text(json.dumps(record | {"inputs": inputs, "manifest": manifest}))
    mirrors = {mirror.name: mirror for mirror in read_mirrors(plan, folder)}
    study = folder.name
    assert mirrors[check[len("records/") : -len(".json")]].data == [
        (f"{study}/{part}", digest, "check")
    ]
    assert mirrors["scores/davis2016/full/seed0"].data == [
        (f"{study}/davis2016", digest, "evaluation")
    ]
