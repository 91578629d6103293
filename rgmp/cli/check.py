"""`rgmp check`: decode every file that a study reads."""

import argparse
from argparse import SUPPRESS
from collections.abc import Iterator, Mapping
from pathlib import Path

from rgmp.cli.command import Command
from rgmp.cli.complaints import note
from rgmp.cli.options import (
    COMMAND_LINE,
    add_dataset,
    add_record,
    add_resolution,
    default_of,
    described_by,
    flags_given,
    given_of,
    refuse_flags,
)
from rgmp.config.base import BENCHMARKS, Benchmark
from rgmp.config.load import validated
from rgmp.config.method import Network
from rgmp.config.study import Stills
from rgmp.data import manifest
from rgmp.data.check import Checked, check_videos
from rgmp.data.job import CheckJob
from rgmp.data.manifest import Manifest
from rgmp.data.videos import Videos
from rgmp.errors import ProblemsError, UserError, refuse, shown
from rgmp.provenance.command import record_command
from rgmp.runtime import digest_cache, files
from rgmp.runtime.digest_cache import Digests
from rgmp.runtime.quantities import counted
from rgmp.study import layout
from rgmp.study.plan import load_plan


def _check_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "root",
        type=Path,
        nargs="?",
        help="folder of a study, such as results/mini, or root of a DAVIS tree or of the set of "
        "--dataset",
    )
    command.add_argument(
        "part", nargs="?", help="part of that study's data, such as davis2017/val or stills"
    )
    flags = command.add_argument_group("without a study", argument_default=SUPPRESS)
    flags.add_argument("--benchmark", choices=BENCHMARKS, help="default: davis2017")
    add_dataset(flags)
    flags.add_argument(
        "--split",
        nargs="+",
        help="splits of --benchmark, or of another as in davis2016/val "
        f"({default_of(Videos, 'split')})",
    )
    add_resolution(flags)
    flags.add_argument(
        "--stills",
        nargs="+",
        action="append",
        metavar="IMAGES MASKS [LABELS [NAMES]]",
        help="folders of stills and their masks, as in data.stills of a study; repeatable",
    )
    flags.add_argument(
        "--weights",
        nargs=2,
        action="append",
        metavar=("FILE", "BACKBONE"),
        help="ImageNet weights and their backbone, such as resnet50.pth resnet50; repeatable",
    )
    flags.add_argument(
        "--network",
        type=Path,
        action="append",
        metavar="FILE",
        help="a trained network: an rgmp file or the authors' release; repeatable",
    )
    add_record(flags)


def _check(options: argparse.Namespace) -> None:
    job = _job(options)
    # outside a study there is no place to keep digests
    kept = options.root.parent / digest_cache.FILE if options.part is not None else None
    digests = Digests(kept)
    with record_command(job.record, "check") as record:
        checked = {f"{one.benchmark}/{one.split}": check_videos(one) for one in job.videos}
        problems = [line for videos in checked.values() for line in videos.problems]
        for videos in checked.values():
            for line in videos.notes:
                note(line)
        problems += [*_problems_of_stills(job.stills), *_weights_problems(job)]
        if problems:
            raise ProblemsError(*problems, most=len(problems))
        manifests = _manifests(job, checked, digests)
        digests.save()
        refuse(
            f"{part}: has changed since the study was planned; run `rgmp plan STUDY.yaml` again"
            for part, planned in job.reads.items()
            if manifests[part].digest != planned
        )
        whole = [found.digest for found in manifests.values()]
        record.inputs["data"] = whole[0] if len(whole) == 1 else files.digest_of(whole)
        for part, found in manifests.items():
            record.inputs[part] = found.digest
            record.manifest[part] = found.parts
            record.results[part] = found.size
            print(f"{part}: {counted(found.size, found.unit)}, manifest {found.digest[:12]}")
        read = {path for found in manifests.values() for path in found.files}
        print(f"{counted(len(read), 'file')}, no problems found")


def _manifests(
    job: CheckJob, checked: Mapping[str, Checked], digests: Digests
) -> dict[str, Manifest]:
    """The manifests of what was checked, by part."""
    found = {}
    meanings = {f"{one.benchmark}/{one.split}": one.meaning for one in job.videos}
    for part, videos in checked.items():
        whole = manifest.of_videos(videos.sequences, digests, meanings[part])
        for name, shape in videos.shapes.items():
            whole.parts[name] |= shape
        found[part] = whole
    if job.stills:
        found["stills"] = manifest.of_stills(job.stills, digests)
    if job.weights:
        found["weights"] = manifest.of_encoders(job.weights, digests)
    if job.networks:
        found["networks"] = manifest.of_networks(job.networks, digests)
    return found


def _job(options: argparse.Namespace) -> CheckJob:
    """The requested check.

    Raises:
        UserError: nothing to check is named, a part of a study is combined with flags, or a
            study is given without a part.
    """
    if options.part is not None:
        refuse_flags(flags_given(options, {"root", "part"}), options.root)
        return load_plan(options.root).check(options.part, options.root)
    if options.root and (options.root / layout.PLAN).is_file():
        parts = ", ".join(load_plan(options.root).data.digests)
        raise UserError(f"{options.root}: also name a part of this study's data: {parts}")
    given = given_of(options, ("stills", "weights", "network"))
    if not (options.root or given):
        raise UserError("nothing to check: name a DAVIS tree, --stills, --weights or --network")
    flags = {
        "videos": _videos_of(options) if options.root else [],
        "stills": _sets_of_stills(given.get("stills", [])),
        "weights": given.get("weights", []),
        "networks": given.get("network", []),
        **given_of(options, ("record",)),
    }
    return validated(CheckJob, flags, COMMAND_LINE)


def _videos_of(options: argparse.Namespace) -> list[Videos]:
    """The splits of the data set named on the command line.

    Raises:
        UserError: flags that do not go together, an unknown benchmark, or a description that
            cannot be read.
    """
    given = {"davis": options.root, **given_of(options, ("resolution",))}
    splits = getattr(options, "split", ["val"])
    if hasattr(options, "dataset"):
        if hasattr(options, "benchmark"):
            raise UserError("--dataset: says the same as --benchmark; give one of them")
        given |= described_by(options.dataset)
        return [validated(Videos, {**given, "split": one}, COMMAND_LINE) for one in splits]
    named = [_split_of(text, getattr(options, "benchmark", "davis2017")) for text in splits]
    return [
        validated(Videos, {**given, "benchmark": benchmark, "split": split}, COMMAND_LINE)
        for benchmark, split in named
    ]


def _split_of(text: str, benchmark: Benchmark) -> tuple[Benchmark, str]:
    """Parse `val` (of the given benchmark) or `davis2017/val`."""
    named, slash, split = text.rpartition("/")
    if not slash:
        return benchmark, split
    for known in BENCHMARKS:
        if known == named:
            return known, split
    allowed = ", ".join(BENCHMARKS)
    raise UserError(f"--split {text}: unknown benchmark {shown(named)}; allowed: {allowed}")


def _problems_of_stills(sets: tuple[Stills, ...]) -> Iterator[str]:
    """Problems of all stills and their masks."""
    if not sets:
        return
    from rgmp.data.stills import find_stills, problems_of

    try:
        yield from problems_of(find_stills(sets))
    except UserError as error:
        yield str(error)


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


def _weights_problems(job: CheckJob) -> Iterator[str]:
    """Problems of the encoders' ImageNet weights and of trained networks."""
    if not job.weights and not job.networks:
        return
    from rgmp.model import weights

    for file, backbone in job.weights:
        try:
            settings = validated(Network, {"backbone": backbone}, Path("--weights"))
        except UserError as error:
            yield str(error)
        else:
            yield from weights.problems_of_imagenet(file, settings)
    for path in job.networks:
        yield from weights.problems_of(path)


COMMANDS = (
    Command(
        "check",
        _check,
        _check_options,
        "Decode every file that a study reads and report problems.",
        "data/DAVIS --benchmark davis2017 --split train val",
        "data",
    ),
)
