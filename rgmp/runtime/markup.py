"""Text made safe for the formats that it is put into."""

import re


def markdown(text: str) -> str:
    """Text for Markdown, of which GitHub's takes dollars for mathematics and tildes for strokes."""
    return re.sub(r"([\\`*_|<>\[\]$~]|&(?=#?\w+;))", r"\\\1", text)


def markdown_paragraph(text: str) -> str:
    """Text that begins a line of Markdown, where it must not be a heading, a list or a rule."""
    return re.sub(r"^(?:(?=[-+#=])|(\d+)(?=[.)](?:\s|$)))", r"\1\\", markdown(text))


def restructured(text: str) -> str:
    """Text for reStructuredText, in which every mark is escaped: only letters mean themselves."""
    return re.sub(r"([^\w\s]|_)", r"\\\1", text)
