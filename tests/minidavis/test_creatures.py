"""The three pools of figures share nothing that a network could learn."""

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from rgmp.minidavis import painter
from rgmp.minidavis.creatures import POOLS, Pool
from rgmp.minidavis.patterns import Pattern


class TestPools:
    def test_share_no_kind_no_outline_and_no_pattern(self) -> None:
        for one, other in itertools.combinations(POOLS.values(), 2):
            assert not set(one.kinds) & set(other.kinds)
            assert not set(one.outlines) & set(other.outlines)
            assert not set(one.coats + one.grounds) & set(other.coats + other.grounds)
            assert one.number != other.number

    @pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
    def test_a_figure_is_made_of_its_own_pool_s_outlines(self, pool: Pool) -> None:
        used = {part.outline for kind in pool.kinds.values() for part in kind.parts.values()}
        used |= {*pool.standing, *pool.lying, *pool.screens.values()}
        assert used == set(pool.outlines)

    def test_no_outline_of_one_looks_like_one_of_another(self) -> None:
        """However it is flipped or turned a quarter, stretched to its box."""

        def shapes(pool: str) -> Iterator[npt.NDArray[np.bool_]]:
            return (painter.silhouette(p, 48, 48) for p in POOLS[pool].outlines.values())

        for one, other in itertools.combinations(POOLS, 2):
            for a, b in itertools.product(list(shapes(one)), list(shapes(other))):
                for flat in (b, b.T):
                    for c in (flat, flat[::-1], flat[:, ::-1], flat[::-1, ::-1]):
                        assert (a & c).sum() / (a | c).sum() < 0.95

    def test_no_texture_of_one_looks_like_one_of_another(self) -> None:
        """Wherever they are laid over each other: the peak of their correlation is far from 1."""
        y, x = np.mgrid[0:48, 0:48] / 12.0

        def spectrum(pattern: Pattern, seed: int) -> npt.NDArray[np.complex128]:
            values = pattern(x, y, np.random.default_rng(seed))
            assert values.shape == x.shape
            assert values.min() >= 0
            assert values.max() <= 1
            values = values - values.mean()
            return np.fft.fft2(values / np.linalg.norm(values))

        spectra = {
            name: [spectrum(p, seed) for p in pool.coats + pool.grounds for seed in range(3)]
            for name, pool in POOLS.items()
        }
        for one, other in itertools.combinations(POOLS, 2):
            for a, b in itertools.product(spectra[one], spectra[other]):
                assert np.abs(np.fft.ifft2(a * b.conj())).max() < 0.75
