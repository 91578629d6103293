"""Options that several commands share, and how they are read."""

import argparse
from argparse import SUPPRESS
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from rgmp.config.base import AT_ONCE, BENCHMARKS, NAME, SEED
from rgmp.config.dataset import of_two_folders
from rgmp.config.load import load_dataset
from rgmp.data.videos import Videos
from rgmp.errors import UserError, shown

COMMAND_LINE = Path("command line")
"""Named instead of a file in errors about a flag."""


def at_least(least: int, most: int = 10**9) -> Callable[[str], int]:
    """An argparse type: an integer from `least` to `most`."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"{shown(text)} is not allowed; allowed: a whole number from {least} to {most}"
            )
        return value

    return number


def per_cent(text: str) -> float:
    """An argparse type: a figure such as J&F in per cent, from 0 to 100."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(
            f"{shown(text)} is not allowed; allowed: per cent, from 0 to 100"
        )
    return value


def add_job(
    command: argparse.ArgumentParser, example: str, needed: tuple[str, ...]
) -> argparse._ArgumentGroup:
    """Add the arguments that name a planned job, and a group for the flags of any other job.

    The flags have no defaults here: those not given are absent from the options, and the typed job
    supplies their defaults.

    Args:
        command: the parser to extend.
        example: a job's name, for the help.
        needed: flags required without a planned job; `--a or --b` if either will do.
    """
    command.add_argument(
        "results", type=Path, nargs="?", help="folder of a study, such as results/mini"
    )
    command.add_argument("job", nargs="?", help=f"job of that study, such as {example}")
    return add_flags(command, needed, "without a study")


def add_flags(
    command: argparse.ArgumentParser, needed: tuple[str, ...], title: str = "options of the job"
) -> argparse._ArgumentGroup:
    """Add a group for the flags that describe a job; see `add_job`."""
    command.set_defaults(needed=needed)
    return command.add_argument_group(
        title, f"required: {', '.join(needed)}", argument_default=SUPPRESS
    )


def require_flags(options: argparse.Namespace, otherwise: str = "") -> None:
    """Check that the flags that describe a job are given.

    Args:
        options: parsed by a command with `add_flags`.
        otherwise: what else can be given, for the message.

    Raises:
        UserError: some are not.
    """
    given = flags_given(options, {"needed"})
    missing = [flag for flag in options.needed if not given & {*flag.split(" or ")}]
    if missing:
        raise UserError(f"missing {', '.join(missing)}; give them{otherwise}")


def names_a_job(options: argparse.Namespace, beside: Collection[str] = ()) -> bool:
    """Whether a job of a study is named, rather than described by flags.

    Args:
        options: parsed by a command with `add_job`.
        beside: keys of options allowed with either.

    Raises:
        UserError: both are given, or neither completely.
    """
    if options.results is None:
        require_flags(options, ", or name a study folder and a job")
        return False
    refuse_flags(flags_given(options, {"needed", "results", "job", *beside}), options.results)
    if options.job is None:
        raise UserError(f"{options.results}: missing the job of this study; see --help")
    return True


def flags_given(options: argparse.Namespace, others: Collection[str]) -> set[str]:
    """The flags given to a command whose flags have no defaults.

    Args:
        options: the parsed options.
        others: keys of options that do not count as flags.
    """
    keys = vars(options).keys() - {"run", *others}
    return {f"--{key.replace('_', '-')}" for key in keys}


def refuse_flags(given: Collection[str], results: Path) -> None:
    """Refuse flags given together with a job of the study in `results`.

    Raises:
        UserError: there are such flags.
    """
    if given:
        raise UserError(
            f"{results}: a job of a study takes its settings from the study; "
            f"leave out {', '.join(sorted(given))}, or the job"
        )


def given_of(options: argparse.Namespace, keys: Iterable[str]) -> dict[str, Any]:
    """The options among `keys` that were given on the command line."""
    return {key: getattr(options, key) for key in keys if hasattr(options, key)}


def default_of(model: type[BaseModel], key: str) -> str:
    """The model's default for a flag, as the help shows it."""
    value = model.model_fields[key].default
    values = value if isinstance(value, tuple) else (value,)
    return f"default: {' '.join(map(str, values))}"


def add_videos(flags: argparse._ArgumentGroup) -> None:
    """Options that choose a data set and its videos."""
    flags.add_argument(
        "--davis", "--root", type=Path, help="root of a DAVIS tree, or of the set of --dataset"
    )
    flags.add_argument(
        "--benchmark",
        choices=BENCHMARKS,
        help="what counts as an object; davis2016: the foreground, davis2017: each object",
    )
    add_dataset(flags)
    flags.add_argument("--split", help=f"split, such as test-dev ({default_of(Videos, 'split')})")
    add_resolution(flags)
    flags.add_argument("--sequences", nargs="+", help="subset of the split (default: all)")


def add_dataset(flags: argparse._ArgumentGroup) -> None:
    """The option for a data set that is not DAVIS."""
    flags.add_argument(
        "--dataset",
        type=Path,
        metavar="FILE.yaml",
        help="in place of --benchmark: the description of another data set, such as "
        "workflow/config/datasets/youtube_vos.yaml; tables have its name",
    )


def add_truth(flags: argparse._ArgumentGroup) -> None:
    """The option for annotations without a data set around them."""
    flags.add_argument(
        "--truth",
        type=Path,
        metavar="FOLDER",
        help="in place of --davis: a folder of annotations alone, <sequence>/00000.png ..., read "
        "as those of --benchmark (default: davis2017), but that objects are the ids that frame 0 "
        "shows, which may skip numbers; --davis has 1 to the largest",
    )


def videos_of(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of `Videos` given by the flags.

    Raises:
        UserError: flags that do not go together, or a description that cannot be read.
    """
    given = given_of(options, Videos.model_fields)
    if hasattr(options, "truth"):
        _refuse_beside("--truth", given, ("davis", "dataset", "split", "resolution"))
        benchmark = given.get("benchmark", "davis2017")
        dataset = of_two_folders(benchmark)
        return {**given, "davis": options.truth, "benchmark": benchmark, "dataset": dataset}
    if "dataset" in given:
        _refuse_beside("--dataset", given, ("benchmark",))
        return {**given, **described_by(options.dataset)}
    return given


def _refuse_beside(flag: str, given: Collection[str], others: Iterable[str]) -> None:
    if beside := [f"--{other}" for other in others if other in given]:
        raise UserError(f"{flag}: says the same as {', '.join(beside)}; give one of them")


def described_by(path: Path) -> dict[str, Any]:
    """The fields of `Videos` that the description of a data set gives: it, and its name.

    Raises:
        UserError: it cannot be read, or its file's name is none for a data set.
    """
    if not NAME.fullmatch(path.stem) or path.stem in BENCHMARKS:
        raise UserError(
            f"{path}: tables name the data set after this file; allowed: a-z 0-9 _, and neither "
            f"{' nor '.join(BENCHMARKS)}; rename it"
        )
    return {"benchmark": path.stem, "dataset": load_dataset(path)}


def add_resolution(flags: argparse._ArgumentGroup) -> None:
    """The option for the resolution folder under JPEGImages and Annotations."""
    flags.add_argument("--resolution", help=default_of(Videos, "resolution"))


def add_processes(command: argparse._ActionsContainer) -> None:
    """The option for how many processes share the frames; it has a default."""
    command.add_argument(
        "--processes",
        type=at_least(1, AT_ONCE),
        default=1,
        help="processes that share the frames (default: 1)",
    )


def add_names(flags: argparse._ArgumentGroup, seed: str) -> None:
    """Options for the names in rows and record; `seed` is the default that the help shows."""
    flags.add_argument("--variant", help="variant name for the rows and the record")
    flags.add_argument(
        "--seed", type=at_least(0, SEED), help=f"seed of the training run (default: {seed})"
    )
    add_record(flags)


def add_record(command: argparse._ActionsContainer) -> None:
    """The option for the command's record; see `rgmp.provenance.command`."""
    command.add_argument(
        "--record", type=Path, metavar="FILE.json", help="write a provenance record"
    )
