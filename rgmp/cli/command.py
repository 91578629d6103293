"""The description of one `rgmp` command."""

import argparse
from collections.abc import Callable
from typing import Literal, NamedTuple

Group = Literal["try", "data", "run", "look", "compare", "share"]
GROUPS: dict[Group, str] = {
    "try": "See what it does, and what it takes",
    "data": "Get data, and check it",
    "run": "Train, segment, score and time; the workflow runs these",
    "look": "Look at what came of a study",
    "compare": "Compare methods, studies and single results",
    "share": "Hand on masks and results",
}
"""What a person wants, in words, in the order of the help."""


class Command(NamedTuple):
    """A command as the parser needs it; each module of this package lists its own.

    Attributes:
        name: what follows `rgmp` on the command line.
        run: runs it with the parsed options; returns its exit status if that is not always 0.
        add_options: declares its options.
        purpose: one sentence for the help.
        example: arguments that may follow the name, for the help.
        group: what a person wants who runs it.
    """

    name: str
    run: Callable[[argparse.Namespace], int | None]
    add_options: Callable[[argparse.ArgumentParser], None]
    purpose: str
    example: str
    group: Group
