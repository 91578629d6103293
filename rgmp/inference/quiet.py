"""Whether a machine was quiet, by the ratio of a computation to itself. Needs no scipy or torch."""

QUIET = 0.97, 1.03
"""Where the whole interval lies of the ratio of a computation to itself on a quiet machine."""


def is_quiet(low: float, high: float) -> bool:
    """Whether a computation that was timed twice took the same time.

    Args:
        low: lower end of the interval of the ratio of its two timings.
        high: its upper end.
    """
    return QUIET[0] <= low and high <= QUIET[1]


def is_settled(low: float, high: float) -> bool:
    """Whether more rounds would not change the answer: the interval is within `QUIET`, or clear.

    An interval that is narrow and no more does not tell: around any ratio but 1, one as wide as
    `QUIET` leaves it.
    """
    return is_quiet(low, high) or high < QUIET[0] or low > QUIET[1]
