"""Text that a format would take for its own."""

import pytest

from rgmp.runtime.markup import markdown_paragraph


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("# 1", r"\# 1"),
        ("- one", r"\- one"),
        ("+ one", r"\+ one"),
        ("1. one", r"1\. one"),
        ("12) one", r"12\) one"),
        ("> one", r"\> one"),
        ("* one", r"\* one"),
        ("===", r"\==="),
        ("1.5 points", "1.5 points"),
        ("a # and - and 1. in it", "a # and - and 1. in it"),
    ],
)
def test_what_begins_a_line_of_markdown_is_text(text: str, escaped: str) -> None:
    assert markdown_paragraph(text) == escaped
