"""Options that several commands share, and what they choose."""

import argparse
from argparse import SUPPRESS
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from rgmp.config.base import BENCHMARKS, SEED
from rgmp.data.videos import Videos
from rgmp.errors import UserError

COMMAND_LINE = Path("command line")
"""What a complaint about a flag names in the place of a file."""


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


def add_job(
    command: argparse.ArgumentParser, example: str, needed: tuple[str, ...]
) -> argparse._ArgumentGroup:
    """A job of a study, whose plan knows it; or else the flags of the group that is returned.

    These have no defaults here: what is not given is not among the options, and the typed job knows
    what it is then.

    Args:
        command: gets the two.
        example: of a job's name.
        needed: flags without which there is no job: `--a or --b` where one of two will do.
    """
    command.add_argument(
        "results", type=Path, nargs="?", help="folder of a study, such as results/mini"
    )
    command.add_argument("job", nargs="?", help=f"of that study, such as {example}")
    command.set_defaults(needed=needed)
    return command.add_argument_group(
        "without a study", f"needed are {', '.join(needed)}", argument_default=SUPPRESS
    )


def names_a_job(options: argparse.Namespace, beside: Collection[str] = ()) -> bool:
    """Whether a study's job is named, and not the flags of one that is in no study.

    Args:
        options: of a command with `add_job`.
        beside: keys of what may be given with either.

    Raises:
        UserError: both are given, or neither whole.
    """
    given = flags_given(options, {"needed", "results", "job", *beside})
    if options.results is None:
        missing = [flag for flag in options.needed if not given & {*flag.split(" or ")}]
        if missing:
            raise UserError(f"name a study's folder and job, or give {', '.join(missing)}")
        return False
    refuse_flags(given, options.results)
    if options.job is None:
        raise UserError(f"{options.results}: name a job of this study too; see --help")
    return True


def flags_given(options: argparse.Namespace, others: Collection[str]) -> set[str]:
    """The flags that were given, of a command where they have no defaults.

    Args:
        options: of the command.
        others: keys that are no such flag's.
    """
    keys = vars(options).keys() - {"run", *others}
    return {f"--{key.replace('_', '-')}" for key in keys}


def refuse_flags(given: Collection[str], results: Path) -> None:
    """Refuse flags beside a job of the study in `results`.

    Raises:
        UserError: there are some.
    """
    if given:
        raise UserError(
            f"{results}: a study's job has its settings from the study; "
            f"leave out {', '.join(sorted(given))}, or the job"
        )


def given_of(options: argparse.Namespace, keys: Iterable[str]) -> dict[str, Any]:
    """Those of the keys that were given on the command line."""
    return {key: getattr(options, key) for key in keys if hasattr(options, key)}


def default_of(model: type[BaseModel], key: str) -> str:
    """What a model takes where a flag is not given, as the help says it."""
    value = model.model_fields[key].default
    values = value if isinstance(value, tuple) else (value,)
    return f"default: {' '.join(map(str, values))}"


def add_videos(flags: argparse._ArgumentGroup) -> None:
    """Which frames of which tree."""
    flags.add_argument("--davis", type=Path, help="root of a DAVIS tree")
    flags.add_argument("--benchmark", choices=BENCHMARKS)
    flags.add_argument("--split", help=f"such as test-dev ({default_of(Videos, 'split')})")
    add_resolution(flags)
    flags.add_argument("--sequences", nargs="+", help="some of the split's (default: all)")


def videos_of(options: argparse.Namespace) -> dict[str, Any]:
    """What the flags say of the frames, as `Videos` takes it."""
    return given_of(options, Videos.model_fields)


def add_resolution(flags: argparse._ArgumentGroup) -> None:
    """Which folder of the tree's frames and annotations."""
    flags.add_argument("--resolution", help=default_of(Videos, "resolution"))


def add_names(flags: argparse._ArgumentGroup, seed: str) -> None:
    """What rows and the record name; `seed` says which one where none is given."""
    flags.add_argument("--variant", help="named in the rows and in the record")
    flags.add_argument("--seed", type=at_least(0, SEED), help=f"of the training (default: {seed})")
    add_record(flags)


def add_record(command: argparse._ActionsContainer) -> None:
    """Where the command's record is to be written; see `rgmp.cli.recording`."""
    command.add_argument("--record", type=Path, metavar="FILE.json", help="write provenance there")
