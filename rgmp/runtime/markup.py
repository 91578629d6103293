"""Escape text for the formats it is inserted into."""

import re


def markdown(text: str) -> str:
    """Escape Markdown, including GitHub's dollars for maths and tildes for strikethrough."""
    return re.sub(r"([\\`*_|<>\[\]$~]|&(?=#?\w+;))", r"\\\1", text)


def markdown_paragraph(text: str) -> str:
    """Text that begins a line of Markdown, where it must not be a heading, a list or a rule."""
    return re.sub(r"^(?:(?=[-+#=])|(\d+)(?=[.)](?:\s|$)))", r"\1\\", markdown(text))


def restructured(text: str) -> str:
    """Escape reStructuredText: every character that is not alphanumeric."""
    return re.sub(r"([^\w\s]|_)", r"\\\1", text)
