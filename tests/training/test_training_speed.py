"""The speed of training on a clock of its own: what is timed, and what of it is waiting."""

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from rgmp.data.loader import Batch
from rgmp.data.sample import Sample
from rgmp.training import speed

LOADING, TRAINING = 3.0, 1.0
BATCH = Sample(torch.zeros(2, 5, 3, 1, 1), torch.zeros(2, 5, 1, 1), torch.zeros(2, 1, 1))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps whose outcome was read, of a training that takes its time and does nothing."""
    now, steps = [0.0], list[int]()

    class Outcome:
        def __init__(self, step: int) -> None:
            self.step = step

        def tolist(self) -> None:
            steps.append(self.step)

    class Samples:
        def __init__(self, *_: object) -> None:
            pass

        def batches(self, first: int, *_: object) -> Iterator[Batch]:
            for step in range(first, 100):
                now[0] += LOADING
                yield Batch(step, [BATCH], LOADING)

    class Update:
        parts = 1

        def __init__(self, *_: object) -> None:
            pass

        def __call__(self, step: int, _: list[Sample]) -> Outcome:
            now[0] += TRAINING
            return Outcome(step)

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(speed, "Samples", Samples)
    monkeypatch.setattr(speed, "Update", Update)
    monkeypatch.setattr(speed, "RGMP", lambda _: torch.nn.Linear(1, 1))
    return steps


def job() -> Any:
    settings = SimpleNamespace(steps=100, batch=2)
    machine = SimpleNamespace(workers=0, decoded_megabytes=0)
    return SimpleNamespace(
        stage="finetune", seed=0, data=None, network=None, settings=settings, machine=machine
    )


def test_waiting_is_the_time_without_a_batch_after_the_warm_up(read: list[int]) -> None:
    found = speed.measure(job(), torch.device("cpu"), 10, warm_up=3)
    assert found["steps"] == 10
    assert found["frames"] == 5
    assert found["seconds_per_step"] == LOADING + TRAINING
    assert found["samples_per_second"] == 2 / (LOADING + TRAINING)
    assert found["waiting"] == LOADING / (LOADING + TRAINING)
    assert read == [*range(87, 99)], "as in training, each when the next one was taken"


def test_the_first_steps_are_timed_where_they_are_asked_for(read: list[int]) -> None:
    found = speed.measure(job(), torch.device("cpu"), 50, enough=20.0, last=False, warm_up=3)
    assert found["steps"] == 5, "20 s of 4 s each"
    assert read[0] == 0
