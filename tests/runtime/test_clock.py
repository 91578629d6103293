"""Time stamps say when they were made."""

from datetime import UTC, datetime

import pytest

from rgmp.runtime.clock import in_minutes, utc_now


def test_a_stamp_is_this_moment_in_utc_to_the_second() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    stamp = utc_now()
    assert before <= datetime.fromisoformat(stamp) <= datetime.now(UTC)
    assert len(stamp) == len("2018-06-18T09:30:00Z")
    assert stamp.endswith("Z")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (130, "2 min 10 s"), (3599, "1 h 0 min"),
        (11_130, "3 h 5 min"), (360_000, "100 h 0 min"),
    ],
)  # fmt: skip
def test_a_time_is_told_as_clocks_have_it(seconds: float, told: str) -> None:
    assert in_minutes(seconds) == told
