"""Decode images that nobody vouches for: a frame or still, or a mask's labels, or one line why not.

JPEG and PNG are read and nothing else, sizes are compared before pixels are decoded, and what
Pillow overlooks is checked: checksums, missing rows, missing ends, 16-bit channels.
The rows of a PNG are unpacked to be counted, which isal does in a quarter of zlib's time. Those of
a palette are its pixels, unless they are filtered, which encoders do not do to a palette.
"""

import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
from isal import isal_zlib
from PIL import Image, ImageFile, UnidentifiedImageError

from rgmp.errors import UserError
from rgmp.runtime.files import require_regular

MAX_PIXELS = 2**26
"""Largest image whose size is not known beforehand; eight times a 4K frame."""


# What Pillow warns of, it decodes, and damage that gives other pixels is refused here. A filter of
# the process holds in threads, where `catch_warnings` would not, and comes before those of `-W`.
warnings.filterwarnings("ignore", module=r"PIL\.")


Labels = npt.NDArray[np.uint8]


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
    return np.asarray(_load(path, like).image.convert("RGB"))


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
    return labels_in(path, _load(path, like))


class Picture(NamedTuple):
    """A decoded image, and the bits per channel of its file if that is a PNG, else 8."""

    image: Image.Image
    depth: int


def labels_in(name: object, picture: Picture) -> Labels:
    """The values of a decoded mask as stored, uint8 (H, W); `name` is the file's, for messages.

    Raises:
        UserError: as `read_labels`.
    """
    image, depth = picture
    if image.format != "PNG":  # a JPEG has other values along every edge
        raise UserError(f"{name}: mask stored as {image.format}; allowed: PNG; convert it")
    if image.mode not in {"P", "L", "1"}:
        raise UserError(
            f"{name}: mask of mode {image.mode}; allowed: palette, grey or 1-bit PNG; convert it"
        )
    if image.mode == "L" and depth < 8:  # Pillow scales its values to shades
        raise UserError(
            f"{name}: {depth}-bit grey mask, whose values may be labels or shades; "
            "allowed: palette or 8-bit grey PNG; convert it"
        )
    return np.asarray(image).astype(np.uint8)


def size_text(shape: Iterable[int]) -> str:
    """An image's size (H, W) for messages: WIDTHxHEIGHT, in pixels."""
    height, width = shape
    return f"{width}x{height}"


def _load(path: Path, like: Like | None) -> Picture:
    """Decode the image in a file, as `decode`."""
    require_regular(path, "put the image there")
    return decode(path, lambda: path.open("rb"), like)


def decode(
    name: object, opened: Callable[[], AbstractContextManager[BinaryIO]], like: Like | None
) -> Picture:
    """Decode an image, turning every way in which it can be invalid into a `UserError`.

    Its size is checked before its pixels are decoded, and no other format of Pillow is tried: some
    of them start other programs.

    Args:
        name: of the file, for messages.
        opened: opens it.
        like: as in `read_frame`.

    Raises:
        UserError: it cannot be opened, or as `read_frame`.
    """
    try:
        with opened() as file, Image.open(file, formats=("JPEG", "PNG")) as image:
            _require_size(name, image, like)
            start, depth = file.tell(), 8
            if image.format == "PNG":
                depth, rows = _unpacked(_chunks(file), name)
                if rows and (pixels := _unfiltered(image, rows)) is not None:
                    return Picture(_placed(image, pixels), depth)
            else:
                _require_end(file)
            file.seek(start)
            image.load()
            return Picture(image, depth)
    except UserError:
        raise
    except UnidentifiedImageError:
        raise UserError(
            f"{name}: not a readable image (neither JPEG nor PNG); download it again, or convert it"
        ) from None
    except Exception as error:  # on corrupt data a decoder may raise nearly anything
        raise UserError(f"{name}: not a readable image ({error}); download it again") from error


def _require_size(name: object, image: Image.Image, like: Like | None) -> None:
    """Reject an image whose size differs from `like`, or is implausibly large.

    Raises:
        UserError: it is.
    """
    own = (image.height, image.width)
    if like and own != like.shape:
        raise UserError(
            f"{name}: is {size_text(own)}, {like.name} is {size_text(like.shape)}; they must match "
            f"(scale {_scale_text(own, like.shape)})"
        )
    if image.height * image.width > MAX_PIXELS:
        raise UserError(
            f"{name}: is {size_text(own)}; allowed: at most {MAX_PIXELS:,} pixels; shrink it"
        )


def _scale_text(own: tuple[int, ...], other: tuple[int, ...]) -> str:
    """The scale of a size (H, W) relative to another, for messages: one factor, or W by H."""
    high, wide = (f"{a / b:.3g}" for a, b in zip(own, other, strict=True))
    return high if high == wide else f"{wide} by {high}"


def _require_end(file: BinaryIO) -> None:
    """Check what Pillow overlooks in a JPEG that it has opened but not decoded yet.

    Raises:
        ValueError: it is truncated.
    """
    # libjpeg decodes zeros to grey, and a file whose end was never written is full of them;
    # `file` is past the marker that starts the first scan, where no other can be
    if b"\xff\xd9" not in file.read():
        raise ValueError("truncated: end marker missing")


def _unpacked(chunks: Iterator[tuple[bytes, bytes]], name: object) -> tuple[int, bytes]:
    """The bits per channel of a PNG, and of a palette the rows, filter bytes included; else none.

    It must have all of them and no more: Pillow fills missing ones with zeros, and drops others.

    Raises:
        UserError: it has more than 8 bits per channel.
        ValueError: rows are missing or surplus, or as `_chunks` and `_require_order`.
    """
    first, header = next(chunks)
    if header[8] == 16:  # Pillow would clip the values
        raise UserError(f"{name}: more than 8 bits per channel; allowed: 8; convert it")
    lacking, unpacker, rows = _unpacked_bytes(header), isal_zlib.decompressobj(), bytearray()
    kinds = [first]
    for kind, content in chunks:
        kinds.append(kind)
        packed = content if kind == b"IDAT" else b""
        while lacking >= 0 and (raw := unpacker.decompress(packed, _BLOCK)):
            lacking -= len(raw)
            packed = unpacker.unconsumed_tail
            if header[9] == _PALETTE:
                rows += raw
    if lacking < 0 or unpacker.unused_data:
        raise ValueError("damaged: more pixels than its size has")
    if lacking or not unpacker.eof:
        raise ValueError("truncated: rows are missing")
    _require_order(kinds, header[9])
    return header[8], bytes(rows)


def _require_order(kinds: list[bytes], colour: int) -> None:
    """Check that a PNG has one header, in front, one palette if it needs it, and then its pixels.

    Raises:
        ValueError: it has not.
    """
    if kinds[0] != b"IHDR" or kinds.count(b"IHDR") > 1:
        raise ValueError("damaged: not one header, in front")
    start, parts = kinds.index(b"IDAT"), kinds.count(b"IDAT")
    if colour == _PALETTE and kinds[:start].count(b"PLTE") != 1:
        raise ValueError("damaged: not one palette before its pixels")
    if kinds[start : start + parts].count(b"IDAT") < parts:
        raise ValueError("damaged: other chunks between its pixels")


_BLOCK = 2**16
"""Bytes unpacked at a time: larger buffers take as long to allocate as to fill."""
_PALETTE = 3
"""The colour type of a PNG that has one."""


def _unfiltered(image: Image.Image, rows: bytes) -> bytes | None:
    """The packed pixels of an image with a palette; None if they are filtered or interlaced.

    Args:
        image: the image, opened.
        rows: with the byte before each that says how it is filtered.
    """
    if image.info.get("interlace"):
        return None
    each = np.frombuffer(rows, dtype=np.uint8).reshape(image.height, -1)
    return None if each[:, 0].any() else each[:, 1:].tobytes()


def _placed(image: ImageFile.ImageFile, pixels: bytes) -> Image.Image:
    """The image of these packed pixels, with the size and the palette of an opened one."""
    (tile,) = image.tile
    placed = Image.frombytes(image.mode, image.size, pixels, "raw", tile[3])
    if image.palette:
        placed.putpalette(image.palette)
    placed.format = image.format
    return placed


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
