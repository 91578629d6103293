"""Zips of masks, as anyone packs them: whole and odd ones, and those that are none."""

import io
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from campaign.case import Case, Expected
from campaign.paths import CHECK_MASKS, SCORE
from campaign.workspace import replace

COMMANDS = {
    "check-masks": (*CHECK_MASKS[:-1], "masks.zip"),
    "score": (*SCORE, "--masks", "masks.zip"),
}
MAKES = {"score": ("out.csv",)}
Members = Mapping[str, bytes]
Pack = Callable[[Members], bytes]
"""Makes an archive of the masks, by their names such as `val_a/00001.png`."""
MEMBER = "val_a/00001.png"


def archive_cases() -> Iterator[Case]:
    """In the place of the folder of masks."""
    for expected, packs in (
        (Expected.ACCEPTED, _good()),
        (Expected.EITHER, _odd()),
        (Expected.REFUSED, _bad()),
    ):
        for name, pack in packs.items():
            for command in COMMANDS:
                yield _case(name, command, expected, pack)


def _case(name: str, command: str, expected: Expected, pack: Pack) -> Case:
    return Case(
        family="archives",
        name=f"{command}: {name}",
        arguments=COMMANDS[command],
        expected=expected,
        prepare=lambda work: replace(work / "masks.zip", pack(_members(work))),
        says="masks.zip" if expected is Expected.REFUSED else "",
        makes=() if expected is Expected.REFUSED else MAKES.get(command, ()),
    )


def _members(work: Path) -> Members:
    masks = work / "masks"
    return {
        path.relative_to(masks).as_posix(): path.read_bytes()
        for path in sorted(masks.rglob("*.png"))
    }


def _packed(members: Members, packing: int = zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", packing) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def _below(top: str) -> Pack:
    return lambda members: _packed({top + name: member for name, member in members.items()})


def _beside(**others: bytes) -> Pack:
    """The masks, and more members by name."""
    return lambda members: _packed({**members, **others})


def _renamed(name_of: Callable[[int], str]) -> Pack:
    """Masks by another name of their frame's number."""

    def pack(members: Members) -> bytes:
        parts = {name: name.removesuffix(".png").split("/") for name in members}
        return _packed(
            {f"{parts[n][0]}/{name_of(int(parts[n][1]))}": m for n, m in members.items()}
        )

    return pack


def _good() -> dict[str, Pack]:
    junk = {"__MACOSX/val_a/._00001.png": b"junk", "val_a/.DS_Store": b"junk"}
    return {
        "stored": _packed,
        "deflated": lambda members: _packed(members, zipfile.ZIP_DEFLATED),
        "packed by bzip2": lambda members: _packed(members, zipfile.ZIP_BZIP2),
        "packed by LZMA": lambda members: _packed(members, zipfile.ZIP_LZMA),
        "below a folder": _below("mine/"),
        "below two folders": _below("mine/480p/"),
        "below this folder": _below("./"),
        "below the root": _below("/"),
        "with entries of folders": _beside(**{"val_a/": b"", "val_b/": b""}),
        "with an archiver's files": _beside(**junk),
        "with a text": _beside(**{"README.txt": b"\x1b[31mred"}),
        "named by numbers": _renamed(lambda number: f"{number}.png"),
        "named frame_00000": _renamed(lambda number: f"frame_{number:05d}.png"),
        "with backslashes": lambda members: _packed(
            {name.replace("/", "\\"): member for name, member in members.items()}
        ),
    }


def _odd() -> dict[str, Pack]:
    return {
        "junk before it": lambda members: b"junk" * 100 + _packed(members),
        "junk behind it": lambda members: _packed(members) + b"junk" * 100,
        "below the folder above": _below("../"),
        "a member without a name": _beside(**{".": b""}),
        "a name with an escape": _beside(**{"val_a/\x1b[31m.txt": b""}),
    }


def _bad() -> dict[str, Pack]:
    def of_mask(content: bytes) -> Pack:
        return _beside(**{MEMBER: content})

    return {
        "no bytes": lambda _: b"",
        "text": lambda _: b"<html>404 not found</html>\n",
        "zeros": lambda _: bytes(4000),
        "no members": lambda _: _packed({}),
        "cut in the middle": lambda members: (whole := _packed(members))[: len(whole) // 2],
        "cut at its start": lambda members: _packed(members)[100:],
        "two folders of masks": lambda members: _packed(
            {f"{top}/{name}": member for top in "ab" for name, member in members.items()}
        ),
        "a mask twice": _beside(**{f"./{MEMBER}": b""}),
        "a mask missing": lambda members: _packed(
            {name: member for name, member in members.items() if name != MEMBER}
        ),
        "a mask of no bytes": of_mask(b""),
        "a mask that is a zip": of_mask(_packed({MEMBER: b""})),
        "a mask of another checksum": _damaged,
        "a bomb": lambda members: _packed(
            {**members, MEMBER: bytes(70_000_000)}, zipfile.ZIP_DEFLATED
        ),
        "encrypted": lambda members: _with_headers(members, flags=1),
        "packed in no known way": lambda members: _with_headers(members, packing=99),
        "names from 1 on": _renamed(lambda number: f"{number + 1}.png"),
        "names of two numbers": _renamed(lambda number: f"{number}_{number}.png"),
        "names that fit no pattern": _renamed(lambda number: f"{'abcd'[number]}.png"),
    }


def _damaged(members: Members) -> bytes:
    """The last byte of a member is another."""
    whole = _packed(members)
    at = whole.index(members[MEMBER]) + len(members[MEMBER]) - 1
    return whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :]


def _with_headers(members: Members, **fields: int) -> bytes:
    """What every header says of how a member is packed."""
    content = bytearray(_packed(members))
    for signature, start in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # local, central
        at = content.find(signature)
        while at >= 0:
            for offset, field in ((0, "flags"), (2, "packing")):
                if field in fields:
                    struct.pack_into("<H", content, at + start + offset, fields[field])
            at = content.find(signature, at + 4)
    return bytes(content)
