"""A user's mistakes, each a line on standard error."""

import sys

from rgmp.errors import UserError


def complain(message: str) -> int:
    """Print one of the user's mistakes; gives the exit status that it means, 2."""
    print(f"rgmp: {UserError(message)}", file=sys.stderr)
    return 2


def refuse(problems: list[str]) -> None:
    """Stop where something is wrong, naming each of the files once.

    Raises:
        UserError: the last of the problems; those before are printed.
    """
    *others, last = dict.fromkeys(problems) or [""]
    for problem in others:
        complain(problem)
    if last:
        raise UserError(f"{last} ({len(others) + 1} problems in all)" if others else last)
