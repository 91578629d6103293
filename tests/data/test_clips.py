"""Stage 2's samples: which frames, which object, and the schedule of both."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.davis_tree import open_sequence
from support.described_sets import write_youtube_vos, youtube_vos
from support.tiny_training import HEIGHT, STILL, WIDTH, box, finetune, first_of, write_davis

from rgmp.data.clips import Clips, positions
from rgmp.data.davis import write_mask
from rgmp.data.decoding import Decoded
from rgmp.data.sample import IGNORE, Sample
from rgmp.data.sequence import Sequence

FIXED = {**STILL, "skip": (0, 0)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_davis(tmp_path / "davis")


def open_all(root: Path, names: str = "ab", benchmark: str = "davis2017") -> list[Sequence]:
    return [open_sequence(root, name, benchmark) for name in names]


def draw(root: Path, seed: int = 0, step: int = 0, names: str = "a", **changes: Any) -> Sample:
    settings = finetune(**changes)
    clips = Clips(open_all(root, names, settings.benchmark), settings, Decoded(64))
    return first_of(clips.draw([np.random.default_rng(seed)], step))


@given(st.integers(0, 2**32), st.integers(2, 40), st.integers(1, 9), st.integers(0, 6))
def test_frames_are_in_order_and_skips_bounded(
    seed: int, frames: int, targets: int, skip: int
) -> None:
    rng = np.random.default_rng(seed)
    reference, previous, chosen = positions(rng, frames, targets, skip)
    assert 0 <= reference <= previous < chosen[0]
    assert len(chosen) == targets
    assert chosen[-1] < frames
    gaps = np.diff([previous, *chosen])
    assert (gaps <= skip + 1).all()
    if frames > targets:  # else the last one is repeated
        assert (gaps >= 1).all()


def test_a_video_that_is_too_short_repeats_its_last_frame() -> None:
    assert positions(np.random.default_rng(0), 3, 4, 5) == (0, 0, [1, 2, 2, 2])
    assert positions(np.random.default_rng(0), 2, 1, 5) == (0, 0, [1])


def test_every_frame_and_every_skip_is_reached() -> None:
    drawn = [positions(np.random.default_rng(seed), 8, 2, 2) for seed in range(400)]
    assert {reference for reference, _, _ in drawn} == set(range(6))
    assert {targets[-1] for _, _, targets in drawn} == set(range(2, 8))
    assert {targets[0] - previous for _, previous, targets in drawn} == {1, 2, 3}


def test_length_grows_from_the_first_value_to_the_last_in_equal_shares() -> None:
    clips = Clips([], finetune(steps=12, frames=(4, 7)), Decoded(64))
    assert [clips.length(step) for step in range(12)] == [4] * 3 + [5] * 3 + [6] * 3 + [7] * 3
    shrinking = Clips([], finetune(steps=5, frames=(3, 3)), Decoded(64))
    assert {shrinking.length(step) for step in range(5)} == {3}


def test_skips_grow_with_the_steps(root: Path) -> None:
    """The left object moves 2 pixels a frame, which tells frames apart."""
    settings = {**FIXED, "skip": (0, 2), "frames": (3, 3), "steps": 9, "benchmark": "davis2016"}

    def gaps(step: int) -> set[int]:
        masks = [draw(root, seed, step, **settings).masks for seed in range(20)]
        edges = [[int((mask[20] == 1).nonzero()[0]) for mask in clip[1:]] for clip in masks]
        return {(after - before) // 2 for before, after in edges}

    assert gaps(0) == {1}
    assert gaps(8) == {1, 2}  # and no 3: the video has but 6 frames


def test_a_clip_has_its_length_and_its_guidance_is_the_frame_before(root: Path) -> None:
    sample = draw(root, benchmark="davis2016", frames=(4, 4), **FIXED)
    assert sample.frames.shape == (4, 3, HEIGHT, WIDTH)
    assert sample.masks.shape == (4, HEIGHT, WIDTH)
    # the left object moves 2 pixels a frame, so the guidance is the first target moved back
    moved = torch.zeros_like(sample.masks[1][:, :40])
    moved[1:] = sample.masks[1][1:, 2:42]
    assert torch.equal(sample.guidance[1:, :40], (moved[1:] == 1).float())
    later = sample.masks[2][1:, 2:42]
    assert torch.equal(later, sample.masks[1][1:, :40])


def test_a_sample_depends_on_its_own_random_state_alone(root: Path) -> None:
    clips = Clips(open_all(root), finetune(), Decoded(64))
    fresh = {seed: draw(root, seed, 5, "ab") for seed in range(5)}
    for seeds in ((4, 0, 0, 3, 2, 1), (3, 1), (2,)):
        batch = clips.draw([np.random.default_rng(seed) for seed in seeds], 5)
        for seed, *again in zip(seeds, *batch, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(fresh[seed], again, strict=True))


def test_one_object_or_the_union_is_followed_and_void_is_left_out(root: Path) -> None:
    """Ids 1 and 3: the 2 between them is no object of frame 0, and is never drawn."""
    seen = set()
    for seed in range(40):
        masks = draw(root, seed, **FIXED).masks
        assert (masks[:, 0] == IGNORE).all()
        left, right = (bool((part == 1).any()) for part in masks[:, 1:].tensor_split(2, dim=2))
        assert left or right
        seen.add((left, right))
    assert seen == {(True, False), (False, True), (True, True)}


def test_in_davis2016_every_label_is_the_one_foreground(root: Path) -> None:
    for seed in range(5):
        masks = draw(root, seed, benchmark="davis2016", **FIXED).masks
        assert (masks[:, 0] == 1).all()
        assert all((part == 1).any() for part in masks.tensor_split(2, dim=2))
        assert set(masks.flatten().tolist()) == {0, 1}


def test_a_reference_without_the_object_gives_way_to_frame_0(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "davis", frames=(6,))
    for t in range(1, 6):  # the object is there in frame 0 and never again
        write_mask(root / f"Annotations/480p/a/{t:05d}.png", box(0, 0, 0, 0))
    for seed in range(12):
        masks = draw(root, seed, benchmark="davis2016", **FIXED).masks
        assert (masks[0] == 1).any()
        assert not masks[1:].any()


def test_the_reference_is_frame_0_where_that_is_asked_for(root: Path) -> None:
    """The left object moves 2 pixels a frame, which tells frames apart."""

    def edges(which: str) -> set[int]:
        settings = {**FIXED, "benchmark": "davis2016", "reference_frame": which}
        masks = [draw(root, seed, **settings).masks[0] for seed in range(20)]
        return {int((mask[20] == 1).nonzero()[0]) for mask in masks}

    assert edges("first") == {10}
    assert edges("earlier") > {10, 12}


def test_videos_of_other_sizes_and_object_counts_make_one_batch(root: Path) -> None:
    for path in (*root.glob("JPEGImages/480p/b/*"), *root.glob("Annotations/480p/b/*")):
        with Image.open(path) as picture:
            picture.resize((2 * WIDTH, 3 * HEIGHT // 2), Image.Resampling.NEAREST).save(path)
    for path in root.glob("Annotations/480p/a/*"):
        write_mask(path, box(20, 30, 20, 24, 1))
    samples = [draw(root, seed, names="ab") for seed in range(12)]
    frames, masks, guidance = (torch.stack(tensors) for tensors in zip(*samples, strict=True))
    assert frames.shape[-2:] == masks.shape[-2:] == guidance.shape[-2:] == (HEIGHT, WIDTH)
    assert all((mask == 1).any() for mask in masks)


def test_frames_and_masks_are_seen_alike(root: Path) -> None:
    """The object is bright and the rest dark, wherever the view takes them."""
    for seed in range(6):
        sample = draw(root, seed, benchmark="davis2016", brightness=0, contrast=0, saturation=0)
        bright = sample.frames.mean(dim=1)
        for frame, mask in zip(bright, sample.masks, strict=True):
            assert frame[mask == 1].mean() > frame[mask == 0].mean() + 0.2


def test_clips_of_a_described_set_have_annotated_frames_and_objects_that_are_given(
    tmp_path: Path,
) -> None:
    sequences = youtube_vos(write_youtube_vos(tmp_path / "set")).open()
    settings = finetune(benchmark="described", frames=(2, 2), **FIXED)
    clips = Clips(sequences, settings, Decoded(64))
    drawn = [clips._choose(np.random.default_rng(seed), 0) for seed in range(200)]
    for clip in drawn:
        sequence, first = clip.sequence, clip.sequence.objects
        frames = [sequence.annotated_frames[t].stem for t in clip.times]
        assert frames == [sequence.annotations[t].stem for t in clip.times]
        assert clip.which is None or first[clip.which] <= clip.times[0] <= clip.previous
        if clip.which is None:
            assert max(first.values()) <= clip.times[0], "the reference is given every object"
    picked = {(clip.sequence.name, clip.which) for clip in drawn}
    assert picked >= {("0a1b", 1), ("0a1b", 4), ("0a1b", None), ("ff00", 7), ("ff00", 2)}
    sample = clips.draw([np.random.default_rng(seed) for seed in range(8)], 0)
    assert sample.masks.shape == (8, 2, HEIGHT, WIDTH)
    assert (sample.masks[:, 0] == 1).any(dim=2).any(dim=1).all(), "the reference shows the object"
