"""Known answers and properties of what rounds of timings amount to."""

from typing import Any

import numpy as np
import pytest

from rgmp.inference import timing_statistics
from rgmp.inference.quiet import is_quiet, is_settled

RNG = np.random.default_rng(0)


def test_an_interval_of_known_values() -> None:
    """Five values of mean 3 and variance 2.5; t with 4 degrees of freedom: 2.7764 at 97.5 %."""
    middle, low, high = timing_statistics.mean([1, 2, 3, 4, 5])
    half = 2.776445 * np.sqrt(2.5 / 5)
    assert (middle, low, high) == pytest.approx((3, 3 - half, 3 + half), rel=1e-6)


def test_an_interval_of_what_never_varies_is_a_point() -> None:
    assert timing_statistics.geometric_mean([0.25] * 5) == pytest.approx((0.25, 0.25, 0.25))


def test_the_interval_of_shares_has_only_what_a_share_can_be() -> None:
    values = [0.0, 0.1, 0.8]
    plain, share = timing_statistics.mean(values), timing_statistics.mean_share(values)
    assert plain.low < 0
    assert plain.high > 1
    assert share == pytest.approx((0.3, 0, 1))


def test_the_inverse_has_the_inverse_interval() -> None:
    values = RNG.lognormal(0, 0.2, 8)
    middle, low, high = timing_statistics.geometric_mean(values)
    assert timing_statistics.geometric_mean(1 / values) == pytest.approx(
        (1 / middle, 1 / high, 1 / low)
    )


def test_what_slows_a_whole_round_changes_no_ratio() -> None:
    weather = RNG.lognormal(0, 0.5, 6)
    assert timing_statistics.ratio(0.02 * weather, 0.01 * weather) == pytest.approx((0.5, 0.5, 0.5))
    middle, _, high = timing_statistics.geometric_mean(0.01 * weather)
    assert high / middle > 1.3


def test_the_interval_covers_95_per_cent() -> None:
    seconds = RNG.lognormal(0, 0.05, (4000, 2, 5))
    found = [timing_statistics.ratio(own, first) for own, first in seconds]
    covered = np.mean([low <= 1 <= high for _, low, high in found])
    assert 0.94 < covered < 0.96


@pytest.mark.parametrize(("high", "narrow"), [(1.029, True), (1.031, False)])
def test_measuring_stops_when_every_ratio_is_known_to_3_per_cent(high: float, narrow: bool) -> None:
    known = timing_statistics.Interval(2.0, 1.99, 2.01)
    assert (
        timing_statistics.are_narrow(
            [known, timing_statistics.Interval(0.5, 0.5 / high, 0.5 * high)]
        )
        is narrow
    )


def test_a_computation_alone_has_no_ratio_to_wait_for() -> None:
    assert timing_statistics.are_known([], [])


@pytest.mark.parametrize(
    ("low", "high", "quiet", "settled"),
    [
        (0.97, 1.03, True, True),
        (0.969, 1.0, False, False),
        (0.96, 1.04, False, False),
        (1.02, 1.04, False, False),
        (1.031, 1.04, False, True),
        (0.90, 0.969, False, True),
    ],
)
def test_more_rounds_change_no_answer_within_or_clear_of_what_is_quiet(
    low: float, high: float, quiet: bool, settled: bool
) -> None:
    assert (is_quiet(low, high), is_settled(low, high)) == (quiet, settled)
    to_itself = [timing_statistics.Interval((low + high) / 2, low, high)]
    assert timing_statistics.are_known([], to_itself) is settled


@pytest.mark.parametrize(
    ("ratio", "scatter", "least", "most"),
    [
        (1.0, 0.02, 0.99, 1.0),
        (1.0, 0.05, 0.95, 1.0),
        (1.01, 0.02, 0.95, 1.0),
        (1.06, 0.02, 0.0, 0.01),
        (0.9, 0.05, 0.0, 0.01),
    ],
)
def test_a_quiet_machine_is_found_quiet_and_another_is_not(
    ratio: float, scatter: float, least: float, most: float
) -> None:
    """Made timings of one computation twice, at most 60 rounds; shares of 300 measurements."""
    random = np.random.default_rng(1)
    quiet = 0
    for _ in range(300):
        first = random.lognormal(0, 0.1, 60)
        second = first / ratio * random.lognormal(0, scatter, 60)
        for rounds in range(5, 61):
            found = timing_statistics.ratio(second[:rounds], first[:rounds])
            if timing_statistics.are_known([], [found]):
                break
        quiet += is_quiet(found.low, found.high)
    assert least <= quiet / 300 <= most


def test_clips_with_more_objects_do_not_blur_the_median() -> None:
    """Medians of 1 and 10 s: the mean over clips, by frames, where one median lies in between."""
    clips: list[dict[str, Any]] = [
        {"network": [[1, 1, 50], [2, 2, 2]]},
        {"network": [[10], [20]]},
    ]
    assert timing_statistics.seconds_by_round(clips, "network") == pytest.approx([13 / 4, 26 / 4])


def test_the_line_over_objects_is_found_in_every_round() -> None:
    counts = np.arange(1, 6)
    seconds = np.array([[0.5 + 0.25 * n, 1.5 + 0.75 * n] for n in counts])
    fixed, per_object = timing_statistics.cost_of_objects(counts, seconds)
    assert (fixed.mean, per_object.mean) == pytest.approx((1.0, 0.5))
    assert per_object.low < 0.25
    assert per_object.high > 0.75


def test_the_cost_of_objects_scales_and_shifts_with_the_times() -> None:
    counts, seconds = np.arange(1, 6), RNG.random((5, 7))
    fixed, per_object = timing_statistics.cost_of_objects(counts, seconds)
    moved = timing_statistics.cost_of_objects(counts, 3 * seconds + 2)
    assert moved.fixed == pytest.approx([3 * value + 2 for value in fixed])
    assert moved.per_object == pytest.approx([3 * value for value in per_object])
