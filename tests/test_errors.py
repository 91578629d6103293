"""What an error repeats is seen, and is short."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgmp.errors import ProblemsError, UserError, nearest, refuse, shown, visible


def test_what_a_terminal_would_obey_is_seen() -> None:
    line = str(UserError("a\x1b[2J: b\n  c\u202ed\x7f\x00\ud800; do e"))
    assert line == r"a\x1b[2J: b c\u202ed\x7f\x00\ud800; do e"


@settings(deadline=None)
@given(st.text(st.characters()))
def test_a_message_is_one_printable_line(text: str) -> None:
    line = str(UserError(text))
    assert line.isprintable()
    assert str(UserError(line)) == line
    assert visible(text).isprintable()


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    line = str(UserError(f"study.yaml: {'x' * 10**6}; do this"))
    assert len(line) < 4000
    assert line.startswith("study.yaml: xxx")
    assert line.endswith("xxx; do this")


def test_problems_are_all_kept_and_each_once() -> None:
    refuse([])
    with pytest.raises(ProblemsError, match=r"^a; b$") as raised:
        refuse(["a", "b", "a"])
    assert raised.value.problems == ("a", "b")
    many = [f"{i}.png: missing" for i in range(1000)]
    assert list(ProblemsError(*many).problems) == many
    assert len(str(ProblemsError(*many))) < 4000


def test_a_value_is_shown_as_far_as_it_is_short() -> None:
    assert shown("fast") == "'fast'"
    assert shown(["finetune", "pretrain"]) == "['finetune', 'pretrain']"
    nested: object = "x"
    for _ in range(60):
        nested = [nested, nested]
    for value in (nested, "x" * 10**6, list(range(10**6)), {"a": nested}, 10**4000):
        assert len(shown(value)) < 500
    deep: list[object] = []
    for _ in range(sys.getrecursionlimit()):
        deep = [deep]
    assert len(shown(deep)) < 500


def test_a_mistyped_name_gets_the_nearest_of_those_that_there_are() -> None:
    assert nearest("no_bttp", ["full", "no_bptt"]) == "; did you mean no_bptt?"
    assert nearest("painter", ["full", "no_bptt"]) == ""
    assert nearest("", ["full"]) == nearest("full", []) == ""
