"""A finished study's folder in which a file is broken, and labels that are odd in print."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from campaign.case import Case, Expected
from campaign.workspace import put_fifo, put_folder, put_link

TOY = "results/toy"
RECORDS = f"{TOY}/records"
FILES = {
    "plan": f"{TOY}/plan.json",
    "record of scores": f"{RECORDS}/scores/davis2017/full/seed0.json",
    "record of speed": f"{RECORDS}/speed/davis2017.json",
    "record of a training run": f"{RECORDS}/weights/finetune/full-seed0-*.json",
    "scores": f"{TOY}/scores/davis2017/full/seed0.csv",
    "speed": f"{TOY}/speed/davis2017.json",
    "curve": f"{TOY}/weights/finetune/full-seed0-*/metrics.jsonl",
    "table of results": f"{TOY}/tables/ablation.csv",
    "tidy table": f"{TOY}/tables/differences.csv",
    "normal range": f"{TOY}/tables/normal_range.json",
}
READ_BY = {
    "plan": ("tables", "figures", "report", "track", "agree", "power", "cross-check", "pack"),
    "record of scores": ("tables", "report", "track", "pack"),
    "record of speed": ("tables", "figures"),
    "record of a training run": ("tables", "track", "pack"),
    "scores": ("tables", "agree", "cross-check", "pack"),
    "speed": ("tables", "pack"),
    "curve": ("track",),
    "table of results": ("report", "show", "figures", "agree", "power"),
    "tidy table": ("figures",),
    "normal range": ("expect",),
}
MAKES: dict[str, tuple[str, ...]] = {
    "tables": (f"{TOY}/tables*",),
    "cross-check": (f"{TOY}/tables*",),
    "figures": (f"{TOY}/figures*",),
    "report": (f"{TOY}/report.html",),
    "show": (),
    "agree": (),
    "power": (),
    "expect": (),
    "pack": ("mini.zip",),
    "track": ("results/.mlflow*", "results/mlflow*", f"{TOY}/mlflow.json"),
}
ARGUMENTS = {"agree": (TOY, TOY), "expect": ("--of", TOY)}
"""Of the commands that take more than the study's folder."""
KEYS = {
    "record": "kind inputs code machine wall_seconds results",
    "plan": "study data variants trainings seeds benchmarks",
    "speed": "computations device",
    "normal range": "study trainings",
}
"""Keys that are taken away or changed, one at a time."""
IN_FIGURES = {"two dollars", "Chinese"}
"""Labels that are tried in figures, too, which take many seconds."""
MISSING = object()
Change = Callable[[Path], object]


def folder_cases() -> Iterator[Case]:
    """Every file of a study, broken in many ways, before a command that reads it."""
    for number, (name, pattern) in enumerate(FILES.items()):
        for at, (what, change) in enumerate(_damages(pattern).items()):
            commands = READ_BY[name]
            command = commands[(number + at) % len(commands)]
            # what is no file at all may count as absent, as where a study is not finished
            absent = what.startswith("that is a ") and name != "plan"
            expected = Expected.EITHER if absent else Expected.REFUSED
            yield _case(f"{command}: {name} {what}", command, expected, _in(pattern, change))
    for path in FILES.values():
        if path.endswith(".json"):
            yield from _types(path)
    for command in MAKES:
        yield _case(f"{command}: nothing odd", command, Expected.ACCEPTED, lambda _: None)
    for name, label in (
        ("a dollar", "costs $5"),
        ("two dollars", "$x^2$ or $"),
        ("marks of TeX", "50% a_b & #1 ~ ^ \\ {x}"),
        ("marks of Markdown and HTML", "<script>alert(1)</script> | *a* `b`"),
        ("Chinese", "没有参考"),
        ("emoji", "🙂"),
        ("much to say", "word " * 16 + "end"),
    ):
        for command in ("tables", "report", *(["figures"] if name in IN_FIGURES else [])):
            change = partial(_label, label)
            yield _case(f"{command}: a label of {name}", command, Expected.ACCEPTED, change)


def _case(name: str, command: str, expected: Expected, change: Change) -> Case:
    return Case(
        family="study folders",
        name=name,
        arguments=(command, *ARGUMENTS.get(command, (TOY,))),
        expected=expected,
        prepare=change,
        base="study",
        # the store is made before it is known what goes into it
        makes=() if expected is Expected.REFUSED and command != "track" else MAKES[command],
    )


def _in(pattern: str, change: Change) -> Change:
    return lambda work: change(next(iter(sorted(work.glob(pattern)))))


def _damages(pattern: str) -> dict[str, Change]:
    found: dict[str, Change] = {
        "cut": lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]),
        "of zeros": lambda p: p.write_bytes(bytes(500)),
        "of text": lambda p: p.write_text("<html>404</html>\n"),
        "of Latin-1": lambda p: p.write_bytes(b"\xe4\xf6\xfc" + p.read_bytes()),
        "that is a folder": put_folder,
        "that is a FIFO": put_fifo,
        "that is a looping link": lambda p: put_link(p, p.name),
    }
    if pattern.endswith(".jsonl"):
        found["of empty points"] = lambda p: p.write_text("{}\n{}\n")
        for key in ("step", "loss", "J", "seconds"):
            found[f"without {key}"] = partial(_edit_points, key, MISSING)
            found[f"whose {key} is a text"] = partial(_edit_points, key, "1")
    else:
        found["of no bytes"] = lambda p: p.write_bytes(b"")
    if pattern.endswith(".json"):
        found["that is deep"] = lambda p: p.write_text("[" * 100_000)
        found["with a large number"] = lambda p: p.write_text("9" * 10_000)
    return found


def _edit_points(key: str, value: Any, path: Path) -> None:
    points = [json.loads(line) for line in path.read_text().splitlines()]
    for point in points:
        point[key] = value
        if value is MISSING:
            del point[key]
    path.write_text("".join(json.dumps(point) + "\n" for point in points))


def _types(pattern: str) -> Iterator[Case]:
    """JSON of another type than the command asks for, as a whole and for the keys it needs."""
    name = next(name for name, path in FILES.items() if path == pattern)
    values: dict[str, Any] = {"a list": [], "null": None, "a text": "", "an empty mapping": {}}
    for what, value in values.items():
        command = READ_BY[name][0]
        change = _in(pattern, partial(_dump, value))
        yield _case(f"{command}: {name} that is {what}", command, Expected.REFUSED, change)
    for key in KEYS.get(name, KEYS["record"]).split():
        for what, value in {"missing": MISSING, "a number": 7, "a text": "1"}.items():
            if (key, what) in {("wall_seconds", "a number"), ("study", "a text")}:  # allowed
                continue
            command = READ_BY[name][0]
            change = _in(pattern, partial(_set, key, value))
            # a command need not look at every key, but it may not stumble over one
            expected = Expected.REFUSED if name == "plan" else Expected.EITHER
            yield _case(f"{command}: {name} whose {key} is {what}", command, expected, change)


def _dump(value: Any, path: Path) -> None:
    path.write_text(json.dumps(value))


def _set(key: str, value: Any, path: Path) -> None:
    content = json.loads(path.read_text())
    if value is MISSING:
        del content[key]
    else:
        content[key] = value
    _dump(content, path)


def _label(label: str, work: Path) -> None:
    path = work / FILES["plan"]
    content = json.loads(path.read_text())
    content["variants"][1]["label"] = content["title"] = label
    _dump(content, path)
