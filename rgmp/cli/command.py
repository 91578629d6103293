"""What a command of `rgmp` is."""

import argparse
from collections.abc import Callable
from typing import NamedTuple


class Command(NamedTuple):
    """A command as the parser needs it; each module of this room lists its own.

    Attributes:
        name: that follows `rgmp`.
        run: does it, with the options that were parsed.
        add_options: declares the options.
        purpose: one sentence, for the help.
        example: what may follow the name, for the help.
    """

    name: str
    run: Callable[[argparse.Namespace], None]
    add_options: Callable[[argparse.ArgumentParser], None]
    purpose: str
    example: str
