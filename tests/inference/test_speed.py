"""What is timed, what is not, and the arithmetic from raw seconds to figures."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rgmp.config.base import Benchmark
from rgmp.config.dataset import DAVIS
from rgmp.config.method import Inference, Network
from rgmp.config.study import Speed
from rgmp.data import davis
from rgmp.data.sequence import Sequence as Video
from rgmp.inference import speed
from rgmp.inference.propagator import Propagator
from rgmp.inference.quiet import is_quiet
from rgmp.model.network import RGMP
from rgmp.runtime.precisions import Precision

CPU = torch.device("cpu")


def raw(network: list[list[float]], first: list[float], whole: list[float]) -> dict[str, Any]:
    return {
        "frames": len(network[0]) + 1,
        "network": network,
        "end_to_end": [[10 * s for s in repeat] for repeat in network],
        "first_frame": first,
        "clip": whole,
        "flops_per_frame": 12 if len(network[0]) == 3 else 6,
    }


@pytest.mark.parametrize(("limit", "chosen"), [(1, "1"), (2, "16"), (3, "136"), (9, "12346")])
def test_sequences_are_chosen_from_the_fewest_objects_to_the_most(
    limit: int, chosen: str, tmp_path: Path
) -> None:
    sequences = []
    for objects in (4, 1, 6, 2, 3):
        annotation = tmp_path / f"{objects}.png"
        davis.write_mask(annotation, np.arange(objects + 1, dtype=np.uint8)[None])
        sequences.append(Video(str(objects), (), (annotation,), DAVIS["davis2017"]))
    found = speed.choose_sequences(sequences, limit)
    assert "".join(sequence.name for sequence in found) == chosen


def test_figures_of_known_seconds() -> None:
    """Medians by round: 0.2 and 0.8 s of three frames, 0.6 and 0.6 s of one."""
    figures = speed.summarise_clips(
        [
            raw([[0.1, 0.2, 0.9], [0.8, 0.8, 0.1]], [1.0, 3.0], [1.2, 2.0]),
            raw([[0.6], [0.6]], [5.0, 7.0], [0.6, 1.6]),
        ]
    )
    fps = (1 / 0.3 / 0.75) ** 0.5  # seconds a frame of the rounds: 0.3, 0.75
    authors = (0.3 * 0.6) ** 0.5  # 1.8 and 3.6 s for six frames
    ends = {key: figures.pop(key) for key in [*figures] if key.endswith(("_low", "_high"))}
    assert figures == pytest.approx(
        {
            "fps": fps,
            "seconds_per_frame_p95": np.percentile([0.1, 0.2, 0.9, 0.8, 0.8, 0.1, 0.6, 0.6], 95),
            "end_to_end_fps": fps / 10,
            "end_to_end_seconds_per_frame_p95": figures["seconds_per_frame_p95"] * 10,
            "first_frame_seconds": 4.0,
            "authors_fps": 1 / authors,
            "authors_seconds_per_frame": authors,
            "flops_per_frame": 10.5,
        }
    )
    assert ends["fps_low"] < fps < ends["fps_high"]
    assert all(type(value) is float for value in (figures | ends).values())


class Clock:
    """The time of a test, and whose whole clips it was used for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slowness = 1.0
        self.turns: list[str] = []


class Machine:
    """A propagator on a clock of its own: each kind of work takes a time that tells it apart."""

    START, UPLOAD, SEGMENT, DOWNLOAD, CLIP = 1000.0, 1.0, 20.0, 300.0, 7000.0
    PER_OBJECT = 4.0
    """What a pass takes for every object but the first."""
    COMPILING = 1e6
    """What the first start and the first pass of every shape take on top."""

    def __init__(self, clock: Clock, name: str = "full", factor: float = 1.0) -> None:
        self.clock, self.name, self.factor = clock, name, factor
        self.shape: tuple[int, ...] = ()
        self.cold: set[tuple[str, tuple[int, ...]]] = set()
        self.calls: list[str] = []

    def work(self, kind: str, seconds: float) -> None:
        self.calls.append(kind)
        if kind == "clip":
            self.clock.turns.append(self.name)
        self.clock.now += seconds
        if kind in {"start", "segment"} and (kind, self.shape) not in self.cold:
            self.cold.add((kind, self.shape))
            self.clock.now += self.COMPILING

    def start(self, frame: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
        assert frame.shape[:2] == labels.shape
        self.shape = (*labels.shape, int(labels.max()))
        self.work("start", self.START)

    def upload(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        self.work("upload", self.UPLOAD)
        return frame

    def segment(self, whole: NDArray[np.uint8]) -> "Machine":
        assert whole.shape[:2] == self.shape[:2]
        seconds = self.SEGMENT + self.PER_OBJECT * (self.shape[2] - 1)
        self.work("segment", seconds * self.factor * self.clock.slowness)
        return self

    def step(self, frame: NDArray[np.uint8]) -> "Machine":
        return self.segment(self.upload(frame))

    def download(self) -> Callable[[], None]:
        return lambda: self.work("download", self.DOWNLOAD)

    def operations(self, _: NDArray[np.uint8]) -> int:
        return int(1000 * self.SEGMENT)

    @property
    def device(self) -> torch.device:
        return CPU


def fake_clip(
    name: str,
    frames: int,
    size: tuple[int, int],
    objects: int,
    benchmark: Benchmark = "davis2016",
) -> speed.TimedClip:
    labels = np.zeros(size, np.uint8)
    labels[0, :objects] = range(1, objects + 1)
    paths = tuple(Path(f"{i:05d}.jpg") for i in range(frames))
    return speed.TimedClip(
        Video(name, paths, (), DAVIS[benchmark]), [np.zeros((*size, 3), np.uint8)] * frames, labels
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()

    def segment_sequence(machine: Machine, sequence: Video, *_: object) -> None:
        machine.work("clip", machine.CLIP * len(sequence.frames))

    monkeypatch.setattr("rgmp.inference.speed.time.perf_counter", lambda: clock.now)
    monkeypatch.setattr("rgmp.inference.propagator.download", Machine.download)
    monkeypatch.setattr("rgmp.inference.speed.segment_sequence", segment_sequence)
    monkeypatch.setattr("rgmp.inference.speed.matrix_products", lambda *_: 4000.0)
    return clock


def timed(
    machines: Sequence[Machine],
    clips: list[speed.TimedClip],
    *,
    again: Machine | None = None,
    **limits: float,
) -> dict[str, Any]:
    """What is measured of the machines, the last of which may be the first once more."""
    makers = [
        speed.PropagatorMaker(lambda m=m: cast(Propagator, m), "fp32", again=m is again)  # type: ignore[misc]
        for m in machines
    ]
    return speed.measure(makers, clips, Speed.model_validate(limits))


def test_warm_up_of_every_shape_is_not_counted(clock: Clock) -> None:
    clips = [
        fake_clip("bear", 4, (40, 50), 1, "davis2017"),
        fake_clip("camel", 2, (40, 50), 3, "davis2017"),
        fake_clip("dog", 6, (64, 96), 1, "davis2017"),
    ]
    machine = Machine(clock)
    measured = timed([machine], clips)
    (computation,) = measured["computations"]
    for found, (sequence, frames, labels) in zip(computation["clips"], clips, strict=True):
        later, objects = len(frames) - 1, int(labels.max())
        network = machine.SEGMENT + machine.PER_OBJECT * (objects - 1)
        assert found == {
            "sequence": sequence.name,
            "objects": objects,
            "frames": len(frames),
            "height": labels.shape[0],
            "width": labels.shape[1],
            "flops_per_frame": 1000 * machine.SEGMENT,
            "network": [[network] * later] * 5,
            "end_to_end": [[machine.UPLOAD + network + machine.DOWNLOAD] * later] * 5,
            "first_frame": [machine.START] * 5,
            "clip": [machine.CLIP * len(frames)] * 5,
        }
    assert measured["rounds"] == 5
    assert 0 <= measured["others_share"] <= 1
    summary = computation["summary"]
    assert summary["peak_memory_bytes"] > 1e6
    assert summary["first_frame_seconds"] == machine.START
    assert summary["matmul_flops_per_second"] == 4000
    assert summary["fraction_of_limit"] == 0.25  # 1,000 operations a second of 4,000
    assert "ratio" not in summary, "to itself"


def test_every_turn_is_the_whole_clip_from_frame_0(clock: Clock) -> None:
    machine = Machine(clock)
    timed([machine], [fake_clip("bear", 4, (40, 50), 1)])
    warm = ["start", "upload", "segment"]
    network = ["start", *["upload", "segment"] * 3]
    end_to_end = ["start", *["upload", "segment", "download"] * 3]
    turn = [*warm, *network, *end_to_end, "clip"]
    assert machine.calls[-5 * len(turn) :] == 5 * turn


def test_all_take_turns_in_every_round_in_another_order(clock: Clock) -> None:
    machines = [Machine(clock, name) for name in "abc"]
    timed(machines, [fake_clip("bear", 4, (40, 50), 1)], seconds=0)
    orders = ["".join(clock.turns[i : i + 3]) for i in range(0, len(clock.turns), 3)]
    assert ["".join(sorted(order)) for order in orders] == ["abc"] * 5
    assert len({*orders}) > 1


def test_ratios_are_those_of_the_speeds_whatever_the_machine_does(clock: Clock) -> None:
    machines = [Machine(clock, "full"), Machine(clock, "half", 2.0), Machine(clock, "full")]
    measured = timed(machines, [fake_clip("bear", 4, (40, 50), 1)])
    first, half, again = (computation["summary"] for computation in measured["computations"])
    assert half["ratio"] == half["ratio_low"] == half["ratio_high"] == pytest.approx(0.5)
    assert again["ratio"] == pytest.approx(1)
    assert first["fps"] == pytest.approx(2 * half["fps"])
    assert measured["rounds"] == 5, "ratios are known, so there is no need to go on"


class Restless(Machine):
    """Its speed changes from round to round more than others'."""

    def start(self, frame: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
        self.factor = 1 + 0.5 * (len(self.calls) % 2)
        super().start(frame, labels)


def test_rounds_go_on_until_the_time_is_up(clock: Clock) -> None:
    """Turns of whole clips take longer than the network alone, and only the first five are."""
    machines = [Machine(clock, "full"), Restless(clock, "restless")]
    clips = [fake_clip("bear", 4, (40, 50), 1)]
    assert timed(machines, clips, seconds=0)["rounds"] == 5
    measured = timed(machines, clips, seconds=10**6)
    assert measured["rounds"] > 5
    for computation in measured["computations"]:
        (clip,) = computation["clips"]
        assert len(clip["network"]) == len(clip["first_frame"]) == measured["rounds"]
        assert len(clip["end_to_end"]) == len(clip["clip"]) == 5


class Unsteady(Machine):
    """As fast as others in one half of the rounds, and 4 % slower in the other."""

    starts = 0

    def start(self, frame: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
        self.starts += 1  # a turn has two, and a third with the first rounds' further timings
        self.factor = 1 + 0.04 * (self.starts // 2 % 2)
        super().start(frame, labels)


def test_rounds_go_on_until_the_first_timed_twice_says_whether_it_is_quiet(clock: Clock) -> None:
    """A ratio of 0.98 that is known to 3 % is narrow, and does not tell; known to 1 % it does."""
    clips = [fake_clip("bear", 4, (40, 50), 1)]
    found = []
    for is_again in (False, True):
        machines = [Machine(clock, "full"), Unsteady(clock, "full")]
        again = machines[1] if is_again else None
        found.append(timed(machines, clips, again=again, seconds=10**6))
    assert found[0]["rounds"] == 5
    assert found[1]["rounds"] > 5
    ends = [(s["ratio_low"], s["ratio_high"]) for _, s in map(summaries, found)]
    assert [is_quiet(*each) for each in ends] == [False, True]


def summaries(measured: dict[str, Any]) -> list[dict[str, float]]:
    return [computation["summary"] for computation in measured["computations"]]


def test_the_cost_of_objects_is_fitted_over_one_to_five(clock: Clock) -> None:
    measured = timed([Machine(clock)], [fake_clip("bear", 5, (40, 50), 2, "davis2017")])
    (computation,) = measured["computations"]
    assert [*computation["of_objects"]] == ["1", "2", "3", "4", "5"]
    assert computation["of_objects"]["3"] == [[Machine.SEGMENT + 2 * Machine.PER_OBJECT] * 3] * 5
    summary = computation["summary"]
    assert summary["object_seconds"] == pytest.approx(Machine.PER_OBJECT)
    assert summary["fixed_seconds"] == pytest.approx(Machine.SEGMENT - Machine.PER_OBJECT)


def test_one_object_has_no_cost_of_further_ones(clock: Clock) -> None:
    measured = timed([Machine(clock)], [fake_clip("bear", 5, (40, 50), 1)])
    assert not measured["computations"][0]["of_objects"]
    assert "object_seconds" not in measured["computations"][0]["summary"]


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


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_matrix_products_have_a_speed(
    precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounded as the precision says, whatever was computed before."""
    rounded: list[tuple[bool, bool]] = []

    def timed(work: Callable[[], object], _: torch.device) -> float:
        work()
        rounded.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))
        return 0.5

    monkeypatch.setattr(speed, "seconds_of", timed)
    monkeypatch.setitem(speed.PRODUCT_SIZES, "cpu", 64)  # emulated bf16 is slow
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", precision != "tf32")
    assert speed.matrix_products(CPU, precision, runs=2) == 2 * 64**3 / 0.5
    assert rounded == [(precision == "tf32",) * 2] * 4
