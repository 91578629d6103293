"""A resolved study: its training runs, the variants that share them, and the paths of their files.

The identity of a training run is everything that can change its weights: resolved settings, data,
the preceding training run and the seed. Variants that train identically share one training run.
"""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

from rgmp.config.base import Benchmark, Closed, Line, Stage
from rgmp.config.load import validated
from rgmp.config.method import Compute, Finetune, Inference, Network, Pretrain
from rgmp.config.study import SEVERAL, Changed, Evaluation, External, Machine, Speed, Variant
from rgmp.data.attributes import Attribute
from rgmp.data.job import CheckJob
from rgmp.data.roots import DataRoots
from rgmp.data.videos import Videos
from rgmp.errors import UserError
from rgmp.evaluation.job import ScoringJob
from rgmp.inference.job import InferenceJob, SpeedJob
from rgmp.runtime.files import (
    digest_of,
    read_json,
    write_json,
)
from rgmp.study import layout
from rgmp.training.job import TrainingJob

_UNFIT = re.compile(r"[^A-Za-z0-9._-]")


class Training(Closed):
    """One stage, trained once for all variants that share it."""

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
    """One variant with one seed: its training runs in order, the last of which gives the weights.

    Without training runs the weights are a given file, the same for every seed. They are identified
    by the identity of the last training run, or by the digest of that file.
    """

    seed: int
    trainings: tuple[str, ...]
    weights: Path
    stands_for_weights: str


class PlannedVariant(Variant):
    """A variant with its resolved runs and settings."""

    name: str
    inference: Inference
    threads: int
    runs: tuple[Run, ...]


class PlannedExternal(External):
    """An external method, with the digest of its masks or scores per benchmark."""

    digests: dict[Benchmark, str]


class DataPaths(DataRoots):
    """The paths of the study's data, and their digests."""

    digests: dict[str, str]
    mini_seed: int | None


class Plan(Closed):
    """A resolved study, stored as `plan.json`: everything the workflow and the report need.

    Values derived from its fields are computed once, on first access. `attributes` are those that a
    study names of its DAVIS tree; the embedded benchmark brings its own.
    """

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
    margin: float
    attributes: tuple[Attribute, ...]
    machine: Machine
    speed: Speed
    variants: tuple[PlannedVariant, ...]
    external: tuple[PlannedExternal, ...]
    trainings: tuple[Training, ...]

    def __copy__(self) -> Self:
        """A copy without the derived values: an update of its fields may change them."""
        copied = super().__copy__()
        for derived in vars(copied).keys() - type(self).model_fields.keys():
            del vars(copied)[derived]
        return copied

    @cached_property
    def digest(self) -> str:
        """A digest of the whole plan."""
        return digest_of(self.model_dump(mode="json"))

    @cached_property
    def checks(self) -> dict[str, str]:
        """The parts of the data, by the name of their check, which includes the part's digest.

        Changed bytes give another check, so jobs that depend on unchanged bytes do not rerun. The
        name becomes a file name in Snakemake and a shell, so unsafe characters are replaced.
        """
        parts = self.data.digests
        return {
            f"{_UNFIT.sub('_', part.replace('/', '-'))}-{parts[part][:12]}": part for part in parts
        }

    def check_of(self, part: str) -> str:
        """The path, below the study folder, of the record of the check of a part of the data."""
        name = next(name for name, checked in self.checks.items() if checked == part)
        return layout.check(name)

    @cached_property
    def inferences(self) -> dict[str, tuple[Benchmark, PlannedVariant, Run]]:
        """The inference jobs by name, such as `davis2017/full/seed0`."""
        return {
            layout.run(benchmark, variant.name, run.seed): (benchmark, variant, run)
            for benchmark in self.benchmarks
            for variant in self.variants
            for run in variant.runs
        }

    @cached_property
    def timings(self) -> dict[str, tuple[Benchmark, PlannedVariant]]:
        """The timing jobs by name, such as `davis2017/full`."""
        return {
            layout.timing(benchmark, variant.name): (benchmark, variant)
            for benchmark in self.benchmarks
            for variant in self.variants
        }

    @cached_property
    def adoptions(self) -> dict[str, tuple[Benchmark, PlannedExternal]]:
        """The external methods by name, such as `davis2017/osvos/external`."""
        return {
            layout.external(benchmark, external.name): (benchmark, external)
            for benchmark in self.benchmarks
            for external in self.external
            if benchmark in external.digests
        }

    @cached_property
    def scores(self) -> dict[str, tuple[Benchmark, str]]:
        """The benchmark and method of every score table, by its path below the study folder."""
        named = {name: (benchmark, v.name) for name, (benchmark, v, _) in self.inferences.items()}
        named |= {name: (benchmark, e.name) for name, (benchmark, e) in self.adoptions.items()}
        return {layout.scores(name): key for name, key in named.items()}

    def variant(self, name: str) -> PlannedVariant:
        """The variant of that name."""
        return self._variants[name]

    def changed_by(self, name: str, benchmark: Benchmark) -> Changed:
        """On which sequences of a benchmark a variant computes anything else than `full`.

        How the objects of a sequence are combined is no question where there is one.
        """
        variant, full = self.variant(name), self.variant("full")
        network = [(run.seed, run.stands_for_weights) for run in variant.runs]
        if (network, variant.threads) != (
            [(run.seed, run.stands_for_weights) for run in full.runs],
            full.threads,
        ):
            return "all"
        if variant.inference == full.inference:
            return "none"
        aggregation = {"aggregation": full.inference.aggregation}
        if variant.inference.model_copy(update=aggregation) != full.inference:
            return "all"
        return "none" if benchmark == "davis2016" else SEVERAL

    def training(self, identity: str) -> Training:
        """The training run of that identity."""
        return self._trainings[identity]

    def training_of(self, name: str, folder: Path) -> Training:
        """The training run of that name, such as `pretrain/full-seed0-1a2b3c4d5e6f`.

        Raises:
            UserError: the plan has none of that name.
        """
        return _named("training run", name, self._trainings_by_name, folder)

    @cached_property
    def _variants(self) -> dict[str, PlannedVariant]:
        return {variant.name: variant for variant in self.variants}

    @cached_property
    def _trainings(self) -> dict[str, Training]:
        return {training.identity: training for training in self.trainings}

    @cached_property
    def _trainings_by_name(self) -> dict[str, Training]:
        return {f"{t.stage}/{t.slug}-{t.identity}": t for t in self.trainings}

    def check(self, part: str, folder: Path) -> CheckJob:
        """What the check of a part of the data needs, such as `davis2017/val` or `stills`.

        Raises:
            UserError: the plan has none of that name.
        """
        _named("part of the data", part, self.data.digests, folder)
        record = folder / self.check_of(part)
        match part:
            case "stills":
                return CheckJob(stills=self.data.stills, record=record)
            case "weights":
                return CheckJob(weights=self.initial_weights, record=record)
            case "networks":
                return CheckJob(networks=self.networks, record=record)
        videos = {
            "davis": self.data.davis,
            "resolution": self.data.resolution,
            **dict(zip(("benchmark", "split"), part.split("/", 1), strict=True)),
        }
        return CheckJob(videos=(Videos.model_validate(videos),), record=record)

    def job(self, training: Training, folder: Path) -> TrainingJob:
        """The job of a training run of this plan, with files below the study folder."""
        before = None
        if training.parent is not None:
            before = folder / layout.weights(self.training(training.parent).folder)
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

    def inference(self, name: str, folder: Path) -> InferenceJob:
        """An inference job of this plan, with files below the study folder.

        Raises:
            UserError: the plan has no such job.
        """
        benchmark, variant, run = _named("inference", name, self.inferences, folder)
        return InferenceJob(
            **self._network(benchmark, variant, run, folder),
            threads=variant.threads,
            jobs_per_gpu=self.machine.jobs_per_gpu,
            masks=folder / layout.masks(name),
            record=folder / layout.record(layout.masks(name)),
        )

    def timing(self, name: str, folder: Path) -> SpeedJob:
        """A timing job of this plan, with the weights of the study's first seed.

        Raises:
            UserError: the plan has no such job.
        """
        benchmark, variant = _named("timing job", name, self.timings, folder)
        return SpeedJob(
            **self._network(benchmark, variant, variant.runs[0], folder),
            limits=self.speed,
            out=folder / layout.speed(name),
            record=folder / layout.record(layout.speed(name)),
        )

    def scoring(self, name: str, folder: Path) -> ScoringJob:
        """A scoring job of this plan, for a variant's masks or an external method.

        Raises:
            UserError: the plan has no such job.
        """
        both: dict[str, tuple[Any, ...]] = {**self.inferences, **self.adoptions}
        benchmark, method, *run = _named("scoring", name, both, folder)
        data = {"data": self._digest_of_videos(benchmark)}
        if run:  # the record of the inference identifies the masks
            given = {"source": folder / layout.masks(name), "seed": run[0].seed, "reads": data}
        else:
            given = {
                "source": {**method.masks, **method.scores}[benchmark],
                "adopts": benchmark in method.scores,
                "reads": {**data, "given": method.digests[benchmark]},
            }
        return ScoringJob(
            **given,
            videos=self._videos(benchmark),
            out=folder / layout.scores(name),
            evaluation=self.evaluation,
            variant=method.name,
            record=folder / layout.record(layout.scores(name)),
        )

    def _network(
        self, benchmark: Benchmark, variant: PlannedVariant, run: Run, folder: Path
    ) -> dict[str, Any]:
        """The fields that inference and timing jobs share."""
        weights = run.weights
        if run.trainings:
            weights = folder / layout.weights(self.training(run.trainings[-1]).folder)
        return {
            "weights": weights,
            "videos": self._videos(benchmark),
            "settings": variant.inference,
            "device": self.machine.device,
            "variant": variant.name,
            "seed": run.seed,
            "reads": {
                "weights": run.stands_for_weights,
                "data": self._digest_of_videos(benchmark),
            },
        }

    def _videos(self, benchmark: Benchmark) -> Videos:
        return Videos(
            davis=self.data.davis,
            benchmark=benchmark,
            split=self.split,
            resolution=self.data.resolution,
        )

    def _digest_of_videos(self, benchmark: Benchmark) -> str:
        return self.data.digests[f"{benchmark}/{self.split}"]


_SETTINGS: dict[Stage, type[Pretrain | Finetune]] = {"pretrain": Pretrain, "finetune": Finetune}


_Job = TypeVar("_Job")


def _named(kind: str, name: str, known: Mapping[str, _Job], folder: Path) -> _Job:
    """Look a job up by name.

    Raises:
        UserError: there is no such job.
    """
    if name not in known:
        example = next(iter(known), "none")
        raise UserError(
            f"{name}: no such {kind} in {folder / layout.PLAN}; name one such as {example}"
        )
    return known[name]


def save(plan: Plan, folder: Path) -> None:
    """Write `plan.json` into the study folder, unless it is up to date."""
    path, value = folder / layout.PLAN, plan.model_dump(mode="json")
    if not path.is_file() or read_json(path) != value:
        write_json(path, value)


def load_plan(folder: Path) -> Plan:
    """Read `plan.json` from a study folder.

    Raises:
        UserError: it is not a study folder.
    """
    path = folder / layout.PLAN
    if not path.is_file():
        raise UserError(f"{folder}: not a study folder (no plan.json); run `rgmp plan STUDY.yaml`")
    try:
        return validated(Plan, read_json(path), path)
    except UserError as error:  # written by another version of this package
        raise UserError(f"{error}; run `rgmp plan STUDY.yaml` again") from error
