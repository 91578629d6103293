"""Inference is that of the facts, to the pixel; what it keeps does not grow; masks come whole."""

import copy
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from support.reference_rgmp import doubles, lively, propagate
from torch import Tensor, nn

from rgmp.config.base import Benchmark
from rgmp.config.method import Inference, Network
from rgmp.data import davis
from rgmp.data.images import read_frame, read_labels
from rgmp.errors import UserError
from rgmp.inference import multiscale, segment
from rgmp.inference.aggregation import Aggregation
from rgmp.inference.cuda_graph import StepFunction
from rgmp.inference.multiscale import padding, scaled_size
from rgmp.inference.propagator import _GRAPHS, Propagator
from rgmp.inference.segment import segment_sequence, segment_split
from rgmp.model.network import RGMP, Reference

Labels = NDArray[np.uint8]
CPU = torch.device("cpu")
SMALL = Network(backbone="resnet10", width=8, decoder_width=8)
AGGREGATIONS: list[Aggregation] = ["softmax", "winner_take_all", "independent"]


def random_network(settings: Network = SMALL, seed: int = 0) -> RGMP:
    torch.manual_seed(seed)
    network = RGMP(settings).eval()
    lively(network, seed)
    return network


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Maps this small are quicker without threads that wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def network() -> RGMP:
    return random_network()


def video(frames: int, height: int, width: int, seed: int = 0) -> list[Labels]:
    """A smooth random texture that drifts and flickers, as no writable array: so files are read."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    wide = np.asarray(
        coarse.resize((width + 4 * frames, height + 4 * frames), Image.Resampling.BICUBIC)
    )
    drift = [wide[3 * t : 3 * t + height, 2 * t : 2 * t + width] for t in range(frames)]
    noisy = [np.clip(f + rng.integers(-9, 10, f.shape), 0, 255).astype(np.uint8) for f in drift]
    for frame in noisy:
        frame.flags.writeable = False
    return noisy


def boxes(height: int, width: int, *corners: tuple[int, int, int, int]) -> Labels:
    """Objects 1, 2, ... as boxes (top, left, bottom, right); a later one lies over an earlier."""
    labels = np.zeros((height, width), np.uint8)
    for i, (top, left, bottom, right) in enumerate(corners):
        labels[top:bottom, left:right] = i + 1
    return labels


def ten(height: int, width: int) -> Labels:
    rows, columns = np.mgrid[:height, :width]
    labels: Labels = (1 + 5 * (rows * 2 // height) + columns * 5 // width).astype(np.uint8)
    return labels


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
    bias = cast(nn.Parameter, propagator._passes._network.decoder.head2.bias)
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


@pytest.mark.slow
@pytest.mark.parametrize("objects", [1, 2])
def test_the_papers_network_equals_the_facts(objects: int) -> None:
    labels = boxes(80, 100, (10, 20, 60, 60), (40, 50, 79, 99))
    labels[labels > objects] = 0
    answers = compare_in_fp32(random_network(Network()), video(3, 80, 100), labels)
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


def test_geometry_of_480p() -> None:
    assert (padding(480), padding(854)) == ((16, 16), (5, 5))
    assert [scaled_size((512, 864), s) for s in (0.5, 0.75, 1.0)] == [
        (288, 448),
        (416, 672),
        (512, 864),
    ]


def test_padding_is_never_nothing_and_its_odd_pixel_comes_after() -> None:
    for size in range(1, 200):
        before, after = padding(size)
        assert (size + before + after) % 32 == 0
        assert 1 <= before + after <= 32
        assert after - before in {0, 1}
    assert padding(64) == (16, 16)
    assert padding(33) == (15, 16)


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


def tensors_of(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for v in value for t in tensors_of(v)] if isinstance(value, list | tuple) else []


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


# Folders of masks


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two videos of three frames and one of a single frame."""
    root = tmp_path / "davis"
    for seed, (name, frames) in enumerate({"bear": 3, "camel": 3, "still": 1}.items()):
        labels = boxes(40, 50, (5, 5, 20, 20), (15, 25, 40, 50))
        labels[0, 0] = davis.VOID
        folder = root / "JPEGImages/480p" / name
        folder.mkdir(parents=True)
        for i, frame in enumerate(video(frames, 40, 50, seed)):
            Image.fromarray(frame).save(folder / f"{i:05d}.jpg")
        davis.write_mask(root / "Annotations/480p" / name / "00000.png", labels)
    return root


NAMES = ["bear", "camel", "still"]
MAKER = {"weights": "a", "settings": "b"}


def split(tree: Path) -> list[davis.Sequence]:
    return [davis.open_sequence(tree, name) for name in NAMES]


def segmented(tree: Path, network: RGMP, out: Path, maker: dict[str, str] = MAKER) -> list[int]:
    told: list[int] = []
    propagator = Propagator(network, Inference(), CPU)
    segment_split(propagator, split(tree), "davis2017", out, maker, told.append)
    return told


def contents(folder: Path) -> dict[str, bytes]:
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_masks_are_what_the_propagator_says_in_davis_palette(
    tree: Path, network: RGMP, tmp_path: Path
) -> None:
    assert segmented(tree, network, tmp_path / "masks") == [3, 6, 7]
    assert set(contents(tmp_path / "masks")) == {
        ".made-by.json",
        *(f"{name}/{i:05d}.png" for name in NAMES[:2] for i in range(3)),
        "still/00000.png",
    }
    sequence = davis.open_sequence(tree, "camel")
    propagator = Propagator(network, Inference(), CPU)
    truth = read_labels(sequence.annotations[0])
    propagator.start(read_frame(sequence.frames[0]), truth)
    expected = [np.where(truth == davis.VOID, 0, truth)]
    expected += [propagator.step(read_frame(f)).numpy() for f in sequence.frames[1:]]
    for i, wanted in enumerate(expected):
        with Image.open(tmp_path / "masks/camel" / f"{i:05d}.png") as image:
            assert (image.format, image.mode, image.size) == ("PNG", "P", (50, 40))
            palette = image.getpalette()
            assert palette is not None
            assert palette[:12] == [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]
            np.testing.assert_array_equal(np.asarray(image), wanted)


def test_davis2016_is_one_object(tree: Path, network: RGMP, tmp_path: Path) -> None:
    sequence = davis.open_sequence(tree, "bear")
    propagator = Propagator(network, Inference(), CPU)
    segment_sequence(propagator, sequence, "davis2016", tmp_path / "bear")
    assert propagator.objects == [1]
    first = read_labels(tmp_path / "bear/00000.png")
    np.testing.assert_array_equal(first, read_labels(sequence.annotations[0]) > 0)


def test_finished_sequences_are_kept(
    tree: Path, network: RGMP, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "masks"
    segmented(tree, network, out)
    whole = contents(out)
    davis.write_mask(out / "bear/00002.png", np.full((40, 50), 7, np.uint8))
    for path in (out / "camel").iterdir():
        path.unlink()
    (out / "camel").rmdir()
    made: list[str] = []
    real = segment.segment_sequence

    def counted(p: Propagator, s: davis.Sequence, b: Benchmark, o: Path) -> None:
        made.append(s.name)
        real(p, s, b, o)

    monkeypatch.setattr(segment, "segment_sequence", counted)
    assert segmented(tree, network, out) == [3, 6, 7]
    assert made == ["camel"]
    again = contents(out)
    assert again.pop("bear/00002.png") != whole.pop("bear/00002.png")
    assert again == whole


@pytest.mark.parametrize("link", [False, True])
def test_what_another_maker_left_is_removed(
    tree: Path, network: RGMP, tmp_path: Path, link: bool
) -> None:
    out = tmp_path / "masks"
    if link:
        (tmp_path / "elsewhere").mkdir()
        out.symlink_to(tmp_path / "elsewhere")
    segmented(tree, network, out, {"weights": "old", "settings": "b"})
    davis.write_mask(out / "bear/00002.png", np.full((40, 50), 7, np.uint8))
    davis.write_mask(out / "swan/00000.png", np.full((40, 50), 7, np.uint8))
    half = out / ".camel.x/camel/.00000.png.x"  # of a run that was killed
    davis.write_mask(half / "00000.png", np.full((40, 50), 7, np.uint8))
    segmented(tree, network, out)
    segmented(tree, network, tmp_path / "fresh")
    assert contents(out) == contents(tmp_path / "fresh")
    assert json.loads((out / ".made-by.json").read_text()) == MAKER


@pytest.mark.parametrize("name", ["notes", "bear/notes", "photographs/1.jpg", "link"])
def test_what_no_run_made_is_not_removed_with_what_another_maker_left(
    tree: Path, network: RGMP, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "masks"
    segmented(tree, network, out, {"weights": "old"})
    (out / name).parent.mkdir(exist_ok=True)
    if name == "link":
        (out / name).symlink_to(tree)
    else:
        (out / name).write_text("precious")
    before = contents(out)
    with pytest.raises(UserError, match=r"masks/\w+: not a folder of masks.*move it away"):
        segmented(tree, network, out)
    assert contents(out) == before


def test_folder_of_other_files_is_refused_and_left(
    tree: Path, network: RGMP, tmp_path: Path
) -> None:
    out = tmp_path / "photographs"
    out.mkdir()
    (out / "holiday.jpg").write_text("sun")
    with pytest.raises(UserError, match="photographs: contains other files"):
        segmented(tree, network, out)
    assert contents(out) == {"holiday.jpg": b"sun"}


def test_file_in_place_of_the_folder_is_refused(tree: Path, network: RGMP, tmp_path: Path) -> None:
    (tmp_path / "masks").write_text("no folder")
    with pytest.raises(UserError, match="masks"):
        segmented(tree, network, tmp_path / "masks")


def spoil_frame(tree: Path) -> Path:
    path = tree / "JPEGImages/480p/camel/00002.jpg"
    path.write_bytes(path.read_bytes()[:500])
    return path


def shrink_frame(tree: Path) -> Path:
    path = tree / "JPEGImages/480p/camel/00001.jpg"
    Image.new("RGB", (50, 8)).save(path)
    return path


def shrink_annotation(tree: Path) -> Path:
    davis.write_mask(tree / "Annotations/480p/camel/00000.png", np.ones((8, 50), np.uint8))
    return tree / "JPEGImages/480p/camel/00000.jpg"


def empty_annotation(tree: Path) -> Path:
    davis.write_mask(tree / "Annotations/480p/camel/00000.png", np.zeros((40, 50), np.uint8))
    return tree / "JPEGImages/480p/camel/00000.jpg"


@pytest.mark.parametrize("fault", [spoil_frame, shrink_frame, shrink_annotation, empty_annotation])
def test_broken_sequence_is_named_and_leaves_nothing(
    tree: Path, network: RGMP, tmp_path: Path, fault: Callable[[Path], Path]
) -> None:
    path = fault(tree)
    with pytest.raises(UserError, match=path.as_posix()) as caught:
        segmented(tree, network, tmp_path / "masks")
    assert "\n" not in str(caught.value)
    assert {p.name for p in (tmp_path / "masks").iterdir()} == {".made-by.json", "bear"}


KILLED = """
import sys, time
from pathlib import Path
import torch
sys.path[:0] = sys.argv[3:]
from test_propagator import random_network, segmented
from rgmp.data import davis

real = davis.write_mask
def stuck(path, labels):
    real(path, labels)
    if path.parent.name == "camel" and path.name == "00001.png":
        print("half", flush=True)
        time.sleep(600)
davis.write_mask = stuck
segmented(Path(sys.argv[1]), random_network(), Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_killed_sequence_leaves_nothing_to_take_for_whole(
    tree: Path, network: RGMP, tmp_path: Path
) -> None:
    out = tmp_path / "masks"
    command = [sys.executable, "-c", KILLED, *map(str, (tree, out, *Path(__file__).parents[:2]))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    assert {p.name for p in out.iterdir() if not p.name.startswith(".")} == {"bear"}
    segmented(tree, network, out)
    segmented(tree, network, tmp_path / "fresh")
    assert sorted(p.relative_to(out) for p in out.rglob("*")) == sorted(
        p.relative_to(tmp_path / "fresh") for p in (tmp_path / "fresh").rglob("*")
    )
    assert contents(out) == contents(tmp_path / "fresh")


@pytest.mark.slow
def test_real_frames_equal_the_facts(network: RGMP, shared: Path) -> None:
    root = shared / "davis2016"
    name = sorted(p.name for p in (root / "JPEGImages/480p").iterdir())[0]
    sequence = davis.open_sequence(root, name)
    truth = davis.read_annotation(sequence.annotations[0], "davis2016")
    compare_in_fp32(network, [read_frame(path) for path in sequence.frames[:3]], truth)


# What makes it fast changes no result


class Cramped(RGMP):
    """A network whose memory holds a few objects at once."""

    holds = 2
    seen: ClassVar[list[int]] = []

    def forward(
        self, frame: Tensor, previous_mask: Tensor, reference: Reference
    ) -> tuple[Tensor, Reference]:
        self.seen.append(len(previous_mask))
        if len(previous_mask) > self.holds:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nDetails")
        return super().forward(frame, previous_mask, reference)


def cramped(holds: int, reference: str = "first") -> Cramped:
    settings = Network.model_validate({**SMALL.model_dump(), "reference": reference})
    torch.manual_seed(0)
    network = Cramped(settings).eval()
    lively(network, 0)
    network.holds = holds
    return network


def labels_of(propagator: Propagator, frames: list[Labels], labels: Labels) -> list[Labels]:
    propagator.start(frames[0], labels)
    return [propagator.step(frame).numpy() for frame in frames[1:]]


@pytest.mark.parametrize("reference", ["first", "rolling", "none"])
def test_out_of_memory_takes_smaller_chunks_and_gives_the_same(
    reference: str, capsys: pytest.CaptureFixture[str]
) -> None:
    frames, labels = video(3, 45, 70), ten(45, 70)
    roomy = Propagator(cramped(99, reference), Inference(), CPU)
    wanted = labels_of(roomy, frames, labels)
    propagator = Propagator(cramped(2, reference), Inference(), CPU)
    Cramped.seen.clear()
    got = labels_of(propagator, frames, labels)
    assert np.mean(np.array(got) == wanted) > 0.999
    torch.testing.assert_close(propagator._soft, roomy._soft, atol=1e-4, rtol=1e-3)
    # ten objects and their union: 11, 6, 3, then two at once for good
    assert Cramped.seen[:4] == [11, 6, 3, 2]
    assert set(Cramped.seen[4:]) == {2, 1}
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "out of memory with 11 objects at once; retrying with 6"
    assert len(said) == 3


def test_a_memory_that_does_not_hold_one_object_is_said_in_a_line() -> None:
    propagator = Propagator(cramped(0), Inference(), CPU)
    propagator.start(video(1, 45, 70)[0], ten(45, 70))
    with pytest.raises(UserError, match=r"one object \(CUDA out of memory.*\); free") as caught:
        propagator.step(video(1, 45, 70)[0])
    assert "\n" not in str(caught.value)


def test_another_error_is_no_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(RGMP, "forward", broken)
    propagator = Propagator(random_network(), Inference(), CPU)
    propagator.start(video(1, 45, 70)[0], ten(45, 70))
    with pytest.raises(RuntimeError, match="a fault of ours"):
        propagator.step(video(1, 45, 70)[0])


class Replayed:
    """Stands for a CUDA graph: fixed places for what goes in and for what comes out."""

    made: ClassVar[list[tuple[int, ...]]] = []

    def __init__(
        self,
        step: StepFunction,
        frame: Tensor,
        soft: Tensor,
        references: Sequence[Reference],
        _: object,
    ) -> None:
        self.made.append(tuple(soft.shape))
        self.step = step
        self.frame, self.soft = frame.clone(), soft.clone()
        self.outputs = step(self.frame, self.soft, references)

    def __call__(
        self, frame: Tensor, soft: Tensor, references: Sequence[Reference]
    ) -> tuple[Tensor, Tensor, Sequence[Reference]]:
        self.frame.copy_(frame)
        self.soft.copy_(soft)
        found = self.step(self.frame, self.soft, references)
        for place, new in zip(tensors_of(self.outputs), tensors_of(found), strict=True):
            place.copy_(new)
        return self.outputs


@pytest.fixture
def replayed(network: RGMP, monkeypatch: pytest.MonkeyPatch) -> Propagator:
    Replayed.made.clear()
    monkeypatch.setattr("rgmp.inference.propagator.Graph", Replayed)
    propagator = Propagator(network, Inference(scales=(1.0,)), CPU)
    propagator._records = True
    return propagator


def test_a_recorded_step_is_kept_for_its_shape_and_gives_the_same(
    network: RGMP, replayed: Propagator
) -> None:
    plain = Propagator(network, Inference(scales=(1.0,)), CPU)
    two = boxes(45, 70, (5, 10, 30, 35), (20, 30, 44, 66))
    for frames, labels in ((video(4, 45, 70), two), (video(3, 45, 70), np.minimum(two, 1))) * 2:
        wanted = labels_of(plain, frames, labels)
        np.testing.assert_array_equal(labels_of(replayed, frames, labels), wanted)
    assert Replayed.made == [(2, 64, 96), (1, 64, 96)]


def test_only_a_few_shapes_stay_recorded(replayed: Propagator) -> None:
    for width in (*range(40, 400, 32), 40):
        frames = video(2, 33, width)
        labels_of(replayed, frames, boxes(33, width, (5, 5, 20, 20)))
        assert len(replayed._graphs) <= _GRAPHS
    assert Replayed.made[-1] == Replayed.made[0]


def test_without_a_graph_it_goes_on_and_says_why(
    network: RGMP, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nlong story")

    monkeypatch.setattr("rgmp.inference.propagator.Graph", refuse)
    propagator = Propagator(network, Inference(), CPU)
    propagator._records = True
    frames, labels = video(3, 45, 70), ten(45, 70)
    wanted = labels_of(Propagator(network, Inference(), CPU), frames, labels)
    np.testing.assert_array_equal(labels_of(propagator, frames, labels), wanted)
    assert capsys.readouterr().err == (
        "no CUDA graph (operation not permitted when stream is capturing); "
        "falling back to eager execution\n"
    )


def test_frames_are_read_ahead_in_order_and_not_all_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths = [Path(f"{i:05d}.jpg") for i in range(50)]
    read: list[Path] = []

    def reading(path: Path) -> Labels:
        read.append(path)
        return np.array([int(path.stem)], np.uint8)

    monkeypatch.setattr(segment, "read_frame", reading)
    for number, (path, frame) in enumerate(segment._read_ahead(paths)):
        assert (path, int(frame[0])) == (paths[number], number)
        assert len(read) <= number + segment._WAITING
    assert len(read) == 50


def test_a_mask_that_cannot_be_written_is_said(
    tree: Path, network: RGMP, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _: Labels) -> None:
        raise UserError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr(davis, "write_mask", full)
    with pytest.raises(UserError, match="No space left"):
        segmented(tree, network, tmp_path / "masks")
    assert not (tmp_path / "masks/bear").exists()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
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
