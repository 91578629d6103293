"""`rgmp tables | figures | report | track`: what is made from a study's results."""

import argparse
from pathlib import Path

from rgmp.cli.command import Command
from rgmp.cli.options import add_record, at_least
from rgmp.errors import visible
from rgmp.provenance.command import record_command
from rgmp.runtime import files
from rgmp.study import layout
from rgmp.study.plan import load_plan
from rgmp.tracking.track import SECONDS_TO_TRACK, WEIGHTS_MEGABYTES, track


def _results_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("results", type=Path, help="folder of a study, such as results/mini")
    add_record(command)


def _measured(study: Path) -> dict[str, str]:
    """The digests of a study's plan, and of what was measured so far.

    Raises:
        UserError: it is not a study's folder.
    """
    plan = load_plan(study)
    there = [study / path for path in plan.measured if (study / path).is_file()]
    return {"plan": plan.digest, "measured": files.digest_of_all(there)}


def _made(study: Path, *names: str) -> dict[str, str]:
    """The digests of files of a study, or of those in its folders, by name; none of the absent."""
    found = {name: files.files_below(study / name) for name in names}
    found |= {name: [study / name] for name in names if (study / name).is_file()}
    return {name: files.digest_of_all(paths) for name, paths in found.items() if paths}


def _tables(options: argparse.Namespace) -> None:
    from rgmp.reporting import tables

    with record_command(options.record, "tables", inputs=_measured(options.results)) as record:
        tables.write(options.results)
        record.outputs.update(_made(options.results, layout.TABLES))


def _figures(options: argparse.Namespace) -> None:
    from rgmp.reporting.figures import write as figures

    read = _measured(options.results) | _made(options.results, layout.TABLES)
    with record_command(options.record, "figures", inputs=read) as record:
        figures.write(options.results)
        record.outputs.update(_made(options.results, layout.FIGURES))


def _report(options: argparse.Namespace) -> None:
    from rgmp.reporting import report

    made = _made(options.results, layout.TABLES, layout.FIGURES, layout.RUNS)
    with record_command(
        options.record, "report", inputs=_measured(options.results) | made
    ) as record:
        report.write(options.results)
        record.outputs.update(_made(options.results, layout.REPORT))


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
        default=WEIGHTS_MEGABYTES,
        help="weights above this size are logged by hash, not copied "
        f"(default: {WEIGHTS_MEGABYTES})",
    )
    command.add_argument(
        "--timeout",
        type=at_least(1),
        default=SECONDS_TO_TRACK,
        metavar="SECONDS",
        help="seconds for each run before the store counts as unavailable "
        f"(default: {SECONDS_TO_TRACK})",
    )


def _track(options: argparse.Namespace) -> None:
    import time

    while True:
        made = _made(options.results, layout.TABLES, layout.FIGURES)
        read = _measured(options.results) | made
        with record_command(options.record, "track", inputs=read) as record:
            tracked = track(
                options.results,
                weights_megabytes=options.weights_megabytes,
                timeout=options.timeout,
            )
            record.outputs.update(_made(options.results, layout.RUNS))
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
        "look",
    ),
    Command(
        "figures",
        _figures,
        _results_options,
        "Draw a study's figures from its tables.",
        "results/mini",
        "look",
    ),
    Command(
        "report",
        _report,
        _results_options,
        "Write a study's report.html from its tables and figures.",
        "results/mini",
        "look",
    ),
    Command(
        "track",
        _track,
        _track_options,
        "Mirror a study's records in MLflow.",
        "results/mini",
        "look",
    ),
)
