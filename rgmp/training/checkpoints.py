"""The checkpoints from which a killed training run resumes.

Another process may keep checkpoints of the same run in the same folder, if it took this one for
dead (`rgmp.runtime.locks.alone_in`). Both reach the same bits on one type of processor: a
checkpoint of the one is as good as the other's, so what the other has removed is not missed.
"""

import hashlib
import io
import pickle
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile

import torch

from rgmp.model.network import RGMP
from rgmp.runtime.distributed import ALONE, Team
from rgmp.runtime.files import atomic_path
from rgmp.training.journal import Journal


class Checkpoints:
    """The last two checkpoints of a training run, each named by its own digest."""

    def __init__(self, folder: Path, identity: str) -> None:
        """Keep the states of the training run `identity` in `folder`."""
        self._folder, self._identity = folder, identity

    def save(
        self,
        step: int,
        network: RGMP,
        optimiser: torch.optim.Optimizer,
        journal: Journal,
        average: RGMP | None = None,
    ) -> None:
        """Save the state after `step` steps; remove all but the previous one.

        An `average` of the weights, if there is one, is part of it.

        Raises:
            UserError: the disk is full; the previous states stay usable.
        """
        state = {
            "identity": self._identity,
            "step": step,
            "network": network.state_dict(),
            "optimiser": optimiser.state_dict(),
            "journal": journal.state(),
        }
        if average is not None:
            state["average"] = average.state_dict()
        buffer = io.BytesIO()  # torch.save to a full disk raises no OSError
        torch.save(state, buffer)
        path = self._folder / f"{step:08d}-{_digest(buffer.getbuffer())}.pt"
        with suppress(FileNotFoundError), atomic_path(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())
        for old in self._states()[:-2]:
            old.unlink(missing_ok=True)

    def resume(
        self,
        network: RGMP,
        optimiser: torch.optim.Optimizer,
        journal: Journal,
        average: RGMP | None = None,
        team: Team = ALONE,
    ) -> int:
        """Load the latest intact state, if any, and return its number of completed steps.

        The leader of a team reads it and sends it to the others: on a shared disk, a new file may
        show later on one machine than on another.
        """
        state = team.share(self._latest() if team.leads else None)
        if state is None:
            return 0
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        journal.restore(state["journal"])
        if average is not None:
            average.load_state_dict(state["average"])
        return int(state["step"])

    def _latest(self) -> dict[str, Any] | None:
        """The latest intact state; damaged and unfinished ones are removed."""
        for unfinished in self._folder.glob(".*"):
            shutil.rmtree(unfinished, ignore_errors=True)  # NFS hides files there that are open
        for path in reversed(self._states()):
            state = self._read(path)
            if state is not None:
                print(f"resuming after step {state['step']}", file=sys.stderr)
                return state
            print(f"{path}: damaged checkpoint; trying the previous one", file=sys.stderr)
            path.unlink(missing_ok=True)
        return None

    def clear(self) -> None:
        """Remove all states, after training has ended."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _states(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*-*.pt"))

    def _read(self, path: Path) -> dict[str, Any] | None:
        broken = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, BadZipFile)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        if path.stem.partition("-")[2] != _digest(content):
            return None
        try:
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except broken:
            return None
        return cast("dict[str, Any]", state) if state["identity"] == self._identity else None


def _digest(state: bytes | memoryview) -> str:
    return hashlib.sha256(state).hexdigest()[:16]
