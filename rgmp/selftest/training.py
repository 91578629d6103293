"""Training steps of both stages, in turns: by precision, with variations, and what they add up to.

Each trains on one batch that stays on the device; what loading adds is `rgmp.selftest.waiting`'s.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from rgmp.config.base import Stage
from rgmp.inference.timing_statistics import geometric_mean, ratio
from rgmp.runtime.precisions import Precision
from rgmp.runtime.timers import seconds_of
from rgmp.selftest import papers_study, workload
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Condition, Finding, estimate, failed
from rgmp.selftest.papers_study import Trained
from rgmp.selftest.rounds import MOST, Rounds, take_turns
from rgmp.selftest.training_jobs import jobs_of
from rgmp.selftest.training_runs import BUILT, VARIATIONS, TrainingRun, Variation, When
from rgmp.selftest.workload import Workload
from rgmp.training.job import TrainingJob

Name = tuple[Precision, Variation]
"""What takes a turn."""
_SHARE = 0.8
"""Of the time that is left, for rounds: one that has begun is not cut short."""


class Group(NamedTuple):
    """Steps that are compared: those of a stage, its first or its last."""

    stage: Stage
    when: When
    job: TrainingJob


def section(bench: Bench) -> Iterator[Finding]:
    """Measure training: the last steps of both stages, then the first ones of stage 2."""
    work, trained = workload.of(bench.device), papers_study.load()
    jobs = jobs_of(bench, work, trained)
    groups = [*(Group(stage, "last", job) for stage, job in jobs.items())]
    groups.append(Group("finetune", "first", jobs["finetune"]))
    took: dict[tuple[Stage, When], dict[Precision, float]] = {}
    for number, group in enumerate(groups):
        contestants = [(precision, BUILT) for precision in work.precisions]
        if group.when == "last":
            contestants += [(work.precisions[0], variation) for variation in VARIATIONS]
        share = _SHARE / (len(groups) - number)
        found = yield from compared(bench, work, group, contestants, share)
        took[group.stage, group.when] = found
        bench.release()
    if work.is_papers:
        for precision in work.precisions:
            of_it = {key: found[precision] for key, found in took.items() if precision in found}
            if len(of_it) == len(groups):
                yield from hours(trained, of_it, precision)


def compared(
    bench: Bench,
    work: Workload,
    group: Group,
    contestants: Sequence[Name],
    share: float,
) -> Generator[Finding, None, dict[Precision, float]]:
    """Time steps in turns, those of `BUILT` in one precision or several, and variations of them.

    Args:
        bench: where.
        work: at what sizes.
        group: which steps.
        contestants: precisions and variations; the first is what variations are compared with.
        share: of the time that is left once they are warmed up.

    Returns:
        The median seconds of a step as built, by its precision.
    """
    runs: dict[Name, TrainingRun] = {}
    trial = 0.0
    for precision, variation in contestants:
        try:
            run = TrainingRun(bench, group.job, precision, variation, group.when)
            trial += seconds_of(partial(run.take_steps, 1), bench.device)
        except Exception as error:  # the others go on
            yield failed("training step", conditions_of(group, precision, variation), error)
        else:
            runs[precision, variation] = run
    given = share * bench.seconds_left()
    steps = affordable_steps(trial, given, work.steps_of_a_round)
    found = take_turns(
        bench,
        {name: partial(_turn, run, steps) for name, run in runs.items()},
        given,
    )
    for (precision, variation), raised in found.failures.items():
        yield failed("training step", conditions_of(group, precision, variation), raised)
    yield from _rates(bench, group, runs, found)
    yield from _gains(bench, group, contestants, runs, found)
    return {
        precision: float(np.median(measured["step"]))
        for (precision, variation), measured in found.measured.items()
        if variation == BUILT
    }


def conditions_of(
    group: Group, precision: Precision, variation: Variation = BUILT
) -> dict[str, Condition]:
    """The conditions of a finding."""
    conditions: dict[str, Condition] = {"stage": group.stage, "precision": precision}
    if group.stage == "finetune":
        conditions["steps"] = f"its {group.when} ones"
    return conditions if variation == BUILT else {**conditions, "variation": variation.name}


def _turn(run: TrainingRun, steps: int) -> Mapping[str, float]:
    return {"step": run.seconds(steps)}


def _rates(
    bench: Bench, group: Group, runs: Mapping[Name, TrainingRun], found: Rounds[Name]
) -> Iterator[Finding]:
    """How fast training is as built, in every precision."""
    settings = group.job.settings
    for (precision, variation), measured in found.measured.items():
        if variation != BUILT:
            continue
        run = runs[precision, variation]
        conditions = {
            **conditions_of(group, precision),
            "crop": "x".join(map(str, settings.crop)),
            "batch": settings.batch,
            "frames": run.frames,
        }
        rate = geometric_mean(settings.batch / measured["step"])
        quantity = "samples trained on in a second, without a loader"
        yield estimate(quantity, conditions, rate, "samples/s")
        if bench.on_gpu:
            quantity = "memory of a step beside weights, optimiser and batch"
            yield Finding(quantity, conditions, run.peak / 1e9, "GB")


def _gains(
    bench: Bench,
    group: Group,
    contestants: Sequence[Name],
    runs: Mapping[Name, TrainingRun],
    found: Rounds[Name],
) -> Iterator[Finding]:
    """How much faster than in fp32 a step is, and what each variation changes."""
    exact: Name = ("fp32", BUILT)
    for name, measured in found.measured.items():
        precision, variation = name
        basis = exact if variation == BUILT else contestants[0]
        if name == basis or basis not in found.measured:
            continue
        conditions = conditions_of(group, precision, variation)
        gain = ratio(measured["step"], found.measured[basis]["step"])
        if variation == BUILT:
            yield estimate("speed of a step relative to fp32", conditions, gain, "times")
            continue
        yield estimate("speed of a step relative to what is built", conditions, gain, "times")
        if bench.on_gpu:
            memory = runs[name].peak / runs[basis].peak
            yield Finding("memory of a step relative to what is built", conditions, memory, "times")


def affordable_steps(trial: float, given: float, most: int) -> int:
    """How many steps of a turn there is time for.

    Args:
        trial: seconds of a step of all.
        given: seconds for all rounds; a turn has another step before it that is not counted.
        most: steps of a turn.
    """
    return int(np.clip(given / (MOST * trial) - 1, 1, most)) if trial > 0 else 1


def hours(
    trained: Trained, took: Mapping[tuple[Stage, When], float], precision: Precision
) -> Iterator[Finding]:
    """How long the paper's study trains at this rate, on one GPU that never waits for data.

    Args:
        trained: what the study trains.
        took: seconds of a step, by stage: clips of stage 2 grow evenly from its first steps to its
            last ones.
        precision: of the steps.
    """
    grown = (took["finetune", "first"] + took["finetune", "last"]) / 2
    steps = {"pretrain": trained.full.pretrain.steps, "finetune": trained.full.finetune.steps}
    of_stage = {
        "pretrain": steps["pretrain"] * took["pretrain", "last"] / 3600,
        "finetune": steps["finetune"] * grown / 3600,
    }
    for stage, each in of_stage.items():
        conditions: dict[str, Condition] = {
            "stage": stage,
            "precision": precision,
            "steps": steps[stage],
        }
        yield Finding("hours of a training run of the paper's study", conditions, each, "h")
    runs = {f"runs of {stage}": count for stage, count in trained.runs.items()}
    yield Finding(
        "hours of training of the paper's study, if every run took as long as full's",
        {"precision": precision, **runs},
        sum(of_stage[stage] * count for stage, count in trained.runs.items()),
        "h",
    )
