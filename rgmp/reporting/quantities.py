"""Counts and times in words. Needs no pandas."""


def counted(count: int, thing: str) -> str:
    """How many there are of a thing: `1 seed`, `3 seeds`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def duration(seconds: float) -> str:
    """A time for people: `12 s`, `3.4 min`, `2.1 h`."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
