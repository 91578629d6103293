"""`rgmp power`: the differences that a study of a given size detects."""

import argparse
from pathlib import Path

from rgmp.cli.command import Command
from rgmp.cli.options import at_least
from rgmp.errors import visible

_MOST = 10**6


def _power_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "measured",
        metavar="STUDY|RESULTS",
        type=Path,
        help="folder of a finished study, whose measured variation is used; or a study file, for "
        "which the variation of the reference results is used",
    )
    for name, what in (
        ("seeds", "numbers of seeds"),
        ("sequences", "numbers of sequences, or of figures where these recur in several"),
    ):
        command.add_argument(
            f"--{name}",
            type=at_least(2, _MOST),
            nargs="+",
            help=f"{what} to plan for (default: as many as the study has)",
        )


def _power(options: argparse.Namespace) -> None:
    from rgmp.reporting.power import power

    for line in power(options.measured, options.seeds, options.sequences).splitlines():
        print(visible(line))


COMMANDS = (
    Command(
        "power",
        _power,
        _power_options,
        "Print the smallest difference of J&F that a study of a given size detects with power 0.8.",
        "results/mini --seeds 3 5 8 --sequences 20 60",
        "compare",
    ),
)
