"""The loop of both stages: clips in, weights out; a killed one goes on to the same bits.

The same on one type of CPU, that is: another has other kernels, and with them other last bits.

Source: paper sections 3.2 and 3.3, facts/rgmp.md "Training". Stage 1 is a clip of two frames with
a synthesised previous mask; stage 2 is a longer clip in which the network's own soft mask is fed
back, and the gradient with it (back-propagation through time).
"""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor
from torch.utils.checkpoint import checkpoint as recomputed

from rgmp.config import study as config
from rgmp.config.study import Finetune, Optimisation
from rgmp.data.augment import IGNORE
from rgmp.data.loader import STOPPING, Samples, settings_of
from rgmp.data.pairs import Sample
from rgmp.model import weights as checkpoint
from rgmp.model.network import RGMP, calibrate
from rgmp.runtime import precision
from rgmp.runtime.distributed import ALONE, Team
from rgmp.runtime.files import digest_of
from rgmp.runtime.progress import Progress
from rgmp.study.plan import Plan, Training
from rgmp.training.checkpoints import Attempts, Journal, learning_rate

_CALIBRATION_BATCHES = 8
_HEADS = 4


class Unrolling(NamedTuple):
    """How clips are segmented and what of it is learned from."""

    bptt: Literal["full", "detached", "none"] = "full"
    window: int | None = None  # frames; None: the whole clip
    coarse_loss: float = 0.0
    recompute: bool = False


def train(
    plan: Plan, training: Training, folder: Path, device: torch.device, team: Team = ALONE
) -> dict[str, float | str]:
    """Run one training to its end, from wherever an earlier attempt was stopped.

    Args:
        plan: the study's, for its data and its machine.
        training: of the plan.
        folder: of the study, `results/<study>`; weights.safetensors and metrics.jsonl appear in
            `folder / training.folder`. Its `states` stay, for who could not record the end.
        device: where to compute.
        team: which processes run this training; its leader alone writes.

    Returns:
        For the record: `precision`, and the numbers that `Journal.summary` has.

    Raises:
        UserError: the data or the weights to start from cannot be used, or the loss is not finite.
    """
    settings, out = settings_of(training), folder / training.folder
    samples = Samples(plan, training)
    network = _start(plan, training, folder, samples)
    # convolutions are faster so, on a CPU and on a GPU's tensor cores
    network = network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    update = Update(network, training, plan.machine.recompute_activations, team)
    attempts = states(training, folder)
    journal = Journal(out / "metrics.jsonl" if team.leads else None, settings, samples.identity_of)
    with team.leader_first():  # it removes what is damaged
        first = attempts.resume(network, update.optimiser, journal)
    total, done = (count * settings.batch for count in (settings.steps, first))
    progress = Progress(f"{training.stage} {training.slug}", "samples", total, done)
    batches = samples.batches(first, device, plan.machine.workers, update.parts, team)
    saved = time.monotonic()
    with _Stop() as stop:
        for step, parts, waited in batches:
            journal.add(step, update(step, parts), waited)
            if team.leads:
                progress.at((step + 1) * settings.batch, f"step {step + 1} loss {journal.loss:.4f}")
            if step + 1 == settings.steps:
                break
            stopping = team.any(stop.asked)
            due = stopping or time.monotonic() - saved > plan.machine.checkpoint_seconds
            if team.leads and due:
                attempts.save(step + 1, network, update.optimiser, journal)
                saved = time.monotonic()
                if stopping:
                    print(f"stopped by signal after step {step + 1}: saved", file=sys.stderr)
            if stopping:
                team.any(stopping)  # the leader has saved
                sys.exit(128 + stopping)
    if team.leads:
        journal.write()
        seed = str(training.seed)
        metadata = {"identity": training.identity, "stage": training.stage, "seed": seed}
        checkpoint.save(out / "weights.safetensors", network, metadata)
    return {"precision": update.precision, **journal.summary()}


def states(training: Training, folder: Path) -> Attempts:
    """From what a training of the study in `folder` resumes."""
    return Attempts(folder / training.folder / "checkpoints", training.identity)


class Update:
    """Takes the step, or the steps, of the optimiser that a batch gives."""

    def __init__(self, network: RGMP, training: Training, recompute: bool, team: Team) -> None:
        """Train `network`, where it is, as the training's settings say."""
        settings, compute = settings_of(training), training.settings["compute"]
        self._settings, self._network, self._team = settings, network, team
        device = next(network.parameters()).device
        self.precision = precision.choose(compute["precision"], device, training=True)
        self.parts = compute["accumulate"]
        self._how = Unrolling(coarse_loss=settings.coarse_loss, recompute=recompute)
        if isinstance(settings, Finetune):
            self._how = self._how._replace(bptt=settings.bptt, window=settings.frames_per_update)
        self._learning = [p for p in network.parameters() if p.requires_grad]
        self.optimiser = make_optimiser(self._learning, settings)

    def __call__(self, step: int, parts: list[Sample]) -> Tensor:
        """Learn from a batch.

        Returns:
            Loss, mean intersection over union, and norm of the gradient: (3,), still on the device.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self._settings, step)
        device = parts[0].frames.device.type
        clips = [unroll(self._network, part, self._how) for part in parts]
        outcomes = []
        for _ in windows(parts[0].frames.shape[1], self._how.window):
            self.optimiser.zero_grad(set_to_none=True)
            measured = []
            for clip in clips:
                with torch.autocast(device, torch.bfloat16, enabled=self.precision == "bf16"):
                    loss, quality = next(clip)
                (loss / len(clips)).backward()  # type: ignore[no-untyped-call]
                measured.append(torch.stack([loss.detach(), quality]))
            mean = torch.stack(measured).mean(dim=0)
            self._team.average([*(p.grad for p in self._learning if p.grad is not None), mean])
            norm = torch.nn.utils.clip_grad_norm_(self._learning, self._settings.clip_gradient)
            self.optimiser.step()
            outcomes.append(torch.cat([mean, norm[None]]))
        return torch.stack(outcomes).mean(dim=0)


def make_optimiser(
    learning: list[torch.nn.Parameter], settings: Optimisation
) -> torch.optim.Optimizer:
    """The optimiser that the settings name; its learning rate is set at every step."""
    rate, momentum, decay = settings.learning_rate, settings.momentum, settings.weight_decay
    if settings.optimiser == "sgd":
        return torch.optim.SGD(learning, rate, momentum, weight_decay=decay)
    kind = torch.optim.Adam if settings.optimiser == "adam" else torch.optim.AdamW
    return kind(learning, rate, (momentum, 0.999), weight_decay=decay)


def windows(frames: int, window: int | None) -> list[range]:
    """The targets 1, 2, ... of a clip of so many frames, cut into windows."""
    length = window or frames
    return [range(t, min(t + length, frames)) for t in range(1, frames, length)]


def unroll(network: RGMP, batch: Sample, how: Unrolling) -> Iterator[tuple[Tensor, Tensor]]:
    """Segment a batch of clips frame after frame, and stop after each window to be learned from.

    With `bptt: full` the gradient reaches back through the predictions to the start of the window.
    In every window the reference is encoded anew, by the weights as they are then.

    Args:
        network: in training mode.
        batch: frames float (B, T, 3, h, w), masks uint8 (B, T, h, w), guidance float (B, h, w).
        how: which previous mask is fed in: the soft prediction, gradient and all (`full`) or
            without it (`detached`), or the true mask (`none`).

    Yields:
        The mean of `frame_loss` over the window's frames, a scalar; and the mean intersection over
        union of the predictions at 0.5.
    """
    run: Callable[..., Any] = _called
    if how.recompute:
        run = partial(recomputed, use_reentrant=False, preserve_rng_state=False)
    shown = batch.frames[:, 0], (batch.masks[:, :1] == 1).float()  # what the reference shows
    previous = batch.guidance[:, None]
    for window in windows(batch.frames.shape[1], how.window):
        reference = run(network.reference, *shown)
        losses, overlaps = [], []
        for t in window:
            frame, truth = batch.frames[:, t], batch.masks[:, t]
            heads, reference = run(
                network.heads, frame, previous, reference, _HEADS if how.coarse_loss else 1
            )
            finest, *coarse = (frame_loss(logits, truth) for logits in heads)
            losses.append(finest + how.coarse_loss * sum(coarse) / max(len(coarse), 1))
            probability = torch.softmax(heads[0].float(), dim=1)[:, 1:]
            overlaps.append(overlap(probability.detach()[:, 0] > 0.5, truth))
            if network.settings.reference == "rolling":
                shown = frame, previous.detach() * network.settings.previous_mask
            previous = probability if how.bptt != "none" else (truth[:, None] == 1).float()
            if how.bptt == "detached":
                previous = previous.detach()
        yield torch.stack(losses).mean(), torch.stack(overlaps).mean()
        previous = previous.detach()


def _called(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def frame_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy, the mean over each sample's known pixels, and then over the samples.

    So it is the same however the samples are shared among parts and processes.

    Args:
        logits: (B, 2, h, w).
        truth: uint8 (B, h, w): 0, 1, or IGNORE where it is not known.
    """
    known = (truth != IGNORE).sum(dim=(1, 2)).clamp(min=1)
    costs = F.cross_entropy(logits.float(), truth.long(), ignore_index=IGNORE, reduction="none")
    return (costs.sum(dim=(1, 2)) / known).mean()


def overlap(predicted: Tensor, truth: Tensor) -> Tensor:
    """Mean intersection over union of bool and uint8 masks (B, h, w); 1 where both are empty."""
    true, known = truth == 1, truth != IGNORE
    both = (predicted & true).sum(dim=(1, 2))
    either = ((predicted | true) & known).sum(dim=(1, 2))
    return torch.where(either > 0, both / either.clamp(min=1), 1.0).mean()


def _start(plan: Plan, training: Training, folder: Path, samples: Samples) -> RGMP:
    """The network that a training starts from: its parent's weights, or a new one."""
    settings = config.Network.model_validate(training.settings["network"])
    if training.parent is not None:
        parent = plan.training(training.parent)
        network = checkpoint.load(folder / parent.folder / "weights.safetensors")[0]
        network.settings = settings  # what it is matched with may be another thing in this stage
        return network
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


def _calibrate(network: RGMP, norms: list[torch.nn.BatchNorm2d], samples: Samples) -> None:
    """Give batch norms without pretrained statistics those of the first batches."""

    def look_at_the_first_batches() -> None:
        batches = samples.batches(0, torch.device("cpu"))
        for _, (_, (batch,), _) in zip(range(_CALIBRATION_BATCHES), batches, strict=False):
            network.encoder(batch.frames[:, 0], (batch.masks[:, :1] == 1).float())
            network.encoder(batch.frames[:, 1], batch.guidance[:, None])

    if norms:
        calibrate(norms, look_at_the_first_batches)


class _Stop:
    """Notes SIGTERM and SIGINT instead of dying, so that a step can end and be saved."""

    def __init__(self) -> None:
        self.asked = 0

    def __enter__(self) -> "_Stop":
        self._before = {s: signal.signal(s, self._note) for s in STOPPING}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.asked = number
