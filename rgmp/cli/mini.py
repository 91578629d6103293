"""`rgmp mini`: render the embedded benchmark."""

import argparse
from pathlib import Path

from rgmp.cli.command import Command
from rgmp.cli.options import add_record, at_least
from rgmp.config.base import AT_ONCE, SEED
from rgmp.minidavis.version import VERSION
from rgmp.provenance.command import record_command
from rgmp.runtime import files
from rgmp.runtime.cores import threads


def _mini_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("out", type=Path, help="folder to create, with OUT/davis and OUT/stills")
    command.add_argument(
        "--seed", type=at_least(0, SEED), default=0, help="seed of the rendering (default: 0)"
    )
    command.add_argument(
        "--processes",
        type=at_least(1, AT_ONCE),
        help="processes that share the work (default: as many as there are usable cores)",
    )
    add_record(command)


def _mini(options: argparse.Namespace) -> None:
    from rgmp.minidavis import generate

    config = {"seed": options.seed, "version": VERSION}
    with record_command(
        options.record, "mini", [options.out], seed=options.seed, config=config
    ) as record:
        generate.render(options.out, options.seed, processes=threads(options.processes))
        record.outputs["data"] = files.digest_of_all(files.files_below(options.out))


COMMANDS = (
    Command(
        "mini",
        _mini,
        _mini_options,
        "Render the embedded benchmark.",
        "data/mini --seed 0",
        "try",
    ),
)
