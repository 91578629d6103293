"""Paths that lead nowhere, to another kind of thing, or have odd characters in them."""

import os
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from campaign.case import Base, Case, Expected
from campaign.workspace import PLANNED, VARIANTS, write_yaml

DAVIS = ("--davis", "davis", "--benchmark", "davis2017")
INFER = ("infer", "--weights", "weights.safetensors", *DAVIS, "--scales", "1", "--device", "cpu")
SCORE = ("score", *DAVIS, "--out", "out.csv")
MASKS = ("--masks", "masks")
CHECK_MASKS = ("check-masks", *DAVIS, "--masks", "masks")
OTHERS = (
    *("score", "--davis", "davis", "--benchmark", "davis2016", "--out", "out.csv"),
    *("--masks", "masks", "--conventions", "table.csv"),
)
COMPARE = ("compare", "a=masks", "b=masks", *DAVIS, "--out", "out")
ARCHIVE = ("archive", "--davis", "davis", "--split", "val", "--masks", "masks", "--out", "out.zip")
BOUNDS = ("bounds", *DAVIS, "--out", "out.csv")
PREVIEW = ("preview", "tiny.yaml", "--stage", "pretrain", "--out", "out.png")


@dataclass(frozen=True)
class Slot:
    """A place where a path is given: `here` in the arguments, or below a key of the study.

    `kind` is what should be there; `path` what is there in the base.
    """

    name: str
    arguments: tuple[str, ...]
    kind: str
    path: str
    key: tuple[Any, ...] = ()
    variant: bool = False
    base: Base = "data"


HERE = "{path}"
NAMED = f"b={HERE}"
"""A path behind a name."""
PLAN = ("plan", "tiny.yaml")
SLOTS = [
    Slot("plan STUDY", ("plan", HERE), "file", "tiny.yaml"),
    Slot("data.davis", PLAN, "folder", "davis", ("data", "davis")),
    Slot("stills.images", PLAN, "folder", "stills/images", ("data", "stills", 0, "images")),
    Slot("stills.masks", PLAN, "folder", "stills/masks", ("data", "stills", 0, "masks")),
    Slot("stills.names", PLAN, "file", "names.txt", ("data", "stills", 0, "names")),
    Slot("initial_weights", PLAN, "file", "weights.safetensors", ("network", "initial_weights")),
    Slot("variant's weights", PLAN, "file", "weights.safetensors", ("weights",), variant=True),
    Slot("external masks", PLAN, "folder", "masks", ("external", "masks")),
    Slot("external scores", PLAN, "file", "scores.csv", ("external", "scores")),
    Slot("check DAVIS", ("check", HERE), "folder", "davis"),
    Slot(
        "check --stills IMAGES",
        ("check", "--stills", HERE, "stills/masks"),
        "folder",
        "stills/images",
    ),
    Slot(
        "check --stills MASKS",
        ("check", "--stills", "stills/images", HERE),
        "folder",
        "stills/masks",
    ),
    Slot(
        "check --stills NAMES",
        ("check", "--stills", "stills/images", "stills/masks", "foreground", HERE),
        "file",
        "names.txt",
    ),
    Slot("check --weights", ("check", "--weights", HERE, "resnet10"), "file", ""),
    Slot("check --network", ("check", "--network", HERE), "file", "weights.safetensors"),
    Slot("train RESULTS", ("train", HERE, "pretrain/x"), "folder", ""),
    Slot("preview STUDY", ("preview", HERE, *PREVIEW[2:]), "study", "tiny.yaml"),
    Slot("train-speed STUDY", ("train-speed", HERE, "--stage", "pretrain"), "study", ""),
    Slot(
        "infer --weights",
        ("infer", "--weights", HERE, *INFER[3:], "--masks", "out"),
        "file",
        "weights.safetensors",
    ),
    Slot("infer --davis", (*INFER[:4], HERE, *INFER[5:], "--masks", "out"), "folder", "davis"),
    Slot(
        "speed --weights", ("speed", "--weights", HERE, *INFER[3:], "--out", "out.json"), "file", ""
    ),
    Slot(
        "score --davis",
        ("score", "--davis", HERE, *SCORE[3:], "--masks", "masks"),
        "folder",
        "davis",
    ),
    Slot("score --masks", (*SCORE, "--masks", HERE), "folder", "masks"),
    Slot("score --scores", (*SCORE, "--scores", HERE), "file", "scores.csv"),
    Slot("bounds --davis", ("bounds", "--davis", HERE, *BOUNDS[3:]), "folder", "davis"),
    Slot(
        "check-masks --davis", ("check-masks", "--davis", HERE, *CHECK_MASKS[3:]), "folder", "davis"
    ),
    Slot("check-masks --masks", (*CHECK_MASKS[:-1], HERE), "folder", "masks"),
    Slot("archive --davis", ("archive", "--davis", HERE, *ARCHIVE[3:]), "folder", "davis"),
    Slot("archive --masks", (*ARCHIVE[:-4], "--masks", HERE, *ARCHIVE[-2:]), "folder", "masks"),
    Slot("compare --davis", (*COMPARE[:4], HERE, *COMPARE[5:]), "folder", "davis"),
    Slot("compare MASKS", ("compare", "a=scores.csv", NAMED, *COMPARE[3:]), "folder", "masks"),
    Slot("compare SCORES", ("compare", "a=masks", NAMED, *COMPARE[3:]), "file", "scores.csv"),
    Slot("cross-check RESULTS", ("cross-check", HERE), "folder", "", base="study"),
    Slot("tables RESULTS", ("tables", HERE), "folder", "results/toy", base="study"),
    Slot("figures RESULTS", ("figures", HERE), "folder", "", base="study"),
    Slot("show RESULTS", ("show", HERE), "folder", "results/toy", base="study"),
    Slot("report RESULTS", ("report", HERE), "folder", "", base="study"),
    Slot("track RESULTS", ("track", HERE), "folder", "", base="study"),
    Slot("agree B", ("agree", "results/toy", HERE), "folder", "", base="study"),
    Slot("pack RESULTS", ("pack", HERE, "--out", "out.zip"), "folder", "results/toy", base="study"),
    Slot("unpack ARCHIVE", ("unpack", HERE), "file", ""),
    Slot("power RESULTS", ("power", HERE), "folder", "", base="study"),
    Slot("expect --of", ("expect", "--of", HERE), "folder", "", base="study"),
    Slot("score --other-davis", (*OTHERS, "--other-davis", HERE), "folder", ""),
    Slot("data.davis2016", PLAN, "folder", "", ("data", "davis2016")),
    Slot("compare --protocols", (*COMPARE, "--protocols", HERE), "file", ""),
    Slot("score --subsets", (*OTHERS, "--subsets", HERE), "file", ""),
    Slot("plan --records", (*PLAN, "--records", HERE), "study", ""),
    Slot("check --dataset", ("check", "davis", "--dataset", HERE), "file", ""),
    Slot("score --dataset", (*SCORE[:3], "--dataset", HERE, *SCORE[5:], *MASKS), "file", ""),
    Slot("score --truth", ("score", "--truth", HERE, *SCORE[5:], *MASKS), "folder", ""),
]
MAKES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("compare", "infer"), ("out", "out/*")),
    **dict.fromkeys(("score", "bounds"), ("out.csv",)),
    **dict.fromkeys(("archive", "pack"), ("out.zip",)),
    "preview": ("out.png",),
    "plan": PLANNED,
    **dict.fromkeys(("check", "check-masks"), ()),
}
SAYS = {
    "FIFO": "is a FIFO",
    "socket": "is a socket",
    "device": "is a device",
    "dangling link": "broken link to absent",
}
"""What is said of such a thing in the place of a folder of data."""
OF_DATA = {
    *("data.davis", "stills.images", "stills.masks", "check DAVIS", "check --stills IMAGES"),
    *("check --stills MASKS", "infer --davis", "score --davis", "score --masks", "score --truth"),
    *("bounds --davis", "check-masks --davis", "check-masks --masks", "compare --davis"),
    *("archive --davis", "archive --masks", "external masks"),
}
GOOD_NAMES = [
    *("with spaces", "grün ß 研究", "it's", 'a "quoted" name', "semi;colon & co", "-dash"),
    *("50%", "#1", "~", "[x]*?", "$HOME", "trailing."),
]


def path_cases() -> Iterator[Case]:
    """Every slot with every path that it cannot be, and some with names that are unusual."""
    for slot in SLOTS:
        for name, (path, make) in _wrong(slot.kind).items():
            # an empty path is the folder where one is, to some
            expected = Expected.EITHER if name == "empty" else Expected.REFUSED
            yield _case(slot, name, path, expected, make)
        if slot.key and not slot.variant:
            yield _case(slot, "NUL", "no\0where", Expected.REFUSED)
    for number, name in enumerate(GOOD_NAMES):
        fit = [slot for slot in SLOTS if slot.path and "tables" not in slot.name]
        for slot in fit[number % 3 :: 3]:
            given = f"./{name}" if name.startswith("-") else name
            moved = partial(_move, slot.path, name)
            yield _case(slot, f"named {name!r}", given, Expected.ACCEPTED, moved)
    for name in ("{x}", "{{x}}", "{", "line\nbreak", "\x1b[31mred", "\udcff"):
        for slot in SLOTS[1:5] + SLOTS[9:10] + SLOTS[18:19] + SLOTS[22:24]:
            if not (slot.key and name == "\udcff"):
                moved = partial(_move, slot.path, name)
                yield _case(slot, f"named {name!r}", name, Expected.EITHER, moved)
    yield from _unreadable()


def _wrong(kind: str) -> dict[str, tuple[str, Callable[[Path], object]]]:
    """Paths at which there is no such thing, and what makes them."""
    found: dict[str, tuple[str, Callable[[Path], object]]] = {
        "missing": ("absent", lambda _: None),
        "below a file": ("tiny.yaml/absent", lambda w: (w / "tiny.yaml").touch()),
        "FIFO": ("fifo", lambda w: os.mkfifo(w / "fifo")),
        "socket": ("socket", lambda w: bind(w / "socket")),
        "device": ("/dev/null", lambda _: None),
        "dangling link": ("link", lambda w: (w / "link").symlink_to("absent")),
        "looping link": ("link", lambda w: (w / "link").symlink_to("link")),
        "long name": ("n" * 300, lambda _: None),
        "long path": ("n/" * 3000, lambda _: None),
        "empty": ("", lambda _: None),
    }
    if kind == "file":
        found["folder"] = ("folder", lambda w: (w / "folder").mkdir())
        found["endless device"] = ("/dev/zero", lambda _: None)
    elif kind == "folder":
        found["file"] = ("file", lambda w: (w / "file").write_text("text"))
        found["empty folder"] = ("folder", lambda w: (w / "folder").mkdir())
    return found


def bind(path: Path) -> None:
    """Leave a socket at `path`; its own name may not be long, so it is bound from beside it."""
    before = Path.cwd()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path.name)
    os.chdir(before)


def make_device(path: Path) -> None:
    """A null device of the workspace's own: the real one may not be an output of anything.

    Who may not make one gets a FIFO instead.
    """
    if os.getuid() == 0:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    else:
        os.mkfifo(path)


def _case(
    slot: Slot,
    name: str,
    path: str,
    expected: Expected,
    make: Callable[[Path], object] = lambda _: None,
) -> Case:
    command = slot.arguments[0]
    return Case(
        family="paths",
        name=f"{slot.name}: {name}",
        arguments=tuple(part.replace(HERE, path) for part in slot.arguments),
        expected=expected,
        prepare=partial(_prepare, slot, path, make),
        base=slot.base,
        makes=() if expected is Expected.REFUSED else MAKES.get(command, ()),
        says=SAYS.get(name, "") if slot.name in OF_DATA else "",
    )


def _prepare(slot: Slot, path: str, make: Callable[[Path], object], work: Path) -> None:
    (work / "names.txt").write_text("0\n1\n2\n")
    make(work)
    if not slot.key:
        return
    if slot.variant:
        value = {**VARIANTS["hard"], "overrides": {"weights": path, "stages": []}}
        write_yaml(work / "ablations/hard.yaml", value)
        return
    study: dict[str, Any] = yaml.safe_load((work / "tiny.yaml").read_text())
    if slot.key[0] == "external":
        given = {slot.key[1]: {"davis2017": path}}
        study["external"] = [{"name": "others", "label": "Others", **given}]
    else:
        at: Any = study
        for key in slot.key[:-1]:
            at = at[key]
        at[slot.key[-1]] = path
    write_yaml(work / "tiny.yaml", study)


def _move(old: str, new: str, work: Path) -> None:
    (work / old).rename(work / new)


def _unreadable() -> Iterator[Case]:
    """What may not be read, as a user who is not root."""
    for slot in SLOTS:
        if slot.path and slot.base == "data":
            yield Case(
                family="paths",
                name=f"{slot.name}: unreadable",
                arguments=tuple(part.replace(HERE, slot.path) for part in slot.arguments),
                expected=Expected.REFUSED,
                prepare=partial(_lock, slot),
                as_nobody=True,
            )


def _lock(slot: Slot, work: Path) -> None:
    _prepare(slot, slot.path, lambda _: None, work)
    (work / slot.path).chmod(0)
