"""Seconds between moments in the work of a device: on a CPU, and on what stands for a GPU."""

import time

import pytest
import torch

from rgmp.runtime.timers import Moments, seconds_of

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


class Gpu:
    """A GPU that does its work when it is waited for; an event is when its turn comes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.queue, self.waits = 0.0, list[object](), 0
        monkeypatch.setattr(torch, "Event", self.event)
        monkeypatch.setattr(torch.cuda, "synchronize", self.synchronise)

    def event(self, device: torch.device, *, enable_timing: bool) -> "Event":
        assert device == GPU
        assert enable_timing
        return Event(self)

    def launch(self, seconds: float) -> None:
        self.queue.append(seconds)

    def synchronise(self, device: torch.device) -> None:
        assert device == GPU
        self.waits += 1
        for work in self.queue:
            if isinstance(work, Event):
                work.at = self.now
            elif isinstance(work, float):
                self.now += work
        self.queue.clear()


class Event:
    def __init__(self, gpu: Gpu) -> None:
        self.gpu, self.at = gpu, -1.0

    def record(self) -> None:
        self.gpu.queue.append(self)

    def elapsed_time(self, other: "Event") -> float:
        assert self.at >= 0, "it was waited for"
        return 1000 * (other.at - self.at)


def test_moments_of_a_gpu_are_in_its_own_work(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu(monkeypatch)
    moments = Moments(GPU)
    for seconds in (0.5, 0.25):
        moments.note()
        gpu.launch(seconds)
    moments.note()
    assert gpu.waits == 0, "noting waits for nothing"
    assert moments.seconds() == pytest.approx([0.5, 0.25])


def test_work_is_timed_from_when_the_gpu_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu(monkeypatch)
    gpu.launch(7.0)  # of somebody before
    assert seconds_of(lambda: gpu.launch(0.5), GPU) == pytest.approx(0.5)


def test_seconds_of_a_cpu_are_those_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 10.5, 20.0, 21.0, 23.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(times))
    assert seconds_of(lambda: None, CPU) == 0.5
    moments = Moments(CPU)
    assert moments.seconds() == []
    for _ in range(3):
        moments.note()
    assert moments.seconds() == [1, 2]
