"""`rgmp selftest`: what a device does to results, and what it makes of them, in minutes."""

import argparse
from pathlib import Path
from typing import get_args

from rgmp.cli.command import Command
from rgmp.cli.options import at_least
from rgmp.config.study import Device
from rgmp.selftest.sections import SECTIONS, named

_ONLY_IF_NAMED = ", ".join(section.name for section in SECTIONS if section.only_if_named)


def _selftest_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--out", type=Path, metavar="FOLDER", required=True, help="folder for the results"
    )
    command.add_argument(
        "--device",
        choices=get_args(Device),
        default="auto",
        help="what is tested (default: auto, a GPU if there is one)",
    )
    command.add_argument(
        "--minutes",
        type=at_least(1, 10**4),
        default=9,
        help="how long it may take in all; what does not fit is left out, and named (default: 9)",
    )
    command.add_argument(
        "--only",
        nargs="+",
        metavar="SECTION",
        choices=[section.name for section in SECTIONS],
        help="sections to run, also if an earlier run in the folder finished them (default: all "
        f"that none did, without {_ONLY_IF_NAMED}): {', '.join(s.name for s in SECTIONS)}",
    )
    command.add_argument(
        "--davis",
        type=Path,
        help="root of a DAVIS tree: three of its sequences are segmented, too",
    )


def _selftest(options: argparse.Namespace) -> int:
    """Status 1 where a limit does not hold, a section failed, or the time did not suffice."""
    from rgmp.selftest.run import Asked, run

    asked = Asked(
        device=options.device,
        folder=options.out,
        minutes=options.minutes,
        sections=named(options.only),
        renews=options.only is not None,
        davis=options.davis,
    )
    return 0 if run(asked).all_hold else 1


COMMANDS = (
    Command(
        "selftest",
        _selftest,
        _selftest_options,
        "Test this machine's GPU, or its CPU: same labels, memory, determinism. Status 1 if a "
        "limit does not hold.",
        "--device cuda --out selftest",
        "try",
    ),
)
