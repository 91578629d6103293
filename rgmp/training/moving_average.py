"""The exponential moving average (EMA) of a network's weights, which a stage may leave.

After step n, counted from 1, the average a and the weights w give

    a <- a + (1 - d) (w - a),  d = min(1 - 1 / (ratio * steps), (1 + n) / (10 + n)),

beginning with the weights before the first step. So `ratio` is the share of the steps that the
average reaches back over, whatever their number, and the second term forgets that beginning sooner.

Source: AOT (Yang et al., NeurIPS 2021), whose released code averages so with a ratio of 0.1; the
second term is that of TensorFlow's `ExponentialMovingAverage`.
"""

from copy import deepcopy

import torch

from rgmp.config.method import Optimisation
from rgmp.model.network import RGMP


def decay(steps: int, ratio: float, step: int) -> float:
    """The share of the average that stays after a step, counted from 0."""
    updates = step + 1
    return max(min(1 - 1 / (ratio * steps), (1 + updates) / (10 + updates)), 0.0)


class MovingAverage:
    """Follows a network that learns; its own network has the averaged weights."""

    def __init__(self, network: RGMP, settings: Optimisation, ratio: float) -> None:
        """Begin with the weights of `network`, which is not modified."""
        self.network = deepcopy(network).requires_grad_(requires_grad=False)
        self._steps, self._ratio = settings.steps, ratio
        learning = network.parameters()
        pairs = zip(self.network.parameters(), learning, strict=True)
        self._pairs = [(average, weight) for average, weight in pairs if weight.requires_grad]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 0."""
        taken = 1 - decay(self._steps, self._ratio, step)
        for average, weight in self._pairs:
            average.lerp_(weight, taken)
