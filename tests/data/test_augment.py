"""The random choices of samples: crops, the jitter of their views, and the errors of guidance."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tiny_training import HEIGHT, STILL, WIDTH, box, pretrain
from torch import Tensor

from rgmp.config.method import Pretrain
from rgmp.data.augment import Crop, Jitter, choose_crop, cut, deform
from rgmp.data.sample import IGNORE
from rgmp.data.views import Views

SIZE = HEIGHT, WIDTH
FIXED = pretrain(**STILL)
OBJECT = box(20, 30, 24, 36) == 1


def view_of(rng: np.random.Generator, crop: Crop, settings: Pretrain) -> Views:
    """One view of a crop."""
    jitter = Jitter.of(settings, 0.0)
    return jitter.views([crop], [jitter.draw(rng)], settings.crop)


def seen(rng: np.random.Generator, settings: Pretrain, mask: Tensor) -> Tensor:
    """One view of a mask, about its object."""
    crop = choose_crop(rng, (mask == 1).numpy(), settings)
    return view_of(rng, crop, settings).of_masks([mask])[0]


def deformed(seed: int, mask: Tensor, jitter: Jitter) -> Tensor:
    return deform([np.random.default_rng(seed)], mask[None], jitter)[0]


@pytest.mark.parametrize("flip", [0.0, 1.0])
@pytest.mark.parametrize(("tall", "wide"), [(HEIGHT, WIDTH), (80, 200), (150, 97)])
def test_the_window_stays_inside_a_picture_that_is_large_enough(
    flip: float, tall: int, wide: int
) -> None:
    still = FIXED.model_copy(update={"flip": flip, "zoom": (1.0, 1.6)})
    for seed in range(20):
        rng = np.random.default_rng(seed)
        mask = torch.from_numpy(box(5, wide - 12, 9, 10, size=(tall, wide)))
        view = view_of(rng, choose_crop(rng, (mask == 1).numpy(), still), still)
        # every pixel of the view has its centre in the picture
        assert view.grids.abs().max() <= 1
        everywhere, there = (view.of_masks([m])[0] for m in (torch.ones_like(mask), mask))
        assert (everywhere == 1).all()
        # and the chosen point of the object is in view
        assert (there == 1).any()


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_at_zoom_one_a_picture_of_the_crops_size_fills_it_whole(flip: float) -> None:
    mask = torch.from_numpy(box(20, 30, 24, 36))
    mask[2, 7] = IGNORE
    still = FIXED.model_copy(update={"flip": flip})
    shown = seen(np.random.default_rng(0), still, mask)
    assert torch.equal(shown, mask.flip(1) if flip else mask)


def test_a_small_zoom_leaves_equal_margins() -> None:
    rng = np.random.default_rng(0)
    small = FIXED.model_copy(update={"zoom": (0.5, 0.5)})
    view = view_of(rng, choose_crop(rng, OBJECT, small), small)
    shape = view.of_masks([torch.ones(SIZE, dtype=torch.uint8)])[0]
    expected = box(HEIGHT // 4, WIDTH // 4, HEIGHT // 2, WIDTH // 2)
    assert np.array_equal(shape.numpy(), expected)


def angle(settings: Pretrain) -> float:
    """By how much the sides of a box are turned in a view, degrees, counter-clockwise."""
    rng = np.random.default_rng(1)
    view = view_of(rng, choose_crop(rng, OBJECT, settings), settings)
    across = np.linalg.inv(view.matrices[0])[:2, 0]
    return float(np.degrees(np.arctan2(-across[1], across[0])))


def test_rotations_scales_and_zooms_are_those_of_the_settings() -> None:
    assert angle(FIXED) == pytest.approx(0)
    assert abs(angle(FIXED.model_copy(update={"rotation": (15, 15)}))) == pytest.approx(15)
    rng = np.random.default_rng(1)
    larger = FIXED.model_copy(update={"zoom": (1.2, 1.2), "scale": (1.5, 1.5)})
    view = view_of(rng, choose_crop(rng, OBJECT, larger), larger)
    assert np.linalg.det(view.matrices[0, :2, :2]) == pytest.approx(1 / 1.8**2)


def test_the_anchor_of_a_sample_moves_by_the_translation_and_no_more() -> None:
    rng = np.random.default_rng(3)
    for reach in (0.0, 0.1):
        settings = pretrain(translation=reach)
        crop = choose_crop(rng, OBJECT, settings)
        height, width = settings.crop
        shifts = []
        for _ in range(20):
            view = view_of(rng, crop, settings)
            place = np.linalg.inv(view.matrices[0]) @ np.array([*crop.anchor, 1])
            shifts.append((place[:2] - crop.place) / np.array([width, height]))
        assert np.abs(shifts).max() == pytest.approx(reach, rel=0.2, abs=1e-9)
        assert np.abs(shifts).max() <= reach + 1e-9


def test_a_picture_without_the_object_can_be_looked_at() -> None:
    empty = torch.zeros(SIZE, dtype=torch.uint8)
    assert not seen(np.random.default_rng(0), pretrain(), empty).any()


def test_a_jitter_draws_the_same_numbers_as_one_after_the_other() -> None:
    """Scale, rotation, shear, shift, knots and tint, in that order, as `Generator.uniform`."""
    jitter = Jitter((0.9, 1.1), (-20, 10), (-5, 5), 0.1, 0.05, (0.1, 0.2, 0.3))
    crop = Crop(SIZE, (40, 30), (50, 20), (WIDTH, HEIGHT), -1.0, 1.3)
    view = jitter.views([crop], [jitter.draw(np.random.default_rng(7))], SIZE)
    rng = np.random.default_rng(7)
    scale, angle, slant = (
        rng.uniform(*limits) for limits in (jitter.scale, jitter.rotation, jitter.shear)
    )
    cos, sin, tan = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle)), np.tan(np.deg2rad(slant))
    turn = 1.3 * scale * np.array([[cos, -sin], [sin, cos]]) @ [[1, tan], [0, 1]] @ np.diag([-1, 1])
    place = np.array(crop.place) + rng.uniform(-1, 1, 2) * 0.1 * np.array([WIDTH, HEIGHT])
    assert view.matrices[0, :2, :2] @ turn == pytest.approx(np.eye(2))
    assert view.matrices[0] @ [*place, 1] == pytest.approx([*crop.anchor, 1])
    assert view.bends is not None
    reach = 0.05 * HEIGHT
    assert view.bends[0].ravel() == pytest.approx(rng.uniform(-reach, reach, view.bends.size))
    assert view.tints[0] == pytest.approx([1 + rng.uniform(-r, r) for r in (0.1, 0.2, 0.3)])


def extent(mask: Tensor) -> tuple[float, float, float, float]:
    """Middle (x, y) and size (x, y) of what is 1."""
    y, x = torch.nonzero(mask == 1).double().T
    wide, tall = (float(v.max() - v.min() + 1) for v in (x, y))
    return float(x.mean()), float(y.mean()), wide, tall


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 0.2))
def test_deform_shifts_by_no_more_than_a_share_of_the_object(seed: int, shift: float) -> None:
    mask = torch.from_numpy(box(24, 32, 20, 30))
    x, y, wide, tall = extent(mask)
    guess = extent(deformed(seed, mask, Jitter((1, 1), shift=shift)))
    assert guess[2:] == (wide, tall)
    assert abs(guess[0] - x) <= shift * wide + 1
    assert abs(guess[1] - y) <= shift * tall + 1


def test_deform_grows_and_shrinks_about_the_objects_middle() -> None:
    mask = torch.from_numpy(box(24, 32, 20, 30))
    for factor in (0.5, 1.0, 1.4):
        guess = extent(deformed(0, mask, Jitter((factor, factor))))
        assert guess[:2] == pytest.approx(extent(mask)[:2], abs=0.51)
        assert guess[2:] == pytest.approx((30 * factor, 20 * factor), abs=1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.01, 0.1))
def test_deform_bends_edges_by_no_more_than_a_share_of_the_height(seed: int, warp: float) -> None:
    mask = torch.from_numpy(box(16, 24, 32, 48))
    guess = deformed(seed, mask, Jitter((1, 1), warp=warp))
    reach = int(np.ceil(warp * HEIGHT)) + 1
    inner = box(16 + reach, 24 + reach, 32 - 2 * reach, 48 - 2 * reach)
    outer = box(16 - reach, 24 - reach, 32 + 2 * reach, 48 + 2 * reach)
    assert not (torch.from_numpy(inner) > guess).any()
    assert not (guess > torch.from_numpy(outer)).any()


def test_deform_turns_and_shears_about_the_objects_middle() -> None:
    mask = torch.from_numpy(box(24, 32, 16, 30))
    turned = extent(deformed(0, mask, Jitter((1, 1), rotation=(90, 90))))
    assert turned == pytest.approx((*extent(mask)[:2], 16, 30), abs=0.51)
    slanted = extent(deformed(0, mask, Jitter((1, 1), shear=(45, 45))))
    assert slanted == pytest.approx((*extent(mask)[:2], 45, 16), abs=1)


def test_cut_leaves_one_side_of_a_line_through_the_object() -> None:
    mask = torch.from_numpy(box(24, 32, 16, 30))
    shares = []
    for seed in range(40):
        left = cut(np.random.default_rng(seed), mask)
        assert not (left > mask).any()
        shares.append(float(left.sum() / mask.sum()))
    assert 0 < min(shares) < 0.3
    assert 0.7 < max(shares) <= 1


def test_deform_keeps_an_empty_mask_empty_and_deforms_each_of_the_others_alone() -> None:
    there, empty = torch.from_numpy(box(24, 32, 20, 30)), torch.zeros(SIZE, dtype=torch.uint8)
    jitter = Jitter((0.9, 1.1), (-5, 5), warp=0.05)
    masks = torch.stack([empty, there, empty, there])
    rngs = [np.random.default_rng(seed) for seed in range(4)]
    guesses = deform(rngs, masks, jitter)
    assert not guesses[::2].any()
    assert not torch.equal(guesses[1], guesses[3])
    assert all(torch.equal(guesses[i], deformed(i, there, jitter)) for i in (1, 3))
    assert not deform(rngs[:1], masks[:1], jitter).any()
