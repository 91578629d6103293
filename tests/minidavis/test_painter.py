"""Figures are where their masks say, of the size that was asked for, and smooth."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from support.embedded import scene

from rgmp.minidavis import animation, painter, scripts
from rgmp.minidavis.creatures import POOLS
from rgmp.minidavis.painter import Scene


def test_a_still_s_mask_is_where_its_object_was_painted() -> None:
    for index in range(6):
        rng = np.random.default_rng([0, POOLS["stills"].number, index])
        whole = scripts.still(POOLS["stills"], rng)
        hero = whole.actors[-1]
        assert hero.label == 1
        absent = replace(hero, track=replace(hero.track, x=(9999.0,)))
        image, labels = painter.photograph(whole, 0, np.random.default_rng(0))
        without, nothing = painter.photograph(
            replace(whole, actors=[*whole.actors[:-1], absent]), 0, np.random.default_rng(0)
        )
        assert not nothing.any()
        change = image.astype(int) - without
        outside = ~ndimage.binary_dilation(labels == 1)
        brightened = change[outside].max(axis=-1) > 8  # a shadow is darker
        assert brightened.mean() < 0.002  # slivers that one exposure in four sees
        assert (np.abs(change).max(axis=-1) > 8)[labels == 1].mean() > 0.9


class TestPainting:
    def test_a_track_passes_through_its_key_frames_and_goes_on(self) -> None:
        keys = (3.0, -1.0, 4.0, 1.5)
        assert [animation.along(keys, i / 3) for i in range(4)] == pytest.approx(keys)
        straight = (0.0, 1.0, 2.0)
        assert animation.along(straight, 0.3) == pytest.approx(0.6)
        assert animation.along(straight, 1.1) == pytest.approx(2.2)
        assert animation.along((7.0,), 0.3) == 7

    @pytest.mark.parametrize("kind", ["fox", "koi"])
    @pytest.mark.parametrize("size", [25.0, 50.0])
    def test_size_is_the_root_of_the_area(self, kind: str, size: float) -> None:
        pool = POOLS["train"]
        studio = scripts.Studio(pool, np.random.default_rng(0), pool.kinds[kind].view, (400, 400))
        actor = studio.actor(kind, 1, animation.Track(size=(size,)))
        whole = Scene((400, 400), [], [actor], animation.Track(size=(1,)), frames=1)
        labels = painter.photograph(whole, 0, np.random.default_rng(0))[1]
        assert np.count_nonzero(labels) == pytest.approx(size**2, rel=0.08)

    def test_edges_are_smooth_and_masks_are_not(self) -> None:
        whole, rng = scene("train", "crossing-truck")
        image, labels = painter.photograph(replace(whole, backdrop=[]), 0, rng)
        assert labels.dtype == np.uint8
        assert sorted(np.unique(labels).tolist()) == [0, 1, 2]
        rim = ndimage.binary_dilation(labels == 2) & (labels == 0)
        lit = image[rim].max(axis=-1)
        assert np.mean((lit > 10) & (lit < 120)) > 0.1
