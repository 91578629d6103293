"""What a long job says on standard error."""

import pytest

from rgmp.runtime import progress
from rgmp.runtime.progress import Progress
from rgmp.runtime.terminal import Screen


class Clock:
    """Stands for the time module; moved by hand."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def test_a_log_gets_a_line_at_intervals_and_one_at_the_end(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Progress("pretrain full", "steps", 100)
    for step in range(100):
        clock.now += 1
        shown.at(step + 1, "loss 0.5")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "pretrain full: 30/100 steps, 1/s, 1 min 10 s left loss 0.5"
    assert [line.split(",")[0].split()[-2] for line in lines] == [
        "30/100", "60/100", "90/100", "100/100",
    ]  # fmt: skip
    assert lines[-1] == "pretrain full: 100/100 steps, 1/s, took 1 min 40 s loss 0.5"


def test_a_resumed_job_counts_only_its_own_steps_in_the_rate(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Progress("infer", "frames", 200, done=100)
    clock.now += 40
    shown.at(120)
    assert capsys.readouterr().err == "infer: 120/200 frames, 0.5/s, 2 min 40 s left\n"


@pytest.mark.parametrize("width", [60, 80])
def test_on_a_terminal_a_bar_moves(
    width: int, clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is no room for a bar, the line alone; at the end there is no bar."""
    monkeypatch.setattr(progress, "screen_of", lambda _: Screen(live=True, width=width))
    shown = Progress("segment davis2017, full", "frames", 4)
    for done in (1, 2, 4):
        clock.now += 0.2
        shown.at(done)
    first, second, last = capsys.readouterr().err.removeprefix("\r\x1b[K").split("\r\x1b[K")
    bar = "[#####...............] " * (width == 80)
    assert first == f"segment davis2017, full: {bar}1/4 frames, 5/s, 1 s left"
    assert second.replace("[##########..........] ", "").endswith("2/4 frames, 5/s, 0 s left")
    assert last == "segment davis2017, full: 4/4 frames, 6.67/s, took 1 s\n"


def test_nothing_is_shown_to_who_wants_none(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Progress, "silent", True)
    shown = Progress("infer", "frames", 3)
    clock.now += 100
    shown.at(3)
    assert capsys.readouterr().err == ""


def test_no_time_at_all_divides_by_nothing(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert clock.now == 100
    Progress("infer", "frames", 1).at(1)
    assert capsys.readouterr().err == "infer: 1/1 frames, 0/s, took 0 s\n"
