"""The videos of the embedded benchmark: who plays in them, and that each is as hard as its name says."""

import itertools
from dataclasses import replace

import pytest
from support.embedded import scene

from rgmp.minidavis import painter, scripts
from rgmp.minidavis.creatures import POOLS


class TestCast:
    def test_every_difficulty_is_shown_by_ten_validation_figures_each_its_own(self) -> None:
        assert scripts.VAL_CAST.keys() == scripts.TRAIN_CAST.keys() == scripts.SCRIPTS.keys()
        assert {len(cast) for cast in scripts.VAL_CAST.values()} == {10}
        figures = [kind for cast in scripts.VAL_CAST.values() for kind in cast]
        assert sorted(figures) == sorted(POOLS["val"].kinds)

    def test_every_training_figure_plays(self) -> None:
        assert {len(set(cast)) for cast in scripts.TRAIN_CAST.values()} == {8}
        assert {kind for cast in scripts.TRAIN_CAST.values() for kind in cast} == set(
            POOLS["train"].kinds
        )

    def test_no_two_figures_have_the_same_parts(self) -> None:
        every = [kind for pool in POOLS.values() for kind in pool.kinds.values()]
        for one, other in itertools.combinations(every, 2):
            assert one.parts != other.parts


@pytest.mark.slow
def test_another_seed_shows_every_object_in_frame_0() -> None:
    for name in scripts.VAL:
        whole, rng = scene("val", name, seed=1)
        labels = painter.photograph(replace(whole, backdrop=[]), 0, rng)[1]
        objects = max(actor.label for actor in whole.actors)
        for label in range(1, objects + 1):
            assert (labels == label).mean() >= 0.015, (name, label)
