"""User errors, warnings and notes, one line each on standard error."""

import os
import sys
from typing import TextIO

from rgmp.errors import MOST, UserError


def complain(*problems: str, most: int = MOST) -> int:
    """Print user errors, a line each and at most some of them, and return the exit status, 2.

    That is also the status if the lines cannot be written.
    """
    *others, last = problems[:most]
    more = len(problems) - most
    if more > 0:
        last = f"{last} (and {more} more, {len(problems)} problems in all)"
    elif others:
        last = f"{last} ({len(problems)} problems in all)"
    for problem in (*others, last):
        say(f"rgmp: {UserError(problem)}")
    return 2


def note(text: str) -> None:
    """Print on standard error what the user may want to know; nothing has to be done about it."""
    say(f"rgmp: note: {UserError(text)}")


def warn(text: str) -> None:
    """Print on standard error what is likely a mistake, though it is accepted."""
    say(f"rgmp: warning: {UserError(text)}")


def say(line: str) -> None:
    """Print a line on standard error, unless that is closed or cannot be written."""
    if sys.stderr is not None:  # print would use standard output instead
        try:
            print(line, file=sys.stderr, flush=True)
        except OSError:
            drop(sys.stderr)


def is_lost(stream: TextIO) -> bool:
    """Whether a stream fails; if so, what is still buffered for it is dropped."""
    try:
        print(file=stream, flush=True)
    except OSError:
        drop(stream)
        return True
    return False


def drop(stream: TextIO) -> None:
    """Discard a stream: flushing its buffer at exit would fail and change the exit status."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
