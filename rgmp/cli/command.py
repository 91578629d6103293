"""The description of one `rgmp` command."""

import argparse
from collections.abc import Callable
from typing import NamedTuple


class Command(NamedTuple):
    """A command as the parser needs it; each module of this package lists its own.

    Attributes:
        name: what follows `rgmp` on the command line.
        run: runs it with the parsed options; returns its exit status if that is not always 0.
        add_options: declares its options.
        purpose: one sentence for the help.
        example: arguments that may follow the name, for the help.
    """

    name: str
    run: Callable[[argparse.Namespace], int | None]
    add_options: Callable[[argparse.ArgumentParser], None]
    purpose: str
    example: str
