"""What is read as YAML is small and plain, and anything else is a line and no traceback."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgmp.config.load import read_yaml
from rgmp.config.strict_yaml import LARGEST
from rgmp.errors import UserError

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))


def said(path: Path, content: bytes) -> str:
    """What is said against a file, after its name."""
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_yaml(path)
    line = str(error.value)
    assert line.startswith(f"{path}: ")
    assert line.isprintable()
    assert len(line) < 4000
    return line.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[" * 10_000, "line 1, column 21: lists or mappings nested more than 20 deep"),
        ("a: " + "{a: " * 10_000, "lists or mappings nested more than 20 deep"),
        (LAUGHS, "more than 20000 values"),
        ("a: &a [*a]", "line 1, column 8: alias *a refers to itself"),
        ("a: &a {b: *a}", "alias *a refers to itself"),
        ("a: *nowhere", "found undefined alias 'nowhere'"),
        ("a: {<<: 1}", "unsupported merge key <<; write out its keys"),
        ("<<: [1]", "unsupported merge key"),
        ("? [a]\n: 1", "a key that is not a plain word"),
        ("? {a: b}\n: 1", "a key that is not a plain word"),
        (
            "a: !!python/object/apply:os.getcwd []",
            "unsupported tag tag:yaml.org,2002:python/object/apply",
        ),
        ('a: !!int ""', "unsupported tag tag:yaml.org,2002:int; leave it out"),
        ("a: !!timestamp x", "unsupported tag"),
        ("a: ! 1", "unsupported tag !"),
        (f"a: {'b' * 3000}", "a value of 3000 characters; allowed: at most 2000"),
        (f"{'b' * 3000}: a", "not valid YAML"),
        (f"a: 0x{'f' * 50_000}", "a value of 50002 characters"),
        (f"a: {':'.join('1' * 20_000)}", "a value of 39999 characters; allowed"),
        ('"\\e[31m": a\n"\\e[31m": b', r"duplicate key \x1b[31m"),
        ("a: \0", "unacceptable character #x0000"),
        ("a" * (LARGEST + 1), "is larger than 100000 bytes"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_what_a_study_needs_not_is_refused_in_a_line(tmp_path: Path, text: str, fault: str) -> None:
    assert fault in said(tmp_path / "study.yaml", text.encode())


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    for content in (b"a: \xff", "a: b".encode("utf-16"), b"a: \xed\xa0\x80"):
        assert said(tmp_path / "study.yaml", content).startswith("not ")


def test_an_alias_repeats_a_value(tmp_path: Path) -> None:
    """As `yaml.safe_dump` writes a value that occurs twice."""
    path = tmp_path / "study.yaml"
    path.write_text("a: {crop: &crop [96, 160]}\nb: {crop: *crop}\n")
    assert read_yaml(path) == {"a": {"crop": [96, 160]}, "b": {"crop": [96, 160]}}


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), tmp_path):
        with pytest.raises(
            UserError, match=r"cannot be read \(is a .*, not a file\); name a YAML file"
        ):
            read_yaml(path)


def test_name_that_no_file_can_have_is_a_line(tmp_path: Path) -> None:
    for path in (tmp_path / ("a" * 300), Path("a/" * 3000)):
        with pytest.raises(UserError, match="File name too long"):
            read_yaml(path)


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text("[]{}&*!<:-?,'\"#|>%@`\n ab1.0x_e~", max_size=60)))
def test_anything_is_a_mapping_or_a_line(tmp_path_factory: Any, content: bytes | str) -> None:
    path = tmp_path_factory.getbasetemp() / "anything.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with suppress(UserError):
        assert isinstance(read_yaml(path), dict)
