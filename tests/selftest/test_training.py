"""Training is timed with its variations; one that fails is said; hours are those of the study."""

import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.small_workload import TRAINED as SMALL
from support.videos import CPU

from rgmp.config.base import Stage
from rgmp.model.network import RGMP
from rgmp.selftest import loading_processes, papers_study, training, training_jobs
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Finding
from rgmp.selftest.training_runs import BUILT, VARIATIONS, TrainingRun, Variation, When
from rgmp.study.resolve import resolve
from rgmp.training.job import TrainingJob


def bench_in(folder: Path) -> Bench:
    return Bench(CPU, folder, folder, time.monotonic() + 100)


def test_training_runs_are_counted_as_a_plan_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default study's: its variants share runs, among them one with a rolling reference."""
    monkeypatch.chdir(papers_study.PROJECT)
    file = papers_study.PROJECT / "workflow/config/mini.yaml"
    plan = resolve(file, results=tmp_path)
    assert papers_study.load(file).runs == Counter(t.stage for t in plan.trainings)


def test_hours_are_those_of_all_steps() -> None:
    """Stage 2 takes the mean of its first and last steps."""
    trained = papers_study.load()
    took: dict[tuple[Stage, When], float] = {
        ("pretrain", "last"): 0.1,
        ("finetune", "first"): 0.2,
        ("finetune", "last"): 0.4,
    }
    first, second, total = training.hours(trained, took, "fp32")
    assert first.value == pytest.approx(100_000 * 0.1 / 3600)
    assert second.value == pytest.approx(50_000 * 0.3 / 3600)
    runs = trained.runs
    wanted = runs["pretrain"] * first.value + runs["finetune"] * second.value  # type: ignore[operator]
    assert total.value == pytest.approx(wanted)


def job_in(bench: Bench, stage: Stage) -> TrainingJob:
    return training_jobs.jobs_of(bench, SMALL, papers_study.load())[stage]


def test_precisions_and_variations_take_turns_and_one_that_raises_is_said(tmp_path: Path) -> None:
    def refuse(_: RGMP) -> None:
        raise RuntimeError("no compiler here\nlong story")

    bench = bench_in(tmp_path)
    group = training.Group("finetune", "first", job_in(bench, "finetune"))
    assert group.job.settings.crop == (32, 32)
    fused, broken = VARIATIONS[2], Variation("broken", prepare=refuse)
    contestants: list[training.Name] = [
        ("bf16", BUILT),
        ("fp32", BUILT),
        ("bf16", fused),
        ("bf16", broken),
    ]
    found, took = drained(training.compared(bench, SMALL, group, contestants, 0.01))
    failure, rate, exact, gain, of_fused = found
    assert failure.value == "RuntimeError: no compiler here"
    assert failure.conditions["variation"] == "broken"
    assert (rate.conditions["precision"], exact.conditions["precision"]) == ("bf16", "fp32")
    assert rate.conditions["frames"] == 5, "a clip of the first steps"
    assert gain.quantity == "speed of a step relative to fp32"
    assert of_fused.conditions["variation"] == "fused optimiser"
    for each in (rate, exact, gain, of_fused):
        assert each.low is not None
        assert each.high is not None
        assert each.low <= float(each.value) <= each.high
    assert {*took} == {"bf16", "fp32"}


def drained(work: Generator[Finding, None, Any]) -> tuple[list[Finding], Any]:
    """What a generator yields, and what it returns."""
    found = []
    while True:
        try:
            found.append(next(work))
        except StopIteration as end:
            return found, end.value


@pytest.mark.parametrize("variation", VARIATIONS, ids=lambda v: v.name)
def test_a_variation_trains_the_same(variation: Variation, tmp_path: Path) -> None:
    """To the last bits of sums; Adam moves a weight by the learning rate whatever its gradient."""
    bench = bench_in(tmp_path)
    job = job_in(bench, "pretrain")
    built, other = (TrainingRun(bench, job, "fp32", each) for each in (BUILT, variation))
    rate = job.settings.learning_rate
    for one, two in zip(built._update._learning, other._update._learning, strict=True):
        apart = (one - two).detach().abs()
        assert apart.max() <= 4.1 * rate  # two steps in opposite directions
        assert apart.mean() <= 0.1 * rate


def test_a_variation_is_one(tmp_path: Path) -> None:
    bench = bench_in(tmp_path)
    job = job_in(bench, "pretrain")
    runs = {v.name: TrainingRun(bench, job, "fp32", v) for v in (BUILT, *VARIATIONS)}
    fused = {name: run._update.optimiser.param_groups[0]["fused"] for name, run in runs.items()}
    assert [name for name in fused if fused[name]] == ["fused optimiser"]
    recomputed = [name for name, run in runs.items() if run._update._how.recompute]
    assert recomputed == ["recomputed activations"]
    kernels = {
        name: [p for p in run._update._learning if p.dim() == 4 and min(p.shape[1:]) > 1]
        for name, run in runs.items()
    }
    first = [name for name, own in kernels.items() if all(p.is_contiguous() for p in own)]
    assert first == ["channels first"]


def test_loading_processes_fit_into_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of stage 2 has 4 clips of 9 frames of 256x512 pixels: 61 MB."""
    settings = papers_study.load().full.finetune
    batch = 4 * 9 * 256 * 512 * 13
    for free, wanted in ((2**40, 14), (3 * 5 * batch, 3), (64 * 2**20, 0)):
        monkeypatch.setattr(loading_processes, "disk_usage", lambda _, free=free: Free(free))
        assert loading_processes.affordable_workers(settings, 14) == wanted


class Free(NamedTuple):
    free: int


def test_steps_of_a_round_fit_the_time() -> None:
    """A step of all takes 1 s; seven rounds of n + 1 of them take 7 * (n + 1) s."""
    for given, wanted in ((100.0, 4), (28.0, 3), (14.5, 1), (-3.0, 1)):
        assert training.affordable_steps(1.0, given, 4) == wanted
