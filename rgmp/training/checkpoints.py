"""What a training leaves on the disk while it runs: its curve, and states from which it resumes."""

import hashlib
import io
import json
import math
import pickle
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple, cast
from zipfile import BadZipFile

import torch
from torch import Tensor

from rgmp.config.study import Optimisation
from rgmp.errors import UserError
from rgmp.model.network import RGMP
from rgmp.runtime.files import appearing, write_text

_LOGGED_POINTS = 100
_POLY_POWER = 0.9


def learning_rate(settings: Optimisation, step: int) -> float:
    """From `learning_rate` at step 0 to `final_learning_rate` at the last, as scheduled."""
    high, low = settings.learning_rate, settings.final_learning_rate
    share = step / max(settings.steps - 1, 1)
    if settings.schedule == "constant":
        return high
    if settings.schedule == "poly":
        return low + (high - low) * math.pow(1 - share, _POLY_POWER)
    return low + (high - low) * (1 + math.cos(math.pi * share)) / 2


class Point(NamedTuple):
    """One line of metrics.jsonl: means over an interval of steps."""

    step: int
    loss: float
    J: float
    learning_rate: float
    samples_per_second: float
    seconds: float
    gradient_norm: float
    waiting: float  # share of the time in which the training stood still for data


class Step(NamedTuple):
    """What a step measured."""

    loss: float
    J: float
    gradient_norm: float
    waited: float  # seconds


class Journal:
    """The training's curve: means over intervals of steps, about a hundred points."""

    def __init__(
        self, path: Path | None, settings: Optimisation, identity_of: Callable[[int], str]
    ) -> None:
        """Write to `path`, if there is one; `identity_of` names the samples of a step."""
        self._path, self._settings, self._identity_of = path, settings, identity_of
        self._every = max(settings.steps // _LOGGED_POINTS, 1)
        self._points: list[Point] = []
        self._pending: list[Step] = []
        self._held: tuple[int, Tensor, float] | None = None
        self._clock, self._spent, self._waited = time.monotonic(), 0.0, 0.0
        self.loss = math.nan

    def add(self, step: int, outcome: Tensor, waited: float) -> None:
        """Note a step; it is read when the next is added, so that no GPU waits for the reading.

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
        """Read the step that was added last.

        Raises:
            UserError: its loss or its gradient is not finite.
        """
        if self._held is None:
            return
        step, outcome, waited = self._held
        self._held = None
        loss, quality, norm = outcome.tolist()
        measured = Step(loss, quality, norm, waited)
        if not math.isfinite(measured.loss + measured.gradient_norm):
            raise UserError(
                f"the loss or its gradient is not finite at step {step} "
                f"({self._identity_of(step)}); nothing was written over good weights; lower the "
                "learning rate or look at the data"
            )
        self._pending.append(measured)
        if (step + 1) % self._every == 0 or step + 1 == self._settings.steps:
            self._close(step)

    def _close(self, step: int) -> None:
        """Make a point of the steps since the one before."""
        losses, qualities, norms, waits = zip(*self._pending, strict=True)
        before = self._points[-1].seconds if self._points else 0.0
        took = max(self._tick() - before, 1e-9)
        self._waited += sum(waits)
        self._points.append(
            Point(
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
        """Seconds of all attempts until now."""
        now = time.monotonic()
        self._spent, self._clock = self._spent + now - self._clock, now
        return self._spent

    def write(self) -> None:
        """Write every point so far, whole or not at all."""
        if self._path is not None:
            lines = [json.dumps(point._asdict()) + "\n" for point in self._points]
            write_text(self._path, "".join(lines))

    def state(self) -> dict[str, Any]:
        """What a resumed training needs, plain values only.

        Raises:
            UserError: as `settle`; a state that is not finite is not saved.
        """
        self.settle()
        return {
            "points": [tuple(p) for p in self._points],
            "pending": [tuple(step) for step in self._pending],
            "waited": self._waited,
            "seconds": self._tick(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self._points = [Point(*p) for p in state["points"]]
        self._pending = [Step(*step) for step in state["pending"]]
        self._waited, self._spent = state["waited"], state["seconds"]
        self._clock = time.monotonic()

    def summary(self) -> dict[str, float]:
        """Numbers for the record: the last point's, and time and waiting of all attempts."""
        last, samples = self._points[-1], self._settings.steps * self._settings.batch
        return {
            "steps": self._settings.steps,
            "samples": samples,
            "final_loss": last.loss,
            "final_J": last.J,
            "seconds": self._spent,
            "samples_per_second": samples / self._spent,
            "waiting": self._waited / self._spent,
        }


class Attempts:
    """States from which a killed training resumes: the last two, each named by its own digest."""

    def __init__(self, folder: Path, identity: str) -> None:
        """Keep the states of the training `identity` in `folder`."""
        self._folder, self._identity = folder, identity

    def save(
        self, step: int, network: RGMP, optimiser: torch.optim.Optimizer, journal: Journal
    ) -> None:
        """Save the state after `step` steps; remove all but the one before it.

        Raises:
            UserError: there is no room; the states before stay usable.
        """
        state = {
            "identity": self._identity,
            "step": step,
            "network": network.state_dict(),
            "optimiser": optimiser.state_dict(),
            "journal": journal.state(),
        }
        buffer = io.BytesIO()  # written to a full disk, torch.save would raise no OSError
        torch.save(state, buffer)
        with appearing(self._folder / f"{step:08d}-{_digest(buffer.getbuffer())}.pt") as temporary:
            temporary.write_bytes(buffer.getbuffer())
        for old in self._states()[:-2]:
            old.unlink()

    def resume(self, network: RGMP, optimiser: torch.optim.Optimizer, journal: Journal) -> int:
        """Load the latest whole state, if there is one; the number of steps it has behind it."""
        for unfinished in self._folder.glob(".*"):
            shutil.rmtree(unfinished)
        for path in reversed(self._states()):
            state = self._read(path)
            if state is None:
                print(f"{path}: is damaged; trying the one before", file=sys.stderr)
                path.unlink()
                continue
            network.load_state_dict(state["network"])
            optimiser.load_state_dict(state["optimiser"])
            journal.restore(state["journal"])
            print(f"resuming after step {state['step']}", file=sys.stderr)
            return int(state["step"])
        return 0

    def clear(self) -> None:
        """Remove all states: the training has ended."""
        if self._folder.is_dir():
            shutil.rmtree(self._folder)

    def _states(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*-*.pt"))

    def _read(self, path: Path) -> dict[str, Any] | None:
        broken = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, BadZipFile)
        if path.stem.partition("-")[2] != _digest(path.read_bytes()):
            return None
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except broken:
            return None
        return cast("dict[str, Any]", state) if state["identity"] == self._identity else None


def _digest(state: bytes | memoryview) -> str:
    return hashlib.sha256(state).hexdigest()[:16]
