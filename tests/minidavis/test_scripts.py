"""The videos of the embedded benchmark: their cast, and that each is as hard as its name says."""

import itertools
import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage
from support.embedded import VIDEOS, scene

from rgmp.minidavis import painter, scripts
from rgmp.minidavis.cast import TRAIN, TRAIN_CAST, VAL, VAL_CAST
from rgmp.minidavis.creatures import POOLS
from rgmp.minidavis.painter import Scene
from rgmp.minidavis.version import HEIGHT, VERSION, WIDTH

Labels = npt.NDArray[np.uint8]
Frames = npt.NDArray[np.uint8]
Film = tuple[Frames, Labels]
"""A video's frames, (T, H, W, 3), and labels, (T, H, W)."""
STILLS = 24
"""Of 640, so that they cost little; of the videos every one is looked at."""


def videos(difficulty: str) -> list[str]:
    return [name for _, name in VIDEOS if name.startswith(f"{difficulty}-")]


@pytest.fixture(scope="class")
def scenes() -> dict[str, Scene]:
    """Every video's."""
    return {name: scene(split, name)[0] for split, name in VIDEOS}


def film(whole: Scene, numbers: Iterable[int]) -> Film:
    """Some frames of a scene."""
    rng = np.random.default_rng(0)  # of the camera's noise
    taken = [painter.photograph(whole, number, rng) for number in numbers]
    frames, labels = (np.stack(images) for images in zip(*taken, strict=True))
    return frames, labels


@pytest.fixture(scope="class")
def films(scenes: dict[str, Scene]) -> dict[str, Film]:
    """Every video, of one exposure a frame instead of four: without smooth edges and blur.

    What is behind is there only where a test looks at it: it costs as much as the figures.
    """
    looked_at = {*videos("appearance")}
    return {
        name: film(
            replace(whole, exposures=1, backdrop=whole.backdrop if name in looked_at else []),
            range(whole.frames),
        )
        for name, whole in scenes.items()
    }


def centroids(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """(T, 2), NaN where the object is not seen."""
    nowhere = np.full(2, np.nan)
    return np.stack([np.argwhere(frame).mean(0) if frame.any() else nowhere for frame in mask])


def areas(labels: Labels, label: int) -> npt.NDArray[np.float64]:
    """Share of each frame."""
    share: npt.NDArray[np.float64] = (labels == label).mean(axis=(1, 2))
    return share


def palette(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """The shares of 64 coarse colours among pixels (N, 3)."""
    coarse = (pixels // 64).astype(int) @ [16, 4, 1]
    return np.bincount(coarse, minlength=64) / len(pixels)


def _flat(values: Any) -> list[int]:
    return values if isinstance(values, list) else [x for part in values.values() for x in part]


def sketch(whole: Scene) -> dict[str, list[int]]:
    """A video in a few numbers: the colours of 4 x 6 blocks of its middle frame, and areas.

    Colours are from 0 to 255, areas in thousandths of the frame, of each label in the first, the
    middle and the last frame: coarse, so that another CPU gives nearly the same.
    """
    (_, middle, _), labels = film(whole, (0, whole.frames // 2, whole.frames - 1))
    blocks = middle.reshape(4, middle.shape[0] // 4, -1, 3)[:, :, : middle.shape[1] // 6 * 6]
    colours = blocks.reshape(4, middle.shape[0] // 4, 6, -1, 3).mean(axis=(1, 3))
    shares = [1000 * areas(labels, label) for label in range(5)]
    return {
        "colours": [round(x) for x in colours.ravel().tolist()],
        "areas": [round(x) for x in np.ravel(shares).tolist()],
    }


@pytest.mark.slow
class TestVideos:
    """Every video, built and filmed once: one class, so that one worker of pytest-xdist has it."""

    def test_the_version_is_that_of_what_is_rendered(self, scenes: dict[str, Scene]) -> None:
        """Other pixels are another benchmark: runs on them must not be taken for the old ones.

        `RGMP_WRITE_GOLDEN=1 pytest` writes the golden file anew, with the version that it is of.
        """
        path = Path(__file__).with_name("rendered.json")
        sketches: dict[str, Any] = {name: sketch(whole) for name, whole in scenes.items()}
        rngs = [np.random.default_rng([0, POOLS["stills"].number, i]) for i in range(STILLS)]
        stills = [film(scripts.still(POOLS["stills"], rng), [0]) for rng in rngs]
        sketches["stills"] = [round(float(frames.mean())) for frames, _ in stills]
        if os.environ.get("RGMP_WRITE_GOLDEN"):
            written = {"version": VERSION, **sketches}.items()
            lines = (f"{json.dumps(name)}: {json.dumps(known)}" for name, known in written)
            path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        golden = json.loads(path.read_text())
        assert golden.pop("version") == VERSION
        assert golden.keys() == sketches.keys()
        for name, known in golden.items():
            assert _flat(sketches[name]) == pytest.approx(_flat(known), abs=2), (
                f"{name} looks other than in version {VERSION}: raise rgmp.minidavis.version"
            )

    @pytest.mark.parametrize("name", TRAIN + VAL)
    def test_frame_0_shows_every_object_and_all_are_of_one_size(
        self, films: dict[str, Film], name: str
    ) -> None:
        frames, labels = films[name]
        assert frames.shape == (*labels.shape, 3)
        assert labels.shape[1:] == (HEIGHT, WIDTH)
        assert 20 <= len(labels) <= 24
        ids = sorted(np.unique(labels[0]).tolist())
        assert ids == list(range(len(ids)))
        assert len(ids) in {2, 3, 4}
        assert set(np.unique(labels).tolist()) <= set(ids)
        assert min(areas(labels, label)[0] for label in ids[1:]) >= 0.015

    @pytest.mark.parametrize("name", videos("occlusion"))
    def test_occlusion_hides_the_object_and_brings_it_back(
        self, films: dict[str, Film], name: str
    ) -> None:
        area = areas(films[name][1], 1)
        hidden = np.flatnonzero(area == 0)
        assert len(hidden) >= 2
        assert np.array_equal(hidden, np.arange(hidden[0], hidden[-1] + 1))
        assert hidden[0] >= 4
        assert np.all(area[-3:] > 0.02)

    @pytest.mark.parametrize("name", videos("fast"))
    def test_fast_objects_outrun_all_others(self, films: dict[str, Film], name: str) -> None:
        def speed(name: str) -> float:
            steps = np.diff(centroids(films[name][1] == 1), axis=0)
            return float(np.nanmedian(np.linalg.norm(steps, axis=1)))

        assert speed(name) > 0.1 * HEIGHT
        others = [other for _, other in VIDEOS if not other.startswith("fast-")]
        nearly_all = np.quantile([speed(other) for other in others], 0.95)
        assert speed(name) > 1.5 * nearly_all  # what is seen of a hidden object jumps

    @pytest.mark.parametrize("name", videos("scale"))
    def test_scale_grows_one_object_and_shrinks_the_other(
        self, films: dict[str, Film], name: str
    ) -> None:
        near, far = (areas(films[name][1], label) for label in (1, 2))
        assert near.max() > 3 * near[0]
        assert far[-1] < 0.6 * far[0]

    @pytest.mark.parametrize("name", videos("appearance"))
    def test_appearance_changes_colour_and_light(self, films: dict[str, Film], name: str) -> None:
        frames, labels = films[name]
        behind = [frames[i][labels[i] == 0].mean() for i in range(len(frames))]
        first, last = (palette(frames[i][labels[i] == 1]) for i in (0, -1))
        assert np.abs(first - last).sum() / 2 > 0.35  # the same object in other poses: up to 0.2
        assert min(behind) < 0.75 * behind[0]
        assert np.abs(np.diff(behind)).max() < 0.15 * behind[0]

    @pytest.mark.parametrize("name", videos("lookalike"))
    def test_lookalike_shows_others_of_the_kind_that_are_not_annotated(
        self, scenes: dict[str, Scene], name: str
    ) -> None:
        whole = scenes[name]
        hero = next(actor for actor in whole.actors if actor.label == 1)
        others = [actor for actor in whole.actors if actor.label == 0]
        assert all(actor.figure.parts == hero.figure.parts for actor in others)
        told = replace(whole, actors=[replace(a, label=a.label or 3) for a in whole.actors])
        (image,), (labels,) = film(told, [whole.frames // 2])
        _, (annotated,) = film(whole, [whole.frames // 2])
        # nearly: where two of them meet, those that are not annotated now have a vote
        assert np.mean(np.where(labels == 3, 0, labels) != annotated) < 0.01
        assert (labels == 3).mean() > 0.02
        look, alike = image[labels == 1].mean(axis=0), image[labels == 3].mean(axis=0)
        ground = image[labels == 0].mean(axis=0)
        assert np.linalg.norm(look - alike) < 0.5 * np.linalg.norm(look - ground)

    @pytest.mark.parametrize("name", videos("crossing"))
    def test_crossing_objects_swap_sides_and_hide_each_other(
        self, films: dict[str, Film], name: str
    ) -> None:
        labels = films[name][1]
        x = [centroids(labels == label)[:, 1] for label in (1, 2)]
        assert np.sign(x[0][0] - x[1][0]) == -np.sign(x[0][-1] - x[1][-1])
        touching = [ndimage.binary_dilation(frame == 1) & (frame == 2) for frame in labels]
        assert max(map(np.count_nonzero, touching)) > 10
        assert areas(labels, 1).min() < 0.6 * areas(labels, 1)[0]


class TestCast:
    def test_every_difficulty_is_shown_by_ten_validation_figures_each_its_own(self) -> None:
        assert VAL_CAST.keys() == TRAIN_CAST.keys() == scripts.SCRIPTS.keys()
        assert {len(kinds) for kinds in VAL_CAST.values()} == {10}
        figures = [kind for kinds in VAL_CAST.values() for kind in kinds]
        assert sorted(figures) == sorted(POOLS["val"].kinds)

    def test_every_training_figure_plays(self) -> None:
        assert {len(set(kinds)) for kinds in TRAIN_CAST.values()} == {8}
        assert {kind for kinds in TRAIN_CAST.values() for kind in kinds} == set(
            POOLS["train"].kinds
        )

    def test_no_two_figures_have_the_same_parts(self) -> None:
        every = [kind for pool in POOLS.values() for kind in pool.kinds.values()]
        for one, other in itertools.combinations(every, 2):
            assert one.parts != other.parts


@pytest.mark.slow
def test_another_seed_shows_every_object_in_frame_0() -> None:
    for name in VAL:
        whole, rng = scene("val", name, seed=1)
        labels = painter.photograph(replace(whole, backdrop=[]), 0, rng)[1]
        objects = max(actor.label for actor in whole.actors)
        for label in range(1, objects + 1):
            assert (labels == label).mean() >= 0.015, (name, label)
