"""A study resolved: which trainings there are, who shares them, and where their files lie.

The identity of a training is what can change its weights: its resolved settings, its data, the
training before it, its seed. Variants that train alike share one training.
"""

import re
from pathlib import Path
from typing import Any

from rgmp.config.base import Benchmark, Closed, Line, Stage
from rgmp.config.load import validated
from rgmp.config.method import Compute, Finetune, Inference, Network, Pretrain
from rgmp.config.study import Evaluation, External, Machine, Speed, Variant
from rgmp.data.roots import DataRoots
from rgmp.errors import UserError
from rgmp.runtime.files import (
    digest_of,
    read_json,
    write_json,
)
from rgmp.training.job import TrainingJob

_UNFIT = re.compile(r"[^A-Za-z0-9._-]")


class Training(Closed):
    """One stage to train once, whoever shares it."""

    identity: str
    stage: Stage
    slug: str
    seed: int
    parent: str | None
    data: str
    folder: str
    variants: tuple[str, ...]
    settings: dict[str, Any]


class Run(Closed):
    """One variant with one seed: its trainings in order, the last of which gives the weights.

    Without trainings the weights are a file from elsewhere, the same for every seed.
    """

    seed: int
    trainings: tuple[str, ...]
    weights: Path


class PlannedVariant(Variant):
    """A variant with what it needs."""

    name: str
    inference: Inference
    threads: int
    runs: tuple[Run, ...]


class PlannedExternal(External):
    """A method that is not trained here, and digests of what there is of it by benchmark."""

    digests: dict[Benchmark, str]


class DataPaths(DataRoots):
    """Where the study's data lie, and the digests that stand for them."""

    digests: dict[str, str]
    mini_seed: int | None


class Plan(Closed):
    """A study resolved: everything the workflow and the report need, as `plan.json` has it."""

    study: str
    title: Line
    file: str
    embedded: bool
    complete: bool
    data: DataPaths
    initial_weights: tuple[tuple[Path, str], ...]
    networks: tuple[Path, ...]
    benchmarks: tuple[Benchmark, ...]
    split: str
    evaluation: Evaluation
    seeds: tuple[int, ...]
    machine: Machine
    speed: Speed
    variants: tuple[PlannedVariant, ...]
    external: tuple[PlannedExternal, ...]
    trainings: tuple[Training, ...]

    @property
    def digest(self) -> str:
        """What tells this plan from another."""
        return digest_of(self.model_dump(mode="json"))

    @property
    def checks(self) -> dict[str, str]:
        """The check of every part of the data, by its name, which has the part's digest in it.

        Other bytes are another check, so nothing that rests on the same bytes runs again. The name
        becomes a file's, which passes through Snakemake and a shell: a split's may have anything.
        """
        parts = self.data.digests
        return {
            f"{_UNFIT.sub('_', part.replace('/', '-'))}-{parts[part][:12]}": part for part in parts
        }

    def check_of(self, part: str) -> str:
        """Where, in the study's folder, the record of the check of a part of the data lies."""
        name = next(name for name, checked in self.checks.items() if checked == part)
        return f"records/data/{name}.json"

    @property
    def scores(self) -> dict[str, tuple[Benchmark, str]]:
        """The tables of scores, by their paths in the study's folder: benchmark and method."""
        found: dict[str, tuple[Benchmark, str]] = {}
        for benchmark in self.benchmarks:
            for variant in self.variants:
                for seed in self.seeds:
                    path = f"scores/{benchmark}/{variant.name}/seed{seed}.csv"
                    found[path] = (benchmark, variant.name)
            for external in self.external:
                if benchmark in external.digests:
                    path = f"scores/{benchmark}/{external.name}/external.csv"
                    found[path] = (benchmark, external.name)
        return found

    def variant(self, name: str) -> PlannedVariant:
        """The variant of that name."""
        return next(v for v in self.variants if v.name == name)

    def training(self, identity: str) -> Training:
        """The training of that identity."""
        return next(t for t in self.trainings if t.identity == identity)

    def job(self, training: Training, folder: Path) -> TrainingJob:
        """What a training of this plan needs, its files in the study's folder."""
        before = None
        if training.parent is not None:
            before = folder / self.training(training.parent).folder / "weights.safetensors"
        roots = {key: getattr(self.data, key) for key in DataRoots.model_fields}
        return TrainingJob(
            identity=training.identity,
            seed=training.seed,
            network=Network.model_validate(training.settings["network"]),
            settings=_SETTINGS[training.stage].model_validate(training.settings[training.stage]),
            compute=Compute.model_validate(training.settings["compute"]),
            machine=self.machine,
            data=DataRoots(**roots),
            parent=before,
            folder=folder / training.folder,
        )


_SETTINGS: dict[Stage, type[Pretrain | Finetune]] = {"pretrain": Pretrain, "finetune": Finetune}


def save(plan: Plan, folder: Path) -> None:
    """Write `plan.json` into the study's folder, unless it says the same already."""
    path, value = folder / "plan.json", plan.model_dump(mode="json")
    if not path.is_file() or read_json(path) != value:
        write_json(path, value)


def load_plan(folder: Path) -> Plan:
    """Read `plan.json` of a study's folder.

    Raises:
        UserError: the folder is none of a study.
    """
    path = folder / "plan.json"
    if not path.is_file():
        raise UserError(
            f"{folder}: is no study's folder (no plan.json); run `rgmp plan STUDY.yaml`"
        )
    try:
        return validated(Plan, read_json(path), path)
    except UserError as error:  # written by another version of this package
        raise UserError(f"{error}; run `rgmp plan STUDY.yaml` again") from error
