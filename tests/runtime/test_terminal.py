"""What a stream can show."""

import io
import os
import shutil

import pytest

from rgmp.runtime.terminal import Screen, screen_of


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "get_terminal_size", lambda _: os.terminal_size((80, 24)))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_terminal_has_colours_a_width_and_a_line_that_moves() -> None:
    assert screen_of(Terminal()) == Screen(live=True, coloured=True, width=80)


@pytest.mark.parametrize("stream", [io.StringIO(), None])
def test_a_file_has_none_of_them(stream: io.StringIO | None) -> None:
    assert screen_of(stream) == Screen()
    assert Screen().paint("worse", "red") == "worse"


def test_colours_can_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert screen_of(Terminal()) == Screen(live=True, width=80)
    monkeypatch.setenv("NO_COLOR", "")
    assert screen_of(Terminal()).coloured, "as no-color.org has it: set, and not empty"
    monkeypatch.setenv("TERM", "dumb")
    assert screen_of(Terminal()) == Screen(width=80)


def test_a_colour_ends_where_the_text_does() -> None:
    assert Screen(coloured=True).paint("worse", "red") == "\x1b[31mworse\x1b[0m"
    assert Screen(coloured=True).paint("", "red") == ""
