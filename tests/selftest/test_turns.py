"""Computations in turns: what does not run is said, and rounds fit into the time."""

import time
from pathlib import Path

import pytest
from support.videos import CPU, random_network

from rgmp.config.method import Inference
from rgmp.inference.propagator import Propagator
from rgmp.inference.speed import PropagatorMaker
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Finding
from rgmp.selftest.made_data import timed_clip
from rgmp.selftest.turns import Contestant, Turn, affordable_frames, failed, take_turns


def test_a_clip_is_as_long_as_there_is_time_for() -> None:
    """A frame takes 0.1 s; five rounds of four passes are 2 s a frame."""
    assert affordable_frames(0.1, 21, 12) == 10
    assert affordable_frames(0.1, 1000, 12) == 12
    assert affordable_frames(0.1, -5, 12) == 3


def test_who_fails_is_said_and_the_others_take_turns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> Propagator:
        raise RuntimeError

    def make() -> Propagator:
        return Propagator(random_network(), Inference(scales=(1.0,)), CPU)

    contestants = [
        Contestant({"way": name}, PropagatorMaker(maker, "fp32"))
        for name, maker in (("one", make), ("broken", refuse), ("other", make))
    ]
    clips = [timed_clip(tmp_path / str(n), 3, (45, 70), n) for n in (1, 2)]
    bench = Bench(CPU, tmp_path, tmp_path, time.monotonic() + 30)
    found = list(take_turns(bench, "test", contestants, clips))
    assert found[0] == failed("test", {"way": "broken"}, "RuntimeError")
    assert ", in refuse\n" in capsys.readouterr().err, "its traceback is for the log"
    turns = [turn for turn in found if isinstance(turn, Turn)]
    said = [(turn.contestant.conditions["way"], turn.objects) for turn in turns]
    assert said == [("one", 1), ("one", 2), ("other", 1), ("other", 2)]
    assert isinstance(found[-1], Finding)
    for turn in turns:
        fps = turn.fps("clip")
        seconds = [s / 3 for s in turn.raw["clip"]]
        assert min(seconds) <= 1 / fps.mean <= max(seconds)
    gain = turns[1].ratio_to(turns[3])
    assert gain.low < gain.mean < gain.high
    assert turns[1].ratio_to(turns[1]).mean == pytest.approx(1)
