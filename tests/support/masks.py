"""Random masks, and how boundaries are matched, by its definition."""

from math import ceil, hypot

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rgmp.evaluation.measures import Mask

SHAPES = st.tuples(st.integers(1, 24), st.integers(1, 24))


@st.composite
def pairs_of_masks(draw: st.DrawFn) -> tuple[Mask, Mask]:
    """Two masks of one shape, each speckled or of a few rectangles, the second maybe the first."""
    shape = draw(SHAPES)
    first = draw(st.one_of(arrays(bool, shape), rectangles(shape)))
    return first, draw(st.one_of(arrays(bool, shape), rectangles(shape), st.just(first.copy())))


@st.composite
def rectangles(draw: st.DrawFn, shape: tuple[int, int]) -> Mask:
    mask = np.zeros(shape, dtype=bool)
    for _ in range(draw(st.integers(0, 3))):
        rows, columns = (sorted(draw(st.tuples(*[st.integers(0, n)] * 2))) for n in shape)
        mask[slice(*rows), slice(*columns)] ^= True
    return mask


def plain_accuracy(
    true: npt.NDArray[np.int_], predicted: npt.NDArray[np.int_], shape: tuple[int, ...]
) -> float:
    """F of boundaries, (N, 2) pixels each, in a frame: the distances of all pairs of them."""
    if not true.size or not predicted.size:
        return float(true.size == predicted.size)
    squared = ((true[:, None] - predicted) ** 2).sum(axis=-1)
    near = squared <= ceil(0.008 * hypot(*shape)) ** 2
    recall, precision = near.any(axis=1).mean(), near.any(axis=0).mean()
    both = precision + recall
    return float(2 * precision * recall / both) if both else 0.0
