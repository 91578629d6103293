"""What a study times: every distinct computation of its variants, once on each benchmark.

Variants that differ in what they were trained on, or for how long, compute the same at inference:
the values of weights change no time. What does is the network, and how it is run.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rgmp.config.base import Benchmark
from rgmp.inference.job import Computation, SpeedJob
from rgmp.runtime.files import digest_of
from rgmp.study import layout
from rgmp.study.job_files import read_speed
from rgmp.study.plan import Plan, named
from rgmp.study.planned import PlannedVariant


def computations(plan: Plan, benchmark: Benchmark) -> dict[str, tuple[PlannedVariant, ...]]:
    """The variants that compute the same on a benchmark, by the identity of what they compute.

    That of `full` comes first.
    """
    groups: dict[str, list[PlannedVariant]] = {}
    for variant in plan.variants:
        groups.setdefault(computation_of(plan, benchmark, variant), []).append(variant)
    return {identity: tuple(variants) for identity, variants in groups.items()}


def computation_of(plan: Plan, benchmark: Benchmark, variant: PlannedVariant) -> str:
    """The identity of what a variant computes on a benchmark: twelve hexadecimal digits.

    Aggregation does not count where the foreground is one object (`rgmp.inference.aggregation`).
    A given network is known by its file alone.
    """
    run = variant.runs[0]
    network: dict[str, Any] = {"file": run.weights_digest}
    if run.trainings:
        network = plan.training(run.trainings[-1]).network.architecture
    ignored = set() if plan.data.has_several(benchmark) else {"aggregation"}
    inference = variant.inference.model_dump(mode="json", exclude=ignored)
    return digest_of([network, inference])[:12]


def representative(variants: tuple[PlannedVariant, ...]) -> PlannedVariant:
    """The variant whose weights are timed for all with the same computation.

    It is the one that overrides least, so that a variant added later rarely takes its place: then
    nothing would have to be timed again but for that.
    """
    return min(variants, key=lambda variant: _leaves(variant.overrides))


def _leaves(overrides: Mapping[str, Any]) -> int:
    """How many keys are overridden."""
    return sum(_leaves(v) if isinstance(v, Mapping) else 1 for v in overrides.values())


def timing(plan: Plan, benchmark: str, folder: Path) -> SpeedJob:
    """The timing job of a benchmark, with the weights of the first seed, `full` first and last.

    Raises:
        UserError: it is none of the study's benchmarks.
    """
    found = named("timing job", benchmark, {b: b for b in plan.benchmarks}, folder)
    groups = computations(plan, found)
    timed = [
        Computation(
            name=chosen.name,
            identity=identity,
            weights=plan.weights_of(chosen.runs[0], folder),
            settings=chosen.inference,
        )
        for identity, variants in groups.items()
        for chosen in (representative(variants),)
    ]
    return SpeedJob(
        computations=(*timed, timed[0].model_copy(update={"again": True})),
        videos=plan.videos(found, folder),
        device=plan.machine.device,
        threads=plan.variants[0].threads,
        seed=plan.seeds[0],
        reads={"data": plan.digest_of_videos(found)},
        limits=plan.speed,
        out=folder / layout.speed(found),
        record=folder / layout.record(layout.speed(found)),
    )


SpeedFiles = dict[Benchmark, dict[str, Any]]
"""The speed file of each benchmark that has been timed."""


def read_speed_files(plan: Plan, folder: Path) -> SpeedFiles:
    """Read what has been timed so far.

    Raises:
        UserError: a speed file is broken.
    """
    timed = {benchmark: folder / layout.speed(benchmark) for benchmark in plan.benchmarks}
    return {benchmark: read_speed(path) for benchmark, path in timed.items() if path.is_file()}


def timed_computations(speed: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The computations of a speed file by identity, each once."""
    return {each["identity"]: each for each in speed["computations"] if not each["again"]}


def summary_of(
    plan: Plan, speed: Mapping[str, Any], benchmark: Benchmark, variant: PlannedVariant
) -> dict[str, float | None]:
    """The summary in a speed file of what a variant computes; empty if it has not been timed."""
    timed = _timed(plan, speed, benchmark, variant)
    summary: dict[str, float | None] = timed["summary"] if timed else {}
    return summary


def clips_of(
    plan: Plan, speed: Mapping[str, Any], benchmark: Benchmark, variant: PlannedVariant
) -> list[dict[str, Any]]:
    """The clips in a speed file with the times of a variant; none if it has not been timed."""
    timed = _timed(plan, speed, benchmark, variant)
    clips: list[dict[str, Any]] = timed["clips"] if timed else []
    return clips


def _timed(
    plan: Plan, speed: Mapping[str, Any], benchmark: Benchmark, variant: PlannedVariant
) -> dict[str, Any] | None:
    """What a speed file says of what a variant computes."""
    return timed_computations(speed).get(computation_of(plan, benchmark, variant))
