"""Training is timed with its variations; one that fails is said; hours are those of the study."""

import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from support.videos import CPU

from rgmp.config.method import Network
from rgmp.model.network import RGMP
from rgmp.selftest import loading_processes, papers_study, training, workload
from rgmp.selftest.bench import Bench
from rgmp.study.resolve import resolve

SMALL = workload.of(CPU)._replace(
    network=Network(backbone="resnet10", width=4, decoder_width=4),
    size=(64, 96),
    samples=(((32, 32), 2), ((32, 32), 2)),
    precisions=("fp32",),
    videos=1,
    stills=2,
    steps=4,
    rounds=2,
)


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
    took = {"pretrain": 0.1, "finetune, first": 0.2, "finetune, last": 0.4}
    first, second, total = training._hours(trained, took, "fp32")
    assert first.value == pytest.approx(100_000 * 0.1 / 3600)
    assert second.value == pytest.approx(50_000 * 0.3 / 3600)
    runs = trained.runs
    wanted = runs["pretrain"] * first.value + runs["finetune"] * second.value  # type: ignore[operator]
    assert total.value == pytest.approx(wanted)


def test_a_variation_that_raises_is_said_and_the_others_are_timed(tmp_path: Path) -> None:
    def refuse(_: RGMP) -> None:
        raise RuntimeError("no compiler here\nlong story")

    bench = bench_in(tmp_path)
    job = training.jobs_of(bench, SMALL, papers_study.load())["finetune"]
    assert job.settings.crop == (32, 32)
    variations = (training.VARIATIONS[2], training.Variation("broken", prepare=refuse))
    found = list(training.compared(bench, SMALL, job, "finetune", variations))
    failed, rate, fused = found
    assert failed.value == "RuntimeError: no compiler here"
    assert failed.conditions["variation"] == "broken"
    assert float(rate.value) > 0
    assert fused.conditions["variation"] == "fused optimiser"
    assert fused.low is not None
    assert fused.low < float(fused.value)


@pytest.mark.parametrize("variation", training.VARIATIONS, ids=lambda v: v.name)
def test_a_variation_trains_the_same(variation: training.Variation, tmp_path: Path) -> None:
    """To the last bits of sums; Adam moves a weight by the learning rate whatever its gradient."""
    bench = bench_in(tmp_path)
    job = training.jobs_of(bench, SMALL, papers_study.load())["pretrain"]
    job = training.in_precision(job, "fp32")
    built, other = (training._Run(bench, job, each) for each in (training.BUILT, variation))
    rate = job.settings.learning_rate
    for one, two in zip(built._update._learning, other._update._learning, strict=True):
        apart = (one - two).detach().abs()
        assert apart.max() <= 4.1 * rate  # two steps in opposite directions
        assert apart.mean() <= 0.1 * rate


def test_a_variation_is_one(tmp_path: Path) -> None:
    bench = bench_in(tmp_path)
    job = training.jobs_of(bench, SMALL, papers_study.load())["pretrain"]
    runs = {v.name: training._Run(bench, job, v) for v in (training.BUILT, *training.VARIATIONS)}
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


def test_tf32_is_for_a_block_alone() -> None:
    def flags() -> tuple[bool, bool]:
        return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32

    before = flags()
    with training.rounding("tf32"):
        assert flags() == (True, True)
    with training.rounding("bf16"):
        assert flags() == (False, False)
    assert flags() == before


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
    """A trial has two steps, 1 s each; five rounds of n + 1 of them take 5 * (n + 1) s."""
    work = SMALL._replace(rounds=5, steps_of_a_round=4)
    for given, wanted in ((100.0, 4), (20.0, 3), (10.5, 1), (-3.0, 1)):
        assert training.affordable_steps(2.0, given, work) == wanted
