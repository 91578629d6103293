"""An image is read as what it is, or it is named; nothing else that Pillow knows is tried."""

import math
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image
from support.tiny_study import annotation, frame

from rgmp.data import davis
from rgmp.data.check import check_videos
from rgmp.data.images import Like, read_frame, read_labels
from rgmp.data.videos import Videos
from rgmp.errors import UserError

STRIDE = 7  # bytes between the places at which a file is cut or broken


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_of_any_depth_gives_its_indices(tmp_path: Path, bits: int) -> None:
    labels = (np.arange(12) % 2**bits).astype(np.uint8).reshape(3, 4)
    image = Image.fromarray(labels).convert("P")
    image.putpalette(davis.PALETTE)
    image.save(tmp_path / "a.png", bits=bits)
    assert (read_labels(tmp_path / "a.png") == labels).all()


@pytest.mark.parametrize(("mode", "bits"), [("P", 1), ("P", 4), ("P", 8), ("L", 8), ("1", 1)])
def test_a_mask_and_its_colours_are_what_pillow_makes_of_them(
    tmp_path: Path, mode: str, bits: int
) -> None:
    """Rows of every filter, and of few pixels; a palette that is not DAVIS's; transparency."""
    path, used = tmp_path / "a.png", set()
    for width in (3, 64):
        down, along = np.mgrid[:40, :width]
        shades = ((down**2 + down * along) // 9 % 2 ** min(bits, 7)).astype(np.uint8)
        image = Image.fromarray(shades)
        if mode == "P":
            image = image.convert("P")
            image.putpalette([*range(255, -1, -1)] * 3)
        elif mode == "1":
            image = Image.fromarray(shades > 0)
        image.save(path, bits=bits, transparency=0)
        content = path.read_bytes()
        rows = zlib.decompress(content[content.index(b"IDAT") + 4 : content.index(b"IEND") - 8])
        used |= {*rows[:: 1 + -(-width * bits // 8)]}
        with Image.open(path) as theirs:
            assert theirs.mode == mode
            assert (read_labels(path) == np.asarray(theirs)).all()
            assert (read_frame(path) == np.asarray(theirs.convert("RGB"))).all()
    assert len(used) > 2 or mode != "L"


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_mask_of_colours_is_refused(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (4, 3)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png: mask of mode .*; allowed: palette, grey"):
        read_labels(tmp_path / "a.png")


def test_frame_is_rgb_whatever_the_file_is(tmp_path: Path) -> None:
    for mode in ("L", "RGB", "CMYK"):
        Image.new(mode, (6, 4)).save(tmp_path / "a.jpg")
        assert read_frame(tmp_path / "a.jpg").shape == (4, 6, 3)


@pytest.mark.parametrize("kind", ["frame", "mask"])
def test_file_cut_anywhere_is_refused_or_whole(tree: Path, tmp_path: Path, kind: str) -> None:
    path, read = {
        "frame": (frame(tree, 0), read_frame),
        "mask": (annotation(tree, 0), read_labels),
    }[kind]
    whole, content = read(path), path.read_bytes()
    cut = tmp_path / f"cut{path.suffix}"
    refusals = []
    for length in range(0, len(content), STRIDE):
        cut.write_bytes(content[:length])
        try:
            assert (read(cut) == whole).all()
        except UserError as error:
            refusals.append(str(error))
    assert all(line.startswith(f"{cut}: not a readable image") for line in refusals)
    assert len(refusals) == len(range(0, len(content), STRIDE))


@pytest.mark.parametrize("kind", ["frame", "mask"])
def test_file_with_a_broken_byte_never_breaks_the_reader(
    tree: Path, tmp_path: Path, kind: str
) -> None:
    path, read = {
        "frame": (frame(tree, 0), read_frame),
        "mask": (annotation(tree, 0), read_labels),
    }[kind]
    content, refusals = path.read_bytes(), []
    for place in range(0, len(content), STRIDE):
        broken = bytearray(content)
        broken[place] ^= 0xFF
        (tmp_path / "broken").write_bytes(broken)
        try:
            read(tmp_path / "broken")
        except UserError as error:
            refusals.append(str(error))
    assert refusals
    assert all(line.startswith(f"{tmp_path / 'broken'}: ") for line in refusals)


def chunk(kind: bytes, content: bytes) -> bytes:
    """One of a PNG's parts, its checksum right."""
    length, checksum = (n.to_bytes(4, "big") for n in (len(content), zlib.crc32(kind + content)))
    return length + kind + content + checksum


def png(
    width: int, height: int, pixels: bytes, depth: int = 8, colour: int = 0, more: bytes = b""
) -> bytes:
    """A PNG by hand; `pixels` has a 0 before every row."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + data


@pytest.mark.parametrize("what", ["mask", "still"])
def test_bit_that_flips_in_a_png_is_found(tree: Path, tmp_path: Path, what: str) -> None:
    path, read = annotation(tree, 1), read_labels
    if what == "still":
        path, read = tmp_path / "still.png", read_frame
        with Image.open(frame(tree, 0)) as image:
            image.resize((16, 9)).save(path)
    whole, content = read(path), path.read_bytes()

    @hypothesis.given(place=st.integers(0, 8 * len(content) - 1))
    @hypothesis.settings(deadline=None, max_examples=200)
    def flip(place: int) -> None:
        broken = bytearray(content)
        broken[place // 8] ^= 1 << place % 8
        (tmp_path / "broken").write_bytes(broken)
        with pytest.raises(UserError, match=r"broken: not a readable image"):
            read(tmp_path / "broken")

    flip()
    assert (read(path) == whole).all()


@pytest.mark.parametrize("start", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_any_bytes_are_an_image_or_named(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "any"

    @hypothesis.given(content=st.binary(max_size=200))
    @hypothesis.settings(deadline=None)
    def try_bytes(content: bytes) -> None:
        path.write_bytes(start + content)
        for read in (read_frame, read_labels):
            with pytest.raises(UserError, match=rf"^{path}: not a readable image") as error:
                read(path)
            assert len(str(error.value).splitlines()) == 1

    try_bytes()


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "BMP", "WEBP", "EPS", "DDS", "PPM", "ICO", "PDF"])
def test_other_formats_are_not_decoded(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "00000.jpg"
    Image.new("RGB", (16, 16)).save(path, format=kind)
    for read in (read_frame, read_labels):
        with pytest.raises(
            UserError, match=r"00000\.jpg: not a readable image \(neither JPEG nor PNG"
        ):
            read(path)


@pytest.mark.parametrize("share", [0.4, 0.9])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_whose_end_was_never_written_is_refused(
    tree: Path, share: float, progressive: bool
) -> None:
    path = frame(tree, 0)
    with Image.open(path) as image:
        image.save(path, progressive=progressive)
    content = path.read_bytes()
    kept = content[: int(share * len(content))]
    path.write_bytes(kept.ljust(len(content), b"\0"))
    with pytest.raises(UserError, match="not a readable image"):
        read_frame(path)
    path.write_bytes(content + bytes(99))  # what follows the end says nothing
    read_frame(path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_size_is_looked_at_before_pixels_are_decoded(tree: Path) -> None:
    """They are not there at all."""
    path = annotation(tree, 1)
    for width, height in ((13_000, 13_000), (71, 40)):
        path.write_bytes(png(width, height, b""))
        with pytest.raises(UserError, match=rf"is {width}x{height}, its frame is 9x8; they must"):
            read_labels(path, Like("its frame", (8, 9)))
        named = f"{path}: is {width}x{height}, its frame is 72x40; they must match"
        (problem,) = check_videos(Videos(davis=tree, benchmark="davis2017")).problems
        assert problem.startswith(f"{named} (scale ")
    path.write_bytes(png(8193, 8192, b""))
    with pytest.raises(UserError, match=r"is 8193x8192; allowed: at most 67,108,864 pixels"):
        read_labels(path)
    path.write_bytes(png(60_000, 60_000, b""))
    with pytest.raises(UserError, match=r"not a readable image \(Image size"):
        read_labels(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (png(0, 4, b""), "not a readable image"),
        (png(4, 0, b""), "not a readable image"),
        (png(4, 4, bytes(7)), "not a readable image"),
        (png(1, 1, bytes(3), depth=16), "more than 8 bits per channel; allowed: 8"),
        (png(1, 1, bytes(7), depth=16, colour=2), "more than 8 bits per channel"),
        (
            png(1, 1, bytes(2), more=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8)))),
            "not a readable image",
        ),
    ],
)
def test_png_that_is_none_for_us_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    for read in (read_frame, read_labels):
        with pytest.raises(UserError, match=rf"a\.png: {said}"):
            read(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("depth", "colour"),
    [(1, 0), (2, 0), (4, 0), (8, 0), (8, 2), (1, 3), (2, 3), (4, 3), (8, 3), (8, 4), (8, 6)],
)
@pytest.mark.parametrize("lace", [0, 1])
def test_png_whose_rows_are_not_all_there_or_more_is_refused(
    tmp_path: Path, depth: int, colour: int, lace: int
) -> None:
    """Its checksums are right, and Pillow takes zeros for what is missing, and drops the rest."""
    palette = chunk(b"PLTE", bytes(6)) if colour == 3 else b""
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    steps = [(1, 0, 1, 0)]  # of rows, from; of columns, from
    if lace:
        steps = [(8, 0, 8, 0), (8, 0, 8, 4), (8, 4, 4, 0), (4, 0, 4, 2), (4, 2, 2, 0), (2, 0, 2, 1)]
        steps.append((2, 1, 1, 0))
    passes = [(len(range(y, 9, down)), len(range(x, 3, along))) for down, y, along, x in steps]
    size = sum(rows * (1 + math.ceil(n * bits / 8)) for rows, n in passes if n)
    header = struct.pack(">IIBBBBB", 3, 9, depth, colour, 0, 0, lace)
    path = tmp_path / "a.png"
    for given in (0, 4 * size // 9, size // 2, size - 1, size, size + 9):  # 4 of 9 rows, or so
        pixels = chunk(b"IDAT", zlib.compress(bytes(given)))
        head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette
        path.write_bytes(head + pixels + chunk(b"IEND", b""))
        if given != size:
            with pytest.raises(UserError, match=r"a\.png: not a readable image"):
                read_frame(path)
        else:
            assert read_frame(path).shape == (9, 3, 3)


def test_png_whose_chunks_are_not_in_order_is_refused(tmp_path: Path) -> None:
    path, (before, after) = tmp_path / "a.png", (b"\x89PNG\r\n\x1a\n", chunk(b"IEND", b""))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 1, 8, 3, 0, 0, 0))
    palette, packed = chunk(b"PLTE", davis.PALETTE[:9]), zlib.compress(b"\0\0\1\2")
    halves = chunk(b"IDAT", packed[:9]) + chunk(b"IDAT", b"") + chunk(b"IDAT", packed[9:])
    path.write_bytes(before + header + palette + halves + chunk(b"IDAT", b"") + after)
    assert read_labels(path).tolist() == [[0, 1, 2]]
    pixels, note = chunk(b"IDAT", packed), chunk(b"tEXt", b"a\0b")
    for parts in (
        header + palette + pixels + chunk(b"IDAT", b"junk"),
        header + palette + chunk(b"IDAT", packed + b"junk"),
        header + palette + chunk(b"IDAT", packed[:-4]),  # without its checksum
        header + palette + chunk(b"IDAT", packed[:-4] + b"junk"),
        header + pixels,
        header + pixels + palette,
        header + palette + palette + pixels,
        header + header + palette + pixels,
        note + header + palette + pixels,
        header + palette + chunk(b"IDAT", packed[:9]) + note + chunk(b"IDAT", packed[9:]),
    ):
        path.write_bytes(before + parts + after)
        for read in (read_frame, read_labels):
            with pytest.raises(UserError, match=r"a\.png: not a readable image"):
                read(path)


def test_pixels_in_several_chunks_are_counted_together(tmp_path: Path) -> None:
    """Far more of them than are unpacked at a time."""
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1501), dtype=np.uint8)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in noise), 1)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1501, 1500, 8, 0, 0, 0, 0))
    parts = [chunk(b"IDAT", packed[i : i + 70_001]) for i in range(0, len(packed), 70_001)]
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + header + b"".join(parts) + chunk(b"IEND", b"")
    )
    assert (read_labels(tmp_path / "a.png") == noise).all()


@pytest.mark.parametrize(("depth", "row"), [(2, b"\0\x18"), (4, b"\0\x01\x20")])
def test_grey_of_few_bits_is_a_picture_and_no_mask(tmp_path: Path, depth: int, row: bytes) -> None:
    """Pillow would read the labels 0, 1, 2 as 0, 85, 170 of 2 bits, or 0, 17, 34 of 4."""
    path = tmp_path / "a.png"
    palette = chunk(b"PLTE", davis.PALETTE[:9])
    path.write_bytes(png(3, 1, row, depth=depth, colour=3, more=palette))
    assert read_labels(path).tolist() == [[0, 1, 2]]
    path.write_bytes(png(3, 1, row, depth=depth))
    shade = 255 // (2**depth - 1)
    assert read_frame(path)[0, :, 0].tolist() == [0, shade, 2 * shade]
    with pytest.raises(UserError, match=rf"a\.png: {depth}-bit grey mask, .* convert it"):
        read_labels(path)


def test_rare_and_valid_images_are_read(tmp_path: Path) -> None:
    def labels_of(name: str, content: bytes) -> list[list[int]]:
        (tmp_path / name).write_bytes(content)
        found: list[list[int]] = read_labels(tmp_path / name).tolist()
        return found

    palette = chunk(b"PLTE", davis.PALETTE[:9]) + chunk(b"tRNS", b"\0\x80")
    assert labels_of("clear.png", png(3, 1, b"\0\0\1\2", colour=3, more=palette)) == [[0, 1, 2]]
    note = chunk(b"tEXt", b"a\0" + bytes(100_000))
    assert labels_of("note.png", png(3, 1, b"\0\0\1\2", more=note)) == [[0, 1, 2]]
    assert labels_of("trailed.png", png(3, 1, b"\0\0\1\2") + b"more") == [[0, 1, 2]]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 1))
    passes = chunk(b"IDAT", zlib.compress(b"\0\1\0\2\0\3\4"))
    interlaced = b"\x89PNG\r\n\x1a\n" + header + passes + chunk(b"IEND", b"")
    assert labels_of("interlaced.png", interlaced) == [[1, 2], [3, 4]]


PALETTE_OF_TWO = chunk(b"PLTE", davis.PALETTE[:6]) + chunk(b"tRNS", b"\0\x80")


@pytest.mark.parametrize(
    "content",
    [
        png(72, 40, bytes(73 * 40), more=chunk(b"acTL", bytes(8))),
        png(72, 40, (b"\1" + bytes(72)) * 40, colour=3, more=PALETTE_OF_TWO),
    ],
    ids=["animation of no frames", "palette of opacities"],
)
@pytest.mark.parametrize("filters", ["default", "error"])
def test_what_is_read_right_is_read_without_warnings_of_pillow(
    tree: Path, content: bytes, filters: str
) -> None:
    frame(tree, 1).write_bytes(content)
    code = "import sys; from rgmp.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-W", filters, "-c", code, "check", "--quiet", str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("read", [read_frame, read_labels])
def test_file_that_is_none_is_named(tmp_path: Path, read: Callable[[Path], object]) -> None:
    (tmp_path / "text.png").write_text("<html>404</html>")
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    for name in ("text.png", "empty.png", "folder.png", "absent.png", "text.png/deeper.png"):
        with pytest.raises(UserError, match=rf"^{tmp_path / name}: "):
            read(tmp_path / name)


# ---- splits and sequences ----
