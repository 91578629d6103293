"""A resolved study: its training runs, the variants that share them, and the paths of their files.

The identity of a training run is everything that can change its weights: resolved settings, data,
the preceding training run and the seed. Variants that train identically share one training run.
"""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, TypeVar

from rgmp.config.base import Benchmark, Closed, Line
from rgmp.config.load import validated
from rgmp.config.study import (
    SEVERAL,
    Changed,
    Evaluation,
    Machine,
    Speed,
    Submission,
)
from rgmp.config.titles import benchmark_title
from rgmp.data.attributes import Attribute
from rgmp.data.job import CheckJob
from rgmp.data.roots import DataRoots
from rgmp.data.videos import Videos
from rgmp.errors import UserError, nearest
from rgmp.evaluation.job import ScoringJob, SubmissionJob
from rgmp.inference.job import InferenceJob
from rgmp.runtime.files import (
    digest_of,
    read_json,
    write_json,
)
from rgmp.study import layout
from rgmp.study.evaluation_job import EvaluationJob
from rgmp.study.planned import (
    DataPaths,
    PlannedExternal,
    PlannedVariant,
    Run,
    Training,
    embedded_roots,
)
from rgmp.training.job import TrainingJob

COMPARISON: Literal["comparison"] = "comparison"
"""The kind of plan of a study that only compares (`rgmp.study.comparison`)."""
_UNFIT = re.compile(r"[^A-Za-z0-9._-]")


class Inferred(NamedTuple):
    """What is segmented and scored: a variant on a benchmark, with the weights of one run.

    Attributes:
        step: of an earlier checkpoint; None: the last weights.
    """

    benchmark: Benchmark
    variant: PlannedVariant
    run: Run
    step: int | None = None


class Plan(Closed):
    """A resolved study, stored as `plan.json`: everything the workflow and the report need.

    Values derived from its fields are computed once, on first access. `attributes` are those that a
    study names of its DAVIS tree; the embedded benchmark brings its own. `longer_study` is the
    folder of a finished study (`rgmp.study.longer`).
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
    submission: Submission | None = None
    longer_study: Path | None = None

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

    def title_of(self, benchmark: Benchmark) -> str:
        """What a benchmark is called in print: `DAVIS-2017`, or `embedded, objects`."""
        return benchmark_title(benchmark, embedded=self.embedded)

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
    def inferences(self) -> dict[str, Inferred]:
        """What is segmented and scored, by the name of the run, such as `davis2017/full/seed0`."""
        return {
            layout.run(benchmark, variant.name, run.seed, step): Inferred(
                benchmark, variant, run, step
            )
            for benchmark in self.benchmarks
            for variant in self.variants
            for run in variant.runs
            for step in (*self.earlier_checkpoints(variant), None)
        }

    def earlier_checkpoints(self, variant: PlannedVariant) -> tuple[int, ...]:
        """The steps before the last whose weights are evaluated as well."""
        trainings = variant.runs[0].trainings
        return self.training(trainings[-1]).settings.earlier_checkpoints if trainings else ()

    @cached_property
    def sharing(self) -> dict[str, tuple[PlannedVariant, ...]]:
        """The variants that have the same weights, by the name of the first of them.

        Those that share weights with one seed share them with every seed.
        """
        groups: dict[tuple[str, int], list[PlannedVariant]] = {}
        for variant in self.variants:  # threads decide the last bits of masks
            key = variant.runs[0].weights_digest, variant.threads
            groups.setdefault(key, []).append(variant)
        return {group[0].name: tuple(group) for group in groups.values()}

    @cached_property
    def evaluations(self) -> dict[str, tuple[str, ...]]:
        """The runs that have the same weights, by the name of their evaluation, as `full/seed0`."""
        return {
            layout.evaluation(first, seed, step): tuple(
                layout.run(benchmark, variant.name, seed, step)
                for variant in variants
                for benchmark in self.benchmarks
            )
            for first, variants in self.sharing.items()
            for seed in self.seeds
            for step in (*self.earlier_checkpoints(variants[0]), None)
        }

    @cached_property
    def submissions(self) -> dict[str, tuple[PlannedVariant, Run]]:
        """What is segmented for a server and not scored, by the name of its evaluation."""
        return {
            layout.evaluation(variant.name, run.seed): (variant, run)
            for variant in self.variants
            if self.submits(variant.name)
            for run in variant.runs
        }

    def submits(self, variant: str) -> bool:
        """Whether a variant segments the split whose ground truth a server alone has."""
        return self.submission is not None and variant in self.submission.variants

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
        """The benchmark and method of every score table, by its path below the study folder.

        Those of earlier checkpoints are none of them (`checkpoint_scores`).
        """
        named = {n: (i.benchmark, i.variant.name) for n, i in self.inferences.items() if not i.step}
        named |= {name: (benchmark, e.name) for name, (benchmark, e) in self.adoptions.items()}
        return {layout.scores(name): key for name, key in named.items()}

    @cached_property
    def checkpoint_scores(self) -> dict[str, Inferred]:
        """What is scored in every score table of an earlier checkpoint, by its path likewise."""
        return {layout.scores(name): one for name, one in self.inferences.items() if one.step}

    @cached_property
    def measured(self) -> tuple[str, ...]:
        """What tables rest on, below the study folder: records of training, scores, speed files."""
        trained = (layout.record(training.folder) for training in self.trainings)
        of_benchmarks = (of(b) for of in (layout.bounds, layout.speed) for b in self.benchmarks)
        return (*trained, *self.scores, *self.checkpoint_scores, *of_benchmarks)

    def roots(self, folder: Path) -> DataRoots:
        """Where the data are; the embedded benchmark moves with the study's folder."""
        if self.embedded:
            return embedded_roots(folder, self.data.resolution)
        return DataRoots(**{key: getattr(self.data, key) for key in DataRoots.model_fields})

    def variant(self, name: str) -> PlannedVariant:
        """The variant of that name."""
        return self._variants[name]

    def changed_by(self, name: str, benchmark: Benchmark) -> Changed:
        """On which sequences of a benchmark a variant computes anything else than `full`.

        How the objects of a sequence are combined is no question where there is one.
        """
        variant, full = self.variant(name), self.variant("full")
        network = [(run.seed, run.weights_digest) for run in variant.runs]
        if (network, variant.threads) != (
            [(run.seed, run.weights_digest) for run in full.runs],
            full.threads,
        ):
            return "all"
        if variant.inference == full.inference:
            return "none"
        aggregation = {"aggregation": full.inference.aggregation}
        if variant.inference.model_copy(update=aggregation) != full.inference:
            return "all"
        return SEVERAL if self.data.has_several(benchmark) else "none"

    def training(self, identity: str) -> Training:
        """The training run of that identity."""
        return self._trainings[identity]

    def training_of(self, name: str, folder: Path) -> Training:
        """The training run of that name, such as `pretrain/full-seed0-1a2b3c4d5e6f`.

        Raises:
            UserError: the plan has none of that name.
        """
        return named("training run", name, self._trainings_by_name, folder)

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
        named("part of the data", part, self.data.digests, folder)
        roots = self.roots(folder)
        # of the embedded benchmark the renderer is known before its bytes
        reads = {} if self.embedded else {part: self.data.digests[part]}
        job = CheckJob(reads=reads, record=folder / self.check_of(part))
        match part:
            case "submission":
                videos = self.withheld()
                reads = {f"{videos.benchmark}/{videos.split}": self.data.digests[part]}
                return job.model_copy(update={"videos": (videos,), "reads": reads})
            case "stills":
                return job.model_copy(update={"stills": roots.stills})
            case "weights":
                return job.model_copy(update={"weights": self.initial_weights})
            case "networks":
                return job.model_copy(update={"networks": self.networks})
        benchmark, split = part.split("/", 1)
        return job.model_copy(update={"videos": (Videos.of(roots, benchmark, split),)})

    def job(self, training: Training, folder: Path) -> TrainingJob:
        """The job of a training run of this plan, with files below the study folder."""
        before = None
        if training.parent is not None:
            before = folder / layout.weights(self.training(training.parent).folder)
        return TrainingJob(
            identity=training.identity,
            seed=training.seed,
            network=training.network,
            settings=training.settings,
            compute=training.compute,
            machine=self.machine,
            data=self.roots(folder),
            parent=before,
            folder=folder / training.folder,
        )

    def evaluation_of(self, name: str, folder: Path) -> EvaluationJob:
        """The evaluation of one set of weights, with files below the study folder.

        Raises:
            UserError: the plan has no such job.
        """
        runs = named("evaluation", name, self.evaluations, folder)
        return EvaluationJob(
            runs=tuple((self._inference(run, folder), self._scoring(run, folder)) for run in runs),
            unscored=tuple(
                self._submitted(variant, run, folder)
                for variant, run in self.submissions.values()
                if name == self._evaluated_as(variant, run)
            ),
        )

    def submission_of(self, name: str, folder: Path) -> SubmissionJob:
        """The archive of the masks of one variant and seed for a server.

        Raises:
            UserError: the plan has no such job.
        """
        variant, run = named("submission", name, self.submissions, folder)
        submitted = layout.submission(variant.name, run.seed)
        return SubmissionJob(
            videos=self.withheld(),
            masks=folder / layout.record(layout.masks(submitted)),
            out=folder / layout.archive(submitted),
            record=folder / layout.record(submitted),
        )

    def adoption(self, name: str, folder: Path) -> ScoringJob:
        """The scoring of an external method, by its masks or its own scores.

        Raises:
            UserError: the plan has no such job.
        """
        benchmark, method = named("external method", name, self.adoptions, folder)
        return ScoringJob(
            **self._scored(name, benchmark, method.name, folder),
            source={**method.masks, **method.scores}[benchmark],
            adopts=benchmark in method.scores,
            reads={
                "data": self.digest_of_videos(benchmark),
                "given": method.digests[benchmark],
            },
        )

    def _inference(self, name: str, folder: Path) -> InferenceJob:
        """What is segmented in a run."""
        benchmark, variant, run, step = self.inferences[name]
        videos, data = self.videos(benchmark, folder), self.digest_of_videos(benchmark)
        return self._segmenting(name, variant, run, videos, data, folder, step)

    def _submitted(self, variant: PlannedVariant, run: Run, folder: Path) -> InferenceJob:
        """What is segmented for a server."""
        name = layout.submission(variant.name, run.seed)
        data = self.data.digests[layout.SUBMISSION]
        return self._segmenting(name, variant, run, self.withheld(), data, folder)

    def _segmenting(
        self,
        name: str,
        variant: PlannedVariant,
        run: Run,
        videos: Videos,
        data: str,
        folder: Path,
        step: int | None = None,
    ) -> InferenceJob:
        """The masks of a variant with a seed on some videos, of which `data` is the digest."""
        return InferenceJob(
            weights=self.weights_of(run, folder, step),
            videos=videos,
            settings=variant.inference,
            device=self.machine.device,
            threads=variant.threads,
            jobs_per_gpu=self.machine.jobs_per_gpu,
            variant=variant.name,
            seed=run.seed,
            reads={
                "weights": run.weights_digest + (f", step {step}" if step else ""),
                "data": data,
            },
            masks=folder / self._masks(run, step),
            record=folder / layout.record(layout.masks(name)),
        )

    def _evaluated_as(self, variant: PlannedVariant, run: Run) -> str:
        """The name of the evaluation that a variant's weights have with a seed."""
        first = next(name for name, sharing in self.sharing.items() if variant in sharing)
        return layout.evaluation(first, run.seed)

    def withheld(self) -> Videos:
        """The videos of which a server alone has the ground truth.

        Raises:
            UserError: the study has none.
        """
        if self.submission is None:
            raise UserError(f"{self.file}: no submission; name the split to submit")
        return Videos(
            davis=self.submission.davis,
            benchmark="davis2017",
            split=self.submission.split,
            resolution=self.data.resolution,
        )

    def _scoring(self, name: str, folder: Path) -> ScoringJob:
        """How the masks of a run are scored; the record of the inference identifies them."""
        benchmark, variant, run, _ = self.inferences[name]
        return ScoringJob(
            **self._scored(name, benchmark, variant.name, folder),
            source=folder / self.masks_of(name),
            seed=run.seed,
            reads={"data": self.digest_of_videos(benchmark)},
        )

    def masks_of(self, name: str) -> str:
        """The folder, below the study's, of all masks that the weights of a run make."""
        one = self.inferences[name]
        return self._masks(one.run, one.step)

    def _masks(self, run: Run, step: int | None) -> str:
        if run.trainings:
            trained = Path(self.training(run.trainings[-1]).folder).name
            return layout.masks(trained + (f"-step{step}" if step else ""))
        return layout.masks(f"given-{run.weights_digest[:12]}")

    def _scored(self, name: str, benchmark: Benchmark, method: str, folder: Path) -> dict[str, Any]:
        """The fields that all scoring jobs have."""
        return {
            "videos": self.videos(benchmark, folder),
            "out": folder / layout.scores(name),
            "engine": self.evaluation.engine,
            "variant": method,
            "record": folder / layout.record(layout.scores(name)),
        }

    def weights_of(self, run: Run, folder: Path, step: int | None = None) -> Path:
        """The weights of a run, its last or those of a step: trained below the folder, or given."""
        if not run.trainings:
            return run.weights
        trained = self.training(run.trainings[-1]).folder
        return folder / (layout.checkpoint(trained, step) if step else layout.weights(trained))

    def videos(self, benchmark: Benchmark, folder: Path) -> Videos:
        """The videos that a benchmark is scored on."""
        roots = self.roots(folder)
        return Videos.of(roots, benchmark, self.split)

    def digest_of_videos(self, benchmark: Benchmark) -> str:
        """Their digest."""
        return self.data.digests[f"{benchmark}/{self.split}"]


_Job = TypeVar("_Job")


def named(kind: str, name: str, known: Mapping[str, _Job], folder: Path) -> _Job:
    """Look a job up by name.

    Raises:
        UserError: there is no such job.
    """
    if name not in known:
        example = next(iter(known), "none")
        raise UserError(
            f"{name}: no such {kind} in {folder / layout.PLAN}; name one such as {example}"
            f"{nearest(name, known)}"
        )
    return known[name]


def save(plan: Closed, folder: Path) -> None:
    """Write `plan.json` into the study folder, unless it is up to date."""
    path, value = folder / layout.PLAN, plan.model_dump(mode="json")
    if not path.is_file() or read_json(path) != value:
        write_json(path, value)


def load_plan(folder: Path) -> Plan:
    """Read `plan.json` from a study folder.

    Raises:
        UserError: it is not a study folder, or that of a study that only compares.
    """
    path = folder / layout.PLAN
    if not path.is_file():
        raise UserError(f"{folder}: not a study folder (no plan.json); run `rgmp plan STUDY.yaml`")
    value = read_json(path)
    if kind_of(value) == COMPARISON:
        raise UserError(
            f"{folder}: only compares external methods; its report is made by "
            f"`rgmp compare {folder} BENCHMARK`"
        )
    try:
        return validated(Plan, value, path)
    except UserError as error:  # written by another version of this package
        raise UserError(f"{error}; run `rgmp plan STUDY.yaml` again") from error


def is_comparison(folder: Path) -> bool:
    """Whether a folder is that of a study that only compares.

    Raises:
        UserError: its plan cannot be read.
    """
    path = folder / layout.PLAN
    return path.is_file() and kind_of(read_json(path)) == COMPARISON


def kind_of(plan: Any) -> str | None:
    """The kind of plan that the content of a file says it is; None: of a study that trains."""
    return plan.get("kind") if isinstance(plan, dict) else None
