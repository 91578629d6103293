"""One training step: the gradients of a batch, shared or in parts, and the optimiser."""

from collections.abc import Iterator

import torch
from torch import Tensor

from rgmp.config.method import Finetune, Optimisation
from rgmp.data.sample import Sample
from rgmp.model.network import RGMP
from rgmp.runtime import precision
from rgmp.runtime.distributed import Team, accumulating
from rgmp.training.job import TrainingJob
from rgmp.training.schedule import learning_rate
from rgmp.training.unroll import NextWindow, Unrolling, unroll, windows


class Update:
    """Takes the optimiser step or steps of a batch."""

    def __init__(self, network: RGMP, job: TrainingJob, team: Team) -> None:
        """Train `network` in place, according to the job's settings."""
        settings = job.settings
        self._settings, self._network, self._team = settings, network, team
        device = next(network.parameters()).device
        asked = job.compute.precision
        self.precision = precision.choose(asked, device, training=True, warns=team.leads)
        self.parts = job.compute.accumulate
        self._how = Unrolling(
            coarse_loss=settings.coarse_loss, recompute=job.machine.recompute_activations
        )
        if isinstance(settings, Finetune):
            self._how = self._how._replace(bptt=settings.bptt, window=settings.frames_per_update)
        self._next_window = team.replica(NextWindow(network))
        self._learning = [p for p in network.parameters() if p.requires_grad]
        self.optimiser = make_optimiser(self._learning, settings)

    def __call__(self, step: int, parts: list[Sample]) -> Tensor:
        """Learn from a batch.

        Returns:
            Loss, mean intersection over union, and gradient norm: (3,), on the device.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self._settings, step)
        device = parts[0].frames.device.type
        clips = [unroll(self._network, part, self._how) for part in parts]
        outcomes = []
        for _ in windows(parts[0].frames.shape[1], self._how.window):
            self.optimiser.zero_grad(set_to_none=True)
            with accumulating(self._next_window):
                measured = [self._learn(clip, device, len(clips)) for clip in clips[:-1]]
            measured.append(self._learn(clips[-1], device, len(clips)))
            norm = torch.nn.utils.clip_grad_norm_(self._learning, self._settings.clip_gradient)
            self.optimiser.step()
            outcomes.append(torch.cat([torch.stack(measured).mean(dim=0), norm[None]]))
        return self._team.mean(torch.stack(outcomes).mean(dim=0))

    def _learn(self, clip: Iterator[tuple[Tensor, Tensor]], device: str, parts: int) -> Tensor:
        """Add the gradient of a part's next window; its loss and intersection over union: (2,)."""
        with torch.autocast(device, torch.bfloat16, enabled=self.precision == "bf16"):
            loss, quality = self._next_window(clip)
        (loss / parts).backward()
        return torch.stack([loss.detach(), quality])


def make_optimiser(
    learning: list[torch.nn.Parameter], settings: Optimisation
) -> torch.optim.Optimizer:
    """The optimiser of the settings; its learning rate is set at every step."""
    rate, momentum, decay = settings.learning_rate, settings.momentum, settings.weight_decay
    if settings.optimiser == "sgd":
        return torch.optim.SGD(learning, rate, momentum, weight_decay=decay)
    kind = torch.optim.Adam if settings.optimiser == "adam" else torch.optim.AdamW
    return kind(learning, rate, (momentum, 0.999), weight_decay=decay)
