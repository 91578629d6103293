"""The one exception that stands for a mistake of the user's, and how it repeats what they wrote."""

import reprlib
from typing import Any

_LONGEST = 3000
"""Characters of a message; what is longer loses its middle, for its end says what to do."""


class UserError(Exception):
    """Bad input: one line saying what, where, what is allowed and what to do.

    `rgmp.cli.main` prints it to standard error and exits with status 2. Any other exception is a
    fault of this package and keeps its traceback. A message repeats what others wrote, so what a
    terminal would obey, and not show, is made `visible` here, and its length is bounded.
    """

    def __init__(self, message: str) -> None:
        if len(message) > _LONGEST:
            half = (_LONGEST - 5) // 2
            message = f"{message[:half]} ... {message[-half:]}"
        super().__init__(visible(" ".join(line.strip() for line in message.splitlines()).strip()))


def visible(text: str) -> str:
    """A text in which what is not printed stands as its escape, such as ESC as backslash x1b."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shown(value: Any) -> str:
    """The `repr` of a value, however long or deep it is, in a few words."""
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 120
_SHORT.maxlevel = 3
