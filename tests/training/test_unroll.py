"""The loss of a clip, and what its switches do to the gradient."""

from typing import Any, cast

import numpy as np
import pytest
import torch
from support.tiny_training import clip, network
from torch import Tensor

from rgmp.config.method import Network
from rgmp.data.sample import IGNORE, Sample
from rgmp.model.network import RGMP
from rgmp.training.unroll import Unrolling, frame_loss, overlap, unroll, windows


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
