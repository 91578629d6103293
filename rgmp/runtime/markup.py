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


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    '"': r"\texttt{\char34}",  # elsewhere a closing quote, and with babel the half of an umlaut
    "\N{MINUS SIGN}": "$-$",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    "\N{EN DASH}": r"\textendash{}",
    "‡": r"$^\ddagger$",
    "§": r"\S{}",
    "¶": r"\P{}",
    "‖": r"$^\|$",
    "\N{UPWARDS ARROW}": r"$\uparrow$",
    "\N{DOWNWARDS ARROW}": r"$\downarrow$",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def latex(text: str) -> str:
    """Escape LaTeX, so that no two characters join: two hyphens stay two, as in an option."""
    escaped = "".join(_LATEX.get(character, character) for character in text)
    return re.sub(r"(?<=[-'`,?!])(?=[-'`,])", "{}", escaped)
