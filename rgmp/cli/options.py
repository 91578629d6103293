"""Options that several commands share, and what they choose."""

import argparse
from collections.abc import Callable
from pathlib import Path

from rgmp.config.base import BENCHMARKS, RESOLUTION, SEED
from rgmp.data import davis
from rgmp.errors import UserError


def at_least(least: int, most: int = 10**9) -> Callable[[str], int]:
    """The type of an option that is a whole number from `least` to `most`."""

    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is less than {least}")
        if value > most:
            raise argparse.ArgumentTypeError(f"{value} is more than {most}")
        return value

    return number


def add_davis(command: argparse.ArgumentParser) -> None:
    """Which frames of which tree."""
    command.add_argument("--davis", type=Path, required=True, help="root of a DAVIS tree")
    command.add_argument("--benchmark", choices=BENCHMARKS, required=True)
    command.add_argument("--split", default="val", help="such as val (default)")
    add_resolution(command)


def add_resolution(command: argparse.ArgumentParser) -> None:
    """Which folder of the tree's frames and annotations."""
    command.add_argument("--resolution", default=RESOLUTION, help=f"default: {RESOLUTION}")


def add_job(command: argparse.ArgumentParser, seed: int | None = 0) -> None:
    """Which row of a study this is."""
    command.add_argument("--variant", help="named in the rows and in the record")
    command.add_argument(
        "--seed",
        type=at_least(0, SEED),
        default=seed,
        help=f"of the training (default: {'none' if seed is None else seed})",
    )
    add_record(command)


def add_record(command: argparse.ArgumentParser) -> None:
    """Where the command's record is to be written; see `rgmp.cli.recording`."""
    command.add_argument("--record", type=Path, metavar="FILE.json", help="write provenance there")


def chosen_sequences(options: argparse.Namespace) -> list[davis.Sequence]:
    """The sequences that are asked for.

    Raises:
        UserError: one is not of the split, or its files are not there.
    """
    split = davis.read_split(options.davis, options.benchmark, options.split)
    for name in options.sequences or []:
        if name not in split:
            raise UserError(
                f"--sequences {name}: not in {options.split} of {options.benchmark}; "
                f"allowed: {', '.join(split)}"
            )
    wanted = [name for name in split if options.sequences is None or name in options.sequences]
    return [davis.open_sequence(options.davis, name, options.resolution) for name in wanted]
