"""PNGs put together chunk by chunk, as no encoder writes them."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

Chunks = list[tuple[bytes, bytes]]
"""The kind and content of each."""


def chunks_of(png: bytes) -> Chunks:
    found, at = [], 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        found.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def joined(chunks: Chunks, wrong: bytes = b"") -> bytes:
    """A PNG of chunks; the checksum of those called `wrong` does not fit."""
    png = b"\x89PNG\r\n\x1a\n"
    for kind, content in chunks:
        checksum = zlib.crc32(kind + content) ^ (kind == wrong)
        png += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
    return png


def interlaced(values: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> bytes:
    """A grey PNG in Adam7's seven passes, which Pillow reads and does not write."""
    height, width = values.shape
    passes = "0088 0488 4084 0244 2042 0122 1021"  # top, left, rows and columns between two
    raw = b"".join(
        b"\0" + row.tobytes()
        for top, left, down, along in (map(int, each) for each in passes.split())
        for row in values[top::down, left::along]
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    return joined([(b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")])


def disordered(chunks: Chunks) -> Iterator[tuple[str, Chunks]]:
    """The chunks of a PNG with a palette where they may not be, and what is wrong with them."""
    *before, end = chunks
    palette = next(chunk for chunk in chunks if chunk[0] == b"PLTE")
    others = [chunk for chunk in before if chunk != palette]
    yield "pixels after their end", [*before, (b"IDAT", b"junk"), end]
    yield "a header twice", [chunks[0], *chunks]
    yield "no palette", [*others, end]
    yield "a palette after its pixels", [*others, palette, end]
    yield "a note between its pixels", [*before, (b"tEXt", b"a\0b"), (b"IDAT", b""), end]


def with_chunk(png: bytes, kind: bytes, content: bytes) -> bytes:
    """A PNG with one chunk more, before its pixels."""
    chunks = chunks_of(png)
    at = [kind for kind, _ in chunks].index(b"IDAT")
    return joined([*chunks[:at], (kind, content), *chunks[at:]])
