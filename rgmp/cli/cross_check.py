"""`rgmp cross-check`: masks of a study, scored with the other engine, too."""

import argparse
from pathlib import Path

from rgmp.cli.command import Command
from rgmp.cli.complaints import warn
from rgmp.cli.options import add_processes, add_record
from rgmp.provenance.command import record_command
from rgmp.runtime import files
from rgmp.study import layout


def _options(command: argparse.ArgumentParser) -> None:
    command.add_argument("results", type=Path, help="folder of a study, such as results/mini")
    add_record(command)
    add_processes(command)


def _cross_check(options: argparse.Namespace) -> None:
    from rgmp.study.cross_check import check, write
    from rgmp.study.results import load

    folder = options.results
    results = load(folder)
    target = folder / layout.EVALUATOR
    with record_command(options.record, layout.CROSS_CHECK, [target]) as record:
        checked = check(results, options.processes)
        write(folder, checked)
        record.outputs["evaluator"] = files.digest_of_file(target)
        record.results.update(
            evaluator=checked.evaluator,
            sequences=checked.sequences,
            of_sequences=checked.of_sequences,
            largest_difference=checked.largest,
        )
    if checked.why:
        warn(f"{checked.why}; not cross-checked")
    elif checked.largest is None:
        print(f"davis2017-evaluation is {checked.evaluator}: scores are not cross-checked")
    else:
        print(
            f"{checked.sequences} of {checked.of_sequences} sequences of masks cross-checked with "
            f"davis2017-evaluation, largest difference {checked.largest:.2g}"
        )


COMMANDS = (
    Command(
        layout.CROSS_CHECK,
        _cross_check,
        _options,
        "Score masks of a study with the other engine, too: a sample, or all of them if the study "
        "requires it.",
        "results/mini",
        "run",
    ),
)
