"""A network in training on one batch that stays on the device, as it is built or varied."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch

from rgmp.data.loader import Samples
from rgmp.data.sample import Sample
from rgmp.model.network import RGMP
from rgmp.provenance.machine import peak_device_memory
from rgmp.runtime.distributed import ALONE
from rgmp.runtime.precision import rounding
from rgmp.runtime.precisions import Precision
from rgmp.runtime.timers import seconds_of
from rgmp.selftest.bench import Bench
from rgmp.selftest.training_jobs import in_precision
from rgmp.training.job import TrainingJob
from rgmp.training.update import Update

When = Literal["first", "last"]
"""Which steps of a stage: clips of stage 2 grow, so that its last steps are the longest."""


class Variation(NamedTuple):
    """Something that may make training faster or smaller, on top of what is built or without it.

    Attributes:
        name: of it.
        prepare: changes a network before it is trained, in place.
        fused: whether the optimiser is one kernel for all parameters.
        recompute: whether activations are computed again in the backward pass.
    """

    name: str
    prepare: Callable[[RGMP], None] = lambda _: None
    fused: bool = False
    recompute: bool = False


def _channels_first(network: RGMP) -> None:
    for parameter in network.parameters():
        parameter.data = parameter.data.contiguous()


def _compile(network: RGMP) -> None:
    network.reference = torch.compile(network.reference, dynamic=False)  # type: ignore[method-assign]
    network.heads = torch.compile(network.heads, dynamic=False)  # type: ignore[method-assign]


BUILT = Variation("as built")
VARIATIONS = (
    Variation("as built, once more"),
    Variation("channels first", prepare=_channels_first),
    Variation("fused optimiser", fused=True),
    Variation("recomputed activations", recompute=True),
)
COMPILED = Variation("torch.compile", prepare=_compile)


class TrainingRun:
    """A network in training on one batch, warmed up.

    Attributes:
        frames: of a clip.
        peak: bytes of a GPU that a step takes beside weights, optimiser and batch; elsewhere none.
    """

    def __init__(
        self,
        bench: Bench,
        job: TrainingJob,
        precision: Precision,
        variation: Variation = BUILT,
        when: When = "last",
    ) -> None:
        """Make the network and its batch, and take two steps."""
        job, self._precision = in_precision(job, precision), precision
        if variation.recompute:
            machine = job.machine.model_copy(update={"recompute_activations": True})
            job = job.model_copy(update={"machine": machine})
        torch.manual_seed(job.seed)
        network = RGMP(job.network).train()
        network = network.to(bench.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        variation.prepare(network)
        self._update, self._device, self._step = Update(network, job, ALONE), bench.device, 0
        if variation.fused:
            for group in self._update.optimiser.param_groups:
                group["fused"], group["foreach"] = True, False
        samples = Samples(job.data, job.settings, job.seed, job.machine.decoded_megabytes)
        number = job.settings.steps - 1 if when == "last" else 0
        drawn = samples.of_step(number, job.settings.batch)
        self._batch = Sample(*(tensor.to(bench.device) for tensor in drawn))
        self.frames = int(self._batch.frames.shape[1])
        self.take_steps(1)  # here cuDNN chooses its algorithms, which takes more memory
        self.peak = self._peak_of_a_step()

    def _peak_of_a_step(self) -> int:
        if self._device.type != "cuda":
            self.take_steps(1)
            return 0
        torch.cuda.synchronize(self._device)
        torch.cuda.reset_peak_memory_stats(self._device)
        before = torch.cuda.memory_allocated(self._device)
        self.take_steps(1)
        torch.cuda.synchronize(self._device)
        return peak_device_memory() - before

    def take_steps(self, count: int) -> None:
        """Train on the batch so many times."""
        with rounding(self._precision):
            for _ in range(count):
                self._update(self._step, [self._batch])
                self._step += 1

    def seconds(self, steps: int) -> float:
        """Seconds of a step, over so many, after one that is not counted."""
        self.take_steps(1)
        return seconds_of(lambda: self.take_steps(steps), self._device) / steps
