"""`rgmp power`: what a study of some seeds and sequences can find."""

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
        help="folder of a study with tables, whose measured variation is used; or a study file, "
        "for which that of the reference is",
    )
    for name, what in (
        ("seeds", "how many seeds"),
        (
            "sequences",
            "with how many sequences; where a figure recurs in several: how many figures",
        ),
    ):
        command.add_argument(
            f"--{name}",
            type=at_least(2, _MOST),
            nargs="+",
            help=f"{what} (default: as many as the study has)",
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
        "Print the smallest difference of J&F that studies of some sizes find with a power of 0.8.",
        "results/mini --seeds 3 5 8 --sequences 20 60",
    ),
)
