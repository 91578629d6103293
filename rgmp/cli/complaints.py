"""User errors, one line each on standard error."""

import sys

from rgmp.errors import UserError


def complain(message: str) -> int:
    """Print a user error and return its exit status, 2."""
    print(f"rgmp: {UserError(message)}", file=sys.stderr)
    return 2


def refuse(problems: list[str]) -> None:
    """Stop if there are problems, reporting each of them once.

    Raises:
        UserError: the last problem; the ones before it are printed.
    """
    *others, last = dict.fromkeys(problems) or [""]
    for problem in others:
        complain(problem)
    if last:
        raise UserError(f"{last} ({len(others) + 1} problems in all)" if others else last)
