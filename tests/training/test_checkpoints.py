"""What a training run leaves while it runs: the curve, the schedule, the states."""

import io
import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from support.tiny_training import pretrain

from rgmp.config import method
from rgmp.model.network import RGMP
from rgmp.training.checkpoints import Checkpoints
from rgmp.training.journal import CurvePoint, Journal
from rgmp.training.schedule import learning_rate


def test_the_learning_rate_falls_from_end_to_end_along_a_cosine() -> None:
    settings = pretrain(steps=101, learning_rate=1e-3, final_learning_rate=1e-5)
    rates = [learning_rate(settings, step) for step in range(101)]
    assert rates[0] == pytest.approx(1e-3)
    assert rates[50] == pytest.approx((1e-3 + 1e-5) / 2)
    assert rates[100] == pytest.approx(1e-5)
    assert rates == sorted(rates, reverse=True)


def test_one_step_has_the_first_learning_rate_and_equal_ends_a_constant_one() -> None:
    assert learning_rate(pretrain(steps=1, learning_rate=3e-4), 0) == pytest.approx(3e-4)
    fixed = pretrain(steps=9, learning_rate=1e-5, final_learning_rate=1e-5)
    assert {learning_rate(fixed, step) for step in range(9)} == {1e-5}


def begin(path: Path, settings: method.Optimisation) -> Journal:
    return Journal(path, settings, "step {}".format, ["Xeon, AVX512"])


def fill(journal: Journal, steps: range) -> None:
    for step in steps:
        journal.add(step, torch.tensor([step, step / 1000, 1.0]), 0.0)


def points(path: Path) -> list[CurvePoint]:
    return [CurvePoint(**json.loads(line)) for line in path.read_text().splitlines()]


def test_a_point_is_the_mean_over_its_interval(tmp_path: Path) -> None:
    journal = begin(tmp_path / "metrics.jsonl", pretrain(steps=250, batch=4))
    fill(journal, range(250))
    found = points(tmp_path / "metrics.jsonl")
    assert [p.step for p in found] == list(range(2, 251, 2))
    assert [p.loss for p in found] == [step - 1.5 for step in range(2, 251, 2)]
    assert pytest.approx(0.0005) == found[0].J
    assert all(a.seconds <= b.seconds for a, b in pairwise(found))
    assert all(p.samples_per_second > 0 for p in found)
    assert journal.summary()["final_loss"] == 248.5
    assert journal.summary()["samples"] == 1000


def test_the_last_step_is_a_point_even_where_the_interval_is_not_full(tmp_path: Path) -> None:
    journal = begin(tmp_path / "metrics.jsonl", pretrain(steps=301))
    fill(journal, range(301))
    last = points(tmp_path / "metrics.jsonl")[-1]
    assert (last.step, last.loss) == (301, 300)


@pytest.mark.parametrize("stop", [1, 4, 5, 197])
def test_a_restored_journal_goes_on_with_no_step_twice_or_missing(
    tmp_path: Path, stop: int
) -> None:
    """The first attempt went on to log points after the state that is restored."""
    settings = pretrain(steps=200)
    alone = begin(tmp_path / "alone.jsonl", settings)
    fill(alone, range(200))
    first = begin(tmp_path / "metrics.jsonl", settings)
    fill(first, range(stop))
    buffer = io.BytesIO()
    torch.save(first.state(), buffer)
    buffer.seek(0)
    fill(first, range(stop, min(stop + 10, 199)))
    second = begin(tmp_path / "metrics.jsonl", settings)
    second.restore(torch.load(buffer, weights_only=True))
    fill(second, range(stop, 200))
    expected, found = points(tmp_path / "alone.jsonl"), points(tmp_path / "metrics.jsonl")
    assert [p[:4] for p in found] == [p[:4] for p in expected]
    assert all(a.seconds <= b.seconds for a, b in pairwise(found))


def test_the_curve_can_be_read_while_the_training_goes_on(tmp_path: Path) -> None:
    journal = begin(tmp_path / "metrics.jsonl", pretrain(steps=5))
    for step in range(5):
        fill(journal, range(step, step + 1))
        journal.settle()
        assert [p.step for p in points(tmp_path / "metrics.jsonl")] == list(range(1, step + 2))


# ---- states ----


def made(tmp_path: Path) -> tuple[Checkpoints, tuple[RGMP, torch.optim.Adam, Journal]]:
    """What a training run has, and a place for its states."""
    settings = method.Network(backbone="resnet10", width=4, decoder_width=4)
    torch.manual_seed(0)
    network = RGMP(settings)
    optimiser = torch.optim.Adam(p for p in network.parameters() if p.requires_grad)
    journal = begin(tmp_path / "metrics.jsonl", pretrain(steps=100))
    return Checkpoints(tmp_path / "states", "abc"), (network, optimiser, journal)


def states(tmp_path: Path) -> list[str]:
    return sorted(p.name.partition("-")[0] for p in (tmp_path / "states").iterdir())


def test_without_a_state_a_training_starts_at_the_first_step(tmp_path: Path) -> None:
    checkpoints, parts = made(tmp_path)
    assert checkpoints.resume(*parts) == 0
    checkpoints.clear()


def test_a_state_has_all_that_a_training_has(tmp_path: Path) -> None:
    checkpoints, (network, optimiser, journal) = made(tmp_path)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    fill(journal, range(3))
    checkpoints.save(3, network, optimiser, journal)
    _, others = made(tmp_path)
    assert checkpoints.resume(*others) == 3
    for key, value in others[0].state_dict().items():
        assert torch.equal(value, network.state_dict()[key])
    moments = [optimiser.state_dict()["state"], others[1].state_dict()["state"]]
    assert moments[0]
    for mine, theirs in zip(*(m.values() for m in moments), strict=True):
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    assert others[2].state()["points"] == journal.state()["points"]


def test_a_state_has_the_average_where_there_is_one(tmp_path: Path) -> None:
    checkpoints, parts = made(tmp_path)
    average, other = (made(tmp_path)[1][0] for _ in range(2))
    with torch.no_grad():
        next(average.parameters()).add_(1)
    checkpoints.save(3, *parts, average)
    assert checkpoints.resume(*made(tmp_path)[1], other) == 3
    assert torch.equal(next(other.parameters()), next(average.parameters()))
    assert not torch.equal(next(other.parameters()), next(parts[0].parameters()))


def test_the_last_two_states_are_kept(tmp_path: Path) -> None:
    checkpoints, parts = made(tmp_path)
    for step in (9, 10, 100):
        checkpoints.save(step, *parts)
    assert states(tmp_path) == ["00000010", "00000100"]


def test_a_damaged_state_is_named_removed_and_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints, parts = made(tmp_path)
    for step in (1, 2):
        checkpoints.save(step, *parts)
    newest = max((tmp_path / "states").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    assert checkpoints.resume(*parts) == 1
    assert f"{newest}: damaged checkpoint" in capsys.readouterr().err
    checkpoints.save(2, *parts)
    assert states(tmp_path) == ["00000001", "00000002"]
    assert checkpoints.resume(*parts) == 2


def test_where_every_state_is_damaged_it_starts_anew(tmp_path: Path) -> None:
    checkpoints, parts = made(tmp_path)
    for step in (1, 2):
        checkpoints.save(step, *parts)
    for path in (tmp_path / "states").iterdir():
        path.write_bytes(b"")
    assert checkpoints.resume(*parts) == 0


def test_another_trainings_state_is_not_taken(tmp_path: Path) -> None:
    checkpoints, parts = made(tmp_path)
    checkpoints.save(1, *parts)
    assert Checkpoints(tmp_path / "states", "another").resume(*parts) == 0


def test_what_a_killed_save_left_is_removed(tmp_path: Path) -> None:
    checkpoints, parts = made(tmp_path)
    checkpoints.save(1, *parts)
    unfinished = tmp_path / "states" / ".00000002-ab.pt.xy"
    unfinished.mkdir()
    (unfinished / "00000002-ab.pt").write_bytes(b"half")
    assert checkpoints.resume(*parts) == 1
    assert states(tmp_path) == ["00000001"]


def test_an_ended_training_leaves_no_state(tmp_path: Path) -> None:
    checkpoints, parts = made(tmp_path)
    checkpoints.save(1, *parts)
    (tmp_path / "states" / ".00000002-ab.pt.xy").mkdir()
    checkpoints.clear()
    assert not (tmp_path / "states").exists()
