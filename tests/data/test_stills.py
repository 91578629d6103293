"""Sets of stills: the layouts that the field's data sets come in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rgmp.config.study import Stills
from rgmp.data.stills import list_pairs
from rgmp.errors import UserError


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(root: Path, stills: Stills) -> list[tuple[str, str]]:
    return [tuple(str(p.relative_to(root)) for p in pair) for pair in list_pairs(stills)]  # type: ignore[misc]


def test_two_folders_as_in_ecssd(tmp_path: Path) -> None:
    for name in ("0002", "0001"):
        touch(tmp_path / f"images/{name}.jpg", tmp_path / f"ground_truth_mask/{name}.png")
    stills = Stills(images=tmp_path / "images", masks=tmp_path / "ground_truth_mask")
    assert found(tmp_path, stills) == [
        (f"images/{name}.jpg", f"ground_truth_mask/{name}.png") for name in ("0001", "0002")
    ]


def test_one_folder_as_in_msra10k(tmp_path: Path) -> None:
    for name in ("b", "a"):
        touch(tmp_path / f"Imgs/{name}.jpg", tmp_path / f"Imgs/{name}.png")
    stills = Stills(images=tmp_path / "Imgs", masks=tmp_path / "Imgs")
    assert found(tmp_path, stills) == [(f"Imgs/{x}.jpg", f"Imgs/{x}.png") for x in "ab"]


def voc(root: Path) -> Stills:
    """Three images, of which two are segmented, and a list of one of these."""
    touch(*(root / f"JPEGImages/2007_{i}.jpg" for i in range(3)))
    touch(*(root / f"SegmentationObject/2007_{i}.png" for i in range(2)))
    names = root / "ImageSets/Segmentation/train.txt"
    touch(names)
    names.write_text("2007_1\n")
    folders = {"images": root / "JPEGImages", "masks": root / "SegmentationObject"}
    return Stills(**folders, labels="objects", names=names)


def test_a_list_of_images_as_in_pascal_voc(tmp_path: Path) -> None:
    stills = voc(tmp_path)
    assert found(tmp_path, stills) == [("JPEGImages/2007_1.jpg", "SegmentationObject/2007_1.png")]
    with pytest.raises(
        UserError, match=r"2007_2.jpg: mask .*2007_2.png is missing.*text file \(names\)"
    ):
        list_pairs(stills.model_copy(update={"names": None}))


def test_a_list_of_videos_as_in_davis(tmp_path: Path) -> None:
    """Of a video that is annotated in part, the annotated frames."""
    for video, annotated in (("a", 3), ("b", 1), ("val", 3)):
        for t in range(3):
            touch(tmp_path / f"JPEGImages/480p/{video}/0000{t}.jpg")
        for t in range(annotated):
            touch(tmp_path / f"Annotations/480p/{video}/0000{t}.png")
    names = tmp_path / "train.txt"
    names.write_text("a\nb\n")
    folders = {"images": tmp_path / "JPEGImages/480p", "masks": tmp_path / "Annotations/480p"}
    stills = Stills(**folders, labels="objects", names=names)
    assert [Path(image).parent.name + Path(image).stem for image, _ in found(tmp_path, stills)] == [
        "a00000",
        "a00001",
        "a00002",
        "b00000",
    ]


@pytest.mark.parametrize(
    ("spoil", "culprit"),
    [
        (lambda names: names.write_text("2007_9"), "2007_9 is neither an image"),
        (lambda names: names.write_text("2007_2"), "2007_2 is neither an image"),
        (
            lambda names: names.write_text("../JPEGImages"),
            "'../JPEGImages' is not an image or folder name",
        ),
        (lambda names: names.write_text("/etc"), "'/etc' is not an image or folder name"),
        (lambda names: names.unlink(), "cannot be read"),
    ],
)
def test_what_a_list_names_in_vain_is_said(
    tmp_path: Path, spoil: Callable[[Path], object], culprit: str
) -> None:
    stills = voc(tmp_path)
    assert stills.names is not None
    spoil(stills.names)
    with pytest.raises(UserError, match=r"train\.txt: ") as caught:
        list_pairs(stills)
    assert culprit in str(caught.value)
