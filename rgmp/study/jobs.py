"""The jobs of a study as the workflow runs them: what each waits for and takes of the machine.

The rules in `workflow/rules/` say the same to Snakemake; a test compares the two. What a job costs
is known by the digest of what decides it (`Job.cost`), so that a study finds it in the records of
another. It does not count how long a training run is, how large a split, or how many score tables
there are: these are the job's `units`.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rgmp.config.base import Benchmark, Stage
from rgmp.data.videos import Videos
from rgmp.minidavis.cast import TRAIN, VAL
from rgmp.minidavis.version import VERSION
from rgmp.runtime.files import digest_of
from rgmp.study import layout
from rgmp.study.plan import Plan
from rgmp.study.planned import PlannedVariant, Training
from rgmp.study.timing import computations, representative

Kind = Literal[
    "mini",
    "check",
    "train",
    "evaluate",
    "bounds",
    "score",
    "speed",
    "cross-check",
    "archive",
    "tables",
    "figures",
    "track",
    "report",
    "agree",
]
"""The `rgmp` command that a job runs."""

_CHANGE_NO_TIME = {
    *("steps", "learning_rate", "final_learning_rate", "schedule", "momentum", "weight_decay"),
    *("clip_gradient", "benchmark", "keep_last", "save_interval"),
}
"""Settings of a stage that do not change how long a sample takes."""


class Job(NamedTuple):
    """A job of the workflow.

    Attributes:
        kind: the `rgmp` command.
        name: the kind, and what it works on, as that command takes it.
        after: the names of the jobs that it waits for directly.
        threads: CPU threads; None: all that there are, so that it runs alone.
        gpus: how many it takes, where the study computes on GPUs.
        records: the names of the records that it writes.
        leaves: the folder, below that of the study, in which it leaves most of its bytes.
        cost: what identifies its cost; empty: it is not counted.
        units: how much it has to do: samples of a training run, sequences or frames of what is
            segmented or scored, score tables; None: not known here.
        stage: of a training run.
        kept: how many sets of weights it leaves.
    """

    kind: Kind
    name: str
    after: tuple[str, ...]
    threads: int | None
    gpus: int
    records: tuple[str, ...]
    leaves: str | None
    cost: str
    units: float | None
    stage: Stage | None = None
    kept: int = 1

    @property
    def sort(self) -> str:
        """What its time is added up with: the stage of a training run, or its name's first word."""
        return self.stage or self.name.partition(" ")[0]

    def places(self, jobs_per_gpu: int) -> int:
        """The places that it takes on GPUs: all of one where it runs alone, or on several."""
        return self.gpus * (jobs_per_gpu if self.threads is None or self.gpus > 1 else 1)


Sizes = dict[Benchmark, float]
"""How much there is to segment and score of each benchmark whose size is known.

The split that is only segmented, for a server, is there as `layout.SUBMISSION`. Of the embedded
benchmark sequences, which are known before it is rendered; else frames.
"""


def jobs_of(plan: Plan, sizes: Sizes, *, compared: bool = False) -> list[Job]:
    """Every job of a study, each after those that it waits for.

    Args:
        plan: of the study.
        sizes: of its benchmarks.
        compared: whether the study has a finished reference, with which it is compared.
    """
    return [*_Jobs(plan, sizes).all(compared)]


def sizes_of(plan: Plan, folder: Path) -> Sizes:
    """The sizes of a study's benchmarks, by the sequences of their trees.

    Raises:
        UserError: a tree cannot be read.
    """
    withheld = {layout.SUBMISSION: size_of(plan, plan.withheld())} if plan.submission else {}
    if plan.embedded:
        return embedded_sizes(plan) | withheld
    return {b: size_of(plan, plan.videos(b, folder)) for b in plan.benchmarks} | withheld


def size_of(plan: Plan, videos: Videos) -> float:
    """How much there is in some videos of a study, as `Sizes` counts it.

    Raises:
        UserError: they cannot be read.
    """
    sequences = videos.open()
    return len(sequences) if plan.embedded else sum(len(s.frames) for s in sequences)


def embedded_sizes(plan: Plan) -> Sizes:
    """The sizes of the embedded benchmark, rendered or not."""
    return dict.fromkeys(plan.benchmarks, len(TRAIN if plan.split == "train" else VAL))


def render_cost() -> str:
    """What decides how long the embedded benchmark takes to render."""
    return _cost("mini", VERSION)


def training_cost(plan: Plan, training: Training) -> str:
    """What decides how long a sample of a training run takes on a device, and its memory."""
    settings = training.settings.model_dump(mode="json", exclude=_CHANGE_NO_TIME)
    machine = plan.machine.model_dump(include={"workers", "processes", "recompute_activations"})
    compute = training.compute.model_dump(mode="json")
    return _cost("train", training.stage, training.network.architecture, settings, compute, machine)


def evaluation_cost(
    plan: Plan, variants: tuple[PlannedVariant, ...], step: int | None = None
) -> str:
    """What decides how long variants with the same weights take to segment and score.

    Args:
        plan: of the study.
        variants: those with these weights.
        step: of an earlier checkpoint, with which nothing is segmented for a server.
    """
    settings, submitted = (
        [variant.inference.model_dump(mode="json") for variant in some]
        for some in (variants, _submitting(plan, variants, step))
    )
    withheld = [plan.submission.split, submitted] if plan.submission and submitted else []
    return _cost(
        "evaluate",
        _network(plan, variants[0]),
        settings,
        variants[0].threads,
        plan.evaluation.model_dump(mode="json"),
        *_shown(plan, *plan.benchmarks),
        *withheld,
    )


def _submitting(
    plan: Plan, variants: tuple[PlannedVariant, ...], step: int | None
) -> list[PlannedVariant]:
    """Those of some variants that segment a split for a server: with their last weights alone."""
    return [] if step else [variant for variant in variants if plan.submits(variant.name)]


def _cost(kind: Kind, *decisive: Any) -> str:
    return f"{kind}-{digest_of(list(decisive))[:12]}"


def _network(plan: Plan, variant: PlannedVariant) -> Any:
    run = variant.runs[0]
    trained = [plan.training(identity) for identity in run.trainings]
    return trained[-1].network.architecture if trained else run.weights_digest


def _shown(plan: Plan, *benchmarks: Benchmark) -> list[Any]:
    """What decides how much there is to see in a frame of some benchmarks."""
    return [list(benchmarks), plan.data.resolution, VERSION if plan.embedded else None]


class _Jobs:
    """The jobs of a plan, made rule by rule."""

    def __init__(self, plan: Plan, sizes: Sizes) -> None:
        self._plan, self._sizes = plan, sizes

    def all(self, compared: bool) -> Iterator[Job]:
        before = [*self._data(), *self._trainings(), *self._measurements()]
        yield from before
        # as `Plan.measured`
        measured = tuple(job.name for job in before if job.kind not in {"mini", "check", "archive"})
        scored = tuple(job.name for job in before if job.kind in {"evaluate", "score"})
        yield self._cross_check(scored)
        yield from self._report(measured, compared)

    def _data(self) -> Iterator[Job]:
        plan = self._plan
        rendered = ("mini",) if plan.embedded else ()
        if plan.embedded:
            cost = render_cost()
            yield Job("mini", "mini", (), None, 0, ("mini",), layout.DATA, cost, 1)
        for name, part in plan.checks.items():
            record = f"data/{name}"
            cost = _cost("check", part, plan.data.digests[part])
            yield Job("check", self._check(part), rendered, None, 0, (record,), None, cost, 1)

    def _trainings(self) -> Iterator[Job]:
        plan = self._plan
        for training in plan.trainings:
            parts = [training.settings.part]
            if training.parent is None and training.network.initial_weights:
                parts.append("weights")
            before = [self._check(part) for part in parts]
            if training.parent is not None:
                before.append(_train(plan.training(training.parent)))
            yield Job(
                kind="train",
                name=_train(training),
                after=tuple(before),
                threads=training.compute.threads * plan.machine.processes,
                gpus=plan.machine.processes,
                records=(training.folder,),
                leaves=training.folder,
                cost=training_cost(plan, training),
                units=training.settings.samples,
                stage=training.stage,
                kept=1 + len(training.settings.earlier_checkpoints),
            )
            if training.settings.earlier_checkpoints:
                yield self._keeping(training, before)

    def _keeping(self, training: Training, before: list[str]) -> Job:
        """The job that sees to the earlier checkpoints; a training run leaves them as it trains."""
        return Job(
            kind="train",
            name=_kept(_train(training)),
            after=(_train(training), *before),
            threads=training.compute.threads * self._plan.machine.processes,
            gpus=self._plan.machine.processes,
            records=(layout.record_name(layout.checkpoints(training.folder)),),
            leaves=None,
            cost=_cost("train", "checkpoints"),
            units=1,
        )

    def _measurements(self) -> Iterator[Job]:
        plan = self._plan
        checked = {b: self._check(f"{b}/{plan.split}") for b in plan.benchmarks}
        yield from self._evaluations(tuple(checked.values()))
        for benchmark in plan.benchmarks:
            yield from self._of_benchmark(benchmark, checked[benchmark])
        for name, (benchmark, external) in plan.adoptions.items():
            cost = _cost("score", benchmark in external.scores, *_shown(plan, benchmark))
            scored = (_scores(name),)
            after, size = (checked[benchmark],), self._size(benchmark)
            yield Job("score", f"score {name}", after, 1, 0, scored, None, cost, size)

    def _evaluations(self, checked: tuple[str, ...]) -> Iterator[Job]:
        plan = self._plan
        for first, variants in plan.sharing.items():
            steps = (*plan.earlier_checkpoints(variants[0]), None)
            costs = {step: evaluation_cost(plan, variants, step) for step in steps}
            for run, step in product(variants[0].runs, steps):
                name = layout.evaluation(first, run.seed, step)
                runs = plan.evaluations[name]
                weights = self._trained(variants[0], run.seed)
                submitted = [v.name for v in _submitting(plan, variants, step)]
                withheld = [layout.SUBMISSION] if submitted else []
                unscored = [layout.masks(layout.submission(v, run.seed)) for v in submitted]
                yield Job(
                    kind="evaluate",
                    name=f"evaluate {name}",
                    after=(
                        _kept(weights) if step else weights,
                        *checked,
                        *map(self._check, withheld),
                    ),
                    threads=variants[0].threads,
                    gpus=1,
                    records=(
                        *(of(r) for r in runs for of in (layout.masks, _scores)),
                        *unscored,
                    ),
                    leaves=plan.masks_of(runs[0]),
                    cost=costs[step],
                    units=self._size(*plan.benchmarks, *withheld),
                )
                yield from self._archives(submitted, run.seed, f"evaluate {name}")

    def _archives(self, variants: list[str], seed: int, evaluated: str) -> Iterator[Job]:
        """The archives for a server, of the masks that an evaluation makes for it."""
        for variant in variants:
            name = layout.submission(variant, seed)
            cost = _cost("archive", self._plan.data.digests[layout.SUBMISSION])
            yield Job("archive", f"archive {name}", (evaluated,), 1, 0, (name,), None, cost, 1)

    def _of_benchmark(self, benchmark: Benchmark, checked: str) -> Iterator[Job]:
        plan = self._plan
        record = layout.record_name(layout.bounds(benchmark))
        cost, size = _cost("bounds", *_shown(plan, benchmark)), self._size(benchmark)
        yield Job("bounds", f"bounds {benchmark}", (checked,), 1, 0, (record,), None, cost, size)
        groups = computations(plan, benchmark)
        timed = [representative(variants) for variants in groups.values()]
        trained = dict.fromkeys(self._trained(variant, plan.seeds[0]) for variant in timed)
        cost = _cost(
            "speed",
            sorted(groups),
            plan.speed.model_dump(mode="json"),
            timed[0].threads,
            *_shown(plan, benchmark),
        )
        record = layout.record_name(layout.speed(benchmark))
        after = (*trained, checked)
        yield Job("speed", f"speed {benchmark}", after, None, 1, (record,), None, cost, 1)

    def _report(self, measured: tuple[str, ...], compared: bool) -> Iterator[Job]:
        before: dict[Kind, tuple[str, ...]] = {
            "tables": (*measured, layout.CROSS_CHECK),
            "figures": ("tables",),
            "track": (*measured, "tables", "figures"),
            "report": ("tables", "figures", "track"),
        }
        count = len(self._plan.scores)
        for kind, after in before.items():
            yield Job(kind, kind, after, 1, 0, (kind,), None, _cost(kind), count)
        if compared:
            yield Job("agree", "agree", ("report", "tables"), 1, 0, (), None, "", None)

    def _cross_check(self, scored: tuple[str, ...]) -> Job:
        """Its cost is not counted: it is that of an evaluator which may not be there."""
        name = layout.CROSS_CHECK
        return Job("cross-check", name, scored, 1, 0, (name,), None, "", None)

    def _check(self, part: str) -> str:
        return f"check {part}"

    def _size(self, *benchmarks: Benchmark) -> float | None:
        """How much there is of some benchmarks; None where it is not known of one."""
        if any(benchmark not in self._sizes for benchmark in benchmarks):
            return None
        return sum(self._sizes[benchmark] for benchmark in benchmarks)

    def _trained(self, variant: PlannedVariant, seed: int) -> str:
        """The job behind a variant's weights: its last training run, or the check of given ones."""
        run = next(run for run in variant.runs if run.seed == seed)
        if not run.trainings:
            return self._check("networks")
        return _train(self._plan.training(run.trainings[-1]))


def _train(training: Training) -> str:
    return f"train {training.stage}/{training.slug}-{training.identity}"


def _kept(trained: str) -> str:
    return f"checkpoints of {trained}"


def _scores(run: str) -> str:
    return layout.record_name(layout.scores(run))
