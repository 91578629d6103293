"""`rgmp agree`: whether two finished studies come to the same conclusions."""

import argparse
from pathlib import Path

from rgmp.cli.command import Command
from rgmp.errors import visible


def _agree_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "a", metavar="A", type=Path, help="folder of a study, such as results/mini"
    )
    command.add_argument("b", metavar="B", type=Path, help="folder of another run of that study")


def _agree(options: argparse.Namespace) -> int:
    """Status 1 where they contradict each other: a reversed verdict or a rejected difference."""
    from rgmp.reporting.agreement import agreement

    found = agreement(options.a, options.b)
    for line in found.text.splitlines():
        print(visible(line))
    return 1 if found.contradictions else 0


COMMANDS = (
    Command(
        "agree",
        _agree,
        _agree_options,
        "Compare two finished studies: the same bits, the same conclusions? Status 1 if a verdict "
        "is reversed or a difference rejected.",
        "results/mini results/reference/mini",
        "compare",
    ),
)
