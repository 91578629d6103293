"""`rgmp check`: decode every file that a study reads."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from rgmp.cli.command import Command
from rgmp.cli.complaints import refuse
from rgmp.cli.options import add_record, add_resolution
from rgmp.cli.recording import recording
from rgmp.config.base import BENCHMARKS, RESOLUTION, Benchmark
from rgmp.config.load import validated
from rgmp.config.method import Network
from rgmp.config.study import Stills
from rgmp.data import davis
from rgmp.errors import UserError
from rgmp.runtime import files


def _check_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("davis", type=Path, nargs="?", help="root of a DAVIS tree")
    command.add_argument("--benchmark", choices=BENCHMARKS, default="davis2017")
    command.add_argument(
        "--split",
        nargs="+",
        default=["val"],
        help="splits of --benchmark, or of another as in davis2016/val",
    )
    add_resolution(command, default=RESOLUTION)
    command.add_argument(
        "--stills",
        nargs="+",
        action="append",
        default=[],
        metavar="IMAGES MASKS [LABELS [NAMES]]",
        help="folders of stills and their masks, as in data.stills of a study; repeatable",
    )
    command.add_argument(
        "--weights",
        nargs=2,
        action="append",
        default=[],
        metavar=("FILE", "BACKBONE"),
        help="ImageNet weights and their backbone, such as resnet50.pth resnet50; repeatable",
    )
    command.add_argument(
        "--network",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a trained network: an rgmp file or the authors' release; repeatable",
    )
    add_record(command)


def _check(options: argparse.Namespace) -> None:
    if not (options.davis or options.stills or options.weights or options.network):
        raise UserError("nothing to check: name a DAVIS tree, --stills, --weights or --network")
    chosen = options.split if options.davis else []
    splits = [_split_of(text, options.benchmark) for text in chosen]
    with recording(options.record, "check") as record:
        problems: list[str] = []
        for benchmark, split in splits:
            problems += davis.problems(options.davis, benchmark, split, options.resolution)
        stills, wrong = _stills(options.stills)
        weights = _weights_problems(options.weights, options.network)
        refuse([*problems, *wrong, *weights])
        paths = {*stills, *(Path(path) for path, _ in options.weights), *options.network}
        for benchmark, split in splits:
            names = davis.read_split(options.davis, benchmark, split)
            paths.update(davis.sequence_paths(options.davis, names, options.resolution))
            record.results[f"{benchmark}/{split}"] = len(names)
        record.results["stills"] = len(stills) // 2
        record.inputs["data"] = files.digest_of_all(sorted(paths))
        print(f"{len(paths)} files, no problems found")


def _split_of(text: str, benchmark: Benchmark) -> tuple[Benchmark, str]:
    """Parse `val` (of the given benchmark) or `davis2017/val`."""
    named, _, split = text.rpartition("/")
    chosen = next((b for b in BENCHMARKS if b == (named or benchmark)), None)
    if chosen is None:
        allowed = ", ".join(BENCHMARKS)
        raise UserError(f"--split {text}: unknown benchmark {named}; allowed: {allowed}")
    return chosen, split


def _stills(given: list[list[str]]) -> tuple[list[Path], list[str]]:
    """The files of all stills and their masks, and the problems found in them."""
    if not given:
        return [], []
    from rgmp.data import decoding

    try:
        stills = decoding.find_stills(_sets_of_stills(given))
    except UserError as error:
        return [], [str(error)]
    paths = [path for still in stills for path in (still.image, still.mask)]
    return paths, list(decoding.problems_of(stills))


def _sets_of_stills(given: list[list[str]]) -> list[Stills]:
    """Parse `--stills` into the sets that a study's `data.stills` would give.

    Raises:
        UserError: a set has too few or too many values, or an invalid one.
    """
    keys = list(Stills.model_fields)
    for values in given:
        if not 2 <= len(values) <= len(keys):
            raise UserError(
                f"--stills {' '.join(values)}: expected 2 to 4 values: {', '.join(keys)}"
            )
    named = [dict(zip(keys, values, strict=False)) for values in given]
    return [validated(Stills, values, Path("--stills")) for values in named]


def _weights_problems(initial: list[list[str]], networks: list[Path]) -> Iterator[str]:
    """Problems of the encoders' ImageNet weights and of trained networks."""
    if not initial and not networks:
        return
    from rgmp.model import weights

    for file, backbone in initial:
        try:
            settings = validated(Network, {"backbone": backbone}, Path("--weights"))
        except UserError as error:
            yield str(error)
        else:
            yield from weights.problems_of_imagenet(Path(file), settings)
    for path in networks:
        yield from weights.problems_of(path)


COMMANDS = (
    Command(
        "check",
        _check,
        _check_options,
        "Decode every file that a study reads and report problems.",
        "data/DAVIS --benchmark davis2017 --split train val",
    ),
)
