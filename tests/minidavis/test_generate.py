"""The embedded benchmark: a valid DAVIS tree, the same for the same seed, as hard as it says."""

import hashlib
import itertools
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage
from support.embedded import SPLITS, VIDEOS, scene

from rgmp.config.base import BENCHMARKS, Benchmark
from rgmp.data import attributes, davis
from rgmp.data.images import read_frame, read_labels
from rgmp.errors import UserError
from rgmp.minidavis import generate, painter, scripts
from rgmp.minidavis.generate import Contents
from rgmp.minidavis.version import VERSION

Labels = npt.NDArray[np.uint8]
Frames = npt.NDArray[np.uint8]
STILLS = 24
"""Of 640, so that they cost little; of the videos every one is looked at."""


Films = dict[str, tuple[Frames, Labels]]


def videos(difficulty: str) -> list[str]:
    return [name for _, name in VIDEOS if name.startswith(f"{difficulty}-")]


@pytest.fixture(scope="class")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("mini") / "data"
    generate.render(out, 0, Contents(stills=STILLS), processes=2)
    return out


@pytest.fixture(scope="class")
def films(rendered: Path) -> Films:
    """Every video's frames, (T, H, W, 3), and labels, (T, H, W)."""
    read = {}
    for _, name in VIDEOS:
        sequence = davis.open_sequence(rendered / "davis", name)
        frames = np.stack([read_frame(path) for path in sequence.frames])
        labels = np.stack([read_labels(path) for path in sequence.annotations])
        read[name] = frames, labels
    return read


def digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        total.update(str(path.relative_to(folder)).encode())
        if path.is_file():
            total.update(path.read_bytes())
    return total.hexdigest()


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


def sketch(frames: Frames, labels: Labels) -> dict[str, list[int]]:
    """A video in a few numbers: the colours of 4 x 6 blocks of its middle frame, and areas.

    Colours are from 0 to 255, areas in thousandths of the frame, of each label in the first, the
    middle and the last frame: coarse, so that another CPU or another JPEG decoder gives nearly the
    same.
    """
    middle = frames[len(frames) // 2]
    blocks = middle.reshape(4, middle.shape[0] // 4, -1, 3)[:, :, : middle.shape[1] // 6 * 6]
    colours = blocks.reshape(4, middle.shape[0] // 4, 6, -1, 3).mean(axis=(1, 3))
    some = labels[[0, len(labels) // 2, -1]]
    shares = [1000 * areas(some, label) for label in range(5)]
    return {
        "colours": [round(x) for x in colours.ravel().tolist()],
        "areas": [round(x) for x in np.ravel(shares).tolist()],
    }


@pytest.mark.slow
class TestRendered:
    """What was written, rendered once: one class, so that one worker of pytest-xdist has it."""

    def test_the_version_is_that_of_what_is_rendered(self, films: Films, rendered: Path) -> None:
        """Other pixels are another benchmark: trainings on them must not be taken for the old ones.

        `RGMP_WRITE_GOLDEN=1 pytest` writes the golden file anew, with the version that it is of.
        """
        path = Path(__file__).with_name("rendered.json")
        stills = [read_frame(p) for p in sorted((rendered / "stills/images").iterdir())]
        sketches: dict[str, Any] = {name: sketch(*film) for name, film in films.items()}
        sketches["stills"] = [round(float(still.mean())) for still in stills]
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

    @pytest.mark.parametrize("benchmark", BENCHMARKS)
    @pytest.mark.parametrize("split", SPLITS)
    def test_is_a_valid_davis_tree(self, rendered: Path, benchmark: Benchmark, split: str) -> None:
        root = rendered / "davis"
        assert davis.read_split(root, benchmark, split) == list(SPLITS[split])
        assert list(davis.problems(root, benchmark, split)) == []

    @pytest.mark.parametrize("name", scripts.TRAIN + scripts.VAL)
    def test_frame_0_shows_every_object_and_all_are_of_one_size(
        self, films: Films, name: str
    ) -> None:
        frames, labels = films[name]
        assert frames.shape == (*labels.shape, 3)
        assert labels.shape[1:] == (scripts.HEIGHT, scripts.WIDTH)
        assert 20 <= len(labels) <= 24
        ids = sorted(np.unique(labels[0]).tolist())
        assert ids == list(range(len(ids)))
        assert len(ids) in {2, 3, 4}
        assert set(np.unique(labels).tolist()) <= set(ids)
        assert min(areas(labels, label)[0] for label in ids[1:]) >= 0.015

    def test_stills_have_a_mask_each_with_one_object(self, rendered: Path) -> None:
        images = sorted((rendered / "stills" / "images").iterdir())
        masks = sorted((rendered / "stills" / "masks").iterdir())
        assert [path.stem for path in images] == [path.stem for path in masks]
        assert len(images) == STILLS
        sizes = set()
        for image, mask in zip(images, masks, strict=True):
            with Image.open(mask) as opened:
                assert opened.mode == "L"
                size, labels = opened.size, np.asarray(opened)
            assert read_frame(image).shape[:2] == labels.shape
            assert np.unique(labels).tolist() == [0, 255]
            assert 0.02 < (labels == 255).mean() < 0.5
            sizes.add(size)
        assert len(sizes) > 10

    def test_every_validation_sequence_has_its_difficulty_and_its_figure(
        self, rendered: Path
    ) -> None:
        table = pd.read_csv(rendered / "davis" / attributes.FILE)
        assert list(table.columns) == ["sequence", "attribute", "figure"]
        assert table["sequence"].tolist() == davis.read_split(
            rendered / "davis", "davis2017", "val"
        )
        assert (table["attribute"] + "-" + table["figure"] == table["sequence"]).all()

    def test_the_contact_sheet_has_a_row_a_video(self, rendered: Path) -> None:
        with Image.open(rendered / "contact_sheet.jpg") as sheet:
            assert sheet.size == (6 * scripts.WIDTH, len(VIDEOS) * scripts.HEIGHT)

    @pytest.mark.parametrize("name", videos("occlusion"))
    def test_occlusion_hides_the_object_and_brings_it_back(self, films: Films, name: str) -> None:
        area = areas(films[name][1], 1)
        hidden = np.flatnonzero(area == 0)
        assert len(hidden) >= 2
        assert np.array_equal(hidden, np.arange(hidden[0], hidden[-1] + 1))
        assert hidden[0] >= 4
        assert np.all(area[-3:] > 0.02)

    @pytest.mark.parametrize("name", videos("fast"))
    def test_fast_objects_outrun_all_others(self, films: Films, name: str) -> None:
        def speed(name: str) -> float:
            steps = np.diff(centroids(films[name][1] == 1), axis=0)
            return float(np.nanmedian(np.linalg.norm(steps, axis=1)))

        assert speed(name) > 0.1 * scripts.HEIGHT
        others = [other for _, other in VIDEOS if not other.startswith("fast-")]
        nearly_all = np.quantile([speed(other) for other in others], 0.95)
        assert speed(name) > 1.5 * nearly_all  # what is seen of a hidden object jumps

    @pytest.mark.parametrize("name", videos("scale"))
    def test_scale_grows_one_object_and_shrinks_the_other(self, films: Films, name: str) -> None:
        near, far = (areas(films[name][1], label) for label in (1, 2))
        assert near.max() > 3 * near[0]
        assert far[-1] < 0.6 * far[0]

    @pytest.mark.parametrize("name", videos("appearance"))
    def test_appearance_changes_colour_and_light(self, films: Films, name: str) -> None:
        frames, labels = films[name]
        behind = [frames[i][labels[i] == 0].mean() for i in range(len(frames))]
        first, last = (palette(frames[i][labels[i] == 1]) for i in (0, -1))
        assert np.abs(first - last).sum() / 2 > 0.35  # the same object in other poses: up to 0.2
        assert min(behind) < 0.75 * behind[0]
        assert np.abs(np.diff(behind)).max() < 0.15 * behind[0]

    @pytest.mark.parametrize("name", videos("lookalike"))
    def test_lookalike_shows_others_of_the_kind_that_are_not_annotated(
        self, films: Films, name: str
    ) -> None:
        whole, rng = scene("train" if name in scripts.TRAIN else "val", name)
        hero = next(actor for actor in whole.actors if actor.label == 1)
        others = [actor for actor in whole.actors if actor.label == 0]
        assert all(actor.figure.parts == hero.figure.parts for actor in others)
        told = replace(whole, actors=[replace(a, label=a.label or 3) for a in whole.actors])
        middle = whole.frames // 2
        image, labels = painter.photograph(told, middle, rng)
        # nearly: where two of them meet, those that are not annotated now have a vote
        assert np.mean(np.where(labels == 3, 0, labels) != films[name][1][middle]) < 0.01
        assert (labels == 3).mean() > 0.02
        look, alike = image[labels == 1].mean(axis=0), image[labels == 3].mean(axis=0)
        ground = image[labels == 0].mean(axis=0)
        assert np.linalg.norm(look - alike) < 0.5 * np.linalg.norm(look - ground)

    @pytest.mark.parametrize("name", videos("crossing"))
    def test_crossing_objects_swap_sides_and_hide_each_other(self, films: Films, name: str) -> None:
        labels = films[name][1]
        x = [centroids(labels == label)[:, 1] for label in (1, 2)]
        assert np.sign(x[0][0] - x[1][0]) == -np.sign(x[0][-1] - x[1][-1])
        touching = [ndimage.binary_dilation(frame == 1) & (frame == 2) for frame in labels]
        assert max(map(np.count_nonzero, touching)) > 10
        assert areas(labels, 1).min() < 0.6 * areas(labels, 1)[0]


FEW = Contents(("scale-fox",), ("occlusion-spider",), stills=2)


class TestRender:
    def test_the_seed_and_nothing_else_decides_every_byte(self, tmp_path: Path) -> None:
        np.random.seed(1)  # noqa: NPY002 - the global state must not matter
        generate.render(tmp_path / "a", 3, FEW, processes=1)
        generate.render(tmp_path / "other", 4, FEW, processes=1)
        script = (
            "import sys; from pathlib import Path; from rgmp.minidavis import generate; "
            "few = generate.Contents(('scale-fox',), ('occlusion-spider',), stills=2); "
            "generate.render(Path(sys.argv[1]), 3, few, processes=2)"
        )
        environment = os.environ | {"PYTHONHASHSEED": "12345"}
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "b")], check=True, env=environment
        )
        assert digest(tmp_path / "a") == digest(tmp_path / "b")
        assert digest(tmp_path / "a") != digest(tmp_path / "other")

    def test_a_part_has_the_pixels_of_the_whole(self, tmp_path: Path) -> None:
        for name, train in (("one", ("scale-fox",)), ("two", ("occlusion-fox", "scale-fox"))):
            generate.render(tmp_path / name, 0, Contents(train, FEW.val, stills=1), processes=1)
        one, two = (tmp_path / name / "davis/JPEGImages/480p/scale-fox" for name in ("one", "two"))
        assert digest(one) == digest(two)

    def test_a_render_that_fails_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        taken = itertools.count()

        def failing(*_: object) -> None:
            if next(taken) == 3:
                raise RuntimeError("the fourth frame")
            return painter.photograph(*_)  # type: ignore[arg-type,return-value]

        monkeypatch.setattr(generate, "photograph", failing)
        with pytest.raises(RuntimeError, match="the fourth frame"):
            generate.render(tmp_path / "data", 0, FEW, processes=1)
        assert list(tmp_path.iterdir()) == []

    def test_refuses_a_place_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match="file"):
            generate.render(tmp_path / "file" / "data", 0, FEW)
