"""The loop of both stages: clips in, weights out; a killed one goes on to the same bits.

Source: paper sections 3.2 and 3.3, facts/rgmp.md "Training". Stage 1 is a clip of two frames with
a synthesised previous mask; stage 2 is a longer clip in which the network's own soft mask is fed
back, and the gradient with it (back-propagation through time).
"""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from rgmp import checkpoint, config, davis
from rgmp.attempts import Attempts, Journal, learning_rate
from rgmp.clips import Clips
from rgmp.config import Finetune, Optimisation, Pretrain
from rgmp.errors import UserError
from rgmp.files import digest_of
from rgmp.network import RGMP, calibrate
from rgmp.plan import Plan, Training
from rgmp.progress import Progress
from rgmp.synthesis import Decoded, Pairs, Sample, find_stills
from rgmp.views import IGNORE

_STAGES = ("pretrain", "finetune")
_CALIBRATION_BATCHES = 8


def train(plan: Plan, training: Training, folder: Path, device: torch.device) -> dict[str, float]:
    """Run one training to its end, from wherever an earlier attempt was stopped.

    Args:
        plan: the study's, for its data and its machine.
        training: of the plan.
        folder: of the study, `results/<study>`; weights.safetensors and metrics.jsonl appear in
            `folder / training.folder`.
        device: where to compute.

    Returns:
        Numbers for the record: steps, samples, final_loss, final_J, seconds of all attempts.

    Raises:
        UserError: the data or the weights to start from cannot be used, or the loss is not finite.
    """
    settings = _settings(training)
    source = _source(plan, settings)
    out = folder / training.folder
    samples = _Samples(source, settings, training.seed, training.stage)
    network = _start(plan, training, folder, samples).to(device).train()
    optimiser = torch.optim.Adam(
        [p for p in network.parameters() if p.requires_grad], lr=settings.learning_rate
    )
    attempts = Attempts(out / "checkpoints", training.identity)
    journal = Journal(out / "metrics.jsonl", settings)
    first = attempts.resume(network, optimiser, journal)
    progress = Progress(f"{training.stage} {training.slug}", "steps", settings.steps, first)
    bptt = settings.bptt if isinstance(settings, Finetune) else "none"
    bf16 = training.settings["compute"]["precision"] == "bf16"
    saved = time.monotonic()
    with _Stop() as stop:
        for step, batch in samples.batches(first, plan.machine.workers, device):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(settings, step)
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                loss, quality = clip_loss(network, batch, bptt)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            norm = torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip_gradient)
            _require_finite(loss, norm, step, samples)
            optimiser.step()
            journal.add(step, loss, quality)
            progress.at(step + 1, f"loss {journal.loss:.4f}")
            due = time.monotonic() - saved > plan.machine.checkpoint_seconds
            if step + 1 < settings.steps and (due or stop.asked):
                attempts.save(step + 1, network, optimiser, journal)
                saved = time.monotonic()
            if stop.asked and step + 1 < settings.steps:
                print(f"stopped by signal after step {step + 1}: saved", file=sys.stderr)
                sys.exit(128 + stop.asked)
    metadata = {"identity": training.identity, "stage": training.stage, "seed": str(training.seed)}
    journal.write()
    checkpoint.save(out / "weights.safetensors", network, metadata)
    attempts.clear()
    return journal.summary()


def clip_loss(network: RGMP, batch: Sample, bptt: Literal["full", "none"]) -> tuple[Tensor, Tensor]:
    """Segment a batch of clips frame after frame; the mean cross-entropy over frames and pixels.

    Args:
        network: in training mode.
        batch: frames float (B, T, 3, h, w), masks uint8 (B, T, h, w), guidance float (B, h, w).
        bptt: `full`: the soft prediction is the next previous mask, gradient and all; `none`: the
            true mask is.

    Returns:
        The loss, a scalar; and the mean intersection over union of the predictions at 0.5.
    """
    reference = network.reference(batch.frames[:, 0], (batch.masks[:, :1] == 1).float())
    previous = batch.guidance[:, None]
    losses, overlaps = [], []
    for t in range(1, batch.frames.shape[1]):
        truth = batch.masks[:, t]
        logits, reference = network(batch.frames[:, t], previous, reference)
        logits = logits.float()
        known = (truth != IGNORE).sum().clamp(min=1)
        summed = F.cross_entropy(logits, truth.long(), ignore_index=IGNORE, reduction="sum")
        losses.append(summed / known)
        probability = torch.softmax(logits, dim=1)[:, 1:]
        overlaps.append(overlap(probability.detach()[:, 0] > 0.5, truth))
        previous = probability if bptt == "full" else (truth[:, None] == 1).float()
    return torch.stack(losses).mean(), torch.stack(overlaps).mean()


def overlap(predicted: Tensor, truth: Tensor) -> Tensor:
    """Mean intersection over union of bool and uint8 masks (B, h, w); 1 where both are empty."""
    true, known = truth == 1, truth != IGNORE
    both = (predicted & true).sum(dim=(1, 2))
    either = ((predicted | true) & known).sum(dim=(1, 2))
    return torch.where(either > 0, both / either.clamp(min=1), 1.0).mean()


def _settings(training: Training) -> Pretrain | Finetune:
    values = training.settings[training.stage]
    return (Pretrain if training.stage == "pretrain" else Finetune).model_validate(values)


def _source(plan: Plan, settings: Pretrain | Finetune) -> Pairs | Clips:
    """What draws the samples of a stage."""
    data, decoded = plan.data, Decoded(plan.machine.decoded_megabytes)
    if isinstance(settings, Pretrain):
        return Pairs(find_stills(data.stills), settings, decoded)
    names = davis.read_split(data.davis, settings.benchmark, "train")
    sequences = [davis.open_sequence(data.davis, name, data.resolution) for name in names]
    for sequence in sequences:
        if len(sequence.annotations) != len(sequence.frames) or len(sequence.frames) < 2:
            raise UserError(
                f"{sequence.name}: has {len(sequence.annotations)} annotations for "
                f"{len(sequence.frames)} frames; stage 2 needs all of them and at least 2 frames"
            )
    return Clips(sequences, settings, decoded)


class _Samples(Dataset[Sample]):
    """The samples of a training; sample i is number i % batch of step i // batch.

    Each has its own random state from (seed, stage, step, index), so neither order nor workers nor
    interruptions can change it.
    """

    def __init__(
        self, source: Pairs | Clips, settings: Optimisation, seed: int, stage: config.Stage
    ) -> None:
        self._source, self._settings, self._seed, self._stage = source, settings, seed, stage

    def __getitem__(self, i: int) -> Sample:
        step, index = divmod(i, self._settings.batch)
        rng = np.random.default_rng([self._seed, _STAGES.index(self._stage), step, index])
        with _one_thread():
            return self._source.draw(rng, step)

    def batches(
        self, first: int, workers: int, device: torch.device
    ) -> Iterator[tuple[int, Sample]]:
        """Steps from `first` on, each with its batch on the device."""
        size = self._settings.batch
        steps = range(first, self._settings.steps)
        loader: DataLoader[Sample] = DataLoader(
            self,
            batch_sampler=(list(range(s * size, (s + 1) * size)) for s in steps),
            num_workers=workers,
            pin_memory=device.type == "cuda",
            prefetch_factor=4 if workers else None,
            worker_init_fn=_leave_signals_to_the_training,
        )
        for step, batch in zip(steps, loader, strict=True):
            yield step, Sample(*(t.to(device, non_blocking=True) for t in batch))

    def identity_of(self, step: int) -> str:
        """What to draw again to see the samples of a step."""
        return (
            f"seed {self._seed}, {self._stage}, step {step}, samples 0-{self._settings.batch - 1}"
        )


@contextmanager
def _one_thread() -> Iterator[None]:
    """As in a worker of the loader: sums over several threads would have other last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _leave_signals_to_the_training(_: int) -> None:
    """A signal sent to the whole job must not take the workers from a step that is to be saved."""
    for number in _Stop.SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _start(plan: Plan, training: Training, folder: Path, samples: _Samples) -> RGMP:
    """The network that a training starts from: its parent's, or a new one."""
    if training.parent is not None:
        parent = plan.training(training.parent)
        return checkpoint.load(folder / parent.folder / "weights.safetensors")[0]
    settings = config.Network.model_validate(training.settings["network"])
    # the same initial weights for every variant of a seed, so that they are compared in pairs
    torch.manual_seed(int(digest_of(["initial weights", training.seed])[:15], 16))
    network = RGMP(settings)
    norms = [m for m in network.encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    if settings.initial_weights is not None:
        norms, absent = checkpoint.load_imagenet(network, settings.initial_weights)
        said = ", ".join(absent) or "nothing"
        print(f"{settings.initial_weights}: left at random, not found: {said}", file=sys.stderr)
    _calibrate(network, norms, samples)
    return network


def _calibrate(network: RGMP, norms: list[torch.nn.BatchNorm2d], samples: _Samples) -> None:
    """Give batch norms without pretrained statistics those of the first batches."""

    def look_at_the_first_batches() -> None:
        batches = samples.batches(0, 0, torch.device("cpu"))
        for _, (_, batch) in zip(range(_CALIBRATION_BATCHES), batches, strict=False):
            network.encoder(batch.frames[:, 0], (batch.masks[:, :1] == 1).float())
            network.encoder(batch.frames[:, 1], batch.guidance[:, None])

    if norms:
        calibrate(norms, look_at_the_first_batches)


def _require_finite(loss: Tensor, norm: Tensor, step: int, samples: _Samples) -> None:
    if not torch.isfinite(loss + norm):
        raise UserError(
            f"the loss or its gradient is not finite at step {step} ({samples.identity_of(step)}); "
            "nothing was written over good weights; lower the learning rate or look at the data"
        )


class _Stop:
    """Notes SIGTERM and SIGINT instead of dying, so that a step can end and be saved."""

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.asked = 0

    def __enter__(self) -> "_Stop":
        self._before = {s: signal.signal(s, self._note) for s in self.SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.asked = number
