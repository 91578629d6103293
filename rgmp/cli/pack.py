"""`rgmp pack | unpack`: a study's results in one archive, and from it."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rgmp.cli.command import Command
from rgmp.cli.complaints import note
from rgmp.cli.options import add_processes
from rgmp.errors import visible
from rgmp.study.plan import load_plan

_SHOWN = 3
"""Results that are named, of those that are not unpacked."""


def _pack_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("results", type=Path, help="folder of a study, such as results/mini")
    command.add_argument(
        "--out", type=Path, metavar="FILE.zip", help="output archive (default: STUDY.zip)"
    )
    command.add_argument("--masks", action="store_true", help="pack the masks as well")
    command.add_argument("--weights", action="store_true", help="pack the weights as well")


def _pack(options: argparse.Namespace) -> None:
    from rgmp.study.packing.pack import pack

    out = options.out or Path(f"{load_plan(options.results).study}.zip")
    packed = pack(options.results, out, masks=options.masks, weights=options.weights)
    if not packed.remembered:
        note(
            "Snakemake remembers nothing of these results: where they are unpacked, it takes them "
            "for up to date whatever the study there says"
        )
    if not packed.locked:
        note(
            "requirements.lock is left out: it is not, or not any more, the one with which all of "
            "these jobs ran; their records have the versions"
        )
    print(
        visible(
            f"{out}: results of {packed.finished} of {packed.planned} jobs, {packed.files} files, "
            f"sha256:{packed.digest}"
        )
    )


def _unpack_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("archive", type=Path, help="an archive of `rgmp pack`")
    command.add_argument(
        "--to",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where Snakemake runs, with the folder results/ (default: the current folder)",
    )
    add_processes(command)


def _unpack(options: argparse.Namespace) -> None:
    from rgmp.study.packing.unpack import unpack

    found = unpack(options.archive, options.to, options.processes)
    print(visible(f"{found.folder}: results of {len(found.taken)} jobs unpacked"))
    if found.kept:
        print(visible(f"kept, since they are there: {_some(found.kept)}"))
    if found.other:
        print(visible(f"left out, since the plan there has no such job: {_some(found.other)}"))
    if found.taken and not found.remembered:
        note(
            "Snakemake remembers nothing of these results: it takes them for up to date whatever "
            "the study says"
        )


def _some(records: Sequence[str]) -> str:
    more = f", ... ({len(records)} in all)" if len(records) > _SHOWN else ""
    return ", ".join(records[:_SHOWN]) + more


COMMANDS = (
    Command(
        "pack",
        _pack,
        _pack_options,
        "Pack the finished results of a study into one archive, with which it can go on elsewhere.",
        "results/mini --masks --weights",
        "share",
    ),
    Command(
        "unpack",
        _unpack,
        _unpack_options,
        "Unpack an archive of results: what is there is kept, and only what is missing has to run.",
        "mini.zip",
        "share",
    ),
)
