"""The training curve: metrics of the steps, reduced to about a hundred points on disk."""

import json
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from torch import Tensor

from rgmp.config.method import Optimisation
from rgmp.errors import UserError
from rgmp.runtime.files import write_text
from rgmp.training.schedule import learning_rate

_LOGGED_POINTS = 100


class CurvePoint(NamedTuple):
    """One line of metrics.jsonl: means over an interval of steps."""

    step: int
    loss: float
    J: float
    learning_rate: float
    samples_per_second: float
    seconds: float
    gradient_norm: float
    waiting: float  # share of the time spent waiting for data


class StepMetrics(NamedTuple):
    """The metrics of a step."""

    loss: float
    J: float
    gradient_norm: float
    waited: float  # seconds


class Journal:
    """The training curve: means over intervals of steps, about a hundred points.

    Attributes:
        processors: what the steps were computed on, by all attempts and processes.
    """

    def __init__(
        self,
        path: Path | None,
        settings: Optimisation,
        identity_of: Callable[[int], str],
        processors: Iterable[str],
    ) -> None:
        """Begin a training run.

        Args:
            path: of the curve's file; None: it is not written.
            settings: of the stage.
            identity_of: describes the samples of a step.
            processors: that this attempt runs on (`processor_here`).
        """
        self._path, self._settings, self._identity_of = path, settings, identity_of
        self.processors = {*processors}
        self._every = max(settings.steps // _LOGGED_POINTS, 1)
        self._points: list[CurvePoint] = []
        self._pending: list[StepMetrics] = []
        self._held: tuple[int, Tensor, float] | None = None
        self._clock, self._spent, self._waited = time.monotonic(), 0.0, 0.0
        self.loss = math.nan

    def add(self, step: int, outcome: Tensor, waited: float) -> None:
        """Add a step; its outcome is read when the next is added, so that a GPU need not wait.

        Args:
            step: from 0.
            outcome: loss, mean intersection over union, norm of the gradient.
            waited: seconds for data.

        Raises:
            UserError: as `settle`.
        """
        self.settle()
        self._held = step, outcome, waited
        if step + 1 == self._settings.steps:
            self.settle()

    def settle(self) -> None:
        """Read the outcome of the last step added.

        Raises:
            UserError: its loss or its gradient is not finite.
        """
        if self._held is None:
            return
        step, outcome, waited = self._held
        self._held = None
        loss, quality, norm = outcome.tolist()
        measured = StepMetrics(loss, quality, norm, waited)
        if not math.isfinite(measured.loss + measured.gradient_norm):
            raise UserError(
                f"the loss or its gradient is not finite at step {step} "
                f"({self._identity_of(step)}); earlier weights are unchanged; lower the "
                "learning rate or inspect the data"
            )
        self._pending.append(measured)
        if (step + 1) % self._every == 0 or step + 1 == self._settings.steps:
            self._close(step)

    def _close(self, step: int) -> None:
        """Add a point for the steps since the previous one."""
        losses, qualities, norms, waits = zip(*self._pending, strict=True)
        before = self._points[-1].seconds if self._points else 0.0
        took = max(self._tick() - before, 1e-9)
        self._waited += sum(waits)
        self._points.append(
            CurvePoint(
                step=step + 1,
                loss=fmean(losses),
                J=fmean(qualities),
                learning_rate=learning_rate(self._settings, step),
                samples_per_second=len(self._pending) * self._settings.batch / took,
                seconds=self._spent,
                gradient_norm=fmean(norms),
                waiting=sum(waits) / took,
            )
        )
        self._pending.clear()
        self.loss = self._points[-1].loss
        self.write()

    def _tick(self) -> float:
        """Seconds of all attempts so far."""
        now = time.monotonic()
        self._spent, self._clock = self._spent + now - self._clock, now
        return self._spent

    def write(self) -> None:
        """Write every point so far, atomically."""
        if self._path is not None:
            lines = [json.dumps(point._asdict()) + "\n" for point in self._points]
            write_text(self._path, "".join(lines))

    def state(self) -> dict[str, Any]:
        """The state for resuming, plain values only.

        Raises:
            UserError: as `settle`; a non-finite state is not saved.
        """
        self.settle()
        return {
            "points": [tuple(p) for p in self._points],
            "pending": [tuple(step) for step in self._pending],
            "waited": self._waited,
            "seconds": self._tick(),
            "processors": sorted(self.processors),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a `state`."""
        self._points = [CurvePoint(*p) for p in state["points"]]
        self._pending = [StepMetrics(*step) for step in state["pending"]]
        self._waited, self._spent = state["waited"], state["seconds"]
        self.processors |= {*state.get("processors", ())}  # earlier checkpoints do not say
        self._clock = time.monotonic()

    def summary(self) -> dict[str, float | str]:
        """For the record: the last point; time, waiting and processors of all attempts."""
        last, samples = self._points[-1], self._settings.steps * self._settings.batch
        return {
            "steps": self._settings.steps,
            "samples": samples,
            "final_loss": last.loss,
            "final_J": last.J,
            "seconds": self._spent,
            "samples_per_second": samples / self._spent,
            "waiting": self._waited / self._spent,
            "processors": "; ".join(sorted(self.processors)),
        }
