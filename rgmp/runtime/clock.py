"""The time of day, as files of this package have it."""

from datetime import UTC, datetime


def utc_now() -> str:
    """This moment in UTC, ISO 8601 to the second, such as 2018-06-18T09:30:00Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
