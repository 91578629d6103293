"""A study in which every job has ended, its mirror in MLflow, and what a store holds of it.

The stores are real SQLite files; the study is synthetic, but for its plan.
"""

import json
import os
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import pytest

from rgmp.tracking.track import Tracked, environment, track

os.environ.update(environment())  # the tests stay off the network, too

from mlflow import MlflowClient
from mlflow.artifacts import list_artifacts
from mlflow.entities import LoggedModel, Run

import support.unsynced_sqlite  # noqa: F401 - it takes effect
from rgmp.config.base import Stage
from rgmp.provenance.record import recording
from rgmp.study import layout, table_files
from rgmp.study.plan import Plan, load_plan, save
from rgmp.study.planned import Training
from rgmp.study.resolve import resolve
from rgmp.study.timing import computations
from rgmp.tracking.mirror import Mirrored
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
TIMEOUT = 600  # seconds for a call, on a machine that has much else to do


def write_study(root: Path, variants: Collection[str] = ABLATIONS) -> Path:
    """A results folder with a study in which every job has ended."""
    (root / "study.yaml").write_text(STUDY)
    (root / "ablations").mkdir()
    for name in variants:
        (root / "ablations" / f"{name}.yaml").write_text(ABLATIONS[name])
    results = root / "results"
    plan = resolve(root / "study.yaml", root / "ablations", results)
    folder = results / "tiny"
    save(plan, folder)
    for training in plan.trainings:
        write_curve(folder, training, 3)
        write_training(folder, training)
        (folder / layout.weights(training.folder)).write_bytes(b"weights")
    for variant in plan.variants:
        write_score(folder, variant.name, J=0.5)
    write_speed(folder, plan)
    for kind in ("check", "tables"):
        write_record(folder, kind, kind)
    write_ablation(folder, variants)
    for name in ("figures/.hidden.png", "logs/train/a.log", "report.html"):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(name)
    return results


def write_store(results: Path) -> None:
    """A store without runs."""
    MlflowClient(f"sqlite:///{results}/mlflow.db").search_experiments()


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
        config=training.config,
        inputs={"data": training.data},
        results={"final_loss": 0.25, "J": 0.3} | results,
        outputs=outputs or {f"{training.folder}/weights.safetensors": "ab" * 32},
    )


def write_score(
    folder: Path, variant: str, inputs: dict[str, str] | None = None, **results: float
) -> None:
    name = f"scores/davis2016/{variant}/seed0"
    about: dict[str, Any] = {"variant": variant, "seed": 0, "benchmark": "davis2016"}
    results["J&F"] = results["J"]
    config = {"engine": "builtin"}
    write_record(folder, "score", name, **about, config=config, results=results, inputs=inputs)
    table = folder / f"{name}.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text("benchmark,J\n")


def write_ablation(folder: Path, variants: Collection[str], **changed: float) -> None:
    """A row for each variant; numbers that nothing else here has."""
    numbers = {"J&F": 0.625, "J&F_spread": 0.125, "J_mean": 0.5, "F_mean": 0.75} | changed
    apart = {"difference_mean": -0.25, "difference_low": -0.5, "difference_high": 0.0625}
    found = {"difference_verdict": "worse", "expected": "worse", "claim": "supported"}
    rows = [
        {"benchmark": "davis2016", "variant": variant, "label": variant, "seeds": 1}
        | numbers
        | (apart | found if variant != "full" else {})
        for variant in variants
    ]
    table = pd.DataFrame(rows, columns=list(table_files.TABLE_DTYPES["ablation"]))
    table_files.write(folder, "ablation", table)


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


def training_of(folder: Path, stage: Stage, variant: str = "full") -> Training:
    trainings = load_plan(folder).trainings
    return next(t for t in trainings if t.stage == stage and variant in t.variants)


def mirrored(folder: Path, uri: str | None = None) -> Mirrored:
    """As `rgmp track` does, but in this process."""
    return mirror(folder, uri or f"sqlite:///{folder.parent}/mlflow.db", 64, TIMEOUT)


def tracked(folder: Path, uri: str | None = None) -> Tracked:
    done = track(folder, uri, timeout=TIMEOUT)
    assert done is not None
    return done


class Store:
    """What a store holds, by the names of the records."""

    def __init__(self, folder: Path, uri: str | None = None) -> None:
        self.uri = uri or f"sqlite:///{folder.parent}/mlflow.db"
        self.client = MlflowClient(self.uri)
        experiment = self.client.get_experiment_by_name("tiny")
        assert experiment is not None
        self.experiment = experiment
        self.all = list(self.client.search_runs([experiment.experiment_id]))
        self.runs = {run.data.tags["record"]: run for run in self.all}
        self.names = {run.info.run_id: name for name, run in self.runs.items()}
        self.all_models = list(self.client.search_logged_models([experiment.experiment_id]))
        self.models: dict[str, LoggedModel] = {m.tags["record"]: m for m in self.all_models}

    def parent(self, run: Run) -> str | None:
        return self.names.get(run.data.tags.get("mlflow.parentRunId", ""))

    def curve(self, run: Run, key: str) -> list[tuple[int, float]]:
        history = self.client.get_metric_history(run.info.run_id, key)
        return sorted((point.step, point.value) for point in history)

    def artifacts(self, run: Run, folder: str = "") -> list[str]:
        """The artifacts of a run; by its address, as its client would read the run again."""
        place = f"{run.info.artifact_uri}/{folder}".removesuffix("/")
        found = list_artifacts(place, tracking_uri=self.uri)
        paths = {f"{folder}{PurePosixPath(f.path).name}": f.is_dir for f in found}
        inner = [name for path in paths if paths[path] for name in self.artifacts(run, f"{path}/")]
        return sorted([path for path in paths if not paths[path]] + inner)

    def files_of(self, model: LoggedModel) -> list[str]:
        """The artifacts of a model."""
        return sorted(f.path for f in self.client.list_logged_model_artifacts(model.model_id))

    def content(self) -> dict[str, Any]:
        """Everything that two mirrors of the same files share."""
        assert len(self.all) == len(self.runs), "a run is there twice"
        assert len(self.all_models) == len(self.models), "a model is there twice"
        return {name: self._content(run) for name, run in self.runs.items()}

    def _content(self, run: Run) -> dict[str, Any]:
        tags = {k: v for k, v in run.data.tags.items() if k != "mlflow.parentRunId"}
        for run_id, name in self.names.items():  # in descriptions, which link to other runs
            tags = {k: v.replace(run_id, f"<{name}>") for k, v in tags.items()}
        models = {model.model_id: name for name, model in self.models.items()}
        if "model" in tags:
            tags["model"] = models[tags["model"]]
        whole = self.client.get_run(run.info.run_id)
        inputs, outputs = whole.inputs, whole.outputs
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
            "reads": [models[i.model_id] for i in (inputs.model_inputs if inputs else [])],
            "makes": [
                (models[o.model_id], o.step) for o in (outputs.model_outputs if outputs else [])
            ],
            "model": [
                (
                    *(model.name, model.status, model.model_type, model.params),
                    self.files_of(model),
                    *(model.tags[key] for key in ("weights", "weights.kept", "identity")),
                    sorted((m.key, m.value, m.dataset_name) for m in model.metrics or []),
                )
                for model in self.models.values()
                if model.source_run_id == run.info.run_id
            ],
        }


def retrack(folder: Path) -> Store:
    mirrored(folder)
    return Store(folder)


_WRITES = (
    "create_experiment",
    "create_run",
    "create_logged_model",
    "finalize_logged_model",
    "log_batch",
    "log_artifact",
    "log_dict",
    "log_inputs",
    "log_model_artifact",
    "log_outputs",
    "set_experiment_tag",
    "set_logged_model_tags",
    "set_terminated",
    "update_run",
)


def die_at_write(patch: pytest.MonkeyPatch, fatal: int) -> list[str]:
    """Kill the process, as far as it can tell, when it writes to MLflow for the n-th time.

    Returns:
        The names of the writes, as they come.
    """
    writes: list[str] = []

    def dying(name: str) -> Callable[..., Any]:
        write = getattr(MlflowClient, name)

        def call(*arguments: Any, **keywords: Any) -> Any:
            writes.append(name)
            if len(writes) == fatal:
                raise KeyboardInterrupt
            return write(*arguments, **keywords)

        return call

    for name in _WRITES:
        patch.setattr(MlflowClient, name, dying(name))
    return writes


def killed(*_: Any) -> None:
    raise KeyboardInterrupt
