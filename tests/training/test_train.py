"""The loop: what its switches do, that it learns, and that nothing can change its bits."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_tensors
from support.tiny_training import HEIGHT, WIDTH, finetune, pretrain, write_jobs
from torch import Tensor

from rgmp.config.method import Compute, Network
from rgmp.data.loader import Samples
from rgmp.data.roots import DataRoots
from rgmp.data.sample import IGNORE, Sample
from rgmp.errors import UserError
from rgmp.model.network import RGMP
from rgmp.runtime.distributed import ALONE
from rgmp.training.job import TrainingJob
from rgmp.training.journal import CurvePoint, Journal
from rgmp.training.train import checkpoints_of, train
from rgmp.training.unroll import Unrolling, frame_loss, overlap, unroll, windows
from rgmp.training.update import Update

CPU = torch.device("cpu")


# ---- the loss and its switches ----


def network(reference: str = "first") -> RGMP:
    torch.manual_seed(0)
    settings = {"backbone": "resnet10", "width": 4, "decoder_width": 4, "reference": reference}
    return RGMP(Network.model_validate(settings)).train()


def clip(frames: int = 4, batch: int = 2) -> Sample:
    """Noise in which a box moves."""
    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand((batch, frames, 3, HEIGHT, WIDTH), generator=generator) / 2
    masks = torch.zeros((batch, frames, HEIGHT, WIDTH), dtype=torch.uint8)
    for t in range(frames):
        masks[:, t, 20:44, 20 + 4 * t : 60 + 4 * t] = 1
    return Sample(pixels + masks[:, :, None] / 2, masks, masks[:, 0].float())


def clip_loss(net: RGMP, sample: Sample, bptt: Any = "full") -> tuple[Tensor, Tensor]:
    """Loss and overlap of whole clips."""
    ((loss, quality),) = unroll(net, sample, Unrolling(bptt))
    return loss, quality


def gradients(bptt: Any, net: RGMP | None = None) -> tuple[Tensor, list[Tensor | None]]:
    """The loss of the last frame alone, and its gradient in each frame's logits."""
    net, seen, sample = net or network(), [], clip()
    sample.masks[:, 1:-1] = IGNORE

    def note(_: object, __: object, heads: list[Tensor]) -> None:
        heads[0].retain_grad()
        seen.append(heads[0])

    net.decoder.register_forward_hook(note)
    loss, _ = clip_loss(net, sample, bptt)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss, [logits.grad for logits in seen]


def test_back_propagation_through_time_reaches_the_first_prediction() -> None:
    loss, (first, second, last) = gradients("full")
    assert loss > 0
    for gradient in (first, second, last):
        assert gradient is not None
        assert gradient.abs().max() > 0


@pytest.mark.parametrize("bptt", ["none", "detached"])
@pytest.mark.parametrize("reference", ["first", "rolling"])
def test_without_it_no_prediction_learns_from_a_later_frame(bptt: str, reference: str) -> None:
    loss, (first, second, last) = gradients(bptt, network(reference))
    assert loss > 0
    for gradient in (first, second):
        assert gradient is None or not gradient.any()
    assert last is not None
    assert last.abs().max() > 0


def test_without_it_the_true_mask_is_the_previous_one() -> None:
    fed: list[Tensor] = []
    net, sample = network(), clip()
    sample.masks[:, 1, 0] = IGNORE
    net.encoder.register_forward_pre_hook(lambda _, inputs: fed.append(inputs[1]))
    clip_loss(net, sample, "none")
    del fed[0]  # the reference's
    assert torch.equal(fed[0][:, 0], sample.guidance)
    assert torch.equal(fed[1][:, 0], (sample.masks[:, 1] == 1).float())
    assert torch.equal(fed[2][:, 0], sample.masks[:, 2].float())


@pytest.mark.parametrize("bptt", ["full", "detached"])
def test_with_it_the_soft_prediction_is_the_previous_one(bptt: str) -> None:
    fed: list[Tensor] = []
    made: list[Tensor] = []
    net = network()
    net.encoder.register_forward_pre_hook(lambda _, inputs: fed.append(inputs[1]))
    net.decoder.register_forward_hook(lambda _, __, heads: made.append(heads[0]))
    clip_loss(net, clip(), bptt)
    for logits, previous in zip(made[:-1], fed[2:], strict=True):
        assert torch.equal(logits.softmax(dim=1)[:, 1:], previous)


@pytest.mark.parametrize(("reference", "matters"), [("first", True), ("none", False)])
def test_the_reference_matters_only_where_there_is_one(reference: str, matters: bool) -> None:
    net, sample = network(reference), clip()
    other = sample._replace(frames=sample.frames.clone(), masks=sample.masks.clone())
    other.frames[:, 0] = 1 - other.frames[:, 0]
    other.masks[:, 0] = 1 - other.masks[:, 0]
    losses = [clip_loss(net, s, "full")[0] for s in (sample, other)]
    assert torch.equal(*losses) is not matters


class Fixed:
    """Stands for a network whose logits of every pixel are 0 and log 3: foreground at 3/4."""

    settings = Network(reference="none")

    def reference(self, frame: Tensor, mask: Tensor) -> None:
        """There is none."""

    def heads(self, frame: Tensor, *_: object) -> tuple[list[Tensor], None]:
        odds = torch.tensor([1.0, 3.0]).log()[:, None, None]
        return [odds.expand(len(frame), 2, *frame.shape[2:])], None


def test_a_rolling_reference_learns_at_every_frame_through_the_encoder_alone() -> None:
    """Fed without gradient, a frame's mask is a constant to the next; its features are not."""
    net, sample = network("rolling"), clip()
    sample.frames.requires_grad_()
    sample.masks[:, 1:-1] = IGNORE
    clip_loss(net, sample, "detached")[0].backward()  # type: ignore[no-untyped-call]
    assert sample.frames.grad is not None
    reached = sample.frames.grad.abs().amax(dim=(0, 2, 3, 4)) > 0
    assert reached.tolist() == [False, False, True, True]


def test_windows_share_the_targets_among_them() -> None:
    assert windows(9, None) == [range(1, 9)]
    assert windows(9, 3) == [range(1, 4), range(4, 7), range(7, 9)]
    assert windows(2, 5) == [range(1, 2)]


@pytest.mark.parametrize("reference", ["first", "rolling", "none"])
def test_a_window_ends_the_gradient_and_changes_no_prediction(reference: str) -> None:
    whole = [loss for loss, _ in unroll(network(reference), clip(), Unrolling(window=None))]
    net, sample = network(reference), clip()
    seen: list[Tensor] = []
    net.decoder.register_forward_hook(lambda _, __, heads: seen.append(heads[0]))
    parts = [loss for loss, _ in unroll(net, sample, Unrolling(window=2))]
    torch.testing.assert_close((2 * parts[0] + parts[1]) / 3, whole[0])
    first, second, third = seen
    (before,) = torch.autograd.grad(parts[0], first, retain_graph=True)
    assert before.abs().max() > 0
    beyond = torch.autograd.grad(parts[1], second, allow_unused=True)
    assert [gradient is None for gradient in beyond] == [True]
    assert torch.autograd.grad(parts[1], third)[0].abs().max() > 0


def test_in_every_window_the_optimiser_steps_and_the_reference_is_encoded_anew() -> None:
    settings = finetune(frames=(4, 4), frames_per_update=1, learning_rate=1e-2)
    net, sample, encoded = network(), clip(), []
    net.encoder.register_forward_hook(lambda _, __, pyramid: encoded.append(pyramid.r5.detach()))
    update, steps = made_update(net, settings), []
    update.optimiser.register_step_pre_hook(lambda *_: steps.append(1))
    loss, _, norm = update(0, [sample]).tolist()
    assert len(steps) == 3
    assert len(encoded) == 6
    assert not torch.equal(encoded[0], encoded[2])
    assert loss > 0
    assert norm > 0


@pytest.mark.parametrize("reference", ["first", "rolling"])
@pytest.mark.parametrize("how", [Unrolling(), Unrolling("detached", 2, 0.5)])
def test_activations_computed_again_give_the_same_gradient(reference: str, how: Unrolling) -> None:
    gradients = []
    for recompute in (False, True):
        net = network(reference)
        for loss, _ in unroll(net, clip(), how._replace(recompute=recompute)):
            loss.backward()  # type: ignore[no-untyped-call]
        gradients.append([p.grad for p in net.parameters() if p.grad is not None])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_the_coarse_heads_learn_where_they_have_a_loss() -> None:
    def heads_that_learn(how: Unrolling) -> set[str]:
        net = network()
        for loss, _ in unroll(net, clip(), how):
            loss.backward()  # type: ignore[no-untyped-call]
        learned = {name for name, p in net.decoder.named_parameters() if p.grad is not None}
        return {name.partition(".")[0] for name in learned if name.startswith("head")}

    assert heads_that_learn(Unrolling()) == {"head2"}
    assert heads_that_learn(Unrolling(coarse_loss=0.3)) == {"head2", "head3", "head4", "head5"}


def test_the_coarse_loss_is_the_weighted_mean_of_three_heads() -> None:
    sample, net = clip(frames=2), network()
    truth = sample.masks[:, 1]
    with torch.no_grad():
        reference = net.reference(sample.frames[:, 0], (sample.masks[:, :1] == 1).float())
        heads, _ = net.heads(sample.frames[:, 1], sample.guidance[:, None], reference, 4)
        costs = [frame_loss(logits, truth) for logits in heads]
        assert all(logits.shape == heads[0].shape for logits in heads)
        ((loss, _),) = unroll(net, sample, Unrolling(coarse_loss=0.3))
    torch.testing.assert_close(loss, costs[0] + 0.3 * torch.stack(costs[1:]).mean())


def made_update(net: RGMP, settings: Any, accumulate: int = 1) -> Update:
    nowhere = Path("nowhere")
    job = TrainingJob(
        identity="",
        seed=0,
        network=net.settings,
        settings=settings,
        compute=Compute(accumulate=accumulate),
        data=DataRoots(davis=nowhere),
        folder=nowhere,
    )
    return Update(net, job, ALONE)


def test_parts_of_a_batch_give_the_gradient_of_the_whole() -> None:
    """Also where the parts know different shares of their pixels."""
    sample, gradients = clip(batch=4), []
    sample.masks[2:, 1:, :30] = IGNORE
    halves = [Sample(*(t[i::2] for t in sample)) for i in (0, 1)]
    for parts in ([sample], halves):
        net = network()
        outcome = made_update(net, finetune(), accumulate=len(parts))(0, parts)
        gradients.append([*(p.grad for p in net.parameters() if p.grad is not None), outcome])
    for whole, summed in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, summed, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "kind", "expected"),
    [
        ({"optimiser": "sgd", "weight_decay": 0.1}, torch.optim.SGD, {"momentum": 0.9}),
        ({"optimiser": "adam", "momentum": 0.8}, torch.optim.Adam, {"betas": (0.8, 0.999)}),
        ({"optimiser": "adamw", "weight_decay": 0.1}, torch.optim.AdamW, {"weight_decay": 0.1}),
    ],
)
def test_the_optimiser_is_the_one_that_is_named(
    settings: Any, kind: type, expected: dict[str, Any]
) -> None:
    update = made_update(network(), pretrain(**settings))
    assert type(update.optimiser) is kind
    (group,) = update.optimiser.param_groups
    assert group.items() >= expected.items()
    assert group["weight_decay"] == settings.get("weight_decay", 0)
    update(11, [clip(frames=2)])
    assert group["lr"] == pytest.approx(1e-4)  # of the last step


def test_a_step_of_sgd_is_the_learning_rate_times_the_clipped_gradient() -> None:
    net = network()
    before = [p.detach().clone() for p in net.parameters() if p.requires_grad]
    settings = pretrain(optimiser="sgd", learning_rate=0.5, clip_gradient=0.01)
    _, _, norm = made_update(net, settings)(0, [clip(frames=2)]).tolist()
    moved = [
        (p.detach() - b).norm()
        for p, b in zip((p for p in net.parameters() if p.requires_grad), before, strict=True)
    ]
    assert norm > 0.01
    assert torch.stack(moved).norm().item() == pytest.approx(0.5 * 0.01, rel=1e-3)


def test_the_loss_is_the_mean_over_frames_and_known_pixels() -> None:
    masks = torch.tensor([[[0, 0, 0, 0]], [[1, 1, 0, IGNORE]], [[IGNORE, 0, IGNORE, IGNORE]]])
    sample = Sample(torch.zeros(1, 3, 3, 1, 4), masks[None].byte(), torch.zeros(1, 1, 4))
    loss, quality = clip_loss(cast("RGMP", Fixed()), sample, "full")
    first = (2 * np.log(4 / 3) + np.log(4)) / 3
    assert loss.item() == pytest.approx((first + np.log(4)) / 2)
    assert quality.item() == pytest.approx((2 / 3 + 0) / 2)


def test_a_frame_without_a_known_pixel_costs_nothing() -> None:
    sample = clip(frames=2)
    sample.masks[:, 1] = IGNORE
    loss, _ = clip_loss(network(), sample, "full")
    assert loss == 0


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [
        ([1, 1, 0, 0], [1, 1, 0, 0], 1),
        ([1, 1, 0, 0], [0, 0, 1, 1], 0),
        ([1, 1, 0, 0], [0, 1, 1, 0], 1 / 3),
        ([0, 0, 0, 0], [0, 0, 0, 0], 1),
        ([1, 0, 0, 0], [0, 0, 0, 0], 0),
        ([1, 1, 1, 0], [1, IGNORE, IGNORE, 0], 1),
        ([1, 1, 0, 0], [IGNORE, IGNORE, IGNORE, IGNORE], 1),
    ],
)
def test_overlap_is_intersection_over_union_of_what_is_known(
    predicted: list[int], truth: list[int], expected: float
) -> None:
    found = overlap(torch.tensor([[predicted]]).bool(), torch.tensor([[truth]]).byte())
    assert found.item() == pytest.approx(expected)


def test_overlap_is_the_mean_over_the_batch() -> None:
    predicted = torch.tensor([[[1, 0]], [[1, 1]]]).bool()
    assert overlap(predicted, torch.tensor([[[1, 0]], [[1, 0]]]).byte()).item() == 0.75


def test_a_few_dozen_steps_learn_one_clip() -> None:
    net, sample = network(), clip(frames=3, batch=1)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    losses, qualities = [], []
    for _ in range(60):
        loss, quality = clip_loss(net, sample, "full")
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
        qualities.append(quality.item())
    assert losses[-1] < losses[0] / 5
    assert qualities[-1] > 0.8


# ---- whole trainings ----


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(jobs: list[TrainingJob], which: int = -1) -> Path:
    """Run one training, the last; its folder."""
    train(jobs[which], CPU)
    checkpoints_of(jobs[which]).clear()
    return jobs[which].folder


def weights(folder: Path) -> dict[str, bytes]:
    """Every tensor's name and bytes."""
    tensors = load_file(folder / "weights.safetensors")
    return {name: tensor.tobytes() for name, tensor in tensors.items()}


def curve(folder: Path) -> list[tuple[float, ...]]:
    """What of metrics.jsonl does not depend on the clock: step, loss, J and learning rate."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [CurvePoint(**json.loads(line))[:4] for line in lines]


def fresh(root: Path, *stages: Any, **options: Any) -> Path:
    """Run the last training of a new study, and those before it."""
    jobs = write_jobs(root, stages, **options)
    for which in range(len(stages)):
        folder = run(jobs, which)
    return folder


def test_a_training_leaves_weights_and_a_curve_and_nothing_else(tmp_path: Path) -> None:
    jobs = write_jobs(tmp_path, (pretrain(steps=5),))
    summary = train(jobs[0], CPU)
    folder = jobs[0].folder
    assert (folder / "checkpoints").is_dir(), "until the end is recorded: it could be lost"
    checkpoints_of(jobs[0]).clear()
    assert {p.name for p in folder.iterdir()} == {"weights.safetensors", "metrics.jsonl"}
    steps, losses, qualities, rates = zip(*curve(folder), strict=True)
    assert steps == (1, 2, 3, 4, 5)
    assert (summary["steps"], summary["samples"]) == (5, 10)
    assert (summary["final_loss"], summary["final_J"]) == (losses[-1], qualities[-1])
    assert (rates[0], rates[-1]) == pytest.approx((2e-3, 1e-4))


@pytest.mark.parametrize("settings", [pretrain(steps=4), finetune(steps=4)])
@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_study_gives_the_same_bits_whoever_draws_its_samples(
    tmp_path: Path, settings: Any, workers: int
) -> None:
    first = fresh(tmp_path / "a", settings)
    second = fresh(tmp_path / "b", settings, workers=workers)
    assert weights(first) == weights(second)
    assert curve(first) == curve(second)


def test_a_sample_has_the_same_bits_with_any_number_of_threads(tmp_path: Path) -> None:
    """PyTorch splits a sum over threads from 32,768 values on, and a worker has one thread."""
    jobs = write_jobs(tmp_path, (pretrain(crop=(224, 256)),))
    samples = Samples(jobs[0].data, jobs[0].settings, 0, 128)
    for i in range(12):
        torch.set_num_threads(1)
        one = samples[[i]]
        torch.set_num_threads(2)
        assert all(torch.equal(a, b) for a, b in zip(one, samples[[i]], strict=True))
        assert torch.get_num_threads() == 2


@pytest.mark.parametrize("recompute", [False, True])
def test_in_bf16_it_learns_as_well(tmp_path: Path, recompute: bool) -> None:
    """The weights themselves stay in fp32."""
    settings = finetune(steps=3, coarse_loss=0.1)
    half = fresh(
        tmp_path / "half",
        settings,
        compute={"precision": "bf16"},
        recompute_activations=recompute,
    )
    tensors = load_tensors(half / "weights.safetensors").values()
    assert {t.dtype for t in tensors} == {torch.float32, torch.int64}
    full = fresh(tmp_path / "full", settings)
    assert weights(half) != weights(full)
    pairs = zip(curve(half), curve(full), strict=True)
    assert all(a == pytest.approx(b, abs=0.1) for a, b in pairs)


def test_stage_2_starts_from_the_weights_of_stage_1(tmp_path: Path) -> None:
    stage1, stage2 = pretrain(steps=2), finetune(steps=2, learning_rate=1e-9)
    folder = fresh(tmp_path, stage1, stage2 := stage2.model_copy(update={"final_learning_rate": 0}))
    before = next((tmp_path / "study/weights/pretrain").iterdir()) / "weights.safetensors"
    after = load_tensors(folder / "weights.safetensors")
    for key, value in load_tensors(before).items():
        torch.testing.assert_close(after[key], value, atol=1e-7, rtol=0)


def test_what_is_frozen_does_not_learn(tmp_path: Path) -> None:
    """Batch norm keeps its affine parameters; its statistics are those of the first batches."""
    short, long = (
        load_tensors(
            fresh(tmp_path / str(steps), pretrain(steps=20).model_copy(update={"steps": steps}))
            / "weights.safetensors"
        )
        for steps in (8, 12)
    )
    for key in short:
        kept = "bn" in key or "downsample.1" in key or key in {"encoder.mean", "encoder.std"}
        if kept:
            assert torch.equal(short[key], long[key]), key
    assert not torch.equal(short["encoder.conv1.weight"], long["encoder.conv1.weight"])
    assert short["encoder.bn1.running_var"].ne(1).any()


class CrashError(Exception):
    """Stands for whatever ends a process."""


def crash_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    add = Journal.add

    def add_or_crash(self: Journal, now: int, *measured: Any) -> None:
        if now == step:
            raise CrashError
        add(self, now, *measured)

    monkeypatch.setattr(Journal, "add", add_or_crash)


def interrupted(jobs: list[TrainingJob], step: int) -> Path:
    """Run the last training until it crashes at a step; the folder of its states."""
    with pytest.MonkeyPatch.context() as patch:
        crash_at(patch, step)
        with pytest.raises(CrashError):
            run(jobs)
    return jobs[-1].states


def _cut(state: Path) -> None:
    state.write_bytes(state.read_bytes()[:-100])


def _flip(state: Path) -> None:
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    state.write_bytes(content)


def _empty(state: Path) -> None:
    state.write_bytes(b"")


@pytest.mark.parametrize("settings", [pretrain(steps=9), finetune(steps=9)])
def test_a_crashed_training_resumes_to_the_same_bits(tmp_path: Path, settings: Any) -> None:
    alone = fresh(tmp_path / "alone", settings)
    jobs = write_jobs(tmp_path / "crashed", (settings,))
    for step in (0, 1, 4, 4, 8):
        interrupted(jobs, step)
    again = run(jobs)
    assert weights(again) == weights(alone)
    assert curve(again) == curve(alone)
    assert {p.name for p in again.iterdir()} == {"weights.safetensors", "metrics.jsonl"}


@pytest.mark.parametrize("damage", [_cut, _flip, _empty, Path.unlink])
def test_a_damaged_state_gives_way_to_the_one_before(
    tmp_path: Path, damage: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = fresh(tmp_path / "alone", pretrain(steps=6))
    jobs = write_jobs(tmp_path / "damaged", (pretrain(steps=6),))
    states = interrupted(jobs, 4)
    newest = max(states.iterdir())
    damage(newest)
    again = run(jobs)
    said = capsys.readouterr().err
    assert ("damaged checkpoint" in said) is (damage is not Path.unlink)
    assert "resuming after step 3" in said
    assert weights(again) == weights(alone)


def test_a_killed_save_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    jobs = write_jobs(tmp_path, (pretrain(steps=4),))
    states = interrupted(jobs, 2)
    unfinished = states / ".00000003-0123.pt.abcd"
    unfinished.mkdir()
    (unfinished / "00000003-0123.pt").write_bytes(b"half")
    assert not (run(jobs) / "checkpoints").exists()


def test_a_loss_that_is_not_finite_stops_and_names_the_samples(tmp_path: Path) -> None:
    jobs = write_jobs(tmp_path, (finetune(steps=6),))
    out = jobs[0].folder
    out.mkdir(parents=True)
    (out / "weights.safetensors").write_bytes(b"good")
    steps = iter(range(10))

    def poisoned(*arguments: Any) -> Iterator[tuple[Tensor, Tensor]]:
        factor = float("nan") if next(steps) == 3 else 1
        for loss, quality in unroll(*arguments):
            yield loss * factor, quality

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rgmp.training.update.unroll", poisoned)
        with pytest.raises(UserError, match=r"step 3 \(seed 0, finetune, step 3, samples 0-1\)"):
            run(jobs)
    assert (out / "weights.safetensors").read_bytes() == b"good"
    assert curve(out)[-1][0] == 3
    run(jobs)
    assert weights(out)


def test_a_full_disk_is_said_and_leaves_the_state_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = fresh(tmp_path / "alone", pretrain(steps=6))
    jobs = write_jobs(tmp_path / "full", (pretrain(steps=6),))
    write = Path.write_bytes

    def write_until_full(path: Path, content: Any) -> int:
        if path.name.startswith("00000004-"):
            write(path, bytes(content)[:1000])
            raise OSError(28, "No space left on device")
        return write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_until_full)
        with pytest.raises(
            UserError, match=r"00000004-\w+\.pt: cannot be written .*free some space"
        ):
            run(jobs)
    again = run(jobs)
    assert "resuming after step 3" in capsys.readouterr().err
    assert weights(again) == weights(alone)


def test_a_video_that_is_not_annotated_throughout_is_refused(tmp_path: Path) -> None:
    jobs = write_jobs(tmp_path, (finetune(),))
    for annotation in sorted((tmp_path / "davis/Annotations/480p/b").iterdir())[1:]:
        annotation.unlink()
    with pytest.raises(UserError, match="b: 1 of 5 frames annotated"):
        run(jobs)


# ---- signals ----

SCRIPT = """
import sys
from pathlib import Path
import torch
from rgmp.training.job import TrainingJob
from rgmp.training.train import train

torch.set_num_threads(1)
job = TrainingJob.model_validate_json((Path(sys.argv[1]) / "job.json").read_text())
train(job, torch.device("cpu"))
"""


def start(root: Path) -> subprocess.Popen[str]:
    """Run a study's training as a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(root)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_a_new_state(process: subprocess.Popen[str], states: Path) -> None:
    before = {p.name for p in states.glob("[0-9]*.pt")}
    deadline = time.monotonic() + 120
    while {p.name for p in states.glob("[0-9]*.pt")} <= before:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)


KILLER = """
import os
import random
import signal
import sys
import time
from pathlib import Path
import torch
from rgmp.training.job import TrainingJob
from rgmp.training.train import train

torch.set_num_threads(1)
job = TrainingJob.model_validate_json((Path(sys.argv[1]) / "job.json").read_text())
kills, moments = int(sys.argv[2]), random.Random(0)
folder = job.states
for number in range(kills):
    machine = job.machine.model_copy(update={"workers": number // 4})
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        train(job.model_copy(update={"machine": machine}), torch.device("cpu"))
        os._exit(0)
    before = {p.name for p in folder.glob("[0-9]*.pt")}
    while number % 3 and {p.name for p in folder.glob("[0-9]*.pt")} <= before:
        time.sleep(0.001)
    time.sleep(moments.uniform(0, 0.2))
    os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "it ended before it was killed"
"""


@pytest.mark.slow
def test_killed_at_twelve_random_moments_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    """With 0, 1 and 2 workers; a third of the moments as it starts, the others as it saves."""
    settings = finetune(steps=200, batch=1, frames=(2, 3), crop=(32, 64))
    alone = fresh(tmp_path / "alone", settings, checkpoint_seconds=60)
    jobs = write_jobs(tmp_path / "killed", (settings,))
    folder = jobs[0].folder
    killed = subprocess.run(
        [sys.executable, "-c", KILLER, str(tmp_path / "killed"), "12"],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert killed.returncode == 0, killed.stderr
    assert killed.stderr.count("resuming after step") > 5
    assert not (folder / "weights.safetensors").exists()
    run(jobs)
    assert weights(folder) == weights(alone)
    assert curve(folder) == curve(alone)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_signal_to_the_whole_job_saves_and_stops(tmp_path: Path, workers: int) -> None:
    settings = finetune(steps=1000, batch=1)
    jobs = write_jobs(tmp_path, (settings,), workers=workers)
    folder = jobs[0].folder
    process = start(tmp_path)
    wait_for_a_new_state(process, folder / "checkpoints")
    os.killpg(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM, said
    assert "Traceback" not in said
    step = int(said.partition("stopped by signal after step ")[2].partition(";")[0])
    assert max(p.name for p in (folder / "checkpoints").iterdir()).startswith(f"{step:08d}-")
    assert not (folder / "weights.safetensors").exists()


@pytest.mark.slow
def test_a_fault_in_a_worker_ends_the_training(tmp_path: Path) -> None:
    jobs = write_jobs(tmp_path, (pretrain(steps=1000),), workers=2)
    (tmp_path / "stills/images/1.png").write_bytes(b"no image")
    process = start(tmp_path)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "1.png" in said
    assert not (jobs[0].folder / "weights.safetensors").exists()
