"""Two runs bit for bit with deterministic algorithms, and what those cost.

Jobs on a GPU do not ask for them (`rgmp.runtime.device`): this says what that saves, and whether
the bits would be the same.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rgmp.config.method import Inference
from rgmp.inference.multiscale import Passes
from rgmp.inference.timing_statistics import ratio
from rgmp.runtime.timers import seconds_of
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Condition, Finding, required
from rgmp.selftest.scenes import discs, random_network, video
from rgmp.selftest.steps import Steps, on, repeatable, settle

_STEPS = 4
"""Training steps, or frames, of a run whose bits are compared."""
_ROUNDS = 7
_OBJECTS = 2


def section(bench: Bench) -> Iterator[Finding]:
    """Compare the bits of two runs with and without, then time both in turn."""
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # read when cuBLAS is first used
    for work, run in (("training steps", _train), ("inference", _segment)):
        with repeatable(bench) as noted:
            yield required("same bits twice", _how(work, True), _same(run(bench), run(bench)))
        said = {str(warning.message) for warning in noted}
        without = sorted(text.partition(" ")[0] for text in said if "deterministic" in text)
        yield Finding(
            "operations without a deterministic algorithm",
            {"of": work},
            ", ".join(without) or "none",
        )
        settle(bench, deterministic=False)
        yield Finding("same bits twice", _how(work, False), _same(run(bench), run(bench)))
    yield from _costs(bench)


def _how(work: str, deterministic: bool) -> dict[str, Condition]:
    return {"of": work, "algorithms": "deterministic" if deterministic else "fastest"}


def _same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, other[key]) for key, value in one.items())


def _train(bench: Bench) -> dict[str, Tensor]:
    """The weights after some steps."""
    steps = Steps(bench, on(bench))
    for _ in range(_STEPS):
        steps.step()
    return steps.weights()


def _segment(bench: Bench) -> dict[str, Tensor]:
    """The probabilities after some frames, each with those of the one before."""
    frame = _Frames(bench)
    for _ in range(_STEPS):
        frame()
    return {"probabilities": frame.masks}


class _Frames:
    """A video that is segmented frame by frame, without a CUDA graph."""

    def __init__(self, bench: Bench) -> None:
        size = on(bench)
        self._passes = Passes(random_network(size.network, bench.seed), Inference(), bench.device)
        pixels = np.stack(video(1, size.height, size.width, bench.seed))
        self._frame = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(bench.device).float() / 255
        labels = torch.from_numpy(discs(_OBJECTS, size.height, size.width)).to(bench.device)
        self.masks = torch.stack([(labels == i + 1).float() for i in range(_OBJECTS)])
        with torch.inference_mode():
            self._references = self._passes.references(self._frame, self.masks[:, None])

    @torch.inference_mode()
    def __call__(self) -> None:
        """Segment the next frame."""
        self.masks, self._references = self._passes.foreground(
            self._frame, self.masks[:, None], self._references
        )


def _costs(bench: Bench) -> Iterator[Finding]:
    """How many times as long a step takes with deterministic algorithms, both taking turns."""
    makers: dict[str, Callable[[], Callable[[], Any]]] = {
        "training steps": lambda: Steps(bench, on(bench)).step,
        "inference": lambda: _Frames(bench),
    }
    for work, make in makers.items():
        seconds: dict[bool, list[float]] = {True: [], False: []}
        steps = {deterministic: make() for deterministic in seconds}
        for round_ in range(_ROUNDS + 1):  # the first one warms up
            for deterministic in (True, False) if round_ % 2 else (False, True):
                settle(bench, deterministic=deterministic)
                took = _seconds(bench, steps[deterministic])
                if round_:
                    seconds[deterministic].append(took)
        slow, fast = (np.array(seconds[deterministic]) for deterministic in (True, False))
        times, low, high = ratio(fast, slow)
        settle(bench, deterministic=False)
        yield Finding(
            "a step with the fastest algorithms", {"of": work}, float(np.median(fast)), "s"
        )
        yield Finding("deterministic, times as long", {"of": work}, times, "", low, high)


def _seconds(bench: Bench, step: Callable[[], Any]) -> float:
    """Seconds of a step: the mean of two, after one in the same settings."""
    step()
    return seconds_of(lambda: (step(), step()), bench.device) / 2
