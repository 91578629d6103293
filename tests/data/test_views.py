"""Views of pictures and their masks: where every pixel comes from, that both move alike, and that
views computed together have the bits of each alone.
"""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tiny_training import HEIGHT, WIDTH, box, picture
from torch import Tensor

from rgmp.data.sample import IGNORE
from rgmp.data.views import WARP_KNOTS, Views, tinted

SIZE = HEIGHT, WIDTH


def pixels_of(seed: int = 0, size: tuple[int, int] = SIZE) -> Tensor:
    return torch.from_numpy(picture(seed, *size).copy())


def image_of(seed: int = 0) -> Tensor:
    return pixels_of(seed).permute(2, 0, 1).float() / 255


def mask_of(*labels: int) -> Tensor:
    """One pixel of each label on the diagonal, and a box."""
    mask = torch.from_numpy(box(20, 30, 24, 36))
    for i, label in enumerate(labels):
        mask[5 * i + 2, 5 * i + 2] = label
    return mask


def view(
    matrix: Any, size: tuple[int, int] = SIZE, bend: Any = None, tint: Any = (1, 1, 1)
) -> Views:
    """One view."""
    bends = None if bend is None else np.asarray(bend, dtype=np.float64)[None]
    tints = np.array([tint], dtype=np.float64)
    return Views(np.array([matrix], dtype=np.float64), bends, tints, [SIZE], size)


def of_image(view: Views, seed: int = 0) -> Tensor:
    return view.of_images([pixels_of(seed)])[0]


def of_mask(view: Views, mask: Tensor) -> Tensor:
    return view.of_masks([mask])[0]


def test_the_identity_gives_back_picture_and_mask() -> None:
    moved = view([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    image, mask = image_of(), mask_of(1, IGNORE)
    torch.testing.assert_close(of_image(moved), image, atol=2e-5, rtol=0)
    assert torch.equal(of_mask(moved, mask), mask)


def test_a_translation_moves_both_and_leaves_nothing_outside() -> None:
    moved = view([[1, 0, 7], [0, 1, -3], [0, 0, 1]])  # its (0, 3) is the picture's (7, 0)
    image, mask = image_of(), mask_of(1, IGNORE)
    seen, shape = of_image(moved), of_mask(moved, mask)
    torch.testing.assert_close(seen[:, 3:, :-7], image[:, :-3, 7:], atol=2e-5, rtol=0)
    assert torch.equal(shape[3:, :-7], mask[:-3, 7:])
    for outside in (seen[:, :3], seen[:, :, -7:], shape[:3], shape[:, -7:]):
        assert outside.abs().max() < 2e-5


def test_a_flip_mirrors_both() -> None:
    moved = view([[-1, 0, WIDTH], [0, 1, 0], [0, 0, 1]])
    image, mask = image_of(), mask_of(1, IGNORE)
    torch.testing.assert_close(of_image(moved), image.flip(2), atol=2e-5, rtol=0)
    assert torch.equal(of_mask(moved, mask), mask.flip(1))


def test_a_zoom_by_three_gives_every_pixel_nine() -> None:
    moved = view([[1 / 3, 0, 10], [0, 1 / 3, 12], [0, 0, 1]], (30, 60))
    mask = mask_of(1, IGNORE, 1)
    part = mask[12:22, 10:30]
    assert torch.equal(of_mask(moved, mask), part.repeat_interleave(3, 0).repeat_interleave(3, 1))
    seen = of_image(moved)
    centres = image_of()[:, 12:22, 10:30]
    torch.testing.assert_close(seen[:, 1::3, 1::3], centres, atol=2e-5, rtol=0)


def test_a_uniform_warp_is_a_translation() -> None:
    knots = np.tile(np.array([4.0, -2.0])[:, None, None], (WARP_KNOTS, WARP_KNOTS))
    matrix = np.array([[0.9, 0.1, 3], [-0.1, 1.1, 2], [0, 0, 1]])
    shift = np.array([[1, 0, 4], [0, 1, -2], [0, 0, 1]])
    warped, plain = view(matrix, bend=knots), view(matrix @ shift)
    torch.testing.assert_close(warped.grids, plain.grids, atol=1e-5, rtol=0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.1, 20))
def test_no_pixel_is_warped_further_than_the_largest_knot(seed: int, reach: float) -> None:
    knots = np.random.default_rng(seed).uniform(-reach, reach, (2, WARP_KNOTS, WARP_KNOTS))
    still, bent = (view(np.eye(3), bend=bend).grids for bend in (None, knots))
    pixels = (bent - still) * torch.tensor([WIDTH, HEIGHT]) / 2
    assert pixels.abs().max() <= np.abs(knots).max() * (1 + 1e-5) + 1e-4
    assert pixels.abs().max() > reach / 3  # and it is used


def test_tints_keep_the_range_and_leave_masks_alone() -> None:
    strong = view(np.eye(3), tint=(1.9, 0.2, 1.8))
    seen = of_image(strong)
    assert seen.min() >= 0
    assert seen.max() <= 1
    assert not torch.allclose(seen, image_of(), atol=0.05)
    assert torch.equal(of_mask(strong, mask_of(IGNORE)), mask_of(IGNORE))


@pytest.mark.parametrize("size", [(64, 96), (37, 51)])
def test_views_computed_together_have_the_bits_of_each_alone(size: tuple[int, int]) -> None:
    """Of pictures of several sizes, large and small, with warps and tints."""
    sizes = [SIZE] * 9 + [(300, 400), SIZE, (300, 400), (300, 400), (40, 60), (41, 60)]
    rng, n = np.random.default_rng(0), len(sizes)
    matrices = np.eye(3) + rng.uniform(-0.2, 0.2, (n, 3, 3)) * np.array([[1], [1], [0]])
    matrices[:, :2, 2] = rng.uniform(-5, 20, (n, 2))
    bends = rng.uniform(-4, 4, (n, 2, WARP_KNOTS, WARP_KNOTS))
    tints = rng.uniform(0.5, 1.5, (n, 3))
    images = [pixels_of(i, size) for i, size in enumerate(sizes)]
    together = Views(matrices, bends, tints, sizes, size)
    masks = [image[..., 0].contiguous() for image in images]
    seen, shapes = together.of_images(images), together.of_masks(masks)
    for i in range(n):
        one = slice(i, i + 1)
        alone = Views(matrices[one], bends[one], tints[one], sizes[one], size)
        assert torch.equal(alone.of_images(images[one])[0], seen[i])
        assert torch.equal(alone.of_masks(masks[one])[0], shapes[i])
        image = images[i].permute(2, 0, 1)[None] / 255
        plain = F.grid_sample(image, alone.grids, align_corners=False)
        torch.testing.assert_close(tinted(plain, tints[one])[0], seen[i], atol=1e-6, rtol=0)
