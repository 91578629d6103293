"""The mirror of a study's files in MLflow: whole, once, whatever happens to whoever writes it.

The stores are real SQLite files; the study is synthetic, but for its plan.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType

from rgmp import tracking
from rgmp.config import Stage
from rgmp.plan import Plan, Training, load_plan, resolve, save
from rgmp.records import record_path, recording
from rgmp.tracking import Tracked, track

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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study's folder as it is when every job has ended."""
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "ablations").mkdir()
    for name, text in ABLATIONS.items():
        (tmp_path / "ablations" / f"{name}.yaml").write_text(text)
    plan = resolve(tmp_path / "study.yaml", tmp_path / "ablations", tmp_path / "results")
    folder = tmp_path / "results" / "tiny"
    save(plan, folder)
    for training in plan.trainings:
        write_curve(folder, training, 3)
        write_training(folder, plan, training)
    for variant in plan.variants:
        write_score(folder, variant.name, J=0.5)
        write_speed(folder, variant.name)
    for kind in ("check", "tables"):
        write_record(folder, kind, kind)
    for name in ("tables/ablation.csv", "figures/.hidden.png", "logs/train/a.log", "report.html"):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(name)
    return folder


def write_curve(folder: Path, training: Training, points: int) -> None:
    path = folder / training.folder / "metrics.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [{"step": i, "loss": 1 / i, "J": i / 10, "seconds": i * 0.5} for i in range(1, points + 1)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_training(folder: Path, plan: Plan, training: Training, **results: float) -> None:
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
        outputs={f"{training.folder}/weights.safetensors": "ab" * 32},
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


def write_speed(folder: Path, variant: str) -> None:
    name = f"speed/davis2016/{variant}"
    about: dict[str, Any] = {"variant": variant, "seed": 0, "benchmark": "davis2016"}
    write_record(folder, "speed", name, **about, results={"fps": 8.0, "peak_memory_bytes": None})


def write_record(
    folder: Path,
    kind: str,
    name: str,
    *,
    results: dict[str, Any] | None = None,
    outputs: dict[str, str] | None = None,
    **about: Any,
) -> None:
    path = record_path(folder, name)
    with recording(path, kind=kind, name=name, study="tiny", **about) as record:
        record.results.update(results or {})
        record.outputs.update(outputs or {})


def tracked(folder: Path, uri: str | None = None) -> Tracked:
    done = track(folder, uri)
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
        data_sets = self.client.get_run(run.info.run_id).inputs.dataset_inputs
        return {
            "parent": self.parent(run),
            "status": run.info.status,
            "times": (run.info.start_time, run.info.end_time),
            "params": run.data.params,
            "metrics": {key: self.curve(run, key) for key in run.data.metrics},
            "tags": tags,
            "artifacts": self.artifacts(run),
            "data": [(d.dataset.name, d.dataset.digest) for d in data_sets],
        }


def training_of(folder: Path, stage: Stage, variant: str = "full") -> Training:
    trainings = load_plan(folder).trainings
    return next(t for t in trainings if t.stage == stage and variant in t.variants)


def test_scratch(folder: Path) -> None:
    t=time.time()
    print(tracked(folder)); print(time.time()-t); t=time.time()
    print(tracked(folder)); print(time.time()-t)
    import pprint; pprint.pprint(Store(folder).content(), width=150)
