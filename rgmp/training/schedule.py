"""The learning rate schedule."""

import math

from rgmp.config.method import Optimisation

_POLY_POWER = 0.9


def learning_rate(settings: Optimisation, step: int) -> float:
    """The scheduled value, from `learning_rate` at step 0 to `final_learning_rate` at the last."""
    high, low = settings.learning_rate, settings.final_learning_rate
    share = step / max(settings.steps - 1, 1)
    if settings.schedule == "constant":
        return high
    if settings.schedule == "poly":
        return low + (high - low) * math.pow(1 - share, _POLY_POWER)
    return low + (high - low) * (1 + math.cos(math.pi * share)) / 2
