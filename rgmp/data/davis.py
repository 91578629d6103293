"""Read and check a DAVIS tree, and write masks that its tools can open.

The layout is that of DAVIS-2017 (Pont-Tuset et al., arXiv:1704.00675); both years share frames:
`JPEGImages/<resolution>/<sequence>/00000.jpg`, `Annotations/<resolution>/<sequence>/00000.png`,
`ImageSets/2016/<split>.txt` and `ImageSets/2017/<split>.txt`, one sequence per line.

Two benchmarks are read from it. `davis2016` has one object, the foreground: any value but
background, whether in DAVIS-2016's own 0/255 masks or in DAVIS-2017's indexed ones. `davis2017` has
the objects 1, 2, ... of frame 0, and 255 is void.
"""

import struct
import warnings
import zlib
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from rgmp.config.base import RESOLUTION, Benchmark
from rgmp.errors import UserError
from rgmp.runtime.files import atomic_path, digest_of_all, files_below, reading, require_regular

VOID = 255


MAX_PIXELS = 2**26
"""Largest image whose size is not known beforehand; eight times a 4K frame."""


warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `MAX_PIXELS` rejects them


Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Sequence:
    """The files of one video, in order.

    Attributes:
        name: as in the split, such as `blackswan`.
        frames: the JPEGs, at least one.
        annotations: the annotated frames' PNGs; `annotations[0]` belongs to `frames[0]`. One per
            frame, or only the first if the ground truth of the others is withheld.
    """

    name: str
    frames: tuple[Path, ...]
    annotations: tuple[Path, ...]

    @property
    def is_fully_annotated(self) -> bool:
        """Whether every frame has an annotation, not only the first."""
        return len(self.annotations) == len(self.frames)


_READABLE_ROOT = "name the root of a readable DAVIS tree"


def read_split(root: Path, benchmark: Benchmark, split: str) -> list[str]:
    """The names of a split's sequences, in the file's order.

    Raises:
        UserError: no such tree or split, a split that is not a readable file, or an entry that is
            not a plain name or is a duplicate.
    """
    path = root / "ImageSets" / benchmark.removeprefix("davis") / f"{split}.txt"
    with reading(path, _READABLE_ROOT):
        if not _exists(path):
            allowed = ", ".join(sorted(p.stem for p in path.parent.glob("*.txt"))) or "none"
            raise UserError(
                f"{path}: no such split; splits of {benchmark} in {root}: {allowed}; "
                "name the root of a DAVIS tree, with ImageSets, JPEGImages and Annotations under it"
            )
        require_regular(path, _READABLE_ROOT)
        names = path.read_text(encoding="utf-8-sig", errors="replace").split()
    for name in names:
        if Path(name).name != name or name in {".", ".."} or "\0" in name:
            raise UserError(f"{path}: {name!r} is not a sequence name; allowed: one name per line")
    if len(set(names)) != len(names) or not names:
        raise UserError(f"{path}: empty or with a duplicate sequence; allowed: one name per line")
    return names


def _exists(path: Path) -> bool:
    """Whether anything is at `path`, including a dangling link.

    Raises:
        OSError: it cannot be determined.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def open_sequence(root: Path, name: str, resolution: str = RESOLUTION) -> Sequence:
    """List the files of one sequence and check that they match; none is opened.

    Raises:
        UserError: a folder, a frame or an annotation is missing, or a folder is not readable.
    """
    frame_folder = root / "JPEGImages" / resolution / name
    annotation_folder = root / "Annotations" / resolution / name
    frames = _visible(frame_folder, ".jpg")
    annotations = _visible(annotation_folder, ".png")
    if not frames:
        raise UserError(f"{frame_folder}: no frames (00000.jpg, ...) for sequence {name}")
    for number, frame in enumerate(frames):
        if frame.stem != f"{number:05d}":
            raise UserError(
                f"{frame_folder}: {number:05d}.jpg is missing, found {frame.name} instead; "
                "number frames from 00000 without gaps"
            )
    stems = [frame.stem for frame in frames]
    annotated = [annotation.stem for annotation in annotations]
    if annotated not in (stems, stems[:1]):
        wanted = sorted(set(stems) ^ set(annotated))
        raise UserError(
            f"{annotation_folder}: {wanted[0]}.png is missing or has no frame; "
            "annotate every frame, or only frame 0"
        )
    return Sequence(name, frames, annotations)


def _visible(folder: Path, suffix: str) -> tuple[Path, ...]:
    """A folder's files, sorted, without hidden files such as archivers leave; none if it is absent.

    Raises:
        UserError: the folder is not readable.
    """
    with reading(folder, _READABLE_ROOT):
        found = folder.iterdir() if _exists(folder) else iter(())
        return tuple(sorted(p for p in found if p.suffix == suffix and p.name[0] != "."))


def sequence_paths(root: Path, names: Iterable[str], resolution: str = RESOLUTION) -> list[Path]:
    """Every file of the named sequences.

    Raises:
        UserError: as `open_sequence`.
    """
    sequences = [open_sequence(root, name, resolution) for name in names]
    return [path for s in sequences for path in (*s.frames, *s.annotations)]


def files_of(root: Path) -> Iterator[Path]:
    """Every file of a tree."""
    for name in ("ImageSets", "JPEGImages", "Annotations"):
        yield from files_below(root / name)


def list_images(folder: Path, suffixes: Container[str]) -> dict[str, Path]:
    """The images of a folder by stem, sorted; hidden files are skipped.

    Raises:
        UserError: there is no such folder, or two images share a stem.
    """
    with reading(folder, "name readable folders of stills"):
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder of stills; see data.stills of the study")
        paths = sorted(folder.iterdir())
    images: dict[str, Path] = {}
    for path in paths:
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        if path.stem in images:
            raise UserError(f"{path}: {images[path.stem].name} has the same stem; keep one of them")
        images[path.stem] = path
    return images


class Like(NamedTuple):
    """The size an image must match: what has that size, for messages, and (H, W)."""

    name: str
    shape: tuple[int, ...]


def read_frame(path: Path, like: Like | None = None) -> npt.NDArray[np.uint8]:
    """Read one frame or still, JPEG or PNG: uint8 (H, W, 3), RGB.

    A truncated JPEG is rejected, but JPEG has no checksum, so flipped bits may pass unnoticed.

    Args:
        path: of the file.
        like: the size it must have; None: any size up to `MAX_PIXELS`.

    Raises:
        UserError: the file is missing, not a JPEG or PNG, truncated or damaged, of another size, or
            has more than 8 bits per channel.
    """
    return np.asarray(_load(path, like).convert("RGB"))


def read_labels(path: Path, like: Like | None = None) -> Labels:
    """Read a mask's values as stored: uint8 (H, W).

    Palette indices or grey values; a 1-bit image gives 0 and 1.

    Args:
        path: of the file.
        like: as in `read_frame`.

    Raises:
        UserError: the file is missing, truncated or damaged, not a PNG, of another size, not
            palette, grey or 1-bit, or 2- or 4-bit grey, whose values may be labels or shades.
    """
    image = _load(path, like)
    if image.format != "PNG":  # a JPEG has other values along every edge
        raise UserError(f"{path}: mask stored as {image.format}; allowed: PNG; convert it")
    if image.mode not in {"P", "L", "1"}:
        raise UserError(
            f"{path}: mask of mode {image.mode}; allowed: palette, grey or 1-bit PNG; convert it"
        )
    if image.mode == "L" and (depth := _depth_of(path)) < 8:  # Pillow scales its values to shades
        raise UserError(
            f"{path}: {depth}-bit grey mask, whose values may be labels or shades; "
            "allowed: palette or 8-bit grey PNG; convert it"
        )
    return np.asarray(image).astype(np.uint8)


def _depth_of(png: Path) -> int:
    """The bit depth in a PNG's header."""
    with png.open("rb") as file:
        return file.read(25)[24]


def read_annotation(path: Path, benchmark: Benchmark, like: Like | None = None) -> Labels:
    """Read an annotation as its benchmark defines it: uint8 (H, W).

    `davis2016`: 1 on the foreground (any nonzero value), else 0. `davis2017`: 0 background, 1, 2,
    ... objects, 255 void.

    Raises:
        UserError: as `read_labels`.
    """
    labels = read_labels(path, like)
    return (labels > 0).astype(np.uint8) if benchmark == "davis2016" else labels


def object_ids(first: Labels) -> list[int]:
    """The object ids of a sequence: 1 to the largest non-void label of its first annotation.

    As davis2017-evaluation counts them (ac7c43f): an id that frame 0 skips still counts.
    """
    labels = first[first != VOID]
    return list(range(1, int(labels.max(initial=0)) + 1))


def write_mask(path: Path, labels: Labels) -> None:
    """Write labels, uint8 (H, W), as a PNG with DAVIS's palette, whole or not at all."""
    with atomic_path(path) as temporary:
        image_of(labels).save(temporary, format="PNG")


def image_of(labels: Labels) -> Image.Image:
    """Labels, uint8 (H, W), as an image with DAVIS's palette."""
    image = Image.fromarray(labels, mode="P")
    image.putpalette(PALETTE)
    return image


def digest_of_masks(folder: Path, sequences: Iterable[Sequence]) -> str:
    """The digest that records give for a folder's masks of some sequences."""
    return digest_of_all([p for s in sequences for p in (folder / s.name).glob("*.png")])


def _palette() -> bytes:
    """DAVIS's palette, which is Pascal VOC's: an index's bits spread over three channels."""
    index = np.arange(256)
    colours = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (((index >> (3 * bit + channel)) & 1) << (7 - bit)).astype(
                np.uint8
            )
    return colours.tobytes()


PALETTE = _palette()


def problems(
    root: Path, benchmark: Benchmark, split: str, resolution: str = RESOLUTION
) -> Iterator[str]:
    """Decode every file of a split and yield its problems, one line each.

    Only DAVIS's test splits may withhold the ground truth of later frames: any other split is
    trained on or scored.
    """
    try:
        names = read_split(root, benchmark, split)
    except UserError as error:
        yield str(error)
        return
    for name in names:
        try:
            sequence = open_sequence(root, name, resolution)
        except UserError as error:
            yield str(error)
            continue
        if not sequence.is_fully_annotated and not split.startswith("test"):
            folder = sequence.annotations[0].parent
            yield f"{folder}: only frame 0 is annotated; {split} needs annotations of every frame"
        yield from problems_of(sequence, benchmark)


def problems_of(sequence: Sequence, benchmark: Benchmark) -> Iterator[str]:
    """Decode every file of a sequence and yield its problems, one line each."""
    first: Like | None = None
    allowed: list[int] = []
    for number, frame in enumerate(sequence.frames):
        try:
            size = read_frame(frame, first).shape[:2]
            first = first or Like("frame 0", size)
            if number >= len(sequence.annotations):
                continue
            annotation = sequence.annotations[number]
            labels = read_annotation(annotation, benchmark, Like("its frame", size))
        except UserError as error:
            yield str(error)
            continue
        if number == 0:
            allowed = object_ids(labels)
            if not allowed:
                yield f"{annotation}: no object; frame 0 must show every object of {benchmark}"
        surplus = sorted(set(np.unique(labels).tolist()) - {0, VOID, *allowed})
        if surplus and allowed:
            yield f"{annotation}: unknown object {surplus[0]}; frame 0 has 1 to {allowed[-1]}"


def size_text(shape: Iterable[int]) -> str:
    """An image's size (H, W) for messages: WIDTHxHEIGHT, in pixels."""
    height, width = shape
    return f"{width}x{height}"


def _load(path: Path, like: Like | None) -> Image.Image:
    """Decode an image, turning every way in which it can be invalid into a `UserError`.

    Its size is checked before its pixels are decoded, and no other format of Pillow is tried: some
    of them start other programs.
    """
    require_regular(path, "put the image there")
    try:
        with path.open("rb") as file, Image.open(file, formats=("JPEG", "PNG")) as image:
            _require_size(path, image, like)
            start = file.tell()
            _require_whole(path, image, file)
            file.seek(start)
            image.load()
            return image
    except UserError:
        raise
    except UnidentifiedImageError:
        raise UserError(
            f"{path}: not a readable image (neither JPEG nor PNG); download it again, or convert it"
        ) from None
    except Exception as error:  # on corrupt data a decoder may raise nearly anything
        raise UserError(f"{path}: not a readable image ({error}); download it again") from error


def _require_size(path: Path, image: Image.Image, like: Like | None) -> None:
    """Reject an image whose size differs from `like`, or is implausibly large.

    Raises:
        UserError: it is.
    """
    own = (image.height, image.width)
    if like and own != like.shape:
        raise UserError(
            f"{path}: is {size_text(own)}, {like.name} is {size_text(like.shape)}; they must match"
        )
    if image.height * image.width > MAX_PIXELS:
        raise UserError(
            f"{path}: is {size_text(own)}; allowed: at most {MAX_PIXELS:,} pixels; shrink it"
        )


def _require_whole(path: Path, image: Image.Image, file: BinaryIO) -> None:
    """Check what Pillow overlooks in an image that it has opened but not decoded yet.

    Raises:
        UserError: it has more than 8 bits per channel.
        ValueError: it is truncated or damaged.
    """
    if image.format != "PNG":
        # libjpeg decodes zeros to grey, and a file whose end was never written is full of them;
        # `file` is past the marker that starts the first scan, where no other can be
        if b"\xff\xd9" not in file.read():
            raise ValueError("truncated: end marker missing")
        return
    _require_rows(_chunks(file), path)


def _require_rows(chunks: Iterator[tuple[bytes, bytes]], path: Path) -> None:
    """Check that a PNG has all its rows: Pillow fills missing ones with zeros.

    Raises:
        UserError: it has more than 8 bits per channel.
        ValueError: rows are missing, or as `_chunks`.
    """
    _, header = next(chunks)
    if header[8] == 16:  # Pillow would clip the values
        raise UserError(f"{path}: more than 8 bits per channel; allowed: 8; convert it")
    lacking, unpacker = _unpacked_bytes(header), zlib.decompressobj()
    for kind, content in chunks:
        packed = content if kind == b"IDAT" else b""
        while lacking > 0 and (raw := unpacker.decompress(packed, _BLOCK)):
            lacking -= len(raw)
            packed = unpacker.unconsumed_tail
    if lacking > 0:
        raise ValueError("truncated: rows are missing")


_BLOCK = 2**16
"""Bytes decompressed at a time."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Channels of each PNG colour type."""
_INTERLACED = (
    *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
    *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
)
"""The seven passes of Adam7: first row, first column, row step, column step."""


def _unpacked_bytes(header: bytes) -> int:
    """Size in bytes of the decompressed pixels of a PNG with this IHDR, filter bytes included."""
    width, height, depth, colour, _, _, laced = struct.unpack(">IIBBBBB", header)
    total = 0
    for top, left, down, along in _INTERLACED if laced else ((0, 0, 1, 1),):
        rows, columns = -(-(height - top) // down), -(-(width - left) // along)
        if rows > 0 and columns > 0:
            total += rows * (1 + -(-columns * depth * _CHANNELS[colour] // 8))
    return total


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG, kind and content; Pillow does not verify the checksums of pixel data.

    Raises:
        ValueError: a checksum differs, or the last chunk is missing.
    """
    file.seek(len(b"\x89PNG\r\n\x1a\n"))
    kind = b""
    while kind != b"IEND":
        head = file.read(8)
        kind = head[4:]
        content = file.read(int.from_bytes(head[:4], "big"))
        checksum = file.read(4)
        if len(head) < 8 or len(checksum) < 4:
            raise ValueError("truncated: end chunk missing")
        if zlib.crc32(content, zlib.crc32(kind)) != int.from_bytes(checksum, "big"):
            raise ValueError(f"damaged: checksum of chunk {kind!r} differs")
        yield kind, content
