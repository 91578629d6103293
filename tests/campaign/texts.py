"""Text where YAML is asked for: syntax, depth, aliases, merges, tags, encodings, size."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import yaml
from support import tiny_study

from campaign.case import Case, Expected
from campaign.workspace import PLANNED, VARIANTS, replace

GOOD = yaml.safe_dump(tiny_study.STUDY, sort_keys=False)
DEEP = 100_000


def yaml_cases() -> Iterator[Case]:
    """A study file, or now and then a variant, whose text is odd."""
    for name, text in _bad_texts():
        yield _study(name, text.encode(), Expected.REFUSED)
    for name, content in _bad_bytes():
        yield _study(name, content, Expected.REFUSED)
    for name, text in _good_texts():
        yield _study(name, text.encode(), Expected.ACCEPTED)
    for name, text in _merges():
        yield _study(name, text.encode(), Expected.REFUSED)
    yield _study("UTF-16 with its mark", GOOD.encode("utf-16"), Expected.EITHER)
    yield _study("UTF-32 with its mark", GOOD.encode("utf-32"), Expected.EITHER)
    yield _study("tag of bytes", _with("title: !!binary aGVsbG8=").encode(), Expected.EITHER)
    for name, text in [*_bad_texts()][::3]:
        replaced = partial(_write, "ablations/hard.yaml", text.encode())
        yield Case("yaml", f"variant: {name}", ("plan", "tiny.yaml"), Expected.REFUSED, replaced)
    for name in ("Hard", "hard case", "hard-case", "1st", "härter", "hard.v2", "{hard}", "hard\n"):
        text = yaml.safe_dump(VARIANTS["hard"])
        named = partial(_write, f"ablations/{name}.yaml", text.encode())
        yield Case("yaml", f"variant file {name!r}", ("plan", "tiny.yaml"), Expected.REFUSED, named)


def _study(name: str, content: bytes, expected: Expected) -> Case:
    return Case(
        family="yaml",
        name=name,
        arguments=("plan", "tiny.yaml"),
        expected=expected,
        prepare=partial(_write, "tiny.yaml", content),
        makes=() if expected is Expected.REFUSED else PLANNED,
    )


def _write(path: str, content: bytes, work: Path) -> None:
    replace(work / path, content)


def _bad_texts() -> Iterator[tuple[str, str]]:
    yield "empty", ""
    yield "a comment alone", "# nothing\n"
    yield "a word", "hello"
    yield "a list", "- a\n- b\n"
    yield "a number", "42"
    yield "null", "null\n"
    yield "two documents", f"{GOOD}---\n{GOOD}"
    for name, text in (
        ("open bracket", "seeds: [0, 1"),
        ("open brace", "data: {davis: davis"),
        ("open quote", 'title: "no end'),
        ("tab", "data:\n\tdavis: davis"),
        ("colon in a value", "title: a: b"),
        ("unknown directive with a bad version", "%YAML 9.9.9\n---\ntitle: a"),
        ("at sign", "title: @here"),
        ("backtick", "title: `here`"),
        ("bad escape", 'title: "\\q"'),
        ("unknown alias", "title: *nowhere"),
        ("alias without a name", "title: *"),
        ("bad indent", "data:\n  davis: a\n stills: b"),
        ("merge of a number", "<<: 7"),
        ("merge of a list of numbers", "<<: [1, 2]"),
        ("merge of itself", "data: &a {<<: *a, davis: davis}"),
        ("alias to itself in a list", "seeds: &a [*a]"),
        ("alias to itself in a mapping", "data: &a {davis: *a}"),
        ("tag of Python code", "title: !!python/object/apply:os.system ['touch owned']"),
        ("tag of a Python name", "title: !!python/name:os.system"),
        ("tag of one's own", "title: !mine a"),
        ("tag that does not fit", "title: !!int abc"),
        ("tag of a set", "data: !!set {davis, stills}"),
        ("tag of pairs", "data: !!pairs [davis: davis]"),
        ("bytes that are none", "title: !!binary '$$$'"),
        ("tag of a float that is none", "seeds: !!float abc"),
        ("key twice", "study: a\nstudy: b"),
        ("key twice below", "data: {davis: a, davis: b}"),
        ("key twice as an alias", "data: {&a davis: a, *a : b}"),
        ("number as a key", "1: 2"),
        ("null as a key", "null: 2"),
        ("true as a key", "true: 2"),
        ("list as a key", "[a, b]: 2"),
        ("mapping as a key", "{a: b}: 2"),
        ("date as a key", "2020-01-01: 2"),
        ("date that is none", "title: 2020-13-45"),
        ("date for a text", "title: 2020-01-01"),
        ("integer of many digits", f"seeds: [{'9' * 5000}]"),
        ("float for a seed", "seeds: [0.5]"),
        ("float beyond all", "speed: {sequences: 1e999}"),
        ("title of no width", 'title: "\\u200b"'),
        ("title with a soft hyphen", 'title: "a\\xadb"'),
        ("title of blank Braille", "title: \u2800"),
        ("base 60", "study: 1:20"),
        ("line separator in a key", "da\u2028ta: 1"),
        *_excessive(),
    ):
        yield name, _with(text)


def _excessive() -> tuple[tuple[str, str], ...]:
    return (
        ("deep list", "title: " + "[" * DEEP),
        ("deep list that ends", "title: " + "[" * 5000 + "]" * 5000),
        ("deep mapping", "title: " + "{a: " * 5000 + "1" + "}" * 5000),
        ("deep block", "".join(f"{' ' * i}a:\n" for i in range(2000))),
        ("deep sequence", "title:\n  " + "- " * DEEP + "a"),
        ("laughs", _laughs(12)),
        ("laughs for a label", f"{_laughs(12)}title: *l11\n"),
        ("large list", f"seeds: [{', '.join(map(str, range(200_000)))}, 0]"),
        ("large value", f"study: {'a' * 10_000_000}"),
        ("large key", f"{'a' * 1_000_000}: 1"),
    )


def _laughs(depth: int) -> str:
    lines = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]\n" for i in range(1, depth)]
    return "".join([f"l0: &l0 [{', '.join(['ha'] * 10)}]\n", *lines])


def _with(text: str) -> str:
    """The good study with the top keys of `text` in place of its own."""
    if text.startswith("%"):
        return text
    own = {line.partition(":")[0] for line in text.splitlines()}
    kept = {key: value for key, value in tiny_study.STUDY.items() if key not in own}
    return f"{yaml.safe_dump(kept, sort_keys=False)}{text}\n"


def _bad_bytes() -> Iterator[tuple[str, bytes]]:
    good = GOOD.encode()
    yield "Latin-1", good.replace(b"A study", "Ä study".encode("latin-1"))
    yield "half a character at the end", good + "ä".encode()[:1]
    yield "surrogates", good + b"claim: \xed\xa0\x80\n"
    yield "zeros", bytes(1000)
    yield "many zeros", bytes(50_000_000)
    yield "an image", (b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    for name, raw in (
        ("NUL", b"\0"),
        ("escape", b"\x1b[31m"),
        ("bell", b"\a"),
        ("delete", b"\x7f"),
        ("control of Latin-1", "\x9b31m".encode()),
        ("carriage return", b"\rrgmp: done\r"),
    ):
        yield f"{name} in a value", good.replace(b"A study", b"A " + raw + b" study")
        yield f"{name} in a key", good.replace(b"title", b'"ti' + raw + b'tle"')
        if name != "carriage return":  # after which a line begins that is none of a comment
            yield f"{name} in a comment", b"# " + raw + b"\n" + good
    for name, text in (
        ("NUL", "\\0"),
        ("escape", "\\e[31m"),
        ("line break", "\\n"),
        ("C1", "\\x9b"),
    ):
        written = text.encode()
        yield (
            f"{name} written in a path",
            good.replace(b"davis: davis", b'davis: "a' + written + b'"'),
        )
        yield f"{name} written in a key", good.replace(b"title:", b'"ti' + written + b'tle":')
        yield f"{name} written in a choice", good + b'evaluation: {engine: "' + written + b'"}\n'


def _good_texts() -> Iterator[tuple[str, str]]:
    yield "its own text", GOOD
    yield "byte order mark", "\ufeff" + GOOD
    yield "CRLF", GOOD.replace("\n", "\r\n")
    yield "start and end of a document", f"---\n{GOOD}...\n"
    yield "version", f"%YAML 1.1\n---\n{GOOD}"
    yield "JSON", json.dumps(tiny_study.STUDY)
    yield "JSON, indented", json.dumps(tiny_study.STUDY, indent=2)
    yield "no line break at the end", GOOD.rstrip("\n")
    yield "comments", "# a\n\n" + GOOD.replace("\n", " # b\n")
    yield "Chinese title", GOOD.replace("A study", "研究")
    yield "emoji in the title", GOOD.replace("A study", "🙂 study")
    yield (
        "title with marks of TeX, HTML and Python",
        GOOD.replace("title: A study of seconds", "title: 'a_b & 50% #1 <b> {x} ~ ^ \\'"),
    )
    yield "quoted keys", GOOD.replace("title:", '"title":').replace("study:", "'study':")
    yield (
        "folded title",
        GOOD.replace("title: A study of seconds", "title: >-\n  A study\n  of two"),
    )
    yield "long title", GOOD.replace("of seconds", "of seconds " * 10)
    yield (
        "alias",
        GOOD.replace("crop:\n  - 32\n  - 64", "crop: &c [32, 64]", 1).replace(
            "crop:\n  - 32\n  - 64", "crop: *c"
        ),
    )


def _merges() -> Iterator[tuple[str, str]]:
    """Merge keys, which are no part of YAML 1.2: what they stand for is to be written out."""
    shared = "&s {steps: 2, batch: 2, learning_rate: 0.001, crop: [32, 64]}"
    kept = {k: v for k, v in tiny_study.STUDY.items() if k not in {"pretrain", "finetune"}}
    yield (
        "merge",
        (f"{yaml.safe_dump(kept)}pretrain: {shared}\nfinetune: {{<<: *s, frames: [2, 3]}}\n"),
    )
    yield (
        "merge that is overridden",
        (
            f"{yaml.safe_dump(kept)}pretrain: {shared}\n"
            "finetune: {<<: *s, frames: [2, 3], steps: 1}\n"
        ),
    )
