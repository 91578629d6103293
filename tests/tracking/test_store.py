"""The mirror of a study's files in MLflow: whole, once, whatever happens to whoever writes it.

The stores are real SQLite files; the study is synthetic, but for its plan.
"""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR, socket
from typing import Any
from urllib.parse import quote

import pytest
from filelock import FileLock

from rgmp.tracking.track import Tracked, environment, track

os.environ.update(environment())  # the tests stay off the network, too

from mlflow import MlflowClient
from mlflow.entities import Run

from rgmp.cli.main import main
from rgmp.config.base import Stage
from rgmp.errors import UserError
from rgmp.provenance.code import package_sources
from rgmp.provenance.record import recording
from rgmp.runtime.files import digest_of_file
from rgmp.study import layout
from rgmp.study.plan import Plan, Training, load_plan, save
from rgmp.study.resolve import resolve
from rgmp.study.timing import computations
from rgmp.tracking.runs import Mirrored
from rgmp.tracking.store import mirror

STUDY = """
study: tiny
title: A study of nothing
data: {mini: {seed: 0}}
benchmarks: [davis2016]
seeds: [0]
network: {backbone: resnet10}
pretrain: {STAGE}
finetune: {STAGE, frames: [2, 2]}
""".replace(
    "STAGE", "steps: 3, batch: 1, learning_rate: 0.1, final_learning_rate: 0.1, crop: [32, 32]"
)
ABLATIONS = {
    "full": "{label: RGMP, claim: It works}",
    "no_bptt": "{label: No BPTT, claim: It matters, overrides: {finetune: {bptt: none}}}",
    "winner_take_all": "{label: WTA, claim: Softmax is better,"
    " overrides: {inference: {aggregation: winner_take_all}}}",
}

PATIENCE = 600  # seconds for a call, on a machine that has much else to do


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a store without runs, and a study in which every job has ended."""
    root = tmp_path_factory.mktemp("made")
    (root / "study.yaml").write_text(STUDY)
    (root / "ablations").mkdir()
    for name, text in ABLATIONS.items():
        (root / "ablations" / f"{name}.yaml").write_text(text)
    results = root / "results"
    plan = resolve(root / "study.yaml", root / "ablations", results)
    folder = results / "tiny"
    save(plan, folder)
    for training in plan.trainings:
        write_curve(folder, training, 3)
        write_training(folder, training)
    for variant in plan.variants:
        write_score(folder, variant.name, J=0.5)
    write_speed(folder, plan)
    for kind in ("check", "tables"):
        write_record(folder, kind, kind)
    for name in ("tables/ablation.csv", "figures/.hidden.png", "logs/train/a.log", "report.html"):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(name)
    MlflowClient(f"sqlite:///{results}/mlflow.db").search_experiments()
    return results


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study's folder, beside a store of its own; to copy a store is quick, to make one is not."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(made, tmp_path / "results")
    return tmp_path / "results" / "tiny"


def write_curve(folder: Path, training: Training, points: int) -> None:
    path = folder / training.folder / "metrics.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        {"step": i, "loss": 1 / i, "J": i / 10, "seconds": i * 0.5} for i in range(1, points + 1)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_training(
    folder: Path, training: Training, outputs: dict[str, str] | None = None, **results: float
) -> None:
    write_record(
        folder,
        "train",
        training.folder,
        variant=training.variants[0],
        seed=training.seed,
        stage=training.stage,
        identity=training.identity,
        config=training.settings,
        inputs={"data": training.data},
        results={"final_loss": 0.25, "J": 0.3} | results,
        outputs=outputs or {f"{training.folder}/weights.safetensors": "ab" * 32},
    )


def write_score(folder: Path, variant: str, **results: float) -> None:
    name = f"scores/davis2016/{variant}/seed0"
    about: dict[str, Any] = {"variant": variant, "seed": 0, "benchmark": "davis2016"}
    results["J&F"] = results["J"]
    config = {"engine": "builtin"}
    write_record(folder, "score", name, **about, config=config, results=results)
    table = folder / f"{name}.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text("benchmark,J\n")


def write_speed(folder: Path, plan: Plan) -> None:
    """One object: every variant computes the same."""
    (identity,) = computations(plan, "davis2016")
    about: dict[str, Any] = {"device": "cpu", "threads": 1, "others_share": 0.0, "rounds": 5}
    timed = {"precision": "fp32", "aggregation": "softmax", "scales": [1.0], "clips": []}
    summary = {"fps": 8.0, "peak_memory_bytes": None}
    named = {"name": "full", "identity": identity, "again": False, "summary": summary}
    (folder / "speed").mkdir()
    text = json.dumps(about | {"computations": [timed | named]})
    (folder / layout.speed("davis2016")).write_text(text)
    results = {"rounds": 5, "fps_full": 8.0}
    write_record(folder, "speed", "speed/davis2016", benchmark="davis2016", results=results)


def write_record(
    folder: Path,
    kind: str,
    name: str,
    *,
    results: dict[str, Any] | None = None,
    outputs: dict[str, str] | None = None,
    **about: Any,
) -> None:
    path = folder / layout.record(name)
    with recording(path, kind=kind, name=name, study="tiny", **about) as record:
        record.results.update(results or {})
        record.outputs.update(outputs or {})


def mirrored(folder: Path, uri: str | None = None) -> Mirrored:
    """As `rgmp track` does, but in this process."""
    return mirror(folder, uri or f"sqlite:///{folder.parent}/mlflow.db", 64, PATIENCE)


def tracked(folder: Path, uri: str | None = None) -> Tracked:
    done = track(folder, uri, timeout=PATIENCE)
    assert done is not None
    return done


class Store:
    """What a store holds, by the names of the records."""

    def __init__(self, folder: Path, uri: str | None = None) -> None:
        self.client = MlflowClient(uri or f"sqlite:///{folder.parent}/mlflow.db")
        experiment = self.client.get_experiment_by_name("tiny")
        assert experiment is not None
        self.experiment = experiment
        self.all = list(self.client.search_runs([experiment.experiment_id]))
        self.runs = {run.data.tags["record"]: run for run in self.all}
        self.names = {run.info.run_id: name for name, run in self.runs.items()}

    def parent(self, run: Run) -> str | None:
        return self.names.get(run.data.tags.get("mlflow.parentRunId", ""))

    def curve(self, run: Run, key: str) -> list[tuple[int, float]]:
        history = self.client.get_metric_history(run.info.run_id, key)
        return sorted((point.step, point.value) for point in history)

    def artifacts(self, run: Run, folder: str | None = None) -> list[str]:
        found = self.client.list_artifacts(run.info.run_id, folder)
        inner = [name for f in found if f.is_dir for name in self.artifacts(run, f.path)]
        return sorted([f.path for f in found if not f.is_dir] + inner)

    def content(self) -> dict[str, Any]:
        """Everything that two mirrors of the same files share."""
        assert len(self.all) == len(self.runs), "a run is there twice"
        return {name: self._content(run) for name, run in self.runs.items()}

    def _content(self, run: Run) -> dict[str, Any]:
        tags = {k: v for k, v in run.data.tags.items() if k != "mlflow.parentRunId"}
        for run_id, name in self.names.items():  # in descriptions, which link to other runs
            tags = {k: v.replace(run_id, f"<{name}>") for k, v in tags.items()}
        inputs = self.client.get_run(run.info.run_id).inputs
        return {
            "parent": self.parent(run),
            "status": run.info.status,
            "times": (run.info.start_time, run.info.end_time),
            "params": run.data.params,
            "metrics": {key: self.curve(run, key) for key in run.data.metrics},
            "tags": tags,
            "artifacts": self.artifacts(run),
            "data": [
                (data.dataset.name, data.dataset.digest)
                for data in (inputs.dataset_inputs if inputs else [])
            ],
        }


def training_of(folder: Path, stage: Stage, variant: str = "full") -> Training:
    trainings = load_plan(folder).trainings
    return next(t for t in trainings if t.stage == stage and variant in t.variants)


def retrack(folder: Path) -> Store:
    mirrored(folder)
    return Store(folder)


def test_every_job_is_one_run_below_its_variant_and_seed(folder: Path) -> None:
    store = retrack(folder)
    plan = load_plan(folder)
    assert len(store.all) == len(store.runs)
    parents = {name: store.parent(run) for name, run in store.runs.items()}
    expected: dict[str, str | None] = {
        "study": None,
        "check": "study",
        "tables": "study",
        "speed/davis2016": "study",
    }
    for variant in ABLATIONS:
        expected[f"{variant}/seed0"] = None
        expected[f"scores/davis2016/{variant}/seed0"] = f"{variant}/seed0"
    for training in plan.trainings:
        expected[training.folder] = f"{training.variants[0]}/seed0"
    assert parents == expected
    assert {run.info.status for run in store.all} == {"FINISHED"}


def test_shared_training_is_one_run_that_all_who_share_it_name(folder: Path) -> None:
    store = retrack(folder)
    shared = training_of(folder, "pretrain")
    assert store.runs[shared.folder].data.tags["variants"] == "full, no_bptt, winner_take_all"
    for variant in ABLATIONS:
        tags = store.runs[f"{variant}/seed0"].data.tags
        assert tags["training.pretrain"] == shared.folder
        assert tags["training.finetune"] == training_of(folder, "finetune", variant).folder


def test_run_of_a_training_has_its_settings_curve_weights_and_data(folder: Path) -> None:
    store = retrack(folder)
    training = training_of(folder, "finetune")
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


def test_run_of_a_variant_has_its_final_scores_and_what_it_changes(folder: Path) -> None:
    run = retrack(folder).runs["winner_take_all/seed0"]
    assert run.data.metrics == {
        "davis2016/J": 0.5,
        "davis2016/J_and_F": 0.5,
        "davis2016/fps": 8.0,
    }
    assert run.data.params == {
        "variant": "winner_take_all",
        "seed": "0",
        "finetune.bptt": "full",
        "inference.aggregation": "winner_take_all",
    }


def test_every_run_says_by_which_code_environment_and_machine(folder: Path) -> None:
    store = retrack(folder)
    for name in (
        "full/seed0",
        "scores/davis2016/full/seed0",
        training_of(folder, "finetune").folder,
    ):
        tags, code = store.runs[name].data.tags, package_code()
        assert (tags["commit"], tags["sources"], tags["lock"]) == code
        assert tags["machine"]
        assert (
            name.startswith("scores")
            or tags["identity"] == training_of(folder, "finetune").identity
        )


def package_code() -> tuple[str | None, str, str]:
    """The commit, sources and lock of this checkout."""
    lock = Path(__file__).parents[2] / "requirements.lock"
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=lock.parent, capture_output=True, text=True, check=False
    )
    return commit.stdout.strip() or None, package_sources(), digest_of_file(lock)


def test_run_of_a_variant_names_all_its_data_and_links_to_its_trainings(folder: Path) -> None:
    store = retrack(folder)
    run = store.runs["no_bptt/seed0"]
    data = store.content()["no_bptt/seed0"]["data"]
    trainings = [training_of(folder, stage, "no_bptt") for stage in ("pretrain", "finetune")]
    assert sorted(data) == sorted((f"tiny/{t.stage}", t.data[:36]) for t in trainings)
    note = run.data.tags["mlflow.note.content"]
    assert note.startswith("It matters")
    for training in trainings:
        run_id = store.runs[training.folder].info.run_id
        assert f"[{training.folder}](#/experiments/1/runs/{run_id})" in note


def test_ids_of_the_runs_are_left_for_the_report(folder: Path) -> None:
    tracked(folder)
    store = Store(folder)
    left = json.loads((folder / "mlflow.json").read_text())
    assert left["runs"] == {name: run.info.run_id for name, run in store.runs.items()}
    assert left["experiment"] == store.experiment.experiment_id
    assert left["uri"] == f"sqlite:///{folder.parent}/mlflow.db"


def test_small_weights_are_artifacts_large_ones_are_named_by_their_hash(folder: Path) -> None:
    training = training_of(folder, "finetune")
    weights = folder / training.folder / "weights.safetensors"
    weights.write_bytes(b"weights" * 1000)
    outputs = {f"{training.folder}/weights.safetensors": digest_of_file(weights)}
    write_training(folder, training, outputs=outputs)
    uri = f"sqlite:///{folder.parent}/mlflow.db"
    mirror(folder, uri, 0.001, PATIENCE)
    store = Store(folder)
    run = store.runs[training.folder]
    assert store.artifacts(run) == ["record.json", "weights.json"]
    assert run.data.tags["weights"] == digest_of_file(weights)
    mirror(folder, uri, 1, PATIENCE)
    kept = Store(folder)
    assert "weights.safetensors" in kept.artifacts(kept.runs[training.folder])
    assert kept.runs[training.folder].info.run_id == run.info.run_id


def test_weights_that_are_not_those_of_the_record_are_not_copied(folder: Path) -> None:
    training = training_of(folder, "finetune")
    (folder / training.folder / "weights.safetensors").write_bytes(b"others")
    store = retrack(folder)
    assert store.artifacts(store.runs[training.folder]) == ["record.json", "weights.json"]


def test_artifacts_are_what_was_rendered_and_the_records(folder: Path) -> None:
    store = retrack(folder)
    assert store.artifacts(store.runs["study"]) == [
        "logs/train/a.log",
        "plan.json",
        "tables/ablation.csv",
    ]
    score = store.runs["scores/davis2016/full/seed0"]
    assert store.artifacts(score) == ["record.json", "seed0.csv"]
    location = folder.parent / "mlflow-artifacts"
    assert store.experiment.artifact_location == location.as_uri()


def test_second_call_writes_nothing(folder: Path) -> None:
    before = retrack(folder)
    assert mirrored(folder).written == 0
    after = Store(folder)
    assert after.names == before.names
    assert after.content() == before.content()


def test_new_log_alone_is_no_news(folder: Path) -> None:
    mirrored(folder)
    (folder / "logs" / "track.log").write_text("tracking")
    assert mirrored(folder).written == 0


def test_changed_record_takes_the_place_of_the_old(folder: Path) -> None:
    before = retrack(folder)
    write_score(folder, "full", J=0.75)
    after = retrack(folder)
    assert set(after.content()) == set(before.content())
    name = "scores/davis2016/full/seed0"
    assert after.runs[name].info.run_id != before.runs[name].info.run_id
    assert after.curve(after.runs[name], "davis2016/J") == [(0, 0.75)]
    parent = after.runs["full/seed0"]
    assert parent.info.run_id == before.runs["full/seed0"].info.run_id
    assert parent.data.metrics["davis2016/J"] == 0.75


def test_changed_label_reaches_the_run_that_is_there(folder: Path) -> None:
    before = retrack(folder)
    plan = json.loads((folder / "plan.json").read_text())
    plan["variants"][0]["label"] = "Ours"
    (folder / "plan.json").write_text(json.dumps(plan))
    after = retrack(folder)
    assert after.names == before.names
    assert after.runs["full/seed0"].data.tags["label"] == "Ours"


def test_claim_and_title_are_text_also_where_they_begin_like_a_list(folder: Path) -> None:
    plan = json.loads((folder / "plan.json").read_text())
    plan["title"], plan["variants"][0]["claim"] = "# 1", "1. It works"
    (folder / "plan.json").write_text(json.dumps(plan))
    store = retrack(folder)
    assert store.experiment.tags["mlflow.note.content"].startswith(r"\# 1.")
    assert store.runs["full/seed0"].data.tags["mlflow.note.content"].startswith(r"1\. It works")


def test_changed_variant_gets_a_new_run_and_its_children_move_below_it(folder: Path) -> None:
    before = retrack(folder)
    plan = json.loads((folder / "plan.json").read_text())
    plan["variants"][0]["inference"]["aggregation"] = "independent"
    (folder / "plan.json").write_text(json.dumps(plan))
    after = retrack(folder)
    assert after.runs["full/seed0"].info.run_id != before.runs["full/seed0"].info.run_id
    assert after.runs["full/seed0"].data.params["inference.aggregation"] == "independent"
    score = after.runs["scores/davis2016/full/seed0"]
    assert score.info.run_id == before.runs["scores/davis2016/full/seed0"].info.run_id
    assert after.parent(score) == "full/seed0"


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
    assert late.curve(run, "J") == [(1, 0.1), (2, 0.2), (3, 0.3)]


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
    assert retrack(folder).runs[training.folder].info.status == "RUNNING"
    (folder / training.folder / "metrics.jsonl").unlink()
    assert retrack(folder).runs[training.folder].info.status == "KILLED"


def test_variant_that_is_not_scored_is_not_finished(folder: Path) -> None:
    (folder / layout.record("scores/davis2016/full/seed0")).unlink()
    store = retrack(folder)
    unfinished = {n for n, run in store.runs.items() if run.info.status != "FINISHED"}
    assert unfinished == {"study", "full/seed0"}


def test_study_is_followed_until_it_is_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = folder / layout.record("scores/davis2016/full/seed0")
    record.rename(folder / "kept")
    waited, sleep = [], time.sleep

    def finish(seconds: float) -> None:
        if seconds != 30:  # of MLflow's own threads
            return sleep(seconds)
        waited.append(seconds)
        assert Store(folder).runs["study"].info.status == "SCHEDULED"
        (folder / "kept").rename(record)
        return None

    with monkeypatch.context() as patch:
        patch.setattr(time, "sleep", finish)
        assert main(["track", str(folder), "--every", "30"]) == 0
    assert waited == [30]
    assert Store(folder).runs["study"].info.status == "FINISHED"
    assert capsys.readouterr().out.count("written now") == 2


_WRITES = (
    "create_experiment",
    "create_run",
    "log_batch",
    "log_artifact",
    "log_dict",
    "log_inputs",
    "set_terminated",
)


@pytest.mark.slow
def test_call_that_was_killed_is_completed_by_the_next(
    folder: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = retrack(folder).content()
    for fatal in (1, 2, 3, 4, 6, 20, 40, 61, 62, 63, 64, 65, 66, 80):
        database = shutil.copy(made / "mlflow.db", folder.parent / f"{fatal}.db")
        uri = f"sqlite:///{database}"
        with monkeypatch.context() as patch:
            die_at_write(patch, fatal)
            with pytest.raises(KeyboardInterrupt):
                mirrored(folder, uri)
        mirrored(folder, uri)
        assert Store(folder, uri).content() == undisturbed, f"after write {fatal}"


def die_at_write(patch: pytest.MonkeyPatch, fatal: int) -> None:
    """Kill the process, as far as it can tell, when it writes to MLflow for the n-th time."""
    writes = 0

    def dying(write: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            nonlocal writes
            writes += 1
            if writes == fatal:
                raise KeyboardInterrupt
            return write(*arguments, **keywords)

        return call

    for name in _WRITES:
        patch.setattr(MlflowClient, name, dying(getattr(MlflowClient, name)))


@pytest.mark.slow
def test_store_that_was_killed_while_it_was_made_is_not_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = folder.parent / "mlflow.db"
    database.unlink()
    left = folder.parent / ".mlflow.db.new-killed"  # by one that the kernel has ended
    left.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "search_experiments", _killed)
        with pytest.raises(KeyboardInterrupt):
            mirrored(folder)
    assert not database.exists()
    assert len(retrack(folder).all) == len(mirrored(folder).ids)
    assert not left.exists()


def _killed(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "uri", ["http://someone:secret@127.0.0.1:9", "sqlite:////proc/nowhere/mlflow.db", "/nowhere"]
)
def test_store_that_is_away_costs_one_line(
    folder: Path, uri: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert track(folder, uri) is None
    said = capfd.readouterr().err
    assert said.startswith("rgmp: warning: MLflow at ")
    assert said.count("\n") == 1
    assert f"`rgmp track {folder}` completes it later" in said
    assert "secret" not in said
    assert len(retrack(folder).all) == len(mirrored(folder).ids)


@pytest.fixture
def mute(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server that takes every call and never says all of its answer."""
    hung, said = threading.Event(), request.param

    def answer(line: socket) -> None:
        with line, suppress(OSError):
            line.sendall(said)
            while said and not hung.wait(0.05):
                line.sendall(b" ")
            hung.wait()

    def serve(server: socket) -> None:
        with suppress(OSError):
            while True:
                callers.append(threading.Thread(target=answer, args=[server.accept()[0]]))
                callers[-1].start()

    callers: list[threading.Thread] = []
    with socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        serving = threading.Thread(target=serve, args=[server])
        serving.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(SHUT_RDWR)
        hung.set()
        for thread in (serving, *callers):
            thread.join()


DRIP = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{"
mute_servers = pytest.mark.parametrize(
    "mute", [DRIP, b""], ids=["a byte at a time", "never"], indirect=True
)


@mute_servers
def test_server_that_does_not_answer_costs_one_line_and_no_lock(
    folder: Path, mute: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mute)
    assert main(["track", str(folder), "--timeout", "1"]) == 0
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert f"{mute} cannot be written (not done in 1 s, see --timeout); nothing is lost" in said
    FileLock(folder / ".tracking.lock").acquire(timeout=0).lock.release()


class _Endless(BaseHTTPRequestHandler):
    """A server of MLflow that answers every call at once, and has always one more page of runs."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        about = {"experiment_id": "1", "name": "tiny", "lifecycle_stage": "active"}
        pages = {"runs": [], "next_page_token": "more"}
        said = json.dumps(pages if self.path.endswith("search") else {"experiment": about}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_the_time_is_that_of_all_calls_together(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Endless) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        assert track(folder, f"http://127.0.0.1:{server.server_port}", timeout=1) is None
        server.shutdown()
        serving.join()
    assert "not done in 1 s" in capfd.readouterr().err


def test_another_process_that_writes_is_not_waited_for_any_longer(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with FileLock(folder.parent / ".mlflow.db.lock"):
        assert track(folder, timeout=1) is None
    assert "(another process has written to it for 0.9 s, see --timeout)" in capfd.readouterr().err


@pytest.mark.slow
def test_what_ran_out_of_time_is_completed_by_the_next(folder: Path, made: Path) -> None:
    undisturbed = retrack(folder).content()
    uri = f"sqlite:///{shutil.copy(made / 'mlflow.db', folder.parent / 'short.db')}"
    for timeout in (0.2, 0.4):
        track(folder, uri, timeout=timeout)
    mirrored(folder, uri)
    assert Store(folder, uri).content() == undisturbed


def test_fault_of_ours_keeps_its_traceback(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="see above"):
        track(folder, weights_megabytes="many")  # type: ignore[arg-type]
    assert "TypeError" in capfd.readouterr().err


def test_database_that_does_not_answer_costs_one_line(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mirrored(folder)
    write_score(folder, "full", J=0.75)
    with closing(sqlite3.connect(folder.parent / "mlflow.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert track(folder, timeout=0.3) is None
    assert "cannot be written (not done in 0.3 s" in capfd.readouterr().err
    assert mirrored(folder).written > 0


def test_folder_with_the_name_of_the_database_is_refused_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = folder.parent / "mlflow.db"
    database.unlink()
    database.mkdir()
    monkeypatch.setattr(MlflowClient, "__init__", _killed)
    with pytest.raises(ConnectionError, match=rf"{database} is a folder, not a database"):
        mirrored(folder)


def test_store_of_the_environment_is_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    database = (folder.parent / "mlflow.db").rename(tmp_path / "mine.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
    done = tracked(folder)
    assert done.uri == f"sqlite:///{database}"
    assert len(Store(folder, done.uri).runs) == done.runs
    assert not (folder.parent / "mlflow.db").exists()


def test_settings_of_mlflow_are_left_alone_and_telemetry_is_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "DEBUG")
    given = environment()
    assert given["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert given["MLFLOW_LOGGING_LEVEL"] == os.environ["MLFLOW_LOGGING_LEVEL"] == "DEBUG"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "false"
    look = "import os; before = dict(os.environ); import rgmp.tracking.store; "
    look += "print({k for k in os.environ if k.startswith('MLFLOW_')} - {*before})"
    done = subprocess.run(
        [sys.executable, "-c", look], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_run_of_the_environment_is_left_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "another")
    assert len(retrack(folder).all) == len(mirrored(folder).ids)


def test_experiment_that_was_deleted_comes_back(folder: Path) -> None:
    store = retrack(folder)
    store.client.delete_experiment(store.experiment.experiment_id)
    assert len(retrack(folder).all) == len(store.all)


def test_two_folders_of_one_study_share_a_store_without_touching_each_other(
    folder: Path, tmp_path: Path
) -> None:
    uri = f"sqlite:///{(folder.parent / 'mlflow.db').rename(tmp_path / 'shared.db')}"
    mine = len(mirrored(folder, uri).ids)
    theirs = folder.rename(tmp_path / "elsewhere")
    assert mirrored(theirs, uri).written == mine
    assert len(Store(theirs, uri).all) == 2 * mine


def test_folder_without_a_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"plan\.json"):
        track(tmp_path)


WRITERS = """
import os, pathlib, sys, warnings
from rgmp.tracking.store import mirror

folder, timeout, processes = pathlib.Path(sys.argv[1]), float(sys.argv[3]), []
for _ in range(int(sys.argv[2])):
    with warnings.catch_warnings(action="ignore"):  # of numpy's threads, which have nothing to do
        process = os.fork()
    if not process:
        print(mirror(folder, f"sqlite:///{folder.parent}/mlflow.db", 64, timeout), flush=True)
        sys.exit()
    processes.append(process)
sys.exit(any(os.waitpid(process, 0)[1] for process in processes))
"""


@pytest.mark.slow
def test_eight_writers_on_a_fresh_store_lose_none_and_double_none(folder: Path) -> None:
    (folder.parent / "mlflow.db").rename(empty := folder.parent / "alone.db")
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", WRITERS, str(folder), "8", str(PATIENCE)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as writers:
        try:
            said, error = writers.communicate(timeout=PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(writers.pid, signal.SIGKILL)
    assert (writers.returncode, error) == (0, "")
    assert len(said.splitlines()) == 8
    assert said.count("written=0") == 7
    mirrored(folder, alone := f"sqlite:///{empty}")
    assert Store(folder).content() == Store(folder, alone).content()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of an empty database, SQLite's or, where there is one, PostgreSQL's."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('database')}/mlflow.db"
    address = os.environ.get("RGMP_TEST_POSTGRESQL")
    if address is None:
        pytest.skip("RGMP_TEST_POSTGRESQL names no PostgreSQL server")
    driver = pytest.importorskip("psycopg2", reason="psycopg2 is not installed")
    name = f"rgmp_test_{os.getpid()}"
    with closing(driver.connect(address)) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name}")
    return f"{address.rpartition('/')[0]}/{name}"


@pytest.fixture(scope="module")
def server(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real `mlflow server` before that database."""
    folder = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", backend]
    command += ["--artifacts-destination", str(folder / "artifacts"), "--workers", "1"]
    log = folder / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [*command, "--port", "0"],  # a free one, which the log then names
            stdout=file,
            stderr=file,
            cwd=folder,
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            start_new_session=True,
        )
    try:
        yield address_of(process, log)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def address_of(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where a server listens, as soon as it does."""
    deadline = time.monotonic() + PATIENCE
    while not (found := re.search(r"running on (http://\S+)", log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    return found[1]


@pytest.mark.slow
def test_server_holds_what_a_file_holds_and_the_report_links_into_it(
    folder: Path, server: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored(folder, alone := f"sqlite:///{folder.parent}/mlflow.db")
    beside = Store(folder, alone).content()
    with monkeypatch.context() as patch:
        die_at_write(patch, 30)
        with pytest.raises(KeyboardInterrupt):
            mirrored(folder, server)
    done = tracked(folder, server)
    assert Store(folder, server).content() == beside
    assert mirrored(folder, server).written == 0
    left = json.loads((folder / "mlflow.json").read_text())
    assert left["uri"] == done.uri == server
    client = MlflowClient(server)
    for name, run_id in left["runs"].items():
        assert client.get_run(run_id).data.tags["record"] == name
    assert len(Store(folder, backend).runs) == done.runs, "the database itself says the same"


@pytest.mark.slow
def test_web_pages_show_the_variants_side_by_side(
    folder: Path, server: str, browse: Callable[[str, int], tuple[str, str]]
) -> None:
    tracked(folder, server)
    left = json.loads((folder / "mlflow.json").read_text())
    variants = {variant: left["runs"][f"{variant}/seed0"] for variant in ABLATIONS}
    found = quote("tags.kind = 'variant'")
    page, _ = browse(f"{server}/#/experiments/{left['experiment']}/runs?searchFilter={found}", 1600)
    for variant, run_id in variants.items():
        assert f"{variant} seed 0" in page
        assert run_id in page
    ids, experiments = (quote(json.dumps(x)) for x in ([*variants.values()], [left["experiment"]]))
    page, _ = browse(f"{server}/#/compare-runs?runs={ids}&experiments={experiments}", 1600)
    for text in ("Parallel Coordinates Plot", "inference.aggregation", "davis2016/J_and_F"):
        assert text in page
