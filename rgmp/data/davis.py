"""A DAVIS tree: read it, check it, and write masks that its tools open.

The layout is that of DAVIS-2017 (Pont-Tuset et al., arXiv:1704.00675); both years share frames:
`JPEGImages/<resolution>/<sequence>/00000.jpg`, `Annotations/<resolution>/<sequence>/00000.png`,
`ImageSets/2016/<split>.txt` and `ImageSets/2017/<split>.txt`, one sequence a line.

Two benchmarks are read from it. `davis2016` is one object, the foreground: whatever is not
background, be it DAVIS-2016's own 0/255 masks or DAVIS-2017's indexed ones made binary. `davis2017`
has the objects 1, 2, ... of frame 0, and 255 is void.
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
from rgmp.runtime.files import appearing, digest_of_all, files_below, reading, require_regular

VOID = 255


MAX_PIXELS = 2**26
"""Of an image where nothing says how large it should be; eight times a 4K frame."""


warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `MAX_PIXELS` refuses them


Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Sequence:
    """The files of one video, in order.

    Attributes:
        name: as in the split, such as `blackswan`.
        frames: the JPEGs, at least one.
        annotations: the annotated frames' PNGs; `annotations[0]` belongs to `frames[0]`. As many as
            there are frames, or one alone where the truth of the later frames is withheld.
    """

    name: str
    frames: tuple[Path, ...]
    annotations: tuple[Path, ...]


def read_split(root: Path, benchmark: Benchmark, split: str) -> list[str]:
    """The names of a split's sequences, in the file's order.

    Raises:
        UserError: no such tree or split, the split is no file or may not be read, or an entry is no
            plain name or stands twice.
    """
    path = root / "ImageSets" / benchmark.removeprefix("davis") / f"{split}.txt"
    what_to_do = "name the root of a DAVIS tree that you may read"
    with reading(path, what_to_do):
        if not _is_there(path):
            allowed = ", ".join(sorted(p.stem for p in path.parent.glob("*.txt"))) or "none there"
            raise UserError(
                f"{path}: no such split; splits of {benchmark} in {root}: {allowed}; "
                "name the root of a DAVIS tree, with ImageSets, JPEGImages and Annotations under it"
            )
        require_regular(path, what_to_do)
        names = path.read_text(encoding="utf-8-sig", errors="replace").split()
    for name in names:
        if Path(name).name != name or name in {".", ".."} or "\0" in name:
            raise UserError(f"{path}: {name!r} is no sequence name; one name a line")
    if len(set(names)) != len(names) or not names:
        raise UserError(f"{path}: is empty or names a sequence twice; one name a line")
    return names


def _is_there(path: Path) -> bool:
    """Whether anything is at `path`, a link that leads nowhere too.

    Raises:
        OSError: that cannot be known.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def open_sequence(root: Path, name: str, resolution: str = RESOLUTION) -> Sequence:
    """List the files of one sequence, and that they belong together; none is opened.

    Raises:
        UserError: a folder, a frame or an annotation is missing, or a folder may not be read.
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
                f"{frame_folder}: {number:05d}.jpg is missing, {frame.name} stands in its place; "
                "frames are numbered from 00000 without a gap"
            )
    stems = [frame.stem for frame in frames]
    annotated = [annotation.stem for annotation in annotations]
    if annotated not in (stems, stems[:1]):
        wanted = sorted(set(stems) ^ set(annotated))
        raise UserError(
            f"{annotation_folder}: {wanted[0]}.png is missing or has no frame; "
            "every frame has an annotation, or frame 0 alone"
        )
    return Sequence(name, frames, annotations)


def _visible(folder: Path, suffix: str) -> tuple[Path, ...]:
    """A folder's files in order, without the hidden ones that an archiver may leave.

    Raises:
        UserError: the folder may not be read; one that is not there is empty.
    """
    with reading(folder, "name the root of a DAVIS tree that you may read"):
        found = folder.iterdir() if _is_there(folder) else iter(())
        return tuple(sorted(p for p in found if p.suffix == suffix and p.name[0] != "."))


def sequence_paths(root: Path, names: Iterable[str], resolution: str = RESOLUTION) -> list[Path]:
    """Every file of the named sequences.

    Raises:
        UserError: as `open_sequence`.
    """
    sequences = [open_sequence(root, name, resolution) for name in names]
    return [path for s in sequences for path in (*s.frames, *s.annotations)]


def files_of(root: Path) -> Iterator[Path]:
    """Every file of a tree, whoever reads it."""
    for name in ("ImageSets", "JPEGImages", "Annotations"):
        yield from files_below(root / name)


def list_images(folder: Path, suffixes: Container[str]) -> dict[str, Path]:
    """The images of a folder by their stems, sorted; hidden files are none.

    Raises:
        UserError: there is no such folder, or two images share a stem.
    """
    with reading(folder, "name folders of stills that you may read"):
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
    """What an image has to be as large as: its name in a message, and (H, W)."""

    name: str
    shape: tuple[int, ...]


def read_frame(path: Path, like: Like | None = None) -> npt.NDArray[np.uint8]:
    """Read one frame or still, JPEG or PNG: uint8 (H, W, 3), RGB.

    A JPEG has no checksum: one that is cut off is refused, bits that changed inside it may pass.

    Args:
        path: of the file.
        like: what it must be as large as; None: any size up to `MAX_PIXELS`.

    Raises:
        UserError: the file is missing, no such image, truncated or damaged, of another size, or has
            more than 8 bits a channel.
    """
    return np.asarray(_load(path, like).convert("RGB"))


def read_labels(path: Path, like: Like | None = None) -> Labels:
    """Read a mask's values as they are in the file: uint8 (H, W).

    A palette's indices, a grey image's values; a 1-bit image gives 0 and 1.

    Args:
        path: of the file.
        like: as in `read_frame`.

    Raises:
        UserError: the file is missing, truncated or damaged, no PNG, of another size, neither
            palette, grey nor 1-bit, or grey of 2 or 4 bits, whose values may be labels or shades.
    """
    image = _load(path, like)
    if image.format != "PNG":  # a JPEG by that name has other values along every edge
        raise UserError(f"{path}: a mask stored as {image.format}; allowed: PNG; convert it")
    if image.mode not in {"P", "L", "1"}:
        raise UserError(
            f"{path}: a mask of mode {image.mode}; allowed: palette, grey or 1-bit PNG; convert it"
        )
    if image.mode == "L" and (depth := _depth_of(path)) < 8:  # Pillow makes shades of its values
        raise UserError(
            f"{path}: a grey mask of {depth} bits, where 1 may be a label or a shade; "
            "allowed: palette, or grey of 8 bits; convert it"
        )
    return np.asarray(image).astype(np.uint8)


def _depth_of(png: Path) -> int:
    """Bits a value."""
    with png.open("rb") as file:
        return file.read(25)[24]


def read_annotation(path: Path, benchmark: Benchmark, like: Like | None = None) -> Labels:
    """Read an annotation as its benchmark means it: uint8 (H, W).

    `davis2016`: 1 on the foreground (any value but 0), else 0. `davis2017`: 0 background, 1, 2, ...
    objects, 255 void.

    Raises:
        UserError: as `read_labels`.
    """
    labels = read_labels(path, like)
    return (labels > 0).astype(np.uint8) if benchmark == "davis2016" else labels


def object_ids(first: Labels) -> list[int]:
    """The objects of a sequence from its first annotation: 1 to the largest label that is not void.

    As davis2017-evaluation counts them (ac7c43f): an id that frame 0 skips still counts.
    """
    labels = first[first != VOID]
    return list(range(1, int(labels.max(initial=0)) + 1))


def write_mask(path: Path, labels: Labels) -> None:
    """Write labels, uint8 (H, W), as a PNG with DAVIS's palette, whole or not at all."""
    image = Image.fromarray(labels, mode="P")
    image.putpalette(PALETTE)
    with appearing(path) as temporary:
        image.save(temporary, format="PNG")


def digest_of_masks(folder: Path, sequences: Iterable[Sequence]) -> str:
    """What stands in records for a folder's masks of some sequences, made or scored."""
    return digest_of_all([p for s in sequences for p in (folder / s.name).glob("*.png")])


def _palette() -> bytes:
    """DAVIS's palette, which is Pascal VOC's: an index's bits spread over the three channels."""
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
    """Decode every file of a split and yield what is wrong with it, a line each.

    The truth of later frames may be withheld in DAVIS's test splits alone: any other is trained on
    or scored.
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
        if len(sequence.annotations) < len(sequence.frames) and not split.startswith("test"):
            folder = sequence.annotations[0].parent
            yield f"{folder}: has the truth of frame 0 alone; {split} needs that of every frame"
        yield from problems_of(sequence, benchmark)


def problems_of(sequence: Sequence, benchmark: Benchmark) -> Iterator[str]:
    """Decode every file of a sequence and yield what is wrong with it, a line each."""
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
                yield f"{annotation}: has no object; frame 0 shows every object of {benchmark}"
        surplus = sorted(set(np.unique(labels).tolist()) - {0, VOID, *allowed})
        if surplus and allowed:
            yield f"{annotation}: has object {surplus[0]}; those of frame 0 are 1 to {allowed[-1]}"


def _by(shape: Iterable[int]) -> str:
    height, width = shape
    return f"{width}x{height}"


def _load(path: Path, like: Like | None) -> Image.Image:
    """Decode an image, turning every way in which it can be none into a `UserError`.

    Its size is looked at before its pixels are decoded, and no other format of Pillow's is tried:
    some of them start other programs.
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
            f"{path}: is no whole image (neither JPEG nor PNG); fetch it again, or convert it"
        ) from None
    except Exception as error:  # broken bytes lead a decoder to raise nearly anything
        raise UserError(f"{path}: is no whole image ({error}); fetch it again") from error


def _require_size(path: Path, image: Image.Image, like: Like | None) -> None:
    """Refuse an image that is not as large as `like`, or larger than any is.

    Raises:
        UserError: it is.
    """
    own = (image.height, image.width)
    if like and own != like.shape:
        raise UserError(
            f"{path}: is {_by(own)}, {like.name} is {_by(like.shape)}; they must be of one size"
        )
    if image.height * image.width > MAX_PIXELS:
        raise UserError(
            f"{path}: is {_by(own)}; allowed: {MAX_PIXELS:,} pixels at most; make it smaller"
        )


def _require_whole(path: Path, image: Image.Image, file: BinaryIO) -> None:
    """Look for what Pillow overlooks in an image that it has opened and not decoded yet.

    Raises:
        UserError: it has more than 8 bits a channel.
        ValueError: it is truncated or damaged.
    """
    if image.format != "PNG":
        # libjpeg takes zeros for grey, and a file whose end was never written is full of them;
        # `file` is behind the marker that the first scan begins with, where none else can be
        if b"\xff\xd9" not in file.read():
            raise ValueError("truncated: its end marker is missing")
        return
    _require_rows(_chunks(file), path)


def _require_rows(chunks: Iterator[tuple[bytes, bytes]], path: Path) -> None:
    """Count what the pixels of a PNG unpack to: Pillow takes rows that are not there for zeros.

    Raises:
        UserError: it has more than 8 bits a channel.
        ValueError: rows are missing, or as `_chunks`.
    """
    _, header = next(chunks)
    if header[8] == 16:  # Pillow would cut the values off
        raise UserError(f"{path}: has more than 8 bits a channel; convert it to 8")
    lacking, unpacker = _unpacked_bytes(header), zlib.decompressobj()
    for kind, content in chunks:
        packed = content if kind == b"IDAT" else b""
        while lacking > 0 and (raw := unpacker.decompress(packed, _BLOCK)):
            lacking -= len(raw)
            packed = unpacker.unconsumed_tail
    if lacking > 0:
        raise ValueError("truncated: rows are missing")


_BLOCK = 2**16
"""Bytes that are unpacked at a time."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By a PNG's colour type."""
_INTERLACED = (
    *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
    *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
)
"""Adam7's seven: the top row, the left column, and the step of each."""


def _unpacked_bytes(header: bytes) -> int:
    """How many bytes the pixels of a PNG of this IHDR are, with a byte a row for its filter."""
    width, height, depth, colour, _, _, laced = struct.unpack(">IIBBBBB", header)
    total = 0
    for top, left, down, along in _INTERLACED if laced else ((0, 0, 1, 1),):
        rows, columns = -(-(height - top) // down), -(-(width - left) // along)
        if rows > 0 and columns > 0:
            total += rows * (1 + -(-columns * depth * _CHANNELS[colour] // 8))
    return total


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG, their kind and content; Pillow looks at no checksum of the pixels'.

    Raises:
        ValueError: one does not have its checksum, or the last one is missing.
    """
    file.seek(len(b"\x89PNG\r\n\x1a\n"))
    kind = b""
    while kind != b"IEND":
        head = file.read(8)
        kind = head[4:]
        content = file.read(int.from_bytes(head[:4], "big"))
        checksum = file.read(4)
        if len(head) < 8 or len(checksum) < 4:
            raise ValueError("truncated: its end is missing")
        if zlib.crc32(content, zlib.crc32(kind)) != int.from_bytes(checksum, "big"):
            raise ValueError(f"damaged: the checksum of its chunk {kind!r} differs")
        yield kind, content
