"""`rgmp show`: what came of a study."""

import argparse
import sys
from pathlib import Path

from rgmp.cli.command import Command
from rgmp.runtime.terminal import screen_of


def _show_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("results", type=Path, help="folder of a study, such as results/mini")


def _show(options: argparse.Namespace) -> None:
    from rgmp.reporting.outcome import outcome

    for line in outcome(options.results, screen_of(sys.stdout)):
        print(line)


COMMANDS = (
    Command(
        "show",
        _show,
        _show_options,
        "Print a study's ablation table, its claims, and where its report is.",
        "results/mini",
        "look",
    ),
)
