"""What training waits for data: by stage, of both, and with a loader that is too slow."""

import time
from pathlib import Path
from typing import Any

import pytest
from support.small_workload import TRAINED as SMALL
from support.videos import CPU

from rgmp.config.base import Stage
from rgmp.selftest import papers_study, training_jobs, waiting, workload
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Finding
from rgmp.selftest.waiting import WAITING
from rgmp.training import speed
from rgmp.training.job import TrainingJob


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Training loads its data itself, which takes all the time that it takes."""
    monkeypatch.setattr(workload, "of", lambda _: SMALL)
    monkeypatch.setattr(training_jobs, "affordable_workers", lambda *_: 0)
    monkeypatch.setattr(waiting, "_LOADED", 0.0)
    return Bench(CPU, tmp_path, tmp_path, time.monotonic() + 100)


def test_waiting_stands_beside_both_rates_and_has_a_limit_at_the_papers_sizes(
    bench: Bench,
) -> None:
    found = [*waiting.section(bench)]
    of_stages = [f for f in found if f.quantity == WAITING]
    assert [f.conditions["stage"] for f in of_stages[:2]] == ["finetune", "pretrain"]
    for each in of_stages[:2]:
        rates = [each.conditions[f"{of}, samples/s"] for of in ("trained on", "loader alone")]
        assert all(float(rate) > 0 for rate in rates)
        assert 0 < float(each.value) < 1, "it loads itself"
        assert each.limit == ""
    both = [float(f.value) for f in of_stages]
    assert min(both[:2]) <= both[2] <= max(both[:2])
    assert sum("no room for a loading process" in f.quantity for f in found) == 2
    broken = Finding(WAITING, {}, 0.5, limit="<= 0.02", holds=False)
    papers = SMALL._replace(size=(480, 854))
    assert [waiting._limited(work, broken).holds for work in (papers, SMALL)] == [False, None]


def test_both_stages_count_by_their_time_in_the_papers_study() -> None:
    """100,000 steps of 0.1 s that wait for 10 %, and 50,000 of 0.4 s that do not."""
    paces: dict[Stage, waiting._Pace] = {
        "pretrain": waiting._Pace(0.1, 0.1),
        "finetune": waiting._Pace(0.4, 0.0),
    }
    of_both = waiting._of_both(papers_study.load(), paces, "bf16")
    assert of_both.value == pytest.approx(0.1 * 1 / 3)
    assert of_both.holds is False


def test_a_stage_that_fails_is_said_and_the_other_is_measured(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = speed.measure

    def failing(job: TrainingJob, *arguments: Any, **settings: Any) -> dict[str, float]:
        if job.stage == "finetune":
            raise RuntimeError("no memory")
        return measure(job, *arguments, **settings)

    monkeypatch.setattr(speed, "measure", failing)
    found = [*waiting.section(bench)]
    (failure,) = [f for f in found if f.holds is False]
    assert failure.value == "RuntimeError: no memory"
    assert [f.conditions["stage"] for f in found if f.quantity == WAITING] == ["pretrain"]
