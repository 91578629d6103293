"""Contestants are tried first; what does not run is said; frames fit into the time."""

import time
from pathlib import Path

import pytest
from support.videos import CPU, random_network

from rgmp.config.method import Inference
from rgmp.inference.propagator import Propagator
from rgmp.selftest.bench import Bench
from rgmp.selftest.contestants import Contestant, Ready, affordable_frames, made_ready
from rgmp.selftest.finding import failed
from rgmp.selftest.made_data import timed_clip


def test_there_are_as_many_frames_as_there_is_time_for() -> None:
    assert affordable_frames(0.1, 1.05, 3, 12) == 10
    assert affordable_frames(0.1, 1000, 3, 12) == 12
    assert affordable_frames(0.1, -5, 3, 12) == 3


def test_who_fails_is_said_and_the_others_are_ready(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> Propagator:
        raise RuntimeError

    def make() -> Propagator:
        return Propagator(random_network(), Inference(scales=(1.0,)), CPU)

    contestants = [
        Contestant(name, {"way": name}, maker)
        for name, maker in (("one", make), ("broken", refuse), ("other", make))
    ]
    bench = Bench(CPU, tmp_path, tmp_path, time.monotonic() + 30)
    clip = timed_clip(tmp_path / "clip", 3, (45, 70), 2)
    one, broken, other = made_ready(bench, "way", contestants, clip)
    assert broken == failed("way", {"way": "broken"}, "RuntimeError")
    assert ", in refuse\n" in capsys.readouterr().err, "its traceback is for the log"
    for each, name in ((one, "one"), (other, "other")):
        assert isinstance(each, Ready)
        assert each.name == name
        assert each.seconds > 0
        assert each.network(2) > 0
        assert each.end_to_end(2) > 0
