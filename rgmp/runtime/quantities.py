"""Counts, times, scores and differences in words, as tables, reports and MLflow print them.

Needs no pandas.
"""

from math import isnan

MINUS = "\N{MINUS SIGN}"
UNKNOWN = "\N{EN DASH}"
"""Where there is no figure."""


def counted(count: int, thing: str) -> str:
    """How many there are of a thing: `1 seed`, `3 seeds`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def duration(seconds: float) -> str:
    """A time for people: `12 s`, `3.4 min`, `2.1 h`."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def points(fraction: float, sign: str = "-") -> str:
    """A fraction as per cent with one decimal: 12.3; with sign `+`, +12.3; a dash for none.

    With a sign, what is just below zero is -0.0: an interval that ends there leaves zero out.
    """
    zero = "z" if sign == "-" else ""
    return UNKNOWN if isnan(fraction) else minus(f"{100 * fraction + 0.0:{sign}{zero}.1f}")


def with_spread(mean: float, spread: float) -> str:
    """The mean of fractions over seeds, per cent, with its standard deviation, if there is one."""
    return points(mean) + ("" if isnan(spread) else f" ± {points(spread)}")


def interval(mean: float, low: float, high: float) -> str:
    """A difference of fractions, with its interval in points: +1.2 [-0.3, +2.7]; or a dash.

    One without an interval stands alone.
    """
    return (
        points(mean, "+")
        if isnan(mean) or isnan(low)
        else f"{points(mean, '+')} {limits(low, high)}"
    )


def limits(low: float, high: float) -> str:
    """The limits of an interval of differences, in points: [-0.3, +2.7]; or a dash."""
    return UNKNOWN if isnan(low) else f"[{points(low, '+')}, {points(high, '+')}]"


def minus(text: str) -> str:
    """A number with a minus sign in the place of a hyphen."""
    return text.replace("-", MINUS)
