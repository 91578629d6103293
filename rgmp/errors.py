"""User errors, one or several at once, and how they quote what the user wrote."""

import reprlib
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

_LONGEST = 3000
"""Characters of a message; a longer one loses its middle, because its end says what to do."""


class UserError(Exception):
    """Bad input: one line saying what, where, what is allowed and what to do.

    `rgmp.cli.main` prints it to standard error and exits with status 2. Any other exception is a
    bug in this package and keeps its traceback. A message quotes user input, so control characters
    are escaped (`visible`) and its length is bounded.
    """

    def __init__(self, message: str) -> None:
        if len(message) > _LONGEST:
            half = (_LONGEST - 5) // 2
            message = f"{message[:half]} ... {message[-half:]}"
        super().__init__(visible(" ".join(line.strip() for line in message.splitlines()).strip()))


MOST = 20
"""Problems that are printed one by one, unless a command lists all: a wrong root has thousands."""


class ProblemsError(UserError):
    """Several user errors, each a message of its own, such as every bad file of a folder.

    Attributes:
        problems: the messages, each once.
        most: how many of them are printed.
    """

    def __init__(self, *problems: str, most: int = MOST) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        self.most = most
        super().__init__("; ".join(self.problems))


def refuse(problems: Iterable[str]) -> None:
    """Stop if there are problems.

    Raises:
        ProblemsError: there are.
    """
    found = tuple(problems)
    if found:
        raise ProblemsError(*found)


def visible(text: str) -> str:
    """The text with unprintable characters escaped, such as ESC as backslash x1b."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def nearest(name: str, known: Iterable[str]) -> str:
    """What a message about a name that does not exist adds: `; did you mean ...?`, or nothing.

    Args:
        name: what the user wrote.
        known: the names that there are.
    """
    found = get_close_matches(name[:_LONGEST], [*known], n=1)
    return f"; did you mean {found[0]}?" if found else ""


def shown(value: Any) -> str:
    """The `repr` of a value, shortened if it is long or deeply nested."""
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 120
_SHORT.maxlevel = 3
