"""`rgmp plan | mini`: list a study's training runs; render the embedded benchmark."""

import argparse
from pathlib import Path

from rgmp.cli.command import Command
from rgmp.cli.options import add_record, at_least
from rgmp.config.base import AT_ONCE, SEED
from rgmp.minidavis.version import VERSION
from rgmp.provenance.command import record_command
from rgmp.runtime import files
from rgmp.runtime.cores import threads
from rgmp.study import layout, plan, resolve


def _plan_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("study", type=Path, help="study file, such as workflow/config/mini.yaml")


def _plan(options: argparse.Namespace) -> None:
    resolved = resolve.resolve(options.study)
    folder = Path("results") / resolved.study
    plan.save(resolved, folder)
    for training in resolved.trainings:
        print(f"{training.folder}  for {', '.join(training.variants)}")
    print(
        f"{len(resolved.trainings)} training runs, {len(resolved.variants)} variants: "
        f"{folder / layout.PLAN}"
    )


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
        "plan", _plan, _plan_options, "List a study's training runs.", "workflow/config/mini.yaml"
    ),
    Command("mini", _mini, _mini_options, "Render the embedded benchmark.", "data/mini --seed 0"),
)
