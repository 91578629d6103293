"""Inference is that of the facts, to the pixel, and what it keeps does not grow."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from support.davis_tree import open_sequence, read_annotation
from support.reference_rgmp import doubles, propagate
from support.videos import (
    CPU,
    Labels,
    boxes,
    labels_of,
    random_network,
    ten,
    tensors_of,
    video,
)
from torch import Tensor, nn

from rgmp.config.method import Aggregation, Inference, Network
from rgmp.data import davis
from rgmp.data.images import read_frame
from rgmp.errors import UserError
from rgmp.inference import multiscale
from rgmp.inference.propagator import Propagator
from rgmp.model.network import RGMP

AGGREGATIONS: list[Aggregation] = ["softmax", "winner_take_all", "independent"]


@contextmanager
def in_float64(network: RGMP) -> Iterator[RGMP]:
    """Let the package compute in float64: what can differ then is the method, not the rounding."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tensor, "float", Tensor.double)
        yield copy.deepcopy(network).double()


def compare(
    network: RGMP,
    frames: list[Labels],
    labels: Labels,
    aggregation: Aggregation = "softmax",
    scales: tuple[float, ...] = (0.5, 0.75, 1.0),
) -> list[Labels]:
    """Assert that every frame's soft result and labels are the plain ones; return the labels."""
    settings = Inference(scales=scales, aggregation=aggregation)
    plain = propagate(doubles(network), frames, labels, scales, aggregation)
    with in_float64(network) as exact:
        propagator = Propagator(exact, settings, CPU)
        propagator.start(frames[0], labels)
        for frame, (wanted, soft) in zip(frames[1:], plain, strict=True):
            got = propagator.step(frame).numpy()
            inside = propagator._soft.numpy()[:, *propagator._crop]
            np.testing.assert_allclose(inside, soft, atol=1e-6)
            np.testing.assert_array_equal(got, wanted)
            assert got.dtype == np.uint8
    return [wanted for wanted, _ in plain]


def compare_in_fp32(network: RGMP, frames: list[Labels], labels: Labels) -> list[Labels]:
    """Assert that the labels are the plain ones on 99.9 % of pixels; return the plain ones."""
    propagator = Propagator(network, Inference(), CPU)
    propagator.start(frames[0], labels)
    plain = [answer for answer, _ in propagate(doubles(network), frames, labels)]
    for frame, wanted in zip(frames[1:], plain, strict=True):
        assert np.mean(propagator.step(frame).numpy() == wanted) >= 0.999
    return plain


SIZES = {"neither": (45, 50), "height": (64, 50), "width": (45, 64), "both": (64, 64)}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_one_object_equals_the_facts(network: RGMP, size: tuple[int, int]) -> None:
    answers = compare(network, video(3, *size), boxes(*size, (10, 20, 40, 45)))
    assert all(set(np.unique(a)) == {0, 1} for a in answers)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("size", [(45, 70), (64, 64)])
def test_two_objects_equal_the_facts(
    network: RGMP, size: tuple[int, int], aggregation: Aggregation
) -> None:
    labels = boxes(*size, (5, 10, 30, 35), (20, 30, 44, 66))
    answers = compare(network, video(3, *size), labels, aggregation)
    assert set(np.unique(answers)) == {0, 1, 2}


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_ten_objects_equal_the_facts(network: RGMP, aggregation: Aggregation) -> None:
    answers = compare(network, video(3, 33, 40), ten(33, 40), aggregation)
    assert len(np.unique(answers)) > 5


@pytest.mark.parametrize("scales", [(1.0,), (0.5,), (0.6, 1.3)])
def test_other_scales_equal_the_facts(network: RGMP, scales: tuple[float, ...]) -> None:
    labels = boxes(45, 70, (5, 10, 30, 35), (20, 30, 44, 66))
    compare(network, video(3, 45, 70), labels, scales=scales)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_objects_at_the_border_equal_the_facts(network: RGMP, aggregation: Aggregation) -> None:
    labels = boxes(45, 70, (0, 0, 20, 70), (30, 60, 45, 70), (20, 0, 45, 5))
    compare(network, video(3, 45, 70), labels, aggregation)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_one_pixel_objects_equal_the_facts(network: RGMP, aggregation: Aggregation) -> None:
    compare(network, video(3, 45, 70), boxes(45, 70, (22, 31, 23, 32)), aggregation)
    labels = boxes(45, 70, (0, 0, 1, 1), (22, 31, 23, 32), (44, 69, 45, 70))
    compare(network, video(3, 45, 70), labels, aggregation)


def test_an_id_that_frame_0_skips_is_followed_from_nothing(network: RGMP) -> None:
    labels = boxes(45, 70, (5, 10, 30, 35))
    labels[labels == 1] = 2
    compare(network, video(3, 45, 70), labels)


def test_void_is_no_object(network: RGMP) -> None:
    labels = boxes(45, 70, (5, 10, 30, 35), (20, 30, 44, 66))
    labels[:3] = davis.VOID
    compare(network, video(3, 45, 70), labels)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("objects", [1, 2])
def test_objects_that_vanish_and_come_back_equal_the_facts(
    objects: int, aggregation: Aggregation
) -> None:
    network = random_network(seed=3)
    labels = boxes(45, 70, (5, 10, 30, 35), (20, 30, 44, 66))
    labels[labels > objects] = 0
    frames = video(5, 45, 70)
    propagator = Propagator(network, Inference(aggregation=aggregation), CPU)
    bias = cast(nn.Parameter, propagator._passes.network.decoder.head2.bias)
    propagator.start(frames[0], labels)
    propagator.step(frames[1])
    with torch.no_grad():
        bias[0] += 60  # the network sees background everywhere
        for frame in frames[2:4]:
            assert propagator.step(frame).max() == 0
            assert propagator._soft.isfinite().all()
            assert propagator._soft.max() < 1e-3
        bias[0] -= 60
    assert propagator.step(frames[4]).max() > 0
    with torch.no_grad():
        cast(nn.Parameter, network.decoder.head2.bias)[0] += 60
    answers = compare(network, frames[:3], labels, aggregation)
    assert not np.any(answers)


@pytest.mark.parametrize("objects", [1, 2])
def test_fp32_equals_the_facts(network: RGMP, objects: int) -> None:
    labels = boxes(45, 70, (5, 10, 30, 35), (20, 30, 44, 66))
    labels[labels > objects] = 0
    compare_in_fp32(network, video(3, 45, 70), labels)


@pytest.fixture(scope="module")
def papers() -> RGMP:
    """Of ResNet-50 at its full width."""
    return random_network(Network())


@pytest.mark.slow
@pytest.mark.parametrize("objects", [1, 2])
def test_the_papers_network_equals_the_facts(papers: RGMP, objects: int) -> None:
    labels = boxes(31, 60, (3, 5, 20, 30), (14, 26, 30, 56))
    labels[labels > objects] = 0
    answers = compare_in_fp32(papers, video(3, 31, 60), labels)
    assert set(np.unique(answers)) == set(range(objects + 1))


class Watch(nn.Module):
    """Stands for a network: says what it was shown; the foreground is `p` everywhere."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p
        self.seen: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []
        self.masks: list[Tensor] = []

    def reference(self, frame: Tensor, mask: Tensor) -> None:
        self.seen.append(("reference", tuple(frame.shape), tuple(mask.shape)))

    def forward(self, frame: Tensor, mask: Tensor, reference: None) -> tuple[Tensor, None]:
        assert reference is None
        self.seen.append(("target", tuple(frame.shape), tuple(mask.shape)))
        self.masks.append(mask.clone())
        p = torch.tensor(self.p, dtype=torch.float64)
        logits = torch.stack([torch.log(1 - p), torch.log(p)]).view(1, 2, 1, 1).float()
        return logits.expand(len(mask), 2, *mask.shape[-2:]), None


def watched(settings: Inference, p: float = 0.5) -> tuple[Watch, Propagator]:
    watch = Watch(p)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multiscale, "folded", lambda network: network)
        return watch, Propagator(cast(RGMP, watch), settings, CPU)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("objects", [1, 2, 3])
def test_the_network_sees_480p_as_the_authors_showed_it(
    objects: int, aggregation: Aggregation
) -> None:
    watch, propagator = watched(Inference(aggregation=aggregation))
    labels = boxes(480, 854, *[(0, 100 * i, 50, 100 * i + 50) for i in range(objects)])
    frame = np.zeros((480, 854, 3), np.uint8)
    propagator.start(frame, labels)
    propagator.step(frame)
    propagator.step(frame)
    passes = objects + (aggregation == "softmax" and objects > 1)
    sizes = [(288, 448), (416, 672), (512, 864)]
    streams = ["reference", "target", "target"]
    assert watch.seen == [(s, (1, 3, *n), (passes, 1, *n)) for s in streams for n in sizes]


def test_frames_and_masks_are_padded_with_zeros_and_feedback_is_soft() -> None:
    watch, propagator = watched(Inference(scales=(1.0,)), p=0.3)
    labels = np.ones((40, 50), np.uint8)
    frame = np.full((40, 50, 3), 255, np.uint8)
    propagator.start(frame, labels)
    assert propagator.step(frame).max() == 0
    propagator.step(frame)
    first, second = watch.masks
    canvas = torch.zeros(64, 64)
    canvas[12:52, 7:57] = 1
    assert torch.equal(first[0, 0], canvas)
    assert torch.allclose(second, torch.tensor(0.3))
    whole = propagator.upload(frame)
    assert torch.equal(whole, canvas.expand(1, 3, 64, 64))


def test_union_is_the_sum_of_the_soft_objects() -> None:
    watch, propagator = watched(Inference(scales=(1.0,)), p=0.3)
    frame, labels = np.zeros((40, 50, 3), np.uint8), boxes(40, 50, (0, 0, 9, 9), (20, 20, 30, 30))
    propagator.start(frame, labels)
    propagator.step(frame)
    propagator.step(frame)
    for masks in watch.masks:
        assert torch.allclose(masks[2], masks[0] + masks[1])
    odds = 0.3 / 0.7
    share = odds / (2 * odds + 1 / odds)
    assert watch.masks[1][0].mean().item() == pytest.approx(share, rel=1e-4)


@pytest.mark.parametrize("objects", [1, 2])
def test_two_videos_do_not_disturb_each_other(network: RGMP, objects: int) -> None:
    frames = video(5, 45, 70)
    labels = boxes(45, 70, (5, 10, 30, 35), (20, 30, 44, 66))
    labels[labels > objects] = 0
    one, other = (Propagator(network, Inference(), CPU) for _ in range(2))
    one.start(frames[0], labels)
    alone = [one.step(frame).clone() for frame in frames[1:]]
    one.start(frames[0], labels)
    other.start(frames[2], ten(45, 70))
    for frame, wanted in zip(frames[1:], alone, strict=True):
        other.step(frames[2])
        assert torch.equal(one.step(frame), wanted)


def test_what_is_kept_does_not_grow(network: RGMP) -> None:
    frames = video(6, 45, 70)
    propagator = Propagator(network, Inference(), CPU)
    propagator.start(frames[0], ten(45, 70))
    kept = []
    for frame in frames[1:]:
        propagator.step(frame)
        kept.append([(tuple(t.shape), t.dtype, t.grad_fn) for t in tensors_of(vars(propagator))])
    assert all(k == kept[0] for k in kept)
    # a soft mask an object; two maps a scale
    assert len(kept[0]) == 1 + 2 * 3
    assert all(grad is None for _, _, grad in kept[0])


def test_bfloat16_stays_near_fp32(network: RGMP) -> None:
    frames, labels = video(2, 64, 96), boxes(64, 96, (10, 20, 40, 60))
    softs = []
    for precision in ("fp32", "bf16"):
        settings = Inference.model_validate({"precision": precision})
        propagator = Propagator(network, settings, CPU)
        propagator.start(frames[0], labels)
        propagator.step(frames[1])
        assert propagator._soft.dtype == torch.float32
        softs.append(propagator._soft)
    assert 0 < float((softs[0] - softs[1]).abs().mean()) < 0.02


def test_frame_of_another_size_is_refused(network: RGMP) -> None:
    propagator = Propagator(network, Inference(), CPU)
    with pytest.raises(UserError, match=r"50x40.*50x41"):
        propagator.start(np.zeros((40, 50, 3), np.uint8), np.ones((41, 50), np.uint8))
    propagator.start(np.zeros((40, 50, 3), np.uint8), np.ones((40, 50), np.uint8))
    with pytest.raises(UserError, match=r"50x72.*50x40"):
        propagator.step(np.zeros((72, 50, 3), np.uint8))


def test_mask_without_an_object_is_refused(network: RGMP) -> None:
    propagator = Propagator(network, Inference(), CPU)
    for value in (0, davis.VOID):
        with pytest.raises(UserError, match="no object"):
            propagator.start(
                np.zeros((40, 50, 3), np.uint8), np.full((40, 50), value, dtype=np.uint8)
            )


@pytest.mark.slow
def test_real_frames_equal_the_facts(network: RGMP, shared: Path) -> None:
    root = shared / "davis2016"
    name = sorted(p.name for p in (root / "JPEGImages/480p").iterdir())[0]
    sequence = open_sequence(root, name)
    truth = read_annotation(sequence.annotations[0], "davis2016")
    compare_in_fp32(network, [read_frame(path) for path in sequence.frames[:3]], truth)


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize("objects", [1, 10])
def test_a_gpu_gives_what_a_cpu_gives(precision: str, objects: int) -> None:
    frames, labels = video(4, 120, 214), ten(120, 214)
    labels[labels > objects] = 0
    network = random_network(Network())
    wanted = labels_of(Propagator(network, Inference(), CPU), frames, labels)
    settings = Inference.model_validate({"precision": precision})
    propagator = Propagator(network, settings, torch.device("cuda"))
    propagator.start(frames[0], labels)
    got = [propagator.step(frame).cpu().numpy() for frame in frames[1:]]
    assert propagator._graphs
    assert np.mean(np.array(got) == wanted) > (0.999 if precision == "fp32" else 0.99)


def test_a_frame_goes_to_a_gpu_through_pinned_memory(
    network: RGMP, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    real = torch.empty

    def empty(*shape: Any, pin_memory: bool = False, **options: Any) -> Tensor:
        asked.append(pin_memory)
        return real(*shape, **options)

    propagator = Propagator(network, Inference(), CPU)
    frame = video(1, 45, 70)[0]
    propagator.start(frame, ten(45, 70))
    wanted = propagator.upload(frame)
    monkeypatch.setattr(torch, "empty", empty)
    monkeypatch.setattr(Tensor, "to", lambda tensor, *_, **__: tensor)
    propagator.device = torch.device("cuda")
    assert torch.equal(propagator.upload(frame), wanted)
    assert asked == [True]
