"""Images that are none, or not what their names say: other formats, cut, flipped, too large."""

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from campaign.case import Case, Expected
from campaign.paths import INFER, SCORE
from campaign.pngs import chunks_of, disordered, interlaced, joined, with_chunk
from campaign.workspace import replace
from rgmp.data.davis import PALETTE

SIZE = (72, 40)
"""Width and height of every image of the workspace."""
BOMB = 13_000
FORMATS = [
    *("GIF", "TIFF", "BMP", "WEBP", "PPM", "ICO", "TGA", "PCX", "EPS", "DDS", "JPEG2000"),
    *("SGI", "ICNS", "MSP", "XBM", "PDF", "AVIF", "QOI"),
]
CHECK = ("check", "davis")
STILLS = ("check", "--stills", "stills/images", "stills/masks")
PLACES: dict[str, tuple[str, tuple[str, ...]]] = {
    "frame": ("davis/JPEGImages/480p/val_a/00001.jpg", CHECK),
    "truth": ("davis/Annotations/480p/val_a/00001.png", CHECK),
    "still": ("stills/images/1.jpg", STILLS),
    "still's mask": ("stills/masks/1.png", STILLS),
    "scored mask": ("masks/val_a/00001.png", (*SCORE, "--masks", "masks")),
    "inferred frame": ("davis/JPEGImages/480p/val_a/00001.jpg", (*INFER, "--masks", "out")),
}
MAKES = {"score": ("out.csv",), "infer": ("out", "out/*")}
MASKS = ("truth", "still's mask", "scored mask")
Content = Callable[[], bytes]


def image_cases(rng: random.Random) -> Iterator[Case]:
    """In the place of a frame, a truth, a still, a still's mask or a mask to be scored."""
    for name, content in _other_formats():
        for place in ("frame", "truth", "still", rng.choice(MASKS[1:])):
            yield _case(f"{name} by that name", place, content, Expected.REFUSED)
    for name, content in _broken(_mask(), "png", rng):
        for place in ("truth", rng.choice(MASKS[1:])):
            yield _case(name, place, content, Expected.REFUSED)
    for name, content in _broken(_photograph(), "jpg", rng):
        yield _case(
            name, rng.choice(("frame", "still", "inferred frame")), content, Expected.REFUSED
        )
    for name, content in _wrong_chunks():
        for place in ("truth", rng.choice(MASKS[1:])):
            yield _case(name, place, content, Expected.REFUSED)
    for name, content in _bombs():
        for place in PLACES if name.startswith("PNG") else ("frame", "still"):
            yield _case(name, place, content, Expected.REFUSED)
    for name, content in _other_masks():
        for place in MASKS[:2] if content is _in_colours else MASKS:
            yield _case(name, place, content, Expected.REFUSED)
    for name, place, content, expected in _good():
        yield _case(name, place, content, expected)


def _case(name: str, place: str, content: Content, expected: Expected) -> Case:
    path, arguments = PLACES[place]
    return Case(
        family="images",
        name=f"{place}: {name}",
        arguments=arguments,
        expected=expected,
        prepare=lambda work: replace(work / path, content()),
        says=Path(path).name if expected is Expected.REFUSED else "",
        makes=() if expected is Expected.REFUSED else MAKES.get(arguments[0], ()),
    )


def _encoded(image: Image.Image, kind: str, **how: object) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **how)
    return content.getvalue()


def _values() -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """A still's mask, and objects 1 and 255's place taken by void in a truth: 0 and 255."""
    values = np.zeros(SIZE[::-1], np.uint8)
    values[5:20, 4:24] = 255
    return values


def _indexed(values: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> Image.Image:
    image = Image.fromarray(values)
    image.putpalette(PALETTE)
    return image


@cache
def _mask() -> bytes:
    return _encoded(_indexed(_values() // 255), "PNG")


@cache
def _photograph() -> bytes:
    return _encoded(_noise(), "JPEG")


@cache
def _noise() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@cache
def _other_formats() -> list[tuple[str, Content]]:
    """The formats that this Pillow writes."""
    Image.init()
    modes = {"MSP": "1", "XBM": "1", "GIF": "L"}
    written: list[tuple[str, Content]] = []
    for kind in FORMATS:
        if kind in Image.SAVE:
            image = _noise().convert(modes.get(kind, "RGB"))
            try:
                content = _encoded(image, kind)
            except (OSError, ValueError, KeyError):
                continue  # not with this build of Pillow
            written.append((kind, partial(bytes, content)))
    return written


def _broken(whole: bytes, suffix: str, rng: random.Random) -> Iterator[tuple[str, Content]]:
    for tenth in range(1, 10):
        yield f"{suffix} cut at {tenth} tenths", partial(bytes, whole[: len(whole) * tenth // 10])
    yield f"{suffix} of no bytes", bytes
    yield f"{suffix} of zeros", partial(bytes, len(whole))
    yield f"{suffix} of text", partial(bytes, b"<html>404 not found</html>\n")
    yield f"{suffix} of noise", partial(bytes, rng.randbytes(2000))
    yield f"{suffix}'s first bytes, then noise", partial(bytes, whole[:16] + rng.randbytes(2000))


def _wrong_chunks() -> Iterator[tuple[str, Content]]:
    chunks = chunks_of(_mask())
    for kind in dict.fromkeys(kind for kind, content in chunks if content):
        yield f"PNG whose {kind.decode()} has another checksum", partial(joined, chunks, kind)
    header = chunks[0][1]

    def with_header(**changes: int) -> bytes:
        fields = dict(
            zip(
                ("width", "height", "depth", "colour", "packing", "filter", "lace"),
                struct.unpack(">IIBBBBB", header),
                strict=True,
            )
        )
        fields.update(changes)
        return joined([(b"IHDR", struct.pack(">IIBBBBB", *fields.values())), *chunks[1:]])

    for name, changes in (
        ("no width", {"width": 0}),
        ("no height", {"height": 0}),
        ("more rows than it has", {"height": 4000}),
        ("a width beyond all", {"width": 2**31 - 1, "height": 2**31 - 1}),
        ("a depth of 3", {"depth": 3}),
        ("a colour type of 5", {"colour": 5}),
    ):
        yield f"PNG of {name}", partial(with_header, **changes)
    pixels = zlib.decompress(b"".join(c for kind, c in chunks if kind == b"IDAT"))
    for name, packed in (
        ("pixels that are cut", zlib.compress(pixels[: len(pixels) // 2])),
        ("no rows but the first", zlib.compress(pixels[: len(pixels) // SIZE[1]])),
        ("no last row", zlib.compress(pixels[: -len(pixels) // SIZE[1]])),
        ("pixels with another checksum", zlib.compress(pixels)[:-4] + b"\0\0\0\0"),
        ("pixels that are no zlib", b"not compressed at all"),
        ("twice its rows", zlib.compress(2 * pixels)),
        ("pixels without their checksum", zlib.compress(pixels)[:-4]),
        ("no pixels", None),
        ("a filter of 9", zlib.compress(b"\x09" + pixels[1:])),
    ):
        kept = [c for c in chunks if c[0] not in {b"IDAT", b"IEND"}]
        data = [] if packed is None else [(b"IDAT", packed)]
        yield f"PNG with {name}", partial(joined, [*kept, *data, (b"IEND", b"")])
    for name, wrong in disordered(chunks):
        yield f"PNG with {name}", partial(joined, wrong)
    yield "PNG with a bomb of text", partial(_text_bomb, chunks)


def _text_bomb(chunks: list[tuple[bytes, bytes]]) -> bytes:
    text = zlib.compress(bytes(200_000_000), 9)
    return joined([*chunks[:1], (b"zTXt", b"Comment\0\0" + text), *chunks[1:]])


def _bombs() -> Iterator[tuple[str, Content]]:
    yield f"PNG of {BOMB} x {BOMB}", _bomb
    yield f"JPEG of {BOMB} x {BOMB}", _jpeg_bomb


@cache
def _bomb() -> bytes:
    packer = zlib.compressobj(9)
    row = bytes(BOMB + 1)
    packed = b"".join(packer.compress(row) for _ in range(BOMB)) + packer.flush()
    header = struct.pack(">IIBBBBB", BOMB, BOMB, 8, 0, 0, 0, 0)
    return joined([(b"IHDR", header), (b"IDAT", packed), (b"IEND", b"")])


@cache
def _jpeg_bomb() -> bytes:
    return _encoded(Image.new("L", (BOMB, BOMB)), "JPEG")


def _other_masks() -> Iterator[tuple[str, Content]]:
    """Pictures rather than masks."""
    for mode in ("RGB", "RGBA", "LA", "I;16"):
        yield f"mask in {mode}", partial(_in_mode, mode)
    for bits in (2, 4):
        yield f"grey of {bits} bits", partial(_grey_of, bits)
    yield "mask in DAVIS's colours", _in_colours


def _in_mode(mode: str) -> bytes:
    values = _values()
    if mode == "I;16":
        return _encoded(Image.fromarray(values.astype(np.uint16)), "PNG")
    return _encoded(Image.fromarray(values).convert(mode), "PNG")


def _in_colours() -> bytes:
    return _encoded(_indexed(_values() // 255).convert("RGBA"), "PNG")


def _grey_of(bits: int) -> bytes:
    """A palette's mask, whose header says that its indices are shades of grey."""
    chunks = chunks_of(_encoded(_indexed(_values() // 255), "PNG", bits=bits))
    (_, header), *others = chunks
    grey = header[:9] + b"\0" + header[10:]
    return joined([(b"IHDR", grey), *(c for c in others if c[0] != b"PLTE")])


def _good() -> Iterator[tuple[str, str, Content, Expected]]:
    good, either = Expected.ACCEPTED, Expected.EITHER
    foreground = Image.fromarray(_values())
    labels = _values() // 255
    for bits in (1, 2, 4):
        image = _indexed(labels)
        for place in ("truth", "scored mask"):
            yield f"palette of {bits} bits", place, partial(_encoded, image, "PNG", bits=bits), good
    for place in ("truth", "scored mask"):
        yield "grey", place, partial(_encoded, Image.fromarray(labels), "PNG"), good
        yield "interlaced", place, partial(interlaced, labels), good
        see_through = partial(_encoded, _indexed(labels), "PNG", transparency=0)
        yield "palette with a transparent entry", place, see_through, good
        yield "grey with a transparent value", place, partial(_keyed, labels), good
        one = partial(_encoded, Image.fromarray(labels * 255).convert("1"), "PNG")
        yield "of 1 bit", place, one, good
        yield "with much text", place, partial(_annotated, labels), good
        moving = [Image.fromarray(labels), Image.fromarray(0 * labels)]
        animated = partial(_encoded, moving[0], "PNG", save_all=True, append_images=moving[1:])
        yield "animated", place, animated, either
        yield "of no moving frames", place, partial(with_chunk, _mask(), b"acTL", bytes(8)), good
        yield "followed by junk", place, partial(bytes, _mask() + b"junk"), either
    yield "mask in DAVIS's colours", "scored mask", _in_colours, good
    yield "of 0 and 255", "still's mask", partial(_encoded, foreground, "PNG"), good
    yield "of 0 and 255, interlaced", "still's mask", partial(interlaced, _values()), good
    photograph = _noise()
    for place in ("frame", "still", "inferred frame"):
        for name, content in (
            ("its own kind", partial(_encoded, photograph, "JPEG")),
            ("progressive", partial(_encoded, photograph, "JPEG", progressive=True)),
            ("grey", partial(_encoded, photograph.convert("L"), "JPEG")),
            ("with a profile", partial(_encoded, photograph, "JPEG", icc_profile=bytes(100_000))),
            ("with a comment", partial(_encoded, photograph, "JPEG", comment=b"\x1b[31m")),
        ):
            yield name, place, content, good
        yield "CMYK", place, partial(_encoded, photograph.convert("CMYK"), "JPEG"), either
        turned = Image.Exif()
        turned[0x0112] = 6
        yield "turned by EXIF", place, partial(_encoded, photograph, "JPEG", exif=turned), either
        yield "a PNG by that name", place, partial(_encoded, photograph, "PNG"), either
        yield "of broken further images", place, _of_broken_images, good
        yield "a palette with transparent entries", place, _see_through, either
        junk = partial(bytes, _photograph() + b"junk")
        yield "followed by junk", place, junk, either


def _of_broken_images() -> bytes:
    """A JPEG that says that it holds several, in a directory of theirs that is none."""
    directory = b"MPF\0II*\0\x08\0\0\0\x05\0" + b"\xff" * 30
    segment = b"\xff\xe2" + struct.pack(">H", 2 + len(directory)) + directory
    return _photograph()[:2] + segment + _photograph()[2:]


def _see_through() -> bytes:
    """A palette with opacities, whose first row, of zeros, is filtered."""
    chunks = dict(chunks_of(_encoded(_indexed(_values() // 255), "PNG", transparency=b"\0\x80")))
    chunks[b"IDAT"] = zlib.compress(b"\1" + zlib.decompress(chunks[b"IDAT"])[1:])
    return joined([*chunks.items()])


def _keyed(labels: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> bytes:
    """A grey PNG with a tRNS chunk."""
    return with_chunk(_encoded(Image.fromarray(labels), "PNG"), b"tRNS", b"\0\0")


def _annotated(labels: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> bytes:
    text = PngImagePlugin.PngInfo()
    for i in range(20):
        text.add_text(f"note {i}", "\x1b[31m" + "a" * 100_000)
    return _encoded(_indexed(labels), "PNG", pnginfo=text)
