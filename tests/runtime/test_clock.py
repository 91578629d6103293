"""Time stamps say when they were made."""

from datetime import UTC, datetime

from rgmp.runtime.clock import utc_now


def test_a_stamp_is_this_moment_in_utc_to_the_second() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    stamp = utc_now()
    assert before <= datetime.fromisoformat(stamp) <= datetime.now(UTC)
    assert len(stamp) == len("2018-06-18T09:30:00Z")
    assert stamp.endswith("Z")
