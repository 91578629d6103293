"""Masks as others pack, name and encode them: read right, or refused in a line."""

import zipfile
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.damaged_zips import damaged_zips, zipped

from rgmp.config.base import Benchmark
from rgmp.config.dataset import DAVIS as YEARS
from rgmp.data import davis
from rgmp.data.digests import digest_of_masks
from rgmp.data.encodings import read_mask
from rgmp.data.mask_source import MaskFile, MaskSource, match, open_masks
from rgmp.errors import UserError

FRAMES = [f"{number:05d}" for number in range(4)]
TWO = np.array([[0, 1, 1], [0, 2, 2]], dtype=np.uint8)
ONE = (TWO > 0).astype(np.uint8)


def files(*names: str) -> dict[str, MaskFile]:
    return {name: MaskFile(Path("camel") / name) for name in names}


@pytest.mark.parametrize(
    "names",
    [
        ["0.png", "1.png", "2.png", "3.png"],
        ["frame_00000.png", "frame_00001.png", "frame_00002.png", "frame_00003.png"],
        ["480p_1_mask.png", "480p_2_mask.png"],
        ["000001.png", "000002.png", "000003.png"],
    ],
)
def test_names_that_differ_in_a_number_alone_are_matched_by_it(names: list[str]) -> None:
    found = match(files(*names), FRAMES)
    assert [mask.name for mask in found.masks.values()] == names
    assert [*found.masks] == FRAMES[0 if len(names) == 4 else 1 :][: len(names)]
    assert found.example == names[0]
    assert not found.surplus


@pytest.mark.parametrize(
    ("names", "surplus"),
    [
        (["00000.png", "0.png"], ["0.png"]),
        (["1.png", "2.png", "3.png", "4.png"], ["1.png", "2.png", "3.png", "4.png"]),
        (["a0.png", "b1.png"], ["a0.png", "b1.png"]),
        (["1_1.png", "2_2.png"], ["1_1.png", "2_2.png"]),
        (["1.png", "01.png"], ["01.png", "1.png"]),
        (["mask.png"], ["mask.png"]),
    ],
)
def test_names_that_are_uncertain_are_not(names: list[str], surplus: list[str]) -> None:
    found = match(files(*names), FRAMES)
    assert found.surplus == tuple(surplus)
    assert not found.example


def written(folder: Path, *parts: str) -> Path:
    path = folder.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    davis.write_mask(path, TWO)
    return path


def packed(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(folder))
    return path


@pytest.mark.parametrize("top", ["", "rgmp/", "results/480p/"])
def test_an_archive_is_the_folder_that_was_packed(tmp_path: Path, top: str) -> None:
    for frame in FRAMES:
        written(tmp_path / "given", f"{top}camel/{frame}.png")
        written(tmp_path / "given", f"__MACOSX/{top}camel/._{frame}.png")
    (tmp_path / "given" / top / "camel/.DS_Store").touch()
    folder = tmp_path / "given"
    sources = [open_masks(path, ["camel"]) for path in (folder, packed(folder))]
    for source in sources:
        assert source.top == top.rstrip("/")
        assert [*source.folders] == ["camel"]
        found = source.masks_of("camel", FRAMES)
        assert [*found.masks] == FRAMES
        assert (read_mask(found.masks["00002"], YEARS["davis2017"], [1, 2]).labels == TWO).all()
    digests = {source.digest_of(["camel"]) for source in sources}
    assert digests == {digest_of_masks({"camel": folder / top / "camel"})}


def test_two_places_of_one_sequence_are_refused(tmp_path: Path) -> None:
    for top in ("val", "train"):
        written(tmp_path, top, "camel", "00000.png")
    with pytest.raises(UserError, match=r"masks of the same data set in train, val; name one"):
        open_masks(tmp_path, ["camel"])


def broken_sources(tmp_path: Path) -> dict[str, Path]:
    no_zip = tmp_path / "no.zip"
    no_zip.write_bytes(b"PK\3\4 and no more")
    twice = tmp_path / "twice.zip"
    with zipfile.ZipFile(twice, "w") as archive:
        archive.writestr("camel/00000.png", b"")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("camel/00000.png", b"")
    return {
        "not a readable zip": no_zip,
        "twice": twice,
        "no such folder or zip": tmp_path / "nowhere",
    }


def test_what_is_no_source_is_named(tmp_path: Path) -> None:
    for said, path in broken_sources(tmp_path).items():
        with pytest.raises(UserError, match=said) as raised:
            open_masks(path, ["camel"])
        assert str(raised.value).startswith(f"{path}: ")


@pytest.mark.parametrize("damage", damaged_zips({"camel/00000.png": b"mask"}))
def test_an_archive_that_is_damaged_in_an_odd_way(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "odd.zip"
    path.write_bytes(damaged_zips({"camel/00000.png": b"mask"})[damage])
    with pytest.raises(UserError, match=r"odd\.zip(/camel/00000\.png)?: not a readable zip"):
        open_masks(path, ["camel"]).digest_of(["camel"])


@settings(deadline=None)
@given(
    packing=st.sampled_from([zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]),
    flips=st.lists(st.tuples(st.integers(0, 10**4), st.integers(1, 255)), min_size=1, max_size=4),
)
def test_flipped_bytes_are_told_or_harmless(packing: int, flips: list[tuple[int, int]]) -> None:
    content = bytearray(zipped({"camel/00000.png": bytes(range(99))}, packing))
    for place, change in flips:
        content[place % len(content)] ^= change
    with TemporaryDirectory() as temporary, suppress(UserError):
        path = Path(temporary) / "flipped.zip"
        path.write_bytes(content)
        open_masks(path, ["camel"]).digest_of(["camel"])


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    written(tmp_path / "given", "camel", "00000.png")
    path = packed(tmp_path / "given")
    content = bytearray(path.read_bytes())
    content[60] ^= 255
    path.write_bytes(content)
    source: MaskSource = open_masks(path, ["camel"])
    with pytest.raises(UserError, match=r"given\.zip/camel/00000\.png: not a readable image|zip"):
        read_mask(source.masks_of("camel", FRAMES).masks["00000"], YEARS["davis2017"], [1, 2])


# ---- encodings ----


def palette(labels: npt.NDArray[np.uint8], colours: bytes) -> Image.Image:
    image = Image.fromarray(labels, mode="P")
    image.putpalette(colours)
    return image


DAVIS = davis.image_of(TWO)
BLACK_WHITE = palette(ONE, bytes([0, 0, 0, 255, 255, 255]))
GREY = Image.fromarray(ONE * np.uint8(255))


def saved(path: Path, image: Image.Image, **how: Any) -> MaskFile:
    image.save(path, **how)
    return MaskFile(path)


@pytest.mark.parametrize(
    ("image", "benchmark", "expected"),
    [
        (BLACK_WHITE, "davis2016", ONE),
        (BLACK_WHITE, "davis2017", ONE),
        (Image.fromarray(ONE > 0), "davis2016", ONE),
        (Image.fromarray(ONE > 0), "davis2017", ONE),
        (GREY, "davis2016", ONE),
        (GREY, "davis2017", ONE),
        (GREY.convert("RGB"), "davis2016", ONE),
        (GREY.convert("RGB"), "davis2017", ONE),
        (GREY.convert("RGBA"), "davis2016", ONE),
        (DAVIS, "davis2017", TWO),
        (DAVIS, "davis2016", ONE),
        (DAVIS.convert("RGB"), "davis2017", TWO),
    ],
)
def test_an_encoding_whose_meaning_is_certain_is_read(
    tmp_path: Path, image: Image.Image, benchmark: Benchmark, expected: npt.NDArray[np.uint8]
) -> None:
    objects = range(1, int(expected.max()) + 1)
    for depth in (8, 4) if image.mode == "P" else (8,):
        mask = saved(tmp_path / "a.png", image, **({"bits": depth} if depth < 8 else {}))
        found = read_mask(mask, YEARS[benchmark], objects)
        assert (found.labels == expected).all()
        assert found.labels.dtype == np.uint8


def test_colours_of_other_labels_are_told_and_indices_count(tmp_path: Path) -> None:
    swapped = palette(TWO, davis.PALETTE[:3] + davis.PALETTE[6:9] + davis.PALETTE[3:6])
    found = read_mask(saved(tmp_path / "a.png", swapped), YEARS["davis2017"], [1, 2])
    assert (found.labels == TWO).all()
    assert found.by_colour is not None
    assert (found.by_colour == np.array([0, 2, 1])[TWO]).all()
    plain = read_mask(saved(tmp_path / "b.png", DAVIS), YEARS["davis2017"], [1, 2])
    assert plain.by_colour is None


FIVE = np.where(TWO == 2, np.uint8(5), TWO)
SHADES = Image.fromarray(np.arange(18, dtype=np.uint8).reshape(2, 3, 3))


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (GREY, "one mask for 2 objects"),
        (GREY.convert("RGB"), r"colour \(255, 255, 255\) is of no object"),
        (SHADES, "is of no object"),
        (GREY.convert("LA"), "mask of mode LA"),
        (Image.fromarray(np.zeros((2, 3, 4), dtype=np.uint8)), "RGBA mask that is transparent"),
        (palette(FIVE, davis.PALETTE[:6] + bytes(9) + davis.PALETTE[6:9]), "under other indices"),
    ],
)
def test_an_encoding_whose_meaning_is_uncertain_is_refused(
    tmp_path: Path, image: Image.Image, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        read_mask(saved(tmp_path / "a.png", image), YEARS["davis2017"], [1, 2])


def test_a_jpeg_named_as_a_png_and_a_picture_are_refused(tmp_path: Path) -> None:
    GREY.save(tmp_path / "a.png", format="JPEG")
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "b.png")
    for name, said in (("a.png", "stored as JPEG"), ("b.png", "more than 256 colours")):
        with pytest.raises(UserError, match=said):
            read_mask(MaskFile(tmp_path / name), YEARS["davis2016"], [1])
