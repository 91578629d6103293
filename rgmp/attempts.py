"""What a training leaves on the disk while it runs: its curve, and states from which it resumes."""

import hashlib
import io
import json
import math
import pickle
import shutil
import sys
import time
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple, cast
from zipfile import BadZipFile

import torch
from torch import Tensor

from rgmp.config import Optimisation
from rgmp.files import appearing, write_text
from rgmp.network import RGMP

_LOGGED_POINTS = 100


def learning_rate(settings: Optimisation, step: int) -> float:
    """Cosine from `learning_rate` at step 0 to `final_learning_rate` at the last."""
    share = step / max(settings.steps - 1, 1)
    high, low = settings.learning_rate, settings.final_learning_rate
    return low + (high - low) * (1 + math.cos(math.pi * share)) / 2


class Point(NamedTuple):
    """One line of metrics.jsonl."""

    step: int
    loss: float
    J: float
    learning_rate: float
    samples_per_second: float
    seconds: float


class Journal:
    """The training's curve: means over intervals of steps, about a hundred points."""

    def __init__(self, path: Path, settings: Optimisation) -> None:
        """Write to `path`."""
        self._path, self._settings = path, settings
        self._every = max(settings.steps // _LOGGED_POINTS, 1)
        self._points: list[Point] = []
        self._pending: list[tuple[Tensor | float, Tensor | float]] = []
        self._clock, self._spent = time.monotonic(), 0.0
        self.loss = math.nan

    def add(self, step: int, loss: Tensor, quality: Tensor) -> None:
        """Note a step; they stay on the device until a point is due."""
        self._pending.append((loss.detach(), quality))
        last = step + 1 == self._settings.steps
        if (step + 1) % self._every and not last:
            return
        losses, qualities = (fmean(map(float, t)) for t in zip(*self._pending, strict=True))
        self._spent += time.monotonic() - self._clock
        self._clock = time.monotonic()
        before = self._points[-1].seconds if self._points else 0.0
        samples = len(self._pending) * self._settings.batch
        rate = samples / max(self._spent - before, 1e-9)
        lr = learning_rate(self._settings, step)
        self._points.append(Point(step + 1, losses, qualities, lr, rate, self._spent))
        self._pending.clear()
        self.loss = losses
        self.write()

    def write(self) -> None:
        """Write every point so far, whole or not at all."""
        lines = [json.dumps(point._asdict()) + "\n" for point in self._points]
        write_text(self._path, "".join(lines))

    def state(self) -> dict[str, Any]:
        """What a resumed training needs, plain values only."""
        self._spent += time.monotonic() - self._clock
        self._clock = time.monotonic()
        pending = [(float(loss), float(quality)) for loss, quality in self._pending]
        return {"points": [tuple(p) for p in self._points], "pending": pending, "s": self._spent}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self._points = [Point(*p) for p in state["points"]]
        self._pending = list(state["pending"])
        self._spent, self._clock = state["s"], time.monotonic()

    def summary(self) -> dict[str, float]:
        """Numbers for the record."""
        last = self._points[-1]
        return {
            "steps": self._settings.steps,
            "samples": self._settings.steps * self._settings.batch,
            "final_loss": last.loss,
            "final_J": last.J,
            "seconds": self._spent,
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
