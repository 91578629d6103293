"""Stage 1's samples: reproducible one by one, and what the paper's two strategies say they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.tiny_training import (
    HEIGHT,
    STILL,
    TRUE_GUIDANCE,
    WIDTH,
    box,
    first_of,
    pretrain,
    write_stills,
)

from rgmp.config.study import Stills
from rgmp.data import davis
from rgmp.data.decoding import Decoded
from rgmp.data.pairs import Pairs, occluded
from rgmp.data.sample import IGNORE, Sample
from rgmp.data.stills import Still, find_stills
from rgmp.errors import UserError

FIXED = {**STILL, "warp": 0}


@pytest.fixture
def stills(tmp_path: Path) -> Stills:
    return write_stills(tmp_path / "stills", count=4)


def draw(stills: Stills, seed: int = 0, **changes: Any) -> Sample:
    pairs = Pairs(find_stills([stills]), pretrain(**changes), Decoded(64))
    return first_of(pairs.draw([np.random.default_rng(seed)], 0))


def same(a: Sample, b: Sample) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_sample_has_two_frames_their_masks_and_a_guidance(stills: Stills) -> None:
    sample = draw(stills)
    assert sample.frames.shape == (2, 3, HEIGHT, WIDTH)
    assert sample.frames.dtype == torch.float32
    assert 0 <= sample.frames.min() < sample.frames.max() <= 1
    assert sample.masks.shape == (2, HEIGHT, WIDTH)
    assert set(sample.masks.flatten().tolist()) == {0, 1, IGNORE}
    assert sample.guidance.shape == (HEIGHT, WIDTH)
    assert set(sample.guidance.flatten().tolist()) <= {0.0, 1.0}


def test_a_sample_depends_on_its_own_random_state_alone(stills: Stills) -> None:
    fresh = [draw(stills, seed, occlude=1) for seed in range(6)]
    pairs = Pairs(find_stills([stills]), pretrain(occlude=1), Decoded(64))
    for seeds in ((5, 3, 3, 0, 4, 1, 2), (2, 4), (1,)):
        batch = pairs.draw([np.random.default_rng(seed) for seed in seeds], 0)
        for seed, *tensors in zip(seeds, *batch, strict=True):
            assert same(fresh[seed], Sample(*tensors))
    assert not same(fresh[0], fresh[1])


def test_strategy_1_shows_one_still_twice(stills: Stills) -> None:
    sample = draw(stills, paste=0, **FIXED)
    assert torch.equal(sample.frames[0], sample.frames[1])
    moving = draw(stills, paste=0)
    assert not torch.equal(moving.frames[0], moving.frames[1])
    assert not torch.equal(moving.masks[0], moving.masks[1])


def test_strategy_2_changes_the_background_and_keeps_the_object(stills: Stills) -> None:
    """Of four stills the pasted background is now and then the object's own."""
    changed = 0
    for seed in range(8):
        plain = draw(stills, seed, paste=0, **FIXED)
        pasted = draw(stills, seed, paste=1, occlude=0, **FIXED)
        assert torch.equal(plain.masks, pasted.masks)
        near = torch.nn.functional.max_pool2d(
            (plain.masks > 0).float(), kernel_size=3, stride=1, padding=1
        )
        deep = torch.nn.functional.max_pool2d(
            (plain.masks != 1).float(), kernel_size=3, stride=1, padding=1
        )
        difference = (plain.frames - pasted.frames).abs().amax(dim=1)
        assert difference[deep == 0].max() < 1e-6
        changed += bool(difference[near == 0].mean() > 0.02)
    assert changed >= 4


def test_an_occluder_hides_some_of_the_target_and_none_of_the_reference(stills: Stills) -> None:
    fewer = 0
    for seed in range(12):
        free = draw(stills, seed, paste=1, occlude=0)
        hidden = draw(stills, seed, paste=1, occlude=1)
        assert torch.equal(free.masks[0], hidden.masks[0])
        assert torch.equal(free.frames[0], hidden.frames[0])
        before, after = free.masks[1] == 1, hidden.masks[1] == 1
        assert not (after & ~before).any()
        assert after.any()  # an object wholly hidden teaches nothing
        fewer += int(after.sum() < before.sum())
    assert fewer >= 4


def test_under_an_occluders_uncertain_edge_the_truth_is_not_known(tmp_path: Path) -> None:
    """The occluder covers the left half of the picture; its last column is uncertain."""
    stills = write_stills(tmp_path / "stills", count=1)
    mask = box(0, 0, HEIGHT, WIDTH // 2, 255)
    mask[:, WIDTH // 2 - 1] = 128
    Image.fromarray(mask).save(stills.masks / "0.png")
    image, shape = Decoded(64).still(find_stills([stills])[0])
    frame = image.permute(2, 0, 1)[None] / 255
    truth = torch.ones((1, HEIGHT, WIDTH), dtype=torch.uint8)
    _, (left,) = occluded(frame, truth, frame, shape[None])
    assert (left[:, : WIDTH // 2 - 1] == 0).all()
    assert (left[:, WIDTH // 2 - 1] == IGNORE).all()
    assert (left[:, WIDTH // 2 :] == 1).all()
    assert (truth == 1).all()  # nothing is changed in place: pictures are kept


def test_the_guidance_is_off_but_overlaps(stills: Stills) -> None:
    for seed in range(10):
        sample = draw(stills, seed, guidance_empty=0, guidance_cut=0)
        guess, truth = sample.guidance == 1, sample.masks[1] == 1
        overlap = (guess & truth).sum() / (guess | truth).sum()
        assert 0.1 < overlap < 1, seed


def test_the_guidance_is_empty_at_times(stills: Stills) -> None:
    empty = [not draw(stills, seed, guidance_empty=0.5).guidance.any() for seed in range(30)]
    assert 5 < sum(empty) < 25
    assert draw(stills, guidance_empty=1).guidance.sum() == 0


def test_the_guidance_of_settings_that_move_nothing_is_the_truth(stills: Stills) -> None:
    sample = draw(stills, paste=0, **FIXED, **TRUE_GUIDANCE)
    assert torch.equal(sample.guidance, (sample.masks[1] == 1).float())


def test_the_guidance_lacks_a_part_at_times(stills: Stills) -> None:
    """What is left is some of the true mask, and lies to one side of a line."""
    for seed in range(8):
        sample = draw(stills, seed, paste=0, **FIXED, **{**TRUE_GUIDANCE, "guidance_cut": 1})
        truth, left = sample.masks[1] == 1, sample.guidance == 1
        assert left.any()
        assert not (left & ~truth).any()
        assert left.sum() < truth.sum()


def test_each_object_of_an_indexed_mask_is_a_foreground_of_its_own(tmp_path: Path) -> None:
    stills = write_stills(tmp_path / "stills", count=1)
    labels = box(8, 8, 20, 20, 1) + box(36, 50, 20, 24, 7)
    labels[0] = 255
    davis.write_mask(stills.masks / "0.png", labels)
    indexed = stills.model_copy(update={"labels": "objects"})
    seen = set()
    for seed in range(20):
        mask = draw(indexed, seed, paste=0, **FIXED).masks[0]
        seen.add(tuple(int((mask == value).sum()) for value in (0, 1, IGNORE)))
        assert (mask[0] == IGNORE).all()
    rest = HEIGHT * WIDTH - WIDTH
    assert seen == {(rest - 400, 400, WIDTH), (rest - 480, 480, WIDTH)}


def test_a_frame_without_an_object_gives_way_to_the_next(tmp_path: Path) -> None:
    stills = write_stills(tmp_path / "stills", count=3).model_copy(update={"labels": "objects"})
    for i in (0, 2):
        davis.write_mask(stills.masks / f"{i}.png", box(0, 0, 0, 0))
    davis.write_mask(stills.masks / "1.png", box(8, 8, 20, 20, 3))
    for seed in range(6):
        assert (draw(stills, seed, paste=0, **FIXED).masks == 1).sum() == 2 * 400
    davis.write_mask(stills.masks / "1.png", box(0, 0, 0, 0))
    with pytest.raises(UserError, match="no mask of any still has an object"):
        draw(stills)


def test_a_foreground_mask_with_no_255_is_named(stills: Stills) -> None:
    Image.fromarray(box(0, 0, 4, 4, 1)).save(stills.masks / "1.png")
    with pytest.raises(
        UserError, match=r"masks/1.png: no pixel has the foreground value 255.* labels are objects"
    ):
        Decoded(64).still(find_stills([stills])[1])


def test_masks_of_0_and_255_and_what_lies_between(tmp_path: Path) -> None:
    still = Still(tmp_path / "a.png", tmp_path / "b.png")
    Image.fromarray(np.full((1, 5, 3), (255, 0, 51), dtype=np.uint8)).save(still.image)
    Image.fromarray(np.array([[0, 1, 128, 254, 255]], dtype=np.uint8)).save(still.mask)
    image, mask = Decoded(64).still(still)
    assert mask.tolist() == [[0, IGNORE, IGNORE, IGNORE, 1]]
    assert image[0, 0].tolist() == [255, 0, 51]


def test_decoded_pictures_are_kept_only_while_there_is_room(tmp_path: Path) -> None:
    opened: list[str] = []

    def decode(path: Path) -> torch.Tensor:
        opened.append(path.name)
        return torch.zeros(400 * 1024, dtype=torch.uint8)

    decoded = Decoded(megabytes=1)
    for name in ("a", "b", "c", "a", "b", "c", "c"):
        assert decoded.get(tmp_path / name, decode).numel() == 400 * 1024
    assert opened == ["a", "b", "c", "c", "c"]


def _no_mask(stills: Stills) -> Path:
    (stills.masks / "2.png").unlink()
    return stills.images / "2.png"


def _no_image(stills: Stills) -> Path:
    (stills.images / "2.png").unlink()
    return stills.masks / "2.png"


def _empty(stills: Stills) -> str:
    for path in (*stills.images.iterdir(), *stills.masks.iterdir()):
        path.unlink()
    return "no images in any folder"


def _no_folder(stills: Stills) -> Path:
    _empty(stills)
    stills.masks.rmdir()
    return stills.masks


@pytest.mark.parametrize("spoil", [_no_mask, _no_image, _empty, _no_folder])
def test_stills_that_do_not_match_are_named(
    stills: Stills, spoil: Callable[[Stills], object]
) -> None:
    culprit = spoil(stills)
    with pytest.raises(UserError) as caught:
        find_stills([stills])
    assert str(culprit) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mask_of_another_size_is_named_with_both_sizes(stills: Stills) -> None:
    Image.fromarray(box(0, 0, 4, 4, 255)[:60]).save(stills.masks / "1.png")
    with pytest.raises(UserError, match=r"masks/1.png: is 96x60, its image is 96x64"):
        Decoded(64).still(find_stills([stills])[1])


def test_a_truncated_image_is_named(stills: Stills) -> None:
    path = stills.images / "1.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match=r"images/1\.png"):
        Decoded(64).still(find_stills([stills])[1])


def test_sets_of_stills_are_taken_in_order(tmp_path: Path) -> None:
    first, second = (write_stills(tmp_path / name, count=2) for name in "zy")
    images = [still.image for still in find_stills([first, second])]
    assert images == [s.images / f"{i}.png" for s in (first, second) for i in range(2)]
