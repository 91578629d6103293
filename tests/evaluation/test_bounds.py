"""The floor and the ceiling: masks with known answers, and scores as of anyone's masks."""

from pathlib import Path

import numpy as np
import pytest
from support import tiny_study
from support.davis_tree import open_sequence, read_annotation, read_split

from rgmp.config.base import BENCHMARKS, Benchmark
from rgmp.data import davis
from rgmp.data.images import Labels
from rgmp.data.videos import Videos
from rgmp.errors import ProblemsError
from rgmp.evaluation.bounds import ceiling_of, score_bounds
from rgmp.evaluation.scoring import score


def slowly(truth: Labels) -> Labels:
    """The ceiling pixel by pixel, for sides that are multiples of 4."""
    height, width = truth.shape
    labels = sorted(set(truth.ravel().tolist()))
    shares = {
        label: [
            [np.mean(truth[y : y + 4, x : x + 4] == label) for x in range(0, width, 4)]
            for y in range(0, height, 4)
        ]
        for label in labels
    }

    def at(label: int, y: int, x: int) -> float:
        total = 0.0
        for row in range(height // 4):
            for column in range(width // 4):
                # clamped: outside the outermost centres their values continue
                v = min(max((y + 0.5) / 4 - 0.5, 0), height // 4 - 1)
                u = min(max((x + 0.5) / 4 - 0.5, 0), width // 4 - 1)
                weight = max(0, 1 - abs(v - row)) * max(0, 1 - abs(u - column))
                total += weight * float(shares[label][row][column])
        return total

    found = np.zeros_like(truth)
    for y in range(height):
        for x in range(width):
            found[y, x] = max(labels, key=lambda label: (round(at(label, y, x), 12), -label))
    return found


class TestCeiling:
    def test_large_blocks_come_back_and_single_pixels_vanish(self) -> None:
        truth = np.zeros((32, 48), np.uint8)
        truth[8:24, 12:32] = 1
        corners = truth.copy()
        corners[0, 47] = 2
        for given in (truth, corners):
            found = ceiling_of(given)
            differing = np.argwhere(found != truth).tolist()
            assert differing == [[8, 12], [8, 31], [23, 12], [23, 31]]  # corners are rounded

    def test_a_straight_edge_along_the_grid_is_kept(self) -> None:
        truth = np.zeros((16, 32), np.uint8)
        truth[:, 12:] = 3
        assert np.array_equal(ceiling_of(truth), truth)

    def test_is_what_the_definition_says(self) -> None:
        rng = np.random.default_rng(0)
        truth = rng.integers(0, 4, (6, 8)).astype(np.uint8).repeat(4, axis=0).repeat(2, axis=1)
        assert np.array_equal(ceiling_of(truth), slowly(truth))

    @pytest.mark.parametrize("shape", [(17, 22), (3, 5), (1, 1)])
    def test_any_size_is_kept_and_void_is_background(self, shape: tuple[int, int]) -> None:
        truth = np.full(shape, 255, np.uint8)
        assert np.array_equal(ceiling_of(truth), np.zeros(shape, np.uint8))
        full = np.full(shape, 2, np.uint8)
        assert np.array_equal(ceiling_of(full), full)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    tiny_study.write_tree(root)
    return root / "davis"


class TestScores:
    @pytest.mark.parametrize("benchmark", BENCHMARKS)
    def test_are_those_of_the_masks_written_and_scored(
        self, tree: Path, tmp_path: Path, benchmark: Benchmark
    ) -> None:
        def masks(bound: str, truth: Labels, first: Labels) -> Labels:
            return davis.without_void(first) if bound == "floor" else ceiling_of(truth)

        expected = []
        for bound in ("floor", "ceiling"):
            for name in read_split(tree, benchmark, "val"):
                paths = open_sequence(tree, name).annotations
                truths = [read_annotation(path, benchmark) for path in paths]
                for path, truth in zip(paths, truths, strict=True):
                    mask = masks(bound, truth, truths[0])
                    davis.write_mask(tmp_path / bound / name / path.name, mask)
            expected += score(
                Videos(davis=tree, benchmark=benchmark), tmp_path / bound, variant=bound, seed=None
            )
        assert score_bounds(Videos(davis=tree, benchmark=benchmark)) == expected
        assert score_bounds(Videos(davis=tree, benchmark=benchmark), processes=2) == expected

    def test_unknown_sequences_are_refused(self, tree: Path) -> None:
        unknown = ("elsewhere", "nowhere")
        with pytest.raises(ProblemsError) as refused:
            score_bounds(Videos(davis=tree, benchmark="davis2016", sequences=unknown))
        for name, problem in zip(unknown, refused.value.problems, strict=True):
            assert f"{name}: unknown sequence" in problem


def test_a_real_sequence_has_a_floor_far_below_its_ceiling(shared: Path) -> None:
    rows = score_bounds(
        Videos(davis=shared / "davis2016", benchmark="davis2016", sequences=("scooter-black",))
    )
    means = {
        bound: np.mean([(row.J, row.F) for row in rows if row.variant == bound], axis=0)
        for bound in ("floor", "ceiling")
    }
    assert means["floor"] == pytest.approx((0.0922, 0.1294), abs=1e-3)
    assert means["ceiling"] == pytest.approx((0.9853, 0.9922), abs=1e-3)
