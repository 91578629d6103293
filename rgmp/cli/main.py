"""The `rgmp` command: parse, dispatch, and turn a user error into one line and status 2.

Commands import their own dependencies, so a job that does not need torch does not load it.
"""

import argparse
import atexit
import errno
import gc
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

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
    selftest,
    show,
    train,
)
from rgmp.cli.command import GROUPS
from rgmp.cli.complaints import complain, is_lost, say
from rgmp.errors import ProblemsError, UserError, nearest, shown
from rgmp.runtime.progress import Progress
from rgmp.runtime.signals import receive_signals

_EVERY = (
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
    *show.COMMANDS,
    *report.COMMANDS,
    *agree.COMMANDS,
    *power.COMMANDS,
    *expect.COMMANDS,
    *pack.COMMANDS,
    *selftest.COMMANDS,
)
COMMANDS = tuple(command for group in GROUPS for command in _EVERY if command.group == group)
"""Every command, in the order of the help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is the command's, by default 0, or 2 on a user error.

    Also 2 if its output or a message on standard error cannot be written; 141, silently, if the
    pipe it prints to is closed, as for a command that SIGPIPE ends; 130 if it is interrupted.
    """
    receive_signals()
    atexit.register(gc.freeze)  # to collect all of torch as it ends takes a process half a second
    try:
        try:
            _require_unicode(sys.argv[1:] if arguments is None else arguments)
            options = _parsed(arguments)
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


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, but for the one that the command does not need to know."""
    parser = build_parser()
    if "_ARGCOMPLETE" in os.environ:  # the shell asks for what may follow
        from argcomplete import autocomplete

        autocomplete(parser)
    options = parser.parse_args(arguments)
    Progress.silent = vars(options).pop("quiet")
    return options


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with the nearest name for a mistyped one."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            names = [*map(str, action.choices)]
            raise argparse.ArgumentError(
                action,
                f"{shown(value)} is not allowed; allowed: {', '.join(names)}"
                f"{nearest(str(value), names)}",
            )

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see `{self.prog} --help`")


def build_parser() -> argparse.ArgumentParser:
    """The parser of `rgmp`; the parsed options have the command's function as `run`."""
    parser = _Parser(
        prog="rgmp",
        usage="rgmp [--help] [--version] COMMAND ...",
        description="RGMP, reproduced: benchmark and ablation harness.",
        epilog="\n".join(_overview()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"rgmp {__version__}")
    commands = parser.add_subparsers(
        metavar="COMMAND", required=True, prog="rgmp", help="one of those below"
    )
    for command in COMMANDS:
        own = commands.add_parser(
            command.name,
            description=command.purpose,
            epilog=f"Example: rgmp {command.name} {command.example}",
        )
        own.set_defaults(run=command.run)
        command.add_options(own)
        own.add_argument("--quiet", action="store_true", help="show no progress")
    return parser


def _overview() -> Iterator[str]:
    """The commands by what a person wants, each with its purpose, and an example of each group."""
    width = shutil.get_terminal_size().columns - 2
    for group, heading in GROUPS.items():
        of_group = [command for command in COMMANDS if command.group == group]
        yield f"{heading}:"
        for command in of_group:
            yield from textwrap.wrap(
                command.purpose,
                width,
                initial_indent=f"    {command.name:12} ",
                subsequent_indent=" " * 17,
            )
        shortest = min(of_group, key=lambda command: len(command.example))
        yield f"  Example: rgmp {shortest.name} {shortest.example}"
        yield ""
    yield "Options of a command, and an example: rgmp COMMAND --help"
    yield 'Completion by TAB, in bash or zsh: eval "$(register-python-argcomplete rgmp)"'
