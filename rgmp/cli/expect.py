"""`rgmp expect`: whether the J&F of one more training is in the normal range."""

import argparse
from pathlib import Path

from rgmp.cli.command import Command
from rgmp.cli.options import per_cent
from rgmp.errors import UserError, visible


def _expect_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "number",
        metavar="J&F",
        type=per_cent,
        nargs="?",
        help="of the new training, in per cent (default: only print what is expected)",
    )
    trainings = command.add_mutually_exclusive_group(required=True)
    trainings.add_argument(
        "--of",
        type=Path,
        metavar="RESULTS|JSON",
        help="folder of a study, or the normal_range.json that someone published",
    )
    trainings.add_argument(
        "--values", type=per_cent, nargs="+", help="J&F of earlier trainings, in per cent"
    )
    command.add_argument("--benchmark", help="of the study (default: each that it has)")
    command.add_argument("--variant", help="of the study (default: full)")


def _expect(options: argparse.Namespace) -> None:
    if options.values and (options.benchmark, options.variant) != (None, None):
        raise UserError("--values: they are of no study; leave out --benchmark and --variant")
    from rgmp.reporting.normal_range import expect_among, expect_of

    if options.values:
        lines = expect_among(options.values, options.number)
    else:
        variant = "full" if options.variant is None else options.variant
        lines = expect_of(options.of, options.number, options.benchmark, variant)
    for line in lines:
        print(visible(line))


COMMANDS = (
    Command(
        "expect",
        _expect,
        _expect_options,
        "Is J&F of a new training in the normal range? The interval in which one more is expected.",
        "41.5 --of results/mini --benchmark davis2017",
        "compare",
    ),
)
