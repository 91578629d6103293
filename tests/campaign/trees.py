"""DAVIS trees and stills in which files, lists and labels do not agree."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from campaign.case import Case, Expected
from campaign.paths import INFER, SCORE
from campaign.workspace import PLANNED, put_fifo, put_folder, put_link, remove, remove_all, replace
from rgmp.data.davis import PALETTE

Change = Callable[[Path], object]
Changes = dict[str, tuple[tuple[str, ...], Change]]
"""By a name for the case: the commands that it is tried with, and what is changed before."""
CHECK = ("check", "davis")
COMMANDS = {
    "check": CHECK,
    "check 2016": (*CHECK, "--benchmark", "davis2016"),
    "plan": ("plan", "tiny.yaml"),
    "score": (*SCORE, "--masks", "masks"),
    "infer": (*INFER, "--masks", "out"),
}
MAKES = {"plan": PLANNED, "score": ("out.csv",), "infer": ("out", "out/*")}
LIST = "davis/ImageSets/2017/val.txt"
FRAMES = "davis/JPEGImages/480p/val_a"
TRUTH = "davis/Annotations/480p/val_a"
EVERY = ("check", "plan", "score", "infer")
SIZE = (40, 72)


def tree_cases() -> Iterator[Case]:
    """Lists, files and labels."""
    for name, text in _bad_lists().items():
        for command in EVERY:
            yield _case(name, command, Expected.REFUSED, _writing(LIST, text), "val.txt")
    yield from _unreadable()
    yield from _folders_that_are_none()
    for name, text in _lists_of_others().items():
        for command in EVERY:
            yield _case(name, command, Expected.REFUSED, _writing(LIST, text))
    for name, text in _good_lists().items():
        for command in EVERY:
            yield _case(name, command, Expected.ACCEPTED, _writing(LIST, text))
    bad = _bad_frames() | _bad_truth() | _bad_first_truth() | _bad_lengths() | _bad_masks()
    for name, (commands, change) in bad.items():
        for command in commands:
            yield _case(name, command, Expected.REFUSED, change, "val_a")
    for name, (commands, change) in _good_files().items():
        for command in commands:
            yield _case(name, command, Expected.ACCEPTED, change)


def _case(name: str, command: str, expected: Expected, change: Change, says: str = "") -> Case:
    return Case(
        family="trees",
        name=f"{command}: {name}",
        arguments=COMMANDS[command],
        expected=expected,
        prepare=change,
        says=says,
        makes=MAKES.get(command, ()) if expected is Expected.ACCEPTED else (),
    )


def _writing(path: str, text: bytes) -> Change:
    return lambda work: replace(work / path, text)


def _bad_lists() -> dict[str, bytes]:
    return {
        "list with a way out": b"val_a\n../../outside\n",
        "list with a way up": b"..\n",
        "list with an absolute path": b"/etc\n",
        "list with a folder": b"val_a/\nval_b\n",
        "list with a dot": b".\n",
        "list with one twice": b"val_a\nval_a\n",
        "empty list": b"",
        "list of blanks": b" \n\n\t\n",
    }


def _lists_that_are_no_files() -> dict[str, Change]:
    return {
        "list that is a FIFO": put_fifo,
        "list that is a folder": put_folder,
        "list that is a device": lambda path: put_link(path, "/dev/zero"),
        "list that is a broken link to absent": lambda path: put_link(path, "absent"),
    }


def _unreadable() -> Iterator[Case]:
    """Lists that are no files, and folders that their reader may see and not open."""
    for command in EVERY:
        for name, put in _lists_that_are_no_files().items():
            what = name.removeprefix("list that is ").removeprefix("a ")
            yield _case(name, command, Expected.REFUSED, partial(_put_list, put), what)
        for name, folder in (("frames", FRAMES), ("truth", TRUTH)):
            lock = partial(_lock, folder)
            case = _case(f"locked {name}", command, Expected.REFUSED, lock, "cannot be read")
            yield dataclasses.replace(case, as_nobody=True)


def _folders_that_are_none() -> Iterator[Case]:
    for what, path, commands in (
        ("tree", "davis", ("check", "score", "infer")),
        ("folder of frames", FRAMES, EVERY),
        ("folder of truth", TRUTH, EVERY),
        ("folder of masks", "masks/val_a", ("score",)),
    ):
        for kind, put, says in (
            ("FIFO", put_fifo, "is a FIFO, not a folder"),
            ("link to absent", partial(put_link, target="absent"), "broken link to absent"),
        ):
            for command in commands:
                change = partial(_put_at, path, put)
                yield _case(f"{what} that is a {kind}", command, Expected.REFUSED, change, says)


def _put_at(path: str, put: Change, work: Path) -> None:
    put(work / path)


def _put_list(put: Change, work: Path) -> None:
    put(work / LIST)


def _lock(folder: str, work: Path) -> None:
    (work / folder).chmod(0)


def _lists_of_others() -> dict[str, bytes]:
    return {
        "list of one that is not there": b"val_a\nabsent\n",
        "list with NUL": b"val_a\n\0val_b\n",
        "list in UTF-16": "val_a\nval_b\n".encode("utf-16"),
        "list in Latin-1": "val_a\nvälö\n".encode("latin-1"),
        "list with an escape": b"val_a\n\x1b[2Jval_b\n",
        "list with a long name": b"val_a\n" + b"n" * 5000 + b"\n",
        "list that is an image": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        "list with a comma": b"val_a, val_b\n",
        "large list": b"\n".join(b"s%d" % i for i in range(10_000)),
    }


def _good_lists() -> dict[str, bytes]:
    return {
        "list with a byte order mark": b"\xef\xbb\xbfval_a\nval_b\n",
        "list with CRLF": b"val_a\r\nval_b\r\n",
        "list without an end": b"val_a\nval_b",
        "list with blank lines": b"\n  val_a  \n\n\tval_b\n\n",
    }


def _save(path: Path, image: Image.Image) -> None:
    image.save(path)


def _labels(
    value: int = 1, size: tuple[int, int] = SIZE
) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    labels = np.zeros(size, np.uint8)
    labels[5:20, 4:24] = 1
    labels[22:36, 30:50] = value
    return labels


def _indexed(labels: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> Image.Image:
    image = Image.fromarray(labels).convert("L")
    image.putpalette(PALETTE)
    return image


def _bad_frames() -> Changes:
    frame = f"{FRAMES}/00001.jpg"
    return {
        "frame missing": (EVERY, lambda w: remove(w / frame)),
        "frame 0 missing": (EVERY, lambda w: remove(w / f"{FRAMES}/00000.jpg")),
        "no frame": (EVERY, lambda w: put_folder(w / FRAMES)),
        "no folder of frames": (EVERY, lambda w: remove(w / FRAMES)),
        "frame of another number": (
            EVERY,
            lambda w: (w / frame).rename(w / f"{FRAMES}/1.jpg"),
        ),
        "frame of a high number": (
            EVERY,
            lambda w: shutil.copy(w / frame, w / f"{FRAMES}/99999.jpg"),
        ),
        "frame that is a folder": (
            ("check", "plan", "infer"),
            lambda w: put_folder(w / frame),
        ),
        "frame that is a dangling link": (
            ("check", "infer", "plan"),
            lambda w: put_link(w / frame, "absent"),
        ),
        "frame of another size": (
            ("check", "infer"),
            lambda w: _save(w / frame, Image.new("RGB", (70, 40))),
        ),
        "upper-case suffixes": (
            EVERY,
            lambda w: [p.rename(p.with_suffix(".JPG")) for p in (w / FRAMES).iterdir()],
        ),
    }


def _bad_truth() -> Changes:
    truth = f"{TRUTH}/00001.png"
    decoding = ("check", "score")
    grey = Image.fromarray(_labels(2))
    return {
        "truth missing": (EVERY, lambda w: remove(w / truth)),
        "truth of no frame": (EVERY, lambda w: shutil.copy(w / truth, w / f"{TRUTH}/00009.png")),
        "no folder of truth": (EVERY, lambda w: remove(w / TRUTH)),
        "truth that is a folder": (EVERY[:3], lambda w: put_folder(w / truth)),
        "truth of another size": (
            decoding,
            lambda w: _save(w / truth, _indexed(_labels(2, (42, 72)))),
        ),
        "truth of 16 bits": (
            decoding,
            lambda w: _save(w / truth, Image.fromarray(_labels(2).astype(np.uint16))),
        ),
        "truth in RGB": (decoding, lambda w: _save(w / truth, grey.convert("RGB"))),
        "truth in RGBA": (decoding, lambda w: _save(w / truth, grey.convert("RGBA"))),
        "truth with alpha": (decoding, lambda w: _save(w / truth, grey.convert("LA"))),
        "object that comes late": (
            ("check",),
            lambda w: _save(w / truth, _indexed(_labels(3))),
        ),
    }


def _bad_first_truth() -> Changes:
    first, grey = f"{TRUTH}/00000.png", Image.fromarray(_labels(2))
    return {
        "truth of frame 0 missing": (EVERY, lambda w: remove(w / first)),
        "truth of frame 0 alone": (
            ("check", "plan", "score"),
            lambda w: remove_all(w / f"{TRUTH}/{t:05d}.png" for t in range(1, 4)),
        ),
        "truth of frame 0 without an object": (
            ("check", "score", "infer"),
            lambda w: _save(w / first, _indexed(0 * _labels())),
        ),
        "truth of frame 0 of void alone": (
            ("check", "score", "infer"),
            lambda w: _save(w / first, _indexed(0 * _labels() + 255)),
        ),
        "truth of frame 0 in RGB": (
            ("check", "score", "infer"),
            lambda w: _save(w / first, grey.convert("RGB")),
        ),
    }


def _bad_lengths() -> Changes:
    return {
        "one frame": (("plan", "score"), lambda w: _shorten(w, 1)),
        "two frames to score": (("plan", "score"), lambda w: _shorten(w, 2)),
    }


def _bad_masks() -> Changes:
    mask, truth = "masks/val_a/00001.png", f"{TRUTH}/00001.png"
    return {
        "mask missing": (("score",), lambda w: remove(w / mask)),
        "no folder of masks": (("score",), lambda w: remove(w / "masks/val_a")),
        "mask of no frame": (
            ("score",),
            lambda w: shutil.copy(w / truth, w / "masks/val_a/00099.png"),
        ),
        "mask of another size": (
            ("score",),
            lambda w: _save(w / mask, _indexed(_labels(2, (40, 73)))),
        ),
        "mask with a third object": (
            ("score",),
            lambda w: _save(w / mask, _indexed(_labels(3))),
        ),
        "mask with void": (
            ("score",),
            lambda w: _save(w / mask, _indexed(_labels(255))),
        ),
        "mask that is a folder": (
            ("score",),
            lambda w: put_folder(w / mask),
        ),
        "mask that is a dangling link": (
            ("score",),
            lambda w: put_link(w / mask, "absent"),
        ),
    }


def _shorten(work: Path, frames: int) -> None:
    for folder, suffix in ((FRAMES, "jpg"), (TRUTH, "png")):
        for t in range(frames, 4):
            remove(work / f"{folder}/{t:05d}.{suffix}")


def _good_files() -> Changes:
    truth = f"{TRUTH}/00001.png"
    return {
        "nothing odd": ((*EVERY, "check 2016"), lambda _: None),
        "hidden files": (
            EVERY,
            lambda w: _junk(w, "._00000.jpg", "._00000.png", ".DS_Store"),
        ),
        "other files": (
            EVERY,
            lambda w: _junk(w, "Thumbs.db"),
        ),
        "truth with void": (
            ("check", "plan", "score"),
            lambda w: _save(w / truth, _indexed(_labels(255))),
        ),
        "grey truth": (("check", "score"), lambda w: _save(w / truth, Image.fromarray(_labels(2)))),
        "truth of 1 bit": (
            ("check 2016",),
            lambda w: _save(w / truth, Image.fromarray(_labels() * 255).convert("1")),
        ),
        "foreground of 255": (
            ("check 2016",),
            lambda w: _save(w / truth, Image.fromarray(_labels() * 255)),
        ),
        "tree of links": (EVERY, _linked),
        "objects that leave": (
            ("check", "score"),
            lambda w: _save(w / truth, _indexed(0 * _labels())),
        ),
        "masks of the ends missing": (
            ("score",),
            lambda w: remove_all(w / f"masks/val_a/{t:05d}.png" for t in (0, 3)),
        ),
        "masks of a training sequence": (
            ("score",),
            lambda w: shutil.copytree(w / "masks/val_a", w / "masks/train_a"),
        ),
    }


def _junk(work: Path, *names: str) -> None:
    for folder in (FRAMES, TRUTH):
        for name in names:
            replace(work / folder / name, b"junk")


def _linked(work: Path) -> None:
    (work / "davis").rename(work / "elsewhere")
    (work / "davis").symlink_to("elsewhere")
