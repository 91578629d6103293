"""How a training fits into less memory and stays what it is.

A batch is computed in parts: `machine.processes` GPUs share it, and `compute.accumulate` parts
follow one another on each. `machine.recompute_activations` keeps less of a part. None of them
changes the batch, its samples, or its gradient but for the last bits of a sum, so no learning rate
has to change with them.

What a part takes is nearly a line over its samples: weights, optimiser and libraries, and what
each sample adds. Two measured steps give it.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import gcd
from typing import NamedTuple


class Line(NamedTuple):
    """Bytes that a part of a batch takes, by its samples."""

    fixed: float
    each: float

    @classmethod
    def through(cls, one: float, two: float) -> "Line":
        """The line through what parts of one and of two samples take."""
        each = max(two - one, 0.0)
        return cls(one - each, each)

    def of(self, samples: float) -> float:
        """What a part of so many samples takes."""
        return self.fixed + self.each * samples


class Need(NamedTuple):
    """What a training run needs.

    Attributes:
        name: of the training run.
        batch: samples per step.
        lines: without and with `recompute_activations`, as far as measured.
        shared: bytes that each of several processes takes beside: the gradients, which it keeps
            for the others from one step to the next.
    """

    name: str
    batch: int
    lines: Mapping[bool, Line]
    shared: float = 0.0


class Proposal(NamedTuple):
    """Settings that fit.

    Attributes:
        accumulate: `compute.accumulate`.
        recompute: `machine.recompute_activations`.
        processes: `machine.processes`.
        largest: the name of the training run that takes most.
        bytes: what that takes, as predicted.
    """

    accumulate: int
    recompute: bool
    processes: int
    largest: str
    bytes: float


def can_share(batches: Iterable[int], processes: int) -> bool:
    """Whether so many processes can share every one of these batches evenly."""
    return not gcd(*batches) % processes


def proposals(needs: Sequence[Need], limit: float, processes: Iterable[int]) -> list[Proposal]:
    """The settings with which all training runs of a study fit, the least parts of each kind.

    Args:
        needs: of every training run that differs.
        limit: bytes of a GPU.
        processes: how many GPUs may share a batch, which they can (`can_share`).

    Returns:
        At most two for each number of processes: without and with `recompute_activations`. The
        second is left out where it saves no parts.
    """
    common = gcd(*(need.batch for need in needs))
    found: list[Proposal] = []
    for count in processes:
        parts = [parts for parts in range(1, common + 1) if not common % (parts * count)]
        plain, recomputed = (
            next(
                (
                    proposal
                    for accumulate in parts
                    if (proposal := _proposal(needs, accumulate, recompute, count)).bytes <= limit
                ),
                None,
            )
            for recompute in (False, True)
        )
        if plain:
            found.append(plain)
        if recomputed and (plain is None or recomputed.accumulate < plain.accumulate):
            found.append(recomputed)
    return found


def least(needs: Sequence[Need], processes: int) -> Proposal:
    """The settings that take the least memory, whether that is enough or not.

    Args:
        needs: of every training run that differs.
        processes: how many GPUs share a batch, which they can (`can_share`).
    """
    common = gcd(*(need.batch for need in needs))
    most = max(parts for parts in range(1, common + 1) if not common % (parts * processes))
    return min(
        (_proposal(needs, most, recompute, processes) for recompute in (False, True)),
        key=lambda proposal: proposal.bytes,
    )


def _proposal(needs: Sequence[Need], accumulate: int, recompute: bool, processes: int) -> Proposal:
    taken = {
        need.name: need.lines[recompute].of(need.batch / (accumulate * processes))
        + (need.shared if processes > 1 else 0)
        for need in needs
    }
    largest = max(taken, key=taken.__getitem__)
    return Proposal(accumulate, recompute, processes, largest, taken[largest])
