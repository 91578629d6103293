"""The time of day, as files of this package have it, and spans of time for people."""

from datetime import UTC, datetime


def utc_now() -> str:
    """This moment in UTC, ISO 8601 to the second, such as 2018-06-18T09:30:00Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def in_minutes(seconds: float) -> str:
    """A time as clocks have it, to the second or ten: `8 s`, `2 min 10 s`, `3 h 5 min`."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    tens = round(seconds / 10)
    minutes, rest = tens // 6, tens % 6 * 10
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
