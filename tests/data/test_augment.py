"""Views of a picture and its mask: where every pixel comes from, and that both move alike."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tiny_training import HEIGHT, STILL, WIDTH, box, picture, pretrain
from torch import Tensor

from rgmp.config.method import Pretrain
from rgmp.data.augment import View, cut, deform, elastic, look
from rgmp.data.sample import IGNORE

SIZE = HEIGHT, WIDTH
FIXED = pretrain(**STILL)


def image_of(seed: int = 0) -> Tensor:
    return torch.from_numpy(picture(seed).copy()).permute(2, 0, 1).float() / 255


def mask_of(*labels: int) -> Tensor:
    """One pixel of each label on the diagonal, and a box."""
    mask = torch.from_numpy(box(20, 30, 24, 36))
    for i, label in enumerate(labels):
        mask[5 * i + 2, 5 * i + 2] = label
    return mask


def moved(matrix: list[list[float]], size: tuple[int, int] = SIZE) -> View:
    return View(np.array(matrix, dtype=np.float64), None, SIZE, size)


def test_the_identity_gives_back_picture_and_mask() -> None:
    view = moved([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    image, mask = image_of(), mask_of(1, IGNORE)
    torch.testing.assert_close(view.of_image(image), image, atol=2e-5, rtol=0)
    assert torch.equal(view.of_mask(mask), mask)


def test_a_translation_moves_both_and_leaves_nothing_outside() -> None:
    view = moved([[1, 0, 7], [0, 1, -3], [0, 0, 1]])  # the view's (0, 3) is the picture's (7, 0)
    image, mask = image_of(), mask_of(1, IGNORE)
    seen, shape = view.of_image(image), view.of_mask(mask)
    torch.testing.assert_close(seen[:, 3:, :-7], image[:, :-3, 7:], atol=2e-5, rtol=0)
    assert torch.equal(shape[3:, :-7], mask[:-3, 7:])
    for outside in (seen[:, :3], seen[:, :, -7:], shape[:3], shape[:, -7:]):
        assert outside.abs().max() < 2e-5


def test_a_flip_mirrors_both() -> None:
    view = moved([[-1, 0, WIDTH], [0, 1, 0], [0, 0, 1]])
    image, mask = image_of(), mask_of(1, IGNORE)
    torch.testing.assert_close(view.of_image(image), image.flip(2), atol=2e-5, rtol=0)
    assert torch.equal(view.of_mask(mask), mask.flip(1))


def test_a_zoom_by_three_gives_every_pixel_nine() -> None:
    view = moved([[1 / 3, 0, 10], [0, 1 / 3, 12], [0, 0, 1]], (30, 60))
    mask = mask_of(1, IGNORE, 1)
    part = mask[12:22, 10:30]
    assert torch.equal(view.of_mask(mask), part.repeat_interleave(3, 0).repeat_interleave(3, 1))
    seen = view.of_image(image_of())
    centres = image_of()[:, 12:22, 10:30]
    torch.testing.assert_close(seen[:, 1::3, 1::3], centres, atol=2e-5, rtol=0)


def test_a_uniform_warp_is_a_translation() -> None:
    knots = torch.tensor([4.0, -2.0])[:, None, None].expand(2, 4, 4)
    matrix = np.array([[0.9, 0.1, 3], [-0.1, 1.1, 2], [0, 0, 1]])
    shift = np.array([[1, 0, 4], [0, 1, -2], [0, 0, 1]])
    warped, plain = View(matrix, knots, SIZE, SIZE), View(matrix @ shift, None, SIZE, SIZE)
    torch.testing.assert_close(warped.grid, plain.grid, atol=1e-5, rtol=0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.1, 20))
def test_no_pixel_is_warped_further_than_the_largest_displacement(seed: int, reach: float) -> None:
    knots = elastic(np.random.default_rng(seed), reach)
    still, bent = (View(np.eye(3), k, SIZE, SIZE).grid for k in (None, knots))
    pixels = (bent - still) * torch.tensor([WIDTH, HEIGHT]) / 2
    assert pixels.abs().max() <= reach * (1 + 1e-5) + 1e-4
    assert pixels.abs().max() > reach / 3  # and it is used


def test_no_warp_is_none() -> None:
    assert elastic(np.random.default_rng(0), 0.0) is None


def test_tints_keep_the_range_and_leave_masks_alone() -> None:
    strong = View(np.eye(3), None, SIZE, SIZE, (1.9, 0.2, 1.8))
    seen = strong.of_image(image_of())
    assert seen.min() >= 0
    assert seen.max() <= 1
    assert not torch.allclose(seen, image_of(), atol=0.05)
    assert torch.equal(strong.of_mask(mask_of(IGNORE)), mask_of(IGNORE))


@pytest.mark.parametrize("flip", [0.0, 1.0])
@pytest.mark.parametrize(("tall", "wide"), [(HEIGHT, WIDTH), (80, 200), (150, 97)])
def test_the_window_stays_inside_a_picture_that_is_large_enough(
    flip: float, tall: int, wide: int
) -> None:
    still = FIXED.model_copy(update={"flip": flip, "zoom": (1.0, 1.6)})
    for seed in range(20):
        rng = np.random.default_rng(seed)
        mask = torch.from_numpy(box(5, wide - 12, 9, 10, size=(tall, wide)))
        view = look(rng, mask, still, 0.0).view(rng)
        # every pixel of the view has its centre in the picture
        assert view.grid.abs().max() <= 1
        assert (view.of_mask(torch.ones_like(mask)) == 1).all()
        # and the chosen point of the object is in view
        assert (view.of_mask(mask) == 1).any()


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_at_zoom_one_a_picture_of_the_crops_size_fills_it_whole(flip: float) -> None:
    rng = np.random.default_rng(0)
    mask = mask_of(1, IGNORE)
    view = look(rng, mask, FIXED.model_copy(update={"flip": flip}), 0.0).view(rng)
    assert torch.equal(view.of_mask(mask), mask.flip(1) if flip else mask)


def test_a_small_zoom_leaves_equal_margins() -> None:
    rng = np.random.default_rng(0)
    view = look(rng, mask_of(), FIXED.model_copy(update={"zoom": (0.5, 0.5)}), 0.0).view(rng)
    shape = view.of_mask(torch.ones(SIZE, dtype=torch.uint8))
    expected = box(HEIGHT // 4, WIDTH // 4, HEIGHT // 2, WIDTH // 2)
    assert np.array_equal(shape.numpy(), expected)


def angle(settings: Pretrain) -> float:
    """By how much the sides of a box are turned in a view, degrees, counter-clockwise."""
    rng = np.random.default_rng(1)
    view = look(rng, mask_of(), settings, 0.0).view(rng)
    across = np.linalg.inv(view.matrix)[:2, 0]
    return float(np.degrees(np.arctan2(-across[1], across[0])))


def test_rotations_scales_and_zooms_are_those_of_the_settings() -> None:
    assert angle(FIXED) == pytest.approx(0)
    assert abs(angle(FIXED.model_copy(update={"rotation": (15, 15)}))) == pytest.approx(15)
    rng = np.random.default_rng(1)
    larger = FIXED.model_copy(update={"zoom": (1.2, 1.2), "scale": (1.5, 1.5)})
    view = look(rng, mask_of(), larger, 0.0).view(rng)
    assert np.linalg.det(view.matrix[:2, :2]) == pytest.approx(1 / 1.8**2)


def test_the_anchor_of_a_sample_moves_by_the_translation_and_no_more() -> None:
    rng = np.random.default_rng(3)
    for reach in (0.0, 0.1):
        settings = pretrain(translation=reach)
        sampler = look(rng, mask_of(), settings, 0.0)
        height, width = settings.crop
        shifts = []
        for _ in range(20):
            seen = np.linalg.inv(sampler.view(rng).matrix) @ np.array([*sampler.anchor, 1])
            shifts.append((seen[:2] - sampler.place) / np.array([width, height]))
        assert np.abs(shifts).max() == pytest.approx(reach, rel=0.2, abs=1e-9)
        assert np.abs(shifts).max() <= reach + 1e-9


def test_a_picture_without_the_object_can_be_looked_at() -> None:
    rng = np.random.default_rng(0)
    empty = torch.zeros(SIZE, dtype=torch.uint8)
    assert not look(rng, empty, pretrain(), 0.05).view(rng).of_mask(empty).any()


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
    guess = extent(deform(np.random.default_rng(seed), mask, scale=(1, 1), shift=shift))
    assert guess[2:] == (wide, tall)
    assert abs(guess[0] - x) <= shift * wide + 1
    assert abs(guess[1] - y) <= shift * tall + 1


def test_deform_grows_and_shrinks_about_the_objects_middle() -> None:
    mask = torch.from_numpy(box(24, 32, 20, 30))
    for factor in (0.5, 1.0, 1.4):
        guess = extent(deform(np.random.default_rng(0), mask, scale=(factor, factor)))
        assert guess[:2] == pytest.approx(extent(mask)[:2], abs=0.51)
        assert guess[2:] == pytest.approx((30 * factor, 20 * factor), abs=1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.01, 0.1))
def test_deform_bends_edges_by_no_more_than_a_share_of_the_height(seed: int, warp: float) -> None:
    mask = torch.from_numpy(box(16, 24, 32, 48))
    guess = deform(np.random.default_rng(seed), mask, scale=(1, 1), warp=warp)
    reach = int(np.ceil(warp * HEIGHT)) + 1
    inner = box(16 + reach, 24 + reach, 32 - 2 * reach, 48 - 2 * reach)
    outer = box(16 - reach, 24 - reach, 32 + 2 * reach, 48 + 2 * reach)
    assert not (torch.from_numpy(inner) > guess).any()
    assert not (guess > torch.from_numpy(outer)).any()


def test_deform_turns_and_shears_about_the_objects_middle() -> None:
    mask = torch.from_numpy(box(24, 32, 16, 30))
    rng = np.random.default_rng(0)
    turned = extent(deform(rng, mask, scale=(1, 1), rotation=(90, 90)))
    assert turned == pytest.approx((*extent(mask)[:2], 16, 30), abs=0.51)
    slanted = extent(deform(rng, mask, scale=(1, 1), shear=(45, 45)))
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


def test_deform_keeps_an_empty_mask_empty() -> None:
    empty = torch.zeros(SIZE, dtype=torch.uint8)
    assert not deform(np.random.default_rng(0), empty, scale=(0.9, 1.1), warp=0.05).any()
