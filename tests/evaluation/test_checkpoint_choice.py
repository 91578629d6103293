"""What choosing a checkpoint adds: known answers, a slow plain reference, theory by simulation."""

from math import inf, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import integrate, stats

from rgmp.errors import UserError
from rgmp.evaluation import checkpoint_choice
from rgmp.evaluation.checkpoint_choice import choice_among, choose

Values = npt.NDArray[np.float64]


def drawn(seeds: int = 3, checkpoints: int = 4, sequences: int = 7, noise: float = 0.03) -> Values:
    """Checkpoints that differ in noise alone, on sequences that differ."""
    random = np.random.default_rng(seeds)
    of_sequences = 0.6 + random.normal(0, 0.1, (seeds, 1, sequences))
    return of_sequences + random.normal(0, noise, (seeds, checkpoints, sequences))


def test_two_checkpoints_and_two_sequences_by_hand() -> None:
    # the first is better by 4 points on one sequence, worse by 2 on the other: chosen on the one it
    # gains 2 over the mean there and loses 1 elsewhere; chosen on the other the second gains 1, -2
    found = choose(np.array([[[0.54, 0.70], [0.50, 0.72]]]), [1, 1])
    assert found.gain == pytest.approx([0.015])
    assert found.elsewhere == pytest.approx([-0.015])
    assert [*found.last, *found.mean, *found.best] == pytest.approx([0.61, 0.615, 0.62])
    # the first is better on both, by 4 and by 2 points: it is chosen anyhow, and gains 1.5 anyhow
    found = choose(np.array([[[0.54, 0.74], [0.50, 0.72]]]), [1, 1])
    assert [*found.gain, *found.elsewhere] == pytest.approx([0.015, 0.015])
    assert found.optimism.mean == pytest.approx(0)


def slowly(scores: Values, objects: list[int], halves: npt.NDArray[np.bool_]) -> list[list[float]]:
    """Gain and gain elsewhere of each run, sum by sum as the formulas are written."""
    found = []
    for run in scores:
        gains = []
        for half in halves:
            for chosen in (half, ~half):
                reached = [
                    [
                        sum(n * x for n, x, is_in in zip(objects, row, part, strict=True) if is_in)
                        / sum(n for n, is_in in zip(objects, part, strict=True) if is_in)
                        for row in run
                    ]
                    for part in (chosen, ~chosen)
                ]
                best = reached[0].index(max(reached[0]))
                gains.append([one[best] - sum(one) / len(one) for one in reached])
        found.append([sum(gain) / len(gains) for gain in zip(*gains, strict=True)])
    return found


@pytest.mark.parametrize("sequences", [6, 7])
def test_the_plain_reference_agrees(sequences: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_choice, "HALVINGS", 20)
    scores, objects = drawn(sequences=sequences), [1, 3, 2, 1, 5, 2, 4][:sequences]
    halves = checkpoint_choice._halvings(range(sequences))
    assert halves.shape == (20, sequences)
    assert {*halves.sum(axis=1)} == {sequences // 2}
    assert len({tuple(half) for half in halves}) > 10
    found = choose(scores, objects)
    expected = np.array(slowly(scores, objects, halves)).T
    assert found.gain == pytest.approx(expected[0])
    assert found.elsewhere == pytest.approx(expected[1])
    whole = np.average(scores, axis=2, weights=objects)
    assert found.best == pytest.approx(whole.max(axis=1))
    assert found.last == pytest.approx(whole[:, -1])


def test_the_best_is_never_below_the_last_and_a_truly_better_one_keeps_its_gain() -> None:
    scores = drawn(seeds=5)
    found = choose(scores, [1] * 7)
    assert (found.best >= found.last).all()
    assert (found.best > found.mean).all()
    scores[:, 1] += 0.5
    better = choose(scores, [1] * 7)
    assert better.elsewhere == pytest.approx(better.gain, abs=0.03)
    assert better.elsewhere == pytest.approx(np.full(5, 0.5 * 3 / 4), abs=0.03)
    same = choose(np.full((2, 3, 4), 0.5), [1] * 4)
    assert [*same.gain, *same.elsewhere] == pytest.approx([0, 0, 0, 0])


def expected_largest(count: int) -> float:
    """Of standard normals."""
    value, _ = integrate.quad(
        lambda z: count * z * stats.norm.pdf(z) * stats.norm.cdf(z) ** (count - 1), -9, 9
    )
    return float(value)


@pytest.mark.parametrize(("checkpoints", "sequences"), [(2, 10), (5, 20)])
def test_of_checkpoints_alike_the_optimism_is_that_of_theory_and_the_interval_covers_it(
    checkpoints: int, sequences: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer halvings change no expectation."""
    monkeypatch.setattr(checkpoint_choice, "HALVINGS", 50)
    noise, seeds, studies = 0.02, 5, 600
    random = np.random.default_rng(7)
    theory = expected_largest(checkpoints) * noise * sqrt(2 / sequences)
    means, gains, covered = [], [], 0
    for _ in range(studies):
        of_sequences = 0.6 + random.normal(0, 0.1, (seeds, 1, sequences))
        scores = of_sequences + random.normal(0, noise, (seeds, checkpoints, sequences))
        found = choose(scores, [1] * sequences)
        low, high = found.optimism.interval()
        covered += low <= theory <= high
        means.append(found.optimism.mean)
        gains.append(found.elsewhere.mean())
    error = float(np.std(means)) / sqrt(studies)
    assert np.mean(means) > 0
    assert np.mean(means) == pytest.approx(theory, abs=4 * error)
    assert error < 0.02 * theory, "else that says nothing"
    assert np.mean(gains) == pytest.approx(0, abs=4 * float(np.std(gains)) / sqrt(studies))
    assert 0.92 <= covered / studies <= 0.98


def test_figures_are_halved_where_they_recur() -> None:
    """Each sequence twice says no more; as its own it would be known to the other half."""
    scores = drawn(checkpoints=5, sequences=8)
    once = choose(scores, [1] * 8)
    twice, names = np.repeat(scores, 2, axis=2), np.repeat(range(8), 2).tolist()
    pooled, apart = choose(twice, [1] * 16, names), choose(twice, [1] * 16)
    assert pooled.gain == pytest.approx(once.gain)
    assert pooled.elsewhere == pytest.approx(once.elsewhere)
    assert (apart.gain - apart.elsewhere < pooled.gain - pooled.elsewhere).all()


def test_the_interval_is_that_of_student_over_the_runs() -> None:
    found = choose(drawn(seeds=6), [1] * 7)
    values = found.gain - found.elsewhere
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert found.optimism.interval() == pytest.approx(tuple(expected))


@pytest.mark.filterwarnings("error")
def test_one_run_and_one_sequence_say_less() -> None:
    alone = choose(drawn(seeds=1), [1] * 7).optimism
    assert (alone.error, alone.mean > 0) == (inf, True)
    of_one = choose(drawn(sequences=1), [2])
    assert (of_one.best >= of_one.last).all()
    assert np.isnan([of_one.gain, of_one.elsewhere]).all()
    assert np.isnan(of_one.optimism.mean)


@pytest.mark.parametrize("scores", [np.zeros((0, 2, 3)), np.full((1, 2, 3), np.nan)])
def test_what_cannot_be_chosen_from(scores: Values) -> None:
    with pytest.raises(UserError, match="empty or not finite"):
        choose(scores, [1, 1, 1])


# ---- from tables ----


def table(seeds: list[int], values: dict[str, list[float]], more: float = 0) -> pd.DataFrame:
    """J&F of the objects of sequences, with each seed another by a point."""
    rows: list[dict[str, Any]] = [
        {
            "variant": "full",
            "seed": seed,
            "sequence": name,
            "object": n,
            "J&F": v + seed / 100 + more,
        }
        for seed in seeds
        for name, objects in values.items()
        for n, v in enumerate(objects, 1)
    ]
    return pd.DataFrame(rows).astype({"seed": "Int64"})


def test_the_seeds_that_have_every_checkpoint_count() -> None:
    values = {"b": [0.5], "a": [0.2, 0.4]}
    checkpoints = [table([0, 1, 2], values, 0.1), table([2, 1], values)]
    found = choice_among(checkpoints, {})
    assert found is not None
    assert found.last == pytest.approx([1.1 / 3 + 0.01, 1.1 / 3 + 0.02])
    assert found.best == pytest.approx(found.last + 0.1)
    assert choice_among([table([0], values), table([1], values)], {}) is None


def test_checkpoints_on_other_objects_are_refused() -> None:
    for other in ({"a": [0.5]}, {"a": [0.5], "b": [0.5]}, {"a": [0.5, 0.5], "c": [0.5]}):
        with pytest.raises(
            UserError, match="full: its checkpoints are scored on different objects"
        ):
            choice_among([table([0], {"a": [0.1, 0.2], "b": [0.5]}), table([0], other)], {})


def test_figures_come_by_the_names_of_sequences() -> None:
    values = {name: [0.5] for name in "abcd"}
    tables = [table([0, 1], values), table([0, 1], values)]
    tables[0].loc[tables[0]["sequence"].isin(["a", "b"]), "J&F"] += 0.2
    together = choice_among(tables, {"a": "ring", "b": "ring", "c": "disc", "d": "disc"})
    assert together is not None
    assert together.gain == pytest.approx([0.05, 0.05]), "once the first is chosen, once none is"
