"""The `rgmp` command: parse, dispatch, and turn a user error into one line and status 2.

Commands import their own dependencies, so a job that does not need torch does not load it.
"""

import argparse
import errno
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from rgmp import __version__
from rgmp.cli import (
    agree,
    archive,
    bounds,
    check,
    check_masks,
    compare,
    cross_check,
    download,
    evaluate,
    expect,
    infer,
    mini,
    pack,
    plan,
    power,
    report,
    score,
    train,
)
from rgmp.cli.complaints import complain, is_lost, say
from rgmp.errors import ProblemsError, UserError
from rgmp.runtime.signals import receive_signals

COMMANDS = (
    *download.COMMANDS,
    *plan.COMMANDS,
    *mini.COMMANDS,
    *check.COMMANDS,
    *check_masks.COMMANDS,
    *train.COMMANDS,
    *infer.COMMANDS,
    *evaluate.COMMANDS,
    *score.COMMANDS,
    *bounds.COMMANDS,
    *cross_check.COMMANDS,
    *archive.COMMANDS,
    *compare.COMMANDS,
    *report.COMMANDS,
    *agree.COMMANDS,
    *power.COMMANDS,
    *expect.COMMANDS,
    *pack.COMMANDS,
)
"""Every command, in the order of the help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is the command's, by default 0, or 2 on a user error.

    Also 2 if its output or a message on standard error cannot be written; 141, silently, if the
    pipe it prints to is closed, as for a command that SIGPIPE ends; 130 if it is interrupted.
    """
    receive_signals()
    try:
        try:
            _require_unicode(sys.argv[1:] if arguments is None else arguments)
            options = build_parser().parse_args(arguments)
            status: int | None = options.run(options)
        finally:
            print(end="", flush=True)  # here, where an error can still be reported, not at exit
    except ProblemsError as error:
        return complain(*error.problems, most=error.most)
    except UserError as error:
        return complain(str(error))
    except KeyboardInterrupt:
        say("rgmp: interrupted")
        return 128 + signal.SIGINT
    except OSError as error:
        failed = _status_of(error)
        if failed is None:
            raise
        return failed
    return status or 0


def _status_of(error: OSError) -> int | None:
    """The exit status if an error comes from the user's environment, after its message; or None."""
    if error.errno == errno.ENAMETOOLONG:  # only a command-line path can be
        return complain(f"{error.filename}: path too long; name a shorter one")
    if not is_lost(sys.stdout):
        lost = sys.stderr is not None and is_lost(sys.stderr)
        return 2 if lost else None
    if error.errno == errno.EPIPE:
        return 128 + signal.SIGPIPE
    return complain(f"standard output: cannot be written ({error.strerror}); free some space")


def _require_unicode(arguments: Sequence[str]) -> None:
    """Reject arguments that no table, record or message could contain.

    Raises:
        UserError: an argument is not UTF-8.
    """
    for text in arguments:
        if not text.isascii() and text.encode(errors="replace").decode() != text:
            raise UserError(f"{text}: not a UTF-8 name; rename it")


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see `{self.prog} --help`")


def build_parser() -> argparse.ArgumentParser:
    """The parser of `rgmp`; the parsed options have the command's function as `run`."""
    parser = _Parser(prog="rgmp", description="RGMP, reproduced: benchmark and ablation harness.")
    parser.add_argument("--version", action="version", version=f"rgmp {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        own = commands.add_parser(
            command.name,
            help=command.purpose,
            description=command.purpose,
            epilog=f"Example: rgmp {command.name} {command.example}",
        )
        own.set_defaults(run=command.run)
        command.add_options(own)
    return parser
