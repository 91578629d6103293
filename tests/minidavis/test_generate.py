"""The embedded benchmark: a valid DAVIS tree, the same for the same seed, as hard as it says."""

import hashlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support.davis_tree import open_sequence, read_split
from support.embedded import SPLITS, scene

from rgmp.config.base import BENCHMARKS, Benchmark
from rgmp.data import attributes
from rgmp.data.check import check_videos
from rgmp.data.images import read_frame, read_labels
from rgmp.data.videos import Videos
from rgmp.errors import UserError
from rgmp.minidavis import generate, painter
from rgmp.minidavis.cast import VAL_CAST
from rgmp.minidavis.generate import Contents
from rgmp.minidavis.version import HEIGHT, WIDTH

SAMPLE = Contents(
    train=("scale-fox", "crossing-truck"),
    val=tuple(f"{name}-{kinds[-1]}" for name, kinds in VAL_CAST.items()),
    stills=24,
)
"""One validation video of each difficulty; what all videos show is in test_scripts.py."""


@pytest.fixture(scope="class")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("mini") / "data"
    generate.render(out, 0, SAMPLE)
    return out


def digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        total.update(str(path.relative_to(folder)).encode())
        if path.is_file():
            total.update(path.read_bytes())
    return total.hexdigest()


@pytest.mark.slow
class TestRendered:
    """What was written, rendered once: one class, so that one worker of pytest-xdist has it."""

    @pytest.mark.parametrize("benchmark", BENCHMARKS)
    @pytest.mark.parametrize("split", SPLITS)
    def test_is_a_valid_davis_tree(self, rendered: Path, benchmark: Benchmark, split: str) -> None:
        root = rendered / "davis"
        assert read_split(root, benchmark, split) == list(getattr(SAMPLE, split))
        assert check_videos(Videos(davis=root, benchmark=benchmark, split=split)).problems == []

    @pytest.mark.parametrize(
        ("split", "name"), [("train", SAMPLE.train[0]), ("val", SAMPLE.val[0])]
    )
    def test_the_files_of_a_video_are_its_frames(
        self, rendered: Path, split: str, name: str
    ) -> None:
        sequence = open_sequence(rendered / "davis", name)
        whole, rng = scene(split, name)
        assert len(sequence.frames) == len(sequence.annotations) == whole.frames
        for number, paths in enumerate(zip(sequence.frames, sequence.annotations, strict=True)):
            image, labels = painter.photograph(whole, number, rng)
            assert np.array_equal(read_labels(paths[1]), labels)
            assert np.abs(read_frame(paths[0]).astype(int) - image).mean() < 4  # JPEG and noise

    def test_stills_have_a_mask_each_with_one_object(self, rendered: Path) -> None:
        images = sorted((rendered / "stills" / "images").iterdir())
        masks = sorted((rendered / "stills" / "masks").iterdir())
        assert [path.stem for path in images] == [path.stem for path in masks]
        assert len(images) == SAMPLE.stills
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
        assert table["sequence"].tolist() == read_split(rendered / "davis", "davis2017", "val")
        assert (table["attribute"] + "-" + table["figure"] == table["sequence"]).all()

    def test_the_contact_sheet_has_a_row_a_video(self, rendered: Path) -> None:
        with Image.open(rendered / "contact_sheet.jpg") as sheet:
            assert sheet.size == (
                6 * WIDTH,
                len(SAMPLE.train + SAMPLE.val) * HEIGHT,
            )


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
