"""What is timed, what is not, and the arithmetic from raw seconds to figures."""

from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rgmp import speed
from rgmp.propagation import Propagator

CPU = torch.device("cpu")


def clip(network: list[list[float]], first: list[float], whole: list[float]) -> dict[str, Any]:
    frames = len(network[0]) + 1
    return {"frames": frames, "network": network, "first_frame": first, "clip": whole}


def test_figures_of_known_seconds() -> None:
    figures = speed.summarise(
        [
            clip([[0.1, 0.2], [0.3, 0.4]], [1.0, 3.0], [0.9, 1.2]),
            clip([[0.5], [0.6]], [5.0, 7.0], [1.0, 2.0]),
        ]
    )
    # frames: 0.1 ... 0.6; seconds a frame of the clips: 0.3, 0.4, 0.5, 1.0
    assert figures == pytest.approx(
        {
            "fps": 1 / 0.35,
            "fps_q1": 1 / 0.475,
            "fps_q3": 1 / 0.225,
            "seconds_per_frame_median": 0.35,
            "seconds_per_frame_p95": 0.575,
            "first_frame_seconds": 4.0,
            "authors_fps": 1 / 0.45,
            "authors_seconds_per_frame": 0.45,
        }
    )
    assert all(type(value) is float for value in figures.values())


def test_every_frame_counts_the_same_however_long_its_clip() -> None:
    long = clip([[0.1] * 9], [1.0], [1.0])
    short = clip([[0.9]], [1.0], [1.0])
    assert speed.summarise([long, short])["fps"] == pytest.approx(10)


class Machine:
    """A propagator on a clock of its own: each kind of work takes a time that tells it apart."""

    START, UPLOAD, SEGMENT, DOWNLOAD = 1000.0, 1.0, 20.0, 300.0
    COMPILING = 1e6
    """What the first start and the first pass of every shape take on top."""

    def __init__(self) -> None:
        self.now = 0.0
        self.shape: tuple[int, ...] = ()
        self.cold: set[tuple[str, tuple[int, ...]]] = set()
        self.calls: list[str] = []

    def _work(self, kind: str, seconds: float) -> None:
        self.calls.append(kind)
        self.now += seconds
        if kind in {"start", "segment"} and (kind, self.shape) not in self.cold:
            self.cold.add((kind, self.shape))
            self.now += self.COMPILING

    def start(self, frame: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
        assert frame.shape[:2] == labels.shape
        self.shape = (*labels.shape, int(labels.max()))
        self._work("start", self.START)

    def upload(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        self._work("upload", self.UPLOAD)
        return frame

    def segment(self, whole: NDArray[np.uint8]) -> "Machine":
        assert whole.shape[:2] == self.shape[:2]
        self._work("segment", self.SEGMENT)
        return self

    def step(self, frame: NDArray[np.uint8]) -> "Machine":
        return self.segment(self.upload(frame))

    def cpu(self) -> "Machine":
        self._work("download", self.DOWNLOAD)
        return self


def fake_clip(name: str, frames: int, size: tuple[int, int], objects: int) -> speed.Clip:
    labels = np.zeros(size, np.uint8)
    labels[0, :objects] = range(1, objects + 1)
    return name, [np.zeros((*size, 3), np.uint8)] * frames, labels


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr("rgmp.speed.time.perf_counter", lambda: machine.now)
    return machine


def test_warm_up_of_every_shape_is_not_counted(machine: Machine) -> None:
    clips = [
        fake_clip("bear", 4, (40, 50), 1),
        fake_clip("camel", 2, (40, 50), 3),
        fake_clip("dog", 6, (64, 96), 1),
    ]
    measured = speed.measure(cast(Propagator, machine), clips, 5, CPU)
    for timed, (name, frames, labels) in zip(measured["clips"], clips, strict=True):
        later = len(frames) - 1
        step = machine.UPLOAD + machine.SEGMENT + machine.DOWNLOAD
        assert timed == {
            "sequence": name,
            "objects": labels.max(),
            "frames": len(frames),
            "height": labels.shape[0],
            "width": labels.shape[1],
            "network": [[machine.SEGMENT] * later] * 5,
            "first_frame": [machine.START] * 5,
            "clip": [machine.START + later * step] * 5,
        }
    summary = measured["summary"]
    assert summary["peak_memory_bytes"] is None
    assert summary["seconds_per_frame_median"] == machine.SEGMENT
    assert summary["first_frame_seconds"] == machine.START
    assert set(summary) == {
        "fps",
        "fps_q1",
        "fps_q3",
        "seconds_per_frame_median",
        "seconds_per_frame_p95",
        "first_frame_seconds",
        "authors_fps",
        "authors_seconds_per_frame",
        "peak_memory_bytes",
    }


def test_every_repeat_is_the_whole_clip_from_frame_0(machine: Machine) -> None:
    speed.measure(cast(Propagator, machine), [fake_clip("bear", 4, (40, 50), 1)], 2, CPU)
    warm = ["start", "upload", "segment"]
    network = ["start", *["upload", "segment"] * 3]
    authors = ["start", *["upload", "segment", "download"] * 3]
    calls = machine.calls
    first = len(calls) - 2 * len(network + authors)
    assert calls[first:] == 2 * (network + authors)
    assert calls[:first] == warm * (first // len(warm))
    assert first > 0
