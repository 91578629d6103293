"""The archive of masks that a server takes: what it has, and what is refused before."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.tiny_study import FRAMES, HEIGHT, WIDTH, annotation

from rgmp.cli import main as cli
from rgmp.data import davis
from rgmp.runtime.files import digest_of_file, read_json

ARCHIVE = ["archive", "--davis", "davis", "--masks", "masks", "--out", "out.zip"]


@pytest.fixture
def here(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree whose val split is test-dev, annotated at frame 0 alone, and masks of it."""
    (tree / "ImageSets/2017/val.txt").rename(tree / "ImageSets/2017/test-dev.txt")
    for name in ("val_a", "val_b"):
        shutil.copytree(annotation(tree, 0, name).parent, tmp_path / "masks" / name)
        for t in range(1, FRAMES):
            annotation(tree, t, name).unlink()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_every_frame_of_every_sequence_lies_at_the_top(here: Path) -> None:
    assert cli.main([*ARCHIVE, "--record", "records/archive.json"]) == 0
    wanted = [f"{name}/{t:05d}.png" for name in ("val_a", "val_b") for t in range(FRAMES)]
    found = members(here / "out.zip")
    assert [*found] == wanted
    assert all(found[name] == (here / "masks" / name).read_bytes() for name in wanted)
    record = read_json(here / "records/archive.json")
    assert record["results"] == {"sequences": 2, "frames": 2 * FRAMES}
    assert record["outputs"] == {"archive": digest_of_file(here / "out.zip")}


def test_masks_in_a_zip_below_a_folder_under_other_names_come_out_alike(here: Path) -> None:
    assert cli.main(ARCHIVE) == 0
    with zipfile.ZipFile("theirs.zip", "w") as archive:
        for path in sorted(Path("masks").rglob("*.png")):
            archive.write(path, f"mine/{path.parent.name}/frame_{path.name}")
    assert cli.main([*ARCHIVE, "--masks", "theirs.zip", "--out", "same.zip"]) == 0
    assert (here / "same.zip").read_bytes() == (here / "out.zip").read_bytes()


def paint(values: dict[int, int]) -> Callable[[], object]:
    """Replace a mask by one with these values in rows of its own."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for row, value in values.items():
        labels[row] = value
    return lambda: davis.write_mask(Path("masks/val_b/00002.png"), labels)


def convert(mode: str) -> Callable[[], object]:
    path = Path("masks/val_b/00002.png")
    return lambda: Image.open(path).convert(mode).save(path)


FAULTS: dict[str, tuple[Callable[[], object], str]] = {
    "a sequence": (lambda: shutil.rmtree("masks/val_b"), "no masks 00000.png to 00003.png"),
    "a frame": (Path("masks/val_b/00002.png").unlink, "masks/val_b: missing 00002.png"),
    "frame 0": (Path("masks/val_b/00000.png").unlink, "masks/val_b: missing 00000.png"),
    "no frame": (
        lambda: shutil.copy("masks/val_b/00002.png", "masks/val_b/00009.png"),
        "masks/val_b: no frame for 00009.png",
    ),
    "an id": (paint({3: 1, 4: 3}), "00002.png: index 3, but frame 0 has 1 to 2"),
    "void": (paint({3: 255}), "00002.png: index 255"),
    "grey": (convert("L"), "00002.png: is a PNG of mode L"),
    "RGB": (convert("RGB"), "00002.png: is a PNG of mode RGB"),
    "a size": (
        lambda: davis.write_mask(Path("masks/val_b/00002.png"), np.zeros((8, 8), np.uint8)),
        "00002.png: is 8x8, frame 0's annotation is 72x40",
    ),
    "half a file": (
        lambda: Path("masks/val_b/00002.png").write_bytes(b"\x89PNG\r\n\x1a\n"),
        "00002.png: not a readable image",
    ),
}


@pytest.mark.parametrize(("spoil", "says"), FAULTS.values(), ids=FAULTS)
@pytest.mark.usefixtures("here")
def test_what_the_server_would_not_take_is_named_and_nothing_written(
    spoil: Callable[[], object], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil()
    assert cli.main(ARCHIVE) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len([line for line in said.splitlines() if line.startswith("rgmp: ")]) == 1
    assert not Path("out.zip").exists()


@pytest.mark.usefixtures("here")
def test_an_archive_is_replaced_and_another_file_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(ARCHIVE) == cli.main(ARCHIVE) == 0
    Path("out.zip").write_text("notes")
    assert cli.main(ARCHIVE) == 2
    assert "already exists and is not a zip of masks" in capsys.readouterr().err
    assert Path("out.zip").read_text() == "notes"
