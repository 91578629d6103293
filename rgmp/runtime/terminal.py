"""What a stream can show: colours, a line that moves, and how wide its lines may be.

Colours only repeat what words say. They are left out where `NO_COLOR` is set (https://no-color.org)
or the terminal is a dumb one, and everywhere but on a terminal.
"""

import os
import shutil
from dataclasses import dataclass
from typing import Literal, TextIO

Colour = Literal["red", "green", "yellow", "faint"]
_CODES: dict[Colour, str] = {"red": "31", "green": "32", "yellow": "33", "faint": "2"}
_WIDTH = 100
"""Columns of what is no terminal: a file, or a pipe."""
_LEAST = 60


@dataclass(frozen=True)
class Screen:
    """What lines are made for.

    Attributes:
        live: whether it is a terminal, on which a line can be replaced.
        coloured: whether it shows colours.
        width: columns of a line.
    """

    live: bool = False
    coloured: bool = False
    width: int = _WIDTH

    def paint(self, text: str, colour: Colour) -> str:
        """The text in a colour, or as it is."""
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self.coloured and text else text


def screen_of(stream: TextIO | None) -> Screen:
    """What a stream can show."""
    if stream is None or not stream.isatty():
        return Screen()
    dumb = os.environ.get("TERM") == "dumb"
    width = shutil.get_terminal_size((_WIDTH, 0)).columns
    coloured = not dumb and not os.environ.get("NO_COLOR")
    return Screen(live=not dumb, coloured=coloured, width=max(width, _LEAST))
