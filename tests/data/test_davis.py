"""A DAVIS tree is read as its own tools read it, and whatever is wrong with one is named."""

import errno
import math
import os
import re
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image
from support.tiny_study import FRAMES, HEIGHT, WIDTH, write_tree

from rgmp.config.base import BENCHMARKS, Benchmark
from rgmp.data import davis
from rgmp.errors import UserError

STRIDE = 7  # bytes between the places at which a file is cut or broken


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pristine")
    write_tree(root)
    return root / "davis"


@pytest.fixture
def tree(pristine: Path, tmp_path: Path) -> Path:
    return shutil.copytree(pristine, tmp_path / "davis")


def problems(tree: Path, benchmark: Benchmark = "davis2017", split: str = "val") -> list[str]:
    return list(davis.problems(tree, benchmark, split))


def frame(tree: Path, number: int, name: str = "val_a") -> Path:
    return tree / f"JPEGImages/480p/{name}/{number:05d}.jpg"


def annotation(tree: Path, number: int, name: str = "val_a") -> Path:
    return tree / f"Annotations/480p/{name}/{number:05d}.png"


# ---- masks ----


def test_palette_is_that_of_davis() -> None:
    palette = np.frombuffer(davis.PALETTE, np.uint8).reshape(256, 3)
    known = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128)]
    known += [(0, 128, 128), (128, 128, 128), (64, 0, 0), (192, 0, 0), (64, 128, 0)]
    assert palette[: len(known)].tolist() == [list(colour) for colour in known]
    assert palette[255].tolist() == [224, 224, 192]
    assert len(np.unique(palette, axis=0)) == 256


def test_mask_written_is_read_again_and_has_the_palette(tmp_path: Path) -> None:
    labels = np.arange(256, dtype=np.uint8).reshape(8, 32)
    davis.write_mask(tmp_path / "deep" / "00000.png", labels)
    assert (davis.read_labels(tmp_path / "deep" / "00000.png") == labels).all()
    with Image.open(tmp_path / "deep" / "00000.png") as image:
        assert image.mode == "P"
        assert image.getpalette() == list(davis.PALETTE)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["00000.png"]


def test_davis_own_masks_have_this_palette(shared: Path) -> None:
    path = next((shared / "davis2017_first_frames").rglob("*.png"))
    with Image.open(path) as image:
        palette = bytes(image.getpalette() or [])
    assert palette == davis.PALETTE[: len(palette)]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_of_any_depth_gives_its_indices(tmp_path: Path, bits: int) -> None:
    labels = (np.arange(12) % 2**bits).astype(np.uint8).reshape(3, 4)
    image = Image.fromarray(labels).convert("P")
    image.putpalette(davis.PALETTE)
    image.save(tmp_path / "a.png", bits=bits)
    assert (davis.read_labels(tmp_path / "a.png") == labels).all()


def test_masks_are_read_as_the_benchmark_means_them(tmp_path: Path) -> None:
    def saved(name: str, pixels: np.ndarray) -> Path:
        Image.fromarray(pixels).save(tmp_path / name)
        return tmp_path / name

    half = np.array([[0, 1]], np.uint8)
    one_bit = saved("one_bit.png", half == 1)
    assert davis.read_labels(one_bit).tolist() == [[0, 1]]
    assert davis.read_labels(one_bit).dtype == np.uint8
    grey = saved("grey.png", np.array([[0, 2, 255]], np.uint8))
    assert davis.read_annotation(grey, "davis2017").tolist() == [[0, 2, 255]]
    assert davis.read_annotation(grey, "davis2016").tolist() == [[0, 1, 1]]
    assert davis.read_annotation(saved("2016.png", 255 * half), "davis2016").tolist() == [[0, 1]]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_mask_of_colours_is_refused(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (4, 3)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png: mask of mode .*; allowed: palette, grey"):
        davis.read_labels(tmp_path / "a.png")


def test_objects_are_those_up_to_the_largest_id() -> None:
    def ids(*values: int) -> list[int]:
        return davis.object_ids(np.array([values], np.uint8))

    assert ids(0, 1, 2) == [1, 2]
    assert ids(0, 3) == [1, 2, 3]
    assert ids(0, 1, 255) == [1]
    assert ids(0, 255) == ids(0) == []


def test_frame_is_rgb_whatever_the_file_is(tmp_path: Path) -> None:
    for mode in ("L", "RGB", "CMYK"):
        Image.new(mode, (6, 4)).save(tmp_path / "a.jpg")
        assert davis.read_frame(tmp_path / "a.jpg").shape == (4, 6, 3)


@pytest.mark.parametrize("kind", ["frame", "mask"])
def test_file_cut_anywhere_is_refused_or_whole(tree: Path, tmp_path: Path, kind: str) -> None:
    path, read = {
        "frame": (frame(tree, 0), davis.read_frame),
        "mask": (annotation(tree, 0), davis.read_labels),
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
        "frame": (frame(tree, 0), davis.read_frame),
        "mask": (annotation(tree, 0), davis.read_labels),
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
    path, read = annotation(tree, 1), davis.read_labels
    if what == "still":
        path, read = tmp_path / "still.png", davis.read_frame
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
        for read in (davis.read_frame, davis.read_labels):
            with pytest.raises(UserError, match=rf"^{path}: not a readable image") as error:
                read(path)
            assert len(str(error.value).splitlines()) == 1

    try_bytes()


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "BMP", "WEBP", "EPS", "DDS", "PPM", "ICO", "PDF"])
def test_other_formats_are_not_decoded(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "00000.jpg"
    Image.new("RGB", (16, 16)).save(path, format=kind)
    for read in (davis.read_frame, davis.read_labels):
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
        davis.read_frame(path)
    path.write_bytes(content + bytes(99))  # what follows the end says nothing
    davis.read_frame(path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_size_is_looked_at_before_pixels_are_decoded(tree: Path) -> None:
    """They are not there at all."""
    path = annotation(tree, 1)
    for width, height in ((13_000, 13_000), (71, 40)):
        path.write_bytes(png(width, height, b""))
        with pytest.raises(UserError, match=rf"is {width}x{height}, its frame is 9x8; they must"):
            davis.read_labels(path, davis.Like("its frame", (8, 9)))
        assert [f"{path}: is {width}x{height}, its frame is 72x40" in p for p in problems(tree)]
    path.write_bytes(png(8193, 8192, b""))
    with pytest.raises(UserError, match=r"is 8193x8192; allowed: at most 67,108,864 pixels"):
        davis.read_labels(path)
    path.write_bytes(png(60_000, 60_000, b""))
    with pytest.raises(UserError, match=r"not a readable image \(Image size"):
        davis.read_labels(path)


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
    for read in (davis.read_frame, davis.read_labels):
        with pytest.raises(UserError, match=rf"a\.png: {said}"):
            read(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("depth", "colour"),
    [(1, 0), (2, 0), (4, 0), (8, 0), (8, 2), (1, 3), (2, 3), (4, 3), (8, 3), (8, 4), (8, 6)],
)
@pytest.mark.parametrize("lace", [0, 1])
def test_png_whose_rows_are_not_all_there_is_refused(
    tmp_path: Path, depth: int, colour: int, lace: int
) -> None:
    """Its checksums are right, and Pillow takes zeros for what is missing."""
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
        if given < size:
            with pytest.raises(UserError, match=r"a\.png: not a readable image"):
                davis.read_frame(path)
        else:
            assert davis.read_frame(path).shape == (9, 3, 3)


def test_pixels_in_several_chunks_are_counted_together(tmp_path: Path) -> None:
    """Far more of them than are unpacked at a time."""
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1501), dtype=np.uint8)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in noise), 1)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1501, 1500, 8, 0, 0, 0, 0))
    parts = [chunk(b"IDAT", packed[i : i + 70_001]) for i in range(0, len(packed), 70_001)]
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + header + b"".join(parts) + chunk(b"IEND", b"")
    )
    assert (davis.read_labels(tmp_path / "a.png") == noise).all()


@pytest.mark.parametrize(("depth", "row"), [(2, b"\0\x18"), (4, b"\0\x01\x20")])
def test_grey_of_few_bits_is_a_picture_and_no_mask(tmp_path: Path, depth: int, row: bytes) -> None:
    """Pillow would read the labels 0, 1, 2 as 0, 85, 170 of 2 bits, or 0, 17, 34 of 4."""
    path = tmp_path / "a.png"
    palette = chunk(b"PLTE", davis.PALETTE[:9])
    path.write_bytes(png(3, 1, row, depth=depth, colour=3, more=palette))
    assert davis.read_labels(path).tolist() == [[0, 1, 2]]
    path.write_bytes(png(3, 1, row, depth=depth))
    shade = 255 // (2**depth - 1)
    assert davis.read_frame(path)[0, :, 0].tolist() == [0, shade, 2 * shade]
    with pytest.raises(UserError, match=rf"a\.png: {depth}-bit grey mask, .* convert it"):
        davis.read_labels(path)


def test_rare_and_valid_images_are_read(tmp_path: Path) -> None:
    def labels_of(name: str, content: bytes) -> list[list[int]]:
        (tmp_path / name).write_bytes(content)
        found: list[list[int]] = davis.read_labels(tmp_path / name).tolist()
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


def put_fifo(path: Path) -> None:
    os.mkfifo(path)


def put_link_to_nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


def put_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def put_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


each_that_is_no_file = pytest.mark.parametrize(
    ("put", "why"),
    [
        (put_fifo, "is a FIFO, not a file"),
        (put_device, "is a device, not a file"),
        (put_link_to_nowhere, "broken link to nowhere"),
        (put_link_to_itself, "Too many levels of symbolic links"),
        (Path.mkdir, "is a folder, not a file"),
    ],
)


@each_that_is_no_file
def test_frame_or_mask_that_is_no_file_is_named(
    tree: Path, put: Callable[[Path], None], why: str
) -> None:
    paths = [frame(tree, 2), annotation(tree, 3)]
    for path in paths:
        path.unlink()
        put(path)
    assert [line.split("; ")[0] for line in problems(tree)] == [
        f"{path}: cannot be read ({why})" for path in paths
    ]


@pytest.mark.parametrize("read", [davis.read_frame, davis.read_labels])
def test_file_that_is_none_is_named(tmp_path: Path, read: Callable[[Path], object]) -> None:
    (tmp_path / "text.png").write_text("<html>404</html>")
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    for name in ("text.png", "empty.png", "folder.png", "absent.png", "text.png/deeper.png"):
        with pytest.raises(UserError, match=rf"^{tmp_path / name}: "):
            read(tmp_path / name)


# ---- splits and sequences ----


def test_split_keeps_the_order_of_its_file(tree: Path) -> None:
    (tree / "ImageSets/2017/val.txt").write_text("val_b\r\n\nval_a")
    assert davis.read_split(tree, "davis2017", "val") == ["val_b", "val_a"]
    (tree / "ImageSets/2017/val.txt").write_bytes("\ufeffval_a\n".encode())  # as some editors do
    assert davis.read_split(tree, "davis2017", "val") == ["val_a"]


@pytest.mark.parametrize(
    "line",
    ["../train_a", "val_a/..", "/etc", "..", ".", "val_a/", "/JPEGImages/480p/val_a/00000.jpg"],
)
def test_split_leads_nowhere_else(tree: Path, line: str) -> None:
    path = tree / "ImageSets/2017/val.txt"
    path.write_text(f"val_b\n{line}\n")
    with pytest.raises(
        UserError, match=rf"^{path}: {re.escape(repr(line))} is not a sequence name"
    ):
        davis.read_split(tree, "davis2017", "val")


@pytest.mark.parametrize("text", ["", "\n", "val_a\nval_b\nval_a\n"])
def test_split_that_is_empty_or_names_a_sequence_twice_is_refused(tree: Path, text: str) -> None:
    path = tree / "ImageSets/2016/val.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"^{path}: empty or with a duplicate sequence"):
        davis.read_split(tree, "davis2016", "val")


def test_split_that_is_not_there_is_named_with_those_that_are(tree: Path) -> None:
    with pytest.raises(UserError, match=r"2017/vall\.txt: no such split; .*: train, val;"):
        davis.read_split(tree, "davis2017", "vall")
    with pytest.raises(UserError, match=r"none; name the root of a DAVIS tree"):
        davis.read_split(tree / "JPEGImages", "davis2017", "val")
    (tree / "ImageSets/2017/val.txt").write_bytes(b"\xff\xfe\x00")
    assert len(problems(tree)) == 1


def test_sequence_has_its_files_in_order(tree: Path) -> None:
    sequence = davis.open_sequence(tree, "val_a")
    stems = ["00000", "00001", "00002", "00003"]
    assert [path.stem for path in sequence.frames] == stems
    assert [path.stem for path in sequence.annotations] == stems
    assert len(davis.sequence_paths(tree, ["val_a", "train_b"])) == 4 * FRAMES


def test_truth_of_later_frames_may_be_withheld_in_a_test_split_alone(tree: Path) -> None:
    for number in range(1, FRAMES):
        annotation(tree, number).unlink()
    assert davis.open_sequence(tree, "val_a").annotations == (annotation(tree, 0),)
    (tree / "ImageSets/2017/test-dev.txt").write_text("val_a\n")
    assert problems(tree, split="test-dev") == []
    (line,) = problems(tree)
    assert line.startswith(f"{annotation(tree, 0).parent}: only frame 0 is annotated")


def test_files_that_an_archiver_left_are_no_frames(tree: Path) -> None:
    frame(tree, 0).with_name("._00000.jpg").write_bytes(b"\0")
    annotation(tree, 0).with_name("._00000.png").write_bytes(b"\0")
    assert problems(tree) == []


# ---- everything that can be wrong is found and named ----


@pytest.mark.parametrize("benchmark", BENCHMARKS)
@pytest.mark.parametrize("split", ["train", "val"])
def test_whole_tree_has_no_problem(tree: Path, benchmark: Benchmark, split: str) -> None:
    assert problems(tree, benchmark, split) == []


def test_real_tree_has_no_problem(shared: Path) -> None:
    assert problems(shared / "davis2016", "davis2016", "val") == []


def shrink(*paths: Path) -> None:
    for path in paths:
        with Image.open(path) as image:
            image.resize((WIDTH - 1, HEIGHT)).save(path)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def relabel(path: Path, old: int, new: int) -> None:
    labels = davis.read_labels(path)
    davis.write_mask(path, np.where(labels == old, new, labels).astype(np.uint8))


Fault = Callable[[Path], object]
FAULTS: dict[str, tuple[Fault, str]] = {
    "missing frame": (
        lambda tree: frame(tree, 2).unlink(),
        r"JPEGImages/480p/val_a: 00002.jpg is missing, found 00003.jpg instead",
    ),
    "missing first frame": (
        lambda tree: frame(tree, 0).unlink(),
        r"JPEGImages/480p/val_a: 00000.jpg is missing, found 00001.jpg",
    ),
    "stray frame": (
        lambda tree: frame(tree, 0).with_name("cover.jpg").touch(),
        r"JPEGImages/480p/val_a: 00004.jpg is missing, found cover.jpg instead",
    ),
    "frame with a huge number": (
        lambda tree: frame(tree, 0).with_name("20240101120000.jpg").touch(),
        r"JPEGImages/480p/val_a: 00004.jpg is missing, found 20240101120000.jpg",
    ),
    "no frames": (
        lambda tree: shutil.rmtree(frame(tree, 0).parent),
        r"JPEGImages/480p/val_a: no frames",
    ),
    "missing annotation": (
        lambda tree: annotation(tree, 2).unlink(),
        r"Annotations/480p/val_a: 00002.png is missing",
    ),
    "missing first annotation": (
        lambda tree: annotation(tree, 0).unlink(),
        r"Annotations/480p/val_a: 00000.png is missing",
    ),
    "surplus annotation": (
        lambda tree: annotation(tree, 9).touch(),
        r"Annotations/480p/val_a: 00009.png .*has no frame",
    ),
    "mask of another size": (
        lambda tree: shrink(annotation(tree, 1)),
        r"Annotations/480p/val_a/00001.png: is 71x40, its frame is 72x40",
    ),
    "frame of another size": (
        lambda tree: shrink(frame(tree, 1), annotation(tree, 1)),
        r"JPEGImages/480p/val_a/00001.jpg: is 71x40, frame 0 is 72x40",
    ),
    "truncated JPEG": (
        lambda tree: truncate(frame(tree, 3)),
        r"JPEGImages/480p/val_a/00003.jpg: not a readable image",
    ),
    "truncated PNG": (
        lambda tree: truncate(annotation(tree, 3)),
        r"Annotations/480p/val_a/00003.png: not a readable image",
    ),
    "object that frame 0 lacks": (
        lambda tree: relabel(annotation(tree, 3), 2, 5),
        r"Annotations/480p/val_a/00003.png: unknown object 5; frame 0 has 1 to 2",
    ),
    "empty frame 0": (
        lambda tree: davis.write_mask(annotation(tree, 0), np.zeros((HEIGHT, WIDTH), np.uint8)),
        r"Annotations/480p/val_a/00000.png: no object",
    ),
    "mask of colours": (
        lambda tree: Image.new("RGB", (WIDTH, HEIGHT)).save(annotation(tree, 1)),
        r"Annotations/480p/val_a/00001.png: mask of mode RGB",
    ),
    "sequence that is not there": (
        lambda tree: (tree / "ImageSets/2017/val.txt").write_text("val_b\nval_c\n"),
        r"JPEGImages/480p/val_c: no frames .* for sequence val_c",
    ),
    "no split": (
        lambda tree: (tree / "ImageSets/2017/val.txt").unlink(),
        r"ImageSets/2017/val.txt: no such split; splits of davis2017 in .*: train;",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named_once(tree: Path, fault: str) -> None:
    break_it, expected = FAULTS[fault]
    break_it(tree)
    (line,) = problems(tree)
    assert re.match(rf"{tree}/{expected}", line)
    assert "\n" not in line


def test_every_fault_is_named_not_the_first_alone(tree: Path) -> None:
    truncate(frame(tree, 1))
    truncate(annotation(tree, 2))
    frame(tree, 1, "val_b").unlink()
    named = problems(tree)
    assert [line.split(": ")[0] for line in named] == [
        str(path) for path in (frame(tree, 1), annotation(tree, 2), frame(tree, 1, "val_b").parent)
    ]


def test_masks_of_davis_2016_have_no_objects_for_davis_2017(tree: Path) -> None:
    for number in range(FRAMES):
        labels = davis.read_annotation(annotation(tree, number), "davis2016")
        Image.fromarray(255 * labels).save(annotation(tree, number))
    assert problems(tree, "davis2016") == []
    (line,) = problems(tree, "davis2017")
    assert line.startswith(f"{annotation(tree, 0)}: no object")


@each_that_is_no_file
def test_split_that_is_no_file_is_named(tree: Path, put: Callable[[Path], None], why: str) -> None:
    path = tree / "ImageSets/2017/val.txt"
    path.unlink()
    with pytest.raises(UserError, match=rf"^{path}: no such split"):
        davis.read_split(tree, "davis2017", "val")
    put(path)
    with pytest.raises(UserError, match=rf"^{path}: cannot be read \({why}\); name the root"):
        davis.read_split(tree, "davis2017", "val")


def test_folder_of_frames_that_may_not_be_read_is_named(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A superuser may read any: the system's answer is feigned."""

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    folder = tree / "JPEGImages/480p/val_a"
    with pytest.raises(UserError, match=rf"^{folder}: cannot be read \(Permission denied\); name"):
        davis.open_sequence(tree, "val_a")
