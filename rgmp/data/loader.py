"""Training samples of either stage, by index, and batches of them.

Each sample has its own random state, derived from (seed, stage, step, index), so that order,
workers, processes and interruptions cannot change it.
"""

import signal
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from rgmp.config.base import STAGES, Stage
from rgmp.config.method import Finetune, Pretrain
from rgmp.data.clips import Clips
from rgmp.data.decoding import Decoded
from rgmp.data.pairs import Pairs
from rgmp.data.roots import DataRoots
from rgmp.data.sample import Sample
from rgmp.data.stills import find_stills
from rgmp.data.videos import Videos
from rgmp.errors import UserError
from rgmp.runtime.distributed import ALONE, Team
from rgmp.runtime.signals import STOPPING

PREFETCHED = 4
"""Batches that each loading process draws ahead."""


class Batch(NamedTuple):
    """The share of a step that one process computes.

    Attributes:
        step: from 0.
        parts: stacked samples, one element per accumulation part.
        waited: seconds spent waiting for them.
    """

    step: int
    parts: list[Sample]
    waited: float


class Samples(Dataset[Sample | UserError]):
    """The samples of a training run; sample i is number i % batch of step i // batch."""

    def __init__(
        self, data: DataRoots, settings: Pretrain | Finetune, seed: int, megabytes: int
    ) -> None:
        """Open the data.

        Args:
            data: paths of the data.
            settings: of the stage.
            seed: of the training run.
            megabytes: cache limit of decoded files per process (MiB).

        Raises:
            UserError: they cannot be used.
        """
        self._settings, self._seed = settings, seed
        self._stage: Stage = "pretrain" if isinstance(settings, Pretrain) else "finetune"
        self._source = _source(data, settings, megabytes)

    def __getitem__(self, numbers: Sequence[int]) -> Sample | UserError:
        """A batch of samples, all of one step; or why it cannot be drawn.

        That is returned, since `DataLoader` puts a worker's whole traceback into what it raises.
        """
        steps, indices = np.divmod(numbers, self._settings.batch)
        try:
            return self._draw(int(steps[0]), indices.tolist())
        except UserError as error:
            return error

    def batches(
        self,
        first: int,
        device: torch.device,
        workers: int = 0,
        parts: int = 1,
        team: Team = ALONE,
    ) -> Generator[Batch, None, None]:
        """Yield the steps from `first` on, with this process's share of each batch on the device.

        Args:
            first: the first step.
            device: where the batches go.
            workers: processes that draw samples; 0: this one.
            parts: into how many parts the share is split.
            team: the processes that share a batch, round robin.

        Raises:
            UserError: the batch cannot be shared evenly, or a file cannot be used.
        """
        size, shares = self._settings.batch, parts * team.size
        if size % shares:
            raise UserError(
                f"{self._stage}: a batch of {size} samples cannot be shared evenly by {team.size} "
                f"processes in {parts} parts each; start another number of processes"
            )
        steps = range(first, self._settings.steps)
        numbers = (
            list(range(step * size + team.rank + part * team.size, (step + 1) * size, shares))
            for step in steps
            for part in range(parts)
        )
        loader: DataLoader[Sample | UserError] = DataLoader(
            self,
            sampler=numbers,  # a batch each
            batch_size=None,
            num_workers=workers,
            pin_memory=device.type == "cuda",
            prefetch_factor=PREFETCHED if workers else None,
            worker_init_fn=_leave_signals_to_the_training,
        )
        drawn = iter(loader)
        try:
            for step in steps:
                begun = time.perf_counter()
                batch = [_usable(next(drawn)) for _ in range(parts)]
                waited = time.perf_counter() - begun
                yield Batch(step, [_moved(sample, device) for sample in batch], waited)
        finally:
            # its processes end now, not when an error that holds this frame is collected: at the
            # end of this process they would be asked by SIGTERM, which they ignore
            del drawn

    def of_step(self, step: int, count: int) -> Sample:
        """The first `count` samples of a step, drawn beyond its batch if that is smaller."""
        return self._draw(step, range(count))

    def _draw(self, step: int, indices: Iterable[int]) -> Sample:
        stage = STAGES.index(self._stage)
        states = [np.random.default_rng([self._seed, stage, step, index]) for index in indices]
        with _one_thread():
            return self._source.draw(states, step)

    def identity_of(self, step: int) -> str:
        """The samples of a step in words, so that they can be drawn again."""
        return (
            f"seed {self._seed}, {self._stage}, step {step}, samples 0-{self._settings.batch - 1}"
        )


def _usable(drawn: Sample | UserError) -> Sample:
    if isinstance(drawn, UserError):
        raise drawn
    return drawn


def _moved(sample: Sample, device: torch.device) -> Sample:
    return Sample(*(tensor.to(device, non_blocking=True) for tensor in sample))


def _source(data: DataRoots, settings: Pretrain | Finetune, megabytes: int) -> Pairs | Clips:
    """The sampler of a stage, with its cache limit for decoded files (MiB)."""
    if isinstance(settings, Pretrain):
        return Pairs(find_stills(data.stills), settings, Decoded(megabytes))
    sequences = Videos.of(data, settings.benchmark, "train").open()
    for sequence in sequences:
        sequence.require_annotated("stage 2", scored=False)
    return Clips(sequences, settings, Decoded(megabytes))


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread, as in the loader's workers: sums over more would have other last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _leave_signals_to_the_training(_: int) -> None:
    """Ignore signals sent to the whole job: the step in progress still needs the workers."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
