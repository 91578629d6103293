"""What is timed, what is not, and the arithmetic from raw seconds to figures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rgmp.config.method import Inference, Network
from rgmp.data import davis
from rgmp.inference import speed
from rgmp.inference.propagator import Propagator
from rgmp.model.network import RGMP

CPU = torch.device("cpu")


def raw(network: list[list[float]], first: list[float], whole: list[float]) -> dict[str, Any]:
    return {
        "frames": len(network[0]) + 1,
        "network": network,
        "end_to_end": [[10 * s for s in repeat] for repeat in network],
        "first_frame": first,
        "clip": whole,
        "flops_per_frame": 6 if len(network[0]) == 2 else 12,
    }


@pytest.mark.parametrize(("limit", "chosen"), [(1, "1"), (2, "16"), (3, "136"), (9, "12346")])
def test_sequences_are_chosen_from_the_fewest_objects_to_the_most(
    limit: int, chosen: str, tmp_path: Path
) -> None:
    sequences = []
    for objects in (4, 1, 6, 2, 3):
        annotation = tmp_path / f"{objects}.png"
        davis.write_mask(annotation, np.arange(objects + 1, dtype=np.uint8)[None])
        sequences.append(davis.Sequence(str(objects), (), (annotation,)))
    found = speed.choose_sequences(sequences, "davis2017", limit)
    assert "".join(sequence.name for sequence in found) == chosen


def test_figures_of_known_seconds() -> None:
    figures = speed.summarise(
        [
            raw([[0.1, 0.2], [0.3, 0.4]], [1.0, 3.0], [0.9, 1.2]),
            raw([[0.5], [0.6]], [5.0, 7.0], [1.0, 2.0]),
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
            "end_to_end_fps": 1 / 3.5,
            "end_to_end_fps_q1": 1 / 4.75,
            "end_to_end_fps_q3": 1 / 2.25,
            "end_to_end_seconds_per_frame_median": 3.5,
            "end_to_end_seconds_per_frame_p95": 5.75,
            "first_frame_seconds": 4.0,
            "authors_fps": 1 / 0.45,
            "authors_seconds_per_frame": 0.45,
            "flops_per_frame": 8.0,
        }
    )
    assert all(type(value) is float for value in figures.values())


def test_every_frame_counts_the_same_however_long_its_clip() -> None:
    long = raw([[0.1] * 9], [1.0], [1.0])
    short = raw([[0.9]], [1.0], [1.0])
    assert speed.summarise([long, short])["fps"] == pytest.approx(10)


class Machine:
    """A propagator on a clock of its own: each kind of work takes a time that tells it apart."""

    START, UPLOAD, SEGMENT, DOWNLOAD, CLIP = 1000.0, 1.0, 20.0, 300.0, 7000.0
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

    def download(self) -> Callable[[], None]:
        return lambda: self._work("download", self.DOWNLOAD)

    def operations(self, _: NDArray[np.uint8]) -> int:
        return int(1000 * self.SEGMENT)

    @property
    def device(self) -> torch.device:
        return CPU


def fake_clip(name: str, frames: int, size: tuple[int, int], objects: int) -> speed.Clip:
    labels = np.zeros(size, np.uint8)
    labels[0, :objects] = range(1, objects + 1)
    paths = tuple(Path(f"{i:05d}.jpg") for i in range(frames))
    return speed.Clip(
        davis.Sequence(name, paths, ()), [np.zeros((*size, 3), np.uint8)] * frames, labels
    )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()

    def segment_sequence(_: Machine, sequence: davis.Sequence, *__: object) -> None:
        machine._work("clip", machine.CLIP * len(sequence.frames))

    monkeypatch.setattr("rgmp.inference.speed.time.perf_counter", lambda: machine.now)
    monkeypatch.setattr("rgmp.inference.speed.download", Machine.download)
    monkeypatch.setattr("rgmp.inference.speed.segment_sequence", segment_sequence)
    monkeypatch.setattr("rgmp.inference.speed.matrix_products", lambda *_: 4000.0)
    return machine


def test_warm_up_of_every_shape_is_not_counted(machine: Machine) -> None:
    clips = [
        fake_clip("bear", 4, (40, 50), 1),
        fake_clip("camel", 2, (40, 50), 3),
        fake_clip("dog", 6, (64, 96), 1),
    ]
    measured = speed.measure(cast(Propagator, machine), clips, "davis2017", 5, "fp32")
    for timed, (sequence, frames, labels) in zip(measured["clips"], clips, strict=True):
        later = len(frames) - 1
        step = machine.UPLOAD + machine.SEGMENT + machine.DOWNLOAD
        assert timed == {
            "sequence": sequence.name,
            "objects": labels.max(),
            "frames": len(frames),
            "height": labels.shape[0],
            "width": labels.shape[1],
            "flops_per_frame": 1000 * machine.SEGMENT,
            "network": [[machine.SEGMENT] * later] * 5,
            "end_to_end": [[step] * later] * 5,
            "first_frame": [machine.START] * 5,
            "clip": [machine.CLIP * len(frames)] * 5,
        }
    summary = measured["summary"]
    assert summary["peak_memory_bytes"] > 1e6
    assert 0 <= summary["others_share"] <= 1
    assert summary["seconds_per_frame_median"] == machine.SEGMENT
    assert summary["first_frame_seconds"] == machine.START
    assert summary["matmul_flops_per_second"] == 4000
    assert summary["fraction_of_limit"] == 0.25  # 1,000 operations a second of 4,000


def test_every_repeat_is_the_whole_clip_from_frame_0(machine: Machine) -> None:
    clips = [fake_clip("bear", 4, (40, 50), 1)]
    speed.measure(cast(Propagator, machine), clips, "davis2016", 5, "fp32")
    warm = ["start", "upload", "segment"]
    network = ["start", *["upload", "segment"] * 3]
    end_to_end = ["start", *["upload", "segment", "download"] * 3]
    repeat = [*network, *end_to_end, "clip"]
    calls = machine.calls
    assert calls.pop() == "upload"  # for the count of operations
    first = len(calls) - 5 * len(repeat)
    assert calls[first:] == 5 * repeat
    assert calls[:first] == warm * (first // len(warm))
    assert first > 0


def test_operations_are_those_of_the_facts() -> None:
    """606 GFLOP at 480p over three scales, 315 at scale 1.0 alone, the reference's half in them."""
    torch.set_default_device("meta")
    try:
        network = RGMP(Network()).eval()
    finally:
        torch.set_default_device("cpu")
    labels = np.zeros((480, 854), np.uint8)
    labels[:50, :50] = 1
    frame = np.zeros((480, 854, 3), np.uint8)
    for scales, published in (((0.5, 0.75, 1.0), 606e9), ((1.0,), 315e9)):
        propagator = Propagator(network, Inference(scales=scales), torch.device("meta"))
        propagator.start(frame, labels)
        counted = propagator.operations(propagator.upload(frame))
        # what the reference keeps is not computed again: two convolutions of 7x1 over 2048 channels
        pixels = sum(h * w // 1024 for h, w in SIZES[3 - len(scales) :])
        kept = 2 * 2 * 7 * 2048 * 256 * pixels
        assert counted + kept == pytest.approx(published, rel=0.005)


SIZES = [(288, 448), (416, 672), (512, 864)]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_matrix_products_have_a_speed(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "_seconds", lambda work, _: (work(), 0.5)[1])
    assert speed.matrix_products(CPU, precision) == 2 * 1024**3 / 0.5
