"""A user's mistakes, each a line on standard error."""

import os
import sys
from typing import TextIO

from rgmp.errors import UserError

_MOST = 20
"""Problems that are named one by one; a wrong root has thousands of the same."""


def complain(message: str) -> int:
    """Print one of the user's mistakes; gives the exit status that it means, 2.

    The status says so even where the line cannot be written.
    """
    say(f"rgmp: {UserError(message)}")
    return 2


def say(line: str) -> None:
    """Print a line on standard error, unless it is closed or takes nothing."""
    if sys.stderr is not None:  # print would take standard output instead
        try:
            print(line, file=sys.stderr, flush=True)
        except OSError:
            drop(sys.stderr)


def is_lost(stream: TextIO) -> bool:
    """Whether a stream takes nothing; what is still to be written there is dropped then."""
    try:
        print(file=stream, flush=True)
    except OSError:
        drop(stream)
        return True
    return False


def drop(stream: TextIO) -> None:
    """Lead a stream nowhere: what it holds back would fail, and change the status, at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def refuse(problems: list[str]) -> None:
    """Stop where something is wrong, naming each of the files once, and at most 20 of them.

    Raises:
        UserError: the last of the problems; those before are printed.
    """
    different = list(dict.fromkeys(problems))
    if not different:
        return
    *others, last = different[:_MOST]
    for problem in others:
        complain(problem)
    more = len(different) - _MOST
    if more > 0:
        last = f"{last} (and {more} more, {len(different)} problems in all)"
    elif others:
        last = f"{last} ({len(different)} problems in all)"
    raise UserError(last)
