"""`rgmp tables | figures | report | track`: what is made from a study's results."""

import argparse
from pathlib import Path

from rgmp.cli.command import Command
from rgmp.cli.options import add_record, at_least
from rgmp.cli.recording import recording
from rgmp.errors import visible


def _results_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("results", type=Path, help="folder of a study, such as results/mini")
    add_record(command)


def _tables(options: argparse.Namespace) -> None:
    from rgmp.reporting import tables

    with recording(options.record, "tables"):
        tables.write(options.results)


def _figures(options: argparse.Namespace) -> None:
    from rgmp.reporting.figures import write as figures

    with recording(options.record, "figures"):
        figures.write(options.results)


def _report(options: argparse.Namespace) -> None:
    from rgmp.reporting import report

    with recording(options.record, "report"):
        report.write(options.results)


def _track_options(command: argparse.ArgumentParser) -> None:
    _results_options(command)
    command.add_argument(
        "--every",
        type=at_least(1),
        metavar="SECONDS",
        help="repeat until the study is complete, to follow curves as they grow",
    )
    command.add_argument(
        "--weights-megabytes",
        type=at_least(0),
        default=64,
        help="weights above this size are logged by hash, not copied (default: 64)",
    )
    command.add_argument(
        "--timeout",
        type=at_least(1),
        default=30,
        metavar="SECONDS",
        help="seconds for all of it before the store counts as unavailable (default: 30)",
    )


def _track(options: argparse.Namespace) -> None:
    import time

    from rgmp.tracking.track import track

    while True:
        with recording(options.record, "track"):
            tracked = track(
                options.results,
                weights_megabytes=options.weights_megabytes,
                timeout=options.timeout,
            )
        if tracked is not None:
            written = f"{tracked.runs} runs, {tracked.written} of them written now"
            print(visible(f"{tracked.uri}: {written}"))
        if options.every is None or (tracked is not None and tracked.whole):
            return
        time.sleep(options.every)


COMMANDS = (
    Command(
        "tables",
        _tables,
        _results_options,
        "Compute a study's statistics and write its tables.",
        "results/mini",
    ),
    Command(
        "figures",
        _figures,
        _results_options,
        "Draw a study's figures from its tables.",
        "results/mini",
    ),
    Command(
        "report",
        _report,
        _results_options,
        "Write a study's report.html from its tables and figures.",
        "results/mini",
    ),
    Command("track", _track, _track_options, "Mirror a study's records in MLflow.", "results/mini"),
)
