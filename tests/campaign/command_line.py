"""Options from the parser itself with absurd values; and targets that must not be written."""

import argparse
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from campaign.case import Base, Case, Expected
from campaign.paths import (
    ARCHIVE,
    BOUNDS,
    CHECK_MASKS,
    COMPARE,
    INFER,
    PREVIEW,
    SCORE,
    bind,
    make_device,
)
from campaign.workspace import PLANNED
from rgmp.cli import main

GOOD: dict[str, tuple[str, ...]] = {
    "download": ("davis2017", "--to", "out"),
    "plan": ("tiny.yaml",),
    "mini": ("out",),
    "check": ("davis",),
    "check-masks": CHECK_MASKS[1:],
    "train": ("results/tiny", "pretrain/none"),
    "preview": PREVIEW[1:],
    "train-speed": ("tiny.yaml", "--stage", "pretrain"),
    "infer": (*INFER[1:], "--masks", "out"),
    "evaluate": ("results/tiny", "nobody/seed0"),
    "speed": (*INFER[1:], "--out", "out.json"),
    "score": (*SCORE[1:], "--masks", "masks"),
    "bounds": BOUNDS[1:],
    "archive": ARCHIVE[1:],
    "compare": COMPARE[1:],
    **dict.fromkeys(("cross-check", "tables", "figures", "report", "track"), ("results/toy",)),
    "show": ("results/toy",),
    "agree": ("results/toy", "results/toy"),
    "power": ("results/toy",),
    "expect": ("--of", "results/toy"),
    "pack": ("results/toy", "--out", "out.zip"),
    "unpack": ("tiny.yaml",),
    "selftest": ("--out", "out", "--device", "cpu", "--only", "collectives"),
}
"""Arguments that each command takes, of which one is to be spoilt.

Of `train` and `evaluate` there is no such job, `download` is not allowed to fetch, and what is
unpacked is no archive.
"""
MAKES: dict[str, tuple[str, ...]] = {
    "plan": PLANNED,
    **dict.fromkeys(("check", "check-masks"), ()),
    "preview": ("out.png",),
    **dict.fromkeys(("compare", "infer"), ("out", "out/*")),
    "speed": ("out.json",),
    **dict.fromkeys(("score", "bounds"), ("out.csv",)),
    **dict.fromkeys(("archive", "pack"), ("out.zip",)),
    **dict.fromkeys(("cross-check", "tables"), ("results/toy/tables*",)),
    "report": ("results/toy/report.html",),
    "track": ("results/.mlflow*", "results/mlflow*", "results/toy/mlflow.json"),
}
PLANNED_JOBS = {
    "check": "davis2017/val",
    "evaluate": "full/seed0",
    "speed": "davis2017",
    "score": "davis2017/osvos/external",
    "bounds": "davis2017",
}
"""Jobs of the planned study, of which each command takes the name instead of flags."""
BESIDE_OPTION: dict[str, tuple[str, ...]] = {
    f"--{name}": ("--conventions", "table.csv") for name in ("match", "subsets", "other-davis")
}
"""What an option is allowed with alone."""
NO_NUMBERS = ("nonsense", "", "-1", "1.5", "nan", "1e3", "0x10", "9" * 5000, "\x1b[31m", "1 2")
NO_TEXTS = ("", " ", "a\nb", "\x1b[31mred", "a\u202eb", "\u200b")
NO_NAMES = (*NO_TEXTS, "../2016/val", "/val", "-val", "n" * 300)
"""Texts that are no line, and those that name no split, sequence or folder."""
NO_FIGURES = ("nonsense", "", "-1", "100.1", "nan", "inf", "1e999", "1 2", "9" * 5000, "\x1b[31m")
FIGURES = ("0", "100", "70.4", "1e1")
NO_FACTORS = ("nonsense", "", "-1", "0", "nan", "inf", "2.5", "1e999", "\x1b[31m")
NO_POINTS = (*(value for value in NO_FACTORS if value != "2.5"), "100.5")
NO_SIZES = ("nonsense", "", "12", "GB", "0GB", "-1GB", "1e3GB", "9" * 5000 + "GB", "\x1b[31m")
AS_MUCH_AS_ASKED = {"steps", "repeats", "every", "seed"}
"""Options of which a large number asks for much work or for nothing odd."""
HUGE = ("1000000", "9223372036854775808", "1" + "0" * 30)


def number_cases() -> Iterator[Case]:
    """Every option of every command, as the parser knows them."""
    for command, parser in _commands():
        for action in parser._actions:
            if action.option_strings and not isinstance(action, argparse._HelpAction):
                yield from _of_option(command, action)
        yield from _of_command(command, parser)


def _commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in main.build_parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _of_option(command: str, action: argparse.Action) -> Iterator[Case]:
    option = action.option_strings[0]
    for value in _no_values(action):
        yield _case(command, option, value, Expected.REFUSED)
    if action.dest == "match":
        for value in FIGURES:
            yield _case(command, option, value, Expected.ACCEPTED)
    elif _is_counted(action) and command not in {"train-speed", "mini", "selftest"}:
        for value in HUGE:
            yield _case(command, option, value, Expected.EITHER)
    if action.nargs != 0:
        yield _case(command, option, None, Expected.REFUSED)


def _is_counted(action: argparse.Action) -> bool:
    """Whether an option is a number of something of which there may be too many."""
    of_other_kind = action.choices is not None or action.type in {float, None, Path}
    return not of_other_kind and action.dest not in AS_MUCH_AS_ASKED


def _no_values(action: argparse.Action) -> tuple[str, ...]:
    """What an option may not be; paths have cases of their own."""
    if action.choices is not None:
        return ("nonsense", "", str(next(iter(action.choices))).upper(), "\x1b[31m")
    if action.dest == "match":
        return NO_FIGURES
    if action.type is float:
        return NO_POINTS if action.dest == "margin" else NO_FACTORS
    if action.dest == "fit":
        return NO_SIZES
    if action.type is None:
        return NO_TEXTS if action.dest == "variant" else NO_NAMES
    return () if action.type is Path else NO_NUMBERS


def _of_command(command: str, parser: argparse.ArgumentParser) -> Iterator[Case]:
    yield _case(command, "--no-such-option", "1", Expected.REFUSED)
    yield _case(command, "surplus", "surplus", Expected.REFUSED)
    needed = [(a.option_strings or [a.dest])[0] for a in parser._actions if a.required]
    needed += [flag.split(" or ")[0] for flag in parser.get_default("needed") or ()]
    if needed:
        yield Case("numbers", f"{command} alone", (command,), Expected.REFUSED)
    for flag in needed:
        if flag.startswith("-"):
            rest = (command, *_without(GOOD[command], flag))
            yield Case("numbers", f"{command} without {flag}", rest, Expected.REFUSED)
    if command in PLANNED_JOBS:
        planned = (command, "results/tiny", PLANNED_JOBS[command])
        for what, arguments in {
            "a job and flags": (*planned, *GOOD[command]),
            "a study without a job": planned[:2],
            "a job that there is not": (*planned[:2], "davis2017/nobody"),
            "a job of no study": (command, "davis", planned[2]),
        }.items():
            yield Case("numbers", f"{command} {what}", arguments, Expected.REFUSED)


def _case(command: str, option: str, value: str | None, expected: Expected) -> Case:
    of_results = "results/toy" in GOOD[command]
    given = (option,) if value is None else (option, value)
    shown = "nothing" if value is None else repr(value[:12]) + ("..." if len(value) > 12 else "")
    return Case(
        family="numbers",
        name=f"{command} {option} {shown}",
        arguments=(
            command,
            *_without(GOOD[command], option),
            *BESIDE_OPTION.get(option, ()),
            *given,
        ),
        expected=expected,
        base="study" if of_results else "data",
        makes=()
        if expected is Expected.REFUSED
        else (*MAKES.get(command, ()), *BESIDE_OPTION.get(option, ())[1:]),
    )


def _without(arguments: tuple[str, ...], option: str) -> tuple[str, ...]:
    """The arguments but for an option and its value, which is about to be given otherwise."""
    if option not in arguments:
        return arguments
    at = arguments.index(option)
    return (*arguments[:at], *arguments[at + 2 :])


TARGETS: dict[str, tuple[str, ...]] = {
    "preview --out": ("preview", *_without(GOOD["preview"], "--out"), "--out"),
    "infer --masks": (*INFER, "--masks"),
    "score --out": ("score", *_without(GOOD["score"], "--out"), "--out"),
    "score --scores --out": ("score", *SCORE[1:5], "--scores", "scores.csv", "--out"),
    "compare --out": COMPARE[:-1],
    "archive --out": ARCHIVE[:-1],
    "archive --record": (*ARCHIVE, "--record"),
    "pack --out": ("pack", "results/toy", "--out"),
    "mini OUT": ("mini",),
    "check --record": ("check", "davis", "--record"),
    "score --conventions": (*SCORE, "--masks", "masks", "--conventions"),
    "score --record": (*SCORE, "--masks", "masks", "--record"),
    "infer --record": (*INFER, "--masks", "out", "--record"),
    "tables --record": ("tables", "results/toy", "--record"),
    "bounds --out": ("bounds", *_without(GOOD["bounds"], "--out"), "--out"),
    "bounds --record": (*BOUNDS, "--record"),
    "speed --out": ("speed", *_without(GOOD["speed"], "--out"), "--out"),
    "speed --record": ("speed", *GOOD["speed"], "--record"),
    "cross-check --record": ("cross-check", "results/toy", "--record"),
    "train-speed --record": ("train-speed", *GOOD["train-speed"], "--record"),
    "selftest --out": ("selftest", *_without(GOOD["selftest"], "--out"), "--out"),
    "download --to": ("download", "davis2017", "--to"),
}
FOLDERS = {"compare --out", "infer --masks", "mini OUT", "selftest --out", "download --to"}
NOT_RUN = {
    *("mini OUT", "speed --out", "speed --record", "train-speed --record", "selftest --out"),
    "download --to",
}
"""What takes seconds, or a network, where the target is good: only bad ones are tried."""
BESIDE = {
    "archive": ("out.zip",),
    **dict.fromkeys(("score", "bounds"), ("out.csv",)),
    "speed": ("out.json",),
    "infer": ("out*",),
    **dict.fromkeys(("cross-check", "tables"), ("results/toy/tables*",)),
}
"""What a command makes beside its record, or its table of conventions."""
Made = tuple[str, Callable[[Path], object]]


def target_cases() -> Iterator[Case]:
    """Where nothing may be written, and where it may."""
    for name, command in TARGETS.items():
        folder = name in FOLDERS
        for what, (path, make) in _bad_targets(folder).items():
            if (name, what) == ("selftest --out", "empty"):
                continue  # the folder where one is, which may be that of an earlier run
            yield _target(name, command, what, path, make, Expected.REFUSED)
        if name not in NOT_RUN:
            for what, (path, make) in _links(folder).items():
                yield _target(name, command, what, path, make, Expected.EITHER)
            for what in ("new", "new/er/still", "with spaces", "grün 研究", "{x}", "it's"):
                yield _target(name, command, what, what, lambda _: None, Expected.ACCEPTED)
        yield _target(name, command, "read-only", "locked/new", _locked, Expected.REFUSED, True)
    for name, value in _inputs().items():
        yield Case("targets", name, value, Expected.REFUSED)


def _bad_targets(folder: bool) -> dict[str, Made]:
    found: dict[str, Made] = {
        "inside a file": ("tiny.yaml/new", lambda w: (w / "tiny.yaml").touch()),
        "FIFO": ("fifo", lambda w: os.mkfifo(w / "fifo")),
        "socket": ("socket", lambda w: bind(w / "socket")),
        "device": ("device", lambda w: make_device(w / "device")),
        "inside a device": ("device/new", lambda w: make_device(w / "device")),
        "looping link": ("link", lambda w: (w / "link").symlink_to("link")),
        "long name": ("n" * 300, lambda _: None),
        "long path": ("n/" * 3000, lambda _: None),
        "empty": ("", lambda _: None),
        "in /proc": ("/proc/new", lambda _: None),
    }
    if folder:
        found["file"] = ("file", lambda w: (w / "file").write_text("text"))
    else:
        found["folder"] = ("folder", lambda w: (w / "folder").mkdir())
        found["folder with files"] = ("folder", _full)
        found["link to a folder"] = (
            "link",
            _link_to_folder,
        )
        found["where one is"] = (".", lambda _: None)
        found["above"] = ("..", lambda _: None)
    return found


def _links(folder: bool) -> dict[str, Made]:
    found: dict[str, Made] = {
        "dangling link": ("new", lambda w: (w / "new").symlink_to("newer")),
        "link into nowhere": ("new", lambda w: (w / "new").symlink_to("no/where")),
        "line break": ("new\nname", lambda _: None),
        "escape": ("new\x1b[31m", lambda _: None),
        "odd bytes": ("new\udcff", lambda _: None),
    }
    if not folder:
        found["file there already"] = ("new", lambda w: (w / "new").write_text("old"))
        found["link to a file"] = ("new", _link_to_file)
    return found


def _full(work: Path) -> None:
    (work / "folder/below").mkdir(parents=True)
    (work / "folder/below/kept.txt").write_text("kept")


def _link_to_folder(work: Path) -> None:
    _full(work)
    (work / "link").symlink_to("folder")


def _link_to_file(work: Path) -> None:
    (work / "newer").write_text("old")
    (work / "new").symlink_to("newer")


def _locked(work: Path) -> None:
    (work / "locked").mkdir(mode=0o555)


def _target(
    name: str,
    command: tuple[str, ...],
    what: str,
    path: str,
    make: Callable[[Path], object],
    expected: Expected,
    as_nobody: bool = False,
) -> Case:
    base: Base = "study" if command[0] in {"cross-check", "tables", "pack"} else "data"
    made = "new*" if expected is Expected.EITHER else f"{path.partition('/')[0]}*"
    beside = BESIDE.get(command[0], ()) if {"--record", "--conventions"} & {*command} else ()
    return Case(
        family="targets",
        name=f"{name} {what}",
        arguments=(*command, path),
        expected=expected,
        prepare=partial(_prepare, base, make),
        base=base,
        makes=() if expected is Expected.REFUSED else (made, *beside),
        as_nobody=as_nobody,
    )


def _prepare(base: Base, make: Callable[[Path], object], work: Path) -> None:
    if base == "study":
        (work / "tiny.yaml").touch()
    make(work)


def _inputs() -> dict[str, tuple[str, ...]]:
    """Targets that are what the same command reads."""
    score = ("score", *SCORE[1:5])
    frame = "davis/JPEGImages/480p/val_a/00001.jpg"
    return {
        "score --out is its table": (*score, "--scores", "scores.csv", "--out", "scores.csv"),
        "score --record is its table": (
            *score,
            "--scores",
            "scores.csv",
            "--out",
            "out.csv",
            "--record",
            "scores.csv",
        ),
        "score --out is a mask": (*score, "--masks", "masks", "--out", "masks/val_a/00001.png"),
        "score --out is its record": (
            *score,
            "--masks",
            "masks",
            "--out",
            "new",
            "--record",
            "new",
        ),
        "check --record is its network": (
            "check",
            "--network",
            "weights.safetensors",
            "--record",
            "weights.safetensors",
        ),
        "check --record is a frame": ("check", "davis", "--record", frame),
        "archive --out is a mask": (*ARCHIVE[:-1], "masks/val_a/00001.png"),
        "infer --masks are the truth": (*INFER, "--masks", "davis/Annotations/480p"),
        "infer --record is its network": (
            *INFER,
            "--masks",
            "out",
            "--record",
            "weights.safetensors",
        ),
        "infer --record is its masks": (*INFER, "--masks", "out", "--record", "out"),
        "score --out is a network": (*score, "--masks", "masks", "--out", "weights.safetensors"),
        "score --out is a study": (*score, "--masks", "masks", "--out", "tiny.yaml"),
        "speed --out is a study": ("speed", *INFER[1:], "--out", "tiny.yaml"),
        "preview --out is a variant": (*PREVIEW[:-1], "ablations/full.yaml"),
        "preview --out is someone's picture": (*PREVIEW[:-1], "masks/val_a/00001.png"),
        "preview --out is its study": (*PREVIEW[:-1], "tiny.yaml"),
        "preview --out is a still": (*PREVIEW[:-1], "stills/images/0.jpg"),
    }
