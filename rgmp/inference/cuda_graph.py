"""A step captured as a CUDA graph: one launch instead of a thousand, for fixed shapes."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from rgmp.model.network import Reference

StepFunction = Callable[
    [Tensor, Tensor, Sequence[Reference]], tuple[Tensor, Tensor, Sequence[Reference]]
]
"""Maps a frame, soft masks and references to the next soft masks, labels and references."""

_WARM_UPS = 3
"""Runs before the capture, in which cuDNN chooses its algorithms; it cannot during capture."""


class Graph:
    """A captured step for one shape. Each call overwrites the results of the previous one."""

    def __init__(
        self,
        step: StepFunction,
        frame: Tensor,
        soft: Tensor,
        references: Sequence[Reference],
        pool: Any,
    ) -> None:
        """Capture the step on these arguments.

        Graphs of one `pool`, from `torch.cuda.graph_pool_handle`, share memory, so a video must use
        only one of them at a time.

        Raises:
            RuntimeError: it cannot be captured, or does not fit in memory.
        """
        frame, soft = frame.clone(), soft.clone()
        references = [None if r is None else (r[0].clone(), r[1].clone()) for r in references]
        self._inputs = _tensors(frame, soft, references)
        aside = torch.cuda.Stream(frame.device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(frame.device))
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UPS):
                step(frame, soft, references)
        torch.cuda.current_stream(frame.device).wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool, capture_error_mode="thread_local"):
            self._outputs = step(frame, soft, references)

    def __call__(
        self, frame: Tensor, soft: Tensor, references: Sequence[Reference]
    ) -> tuple[Tensor, Tensor, Sequence[Reference]]:
        """Replay the step on new values."""
        for own, given in zip(self._inputs, _tensors(frame, soft, references), strict=True):
            own.copy_(given, non_blocking=True)
        self._graph.replay()
        return self._outputs


def _tensors(frame: Tensor, soft: Tensor, references: Sequence[Reference]) -> list[Tensor]:
    return [frame, soft, *(share for r in references if r is not None for share in r)]
