"""`rgmp score`: J and F of every frame, of anyone's masks."""

import argparse
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from rgmp.cli.command import Command
from rgmp.cli.options import add_davis, add_job, at_least, chosen_sequences
from rgmp.cli.recording import recording
from rgmp.config.base import AT_ONCE
from rgmp.config.study import Evaluation
from rgmp.data import davis
from rgmp.provenance.record import Draft
from rgmp.runtime import files

if TYPE_CHECKING:
    from rgmp.evaluation.engines import Engine
    from rgmp.evaluation.score_table import Score

_ENGINES = get_args(Evaluation.model_fields["engine"].annotation)
_CROSS_CHECKS = get_args(Evaluation.model_fields["cross_check"].annotation)


def _score_options(command: argparse.ArgumentParser) -> None:
    add_davis(command)
    command.add_argument("--sequences", nargs="+", help="some of the split's (default: all)")
    given = command.add_mutually_exclusive_group(required=True)
    given.add_argument("--masks", type=Path, help="DIR/<sequence>/00000.png ...")
    given.add_argument(
        "--scores",
        type=Path,
        metavar="FILE.csv",
        help="or J and F of every frame, to be taken as they are",
    )
    command.add_argument("--out", type=Path, required=True, metavar="SCORES.csv")
    command.add_argument("--engine", choices=_ENGINES, default="builtin")
    command.add_argument(
        "--cross-check",
        choices=_CROSS_CHECKS,
        default="off",
        help="score with the other engine too; auto: where it is installed (default: off)",
    )
    command.add_argument(
        "--processes",
        type=at_least(1, AT_ONCE),
        default=1,
        help="that share the frames (default: 1)",
    )
    add_job(command, seed=None)


def _score(options: argparse.Namespace) -> None:
    from rgmp.evaluation import score_table
    from rgmp.evaluation import summary as statistics

    given = [options.scores] if options.scores else files.files_below(options.masks, "*.png")
    files.require_target(options.out, chain(given, davis.files_of(options.davis)))
    config = {"scores": str(options.scores)} if options.scores else {"engine": options.engine}
    with recording(options, "score", benchmark=options.benchmark, config=config) as record:
        rows = _adopted(options, record) if options.scores else _measured(options, record)
        score_table.write_scores(options.out, rows)
        sequences = chosen_sequences(options)
        record.inputs["data"] = files.digest_of_all([p for s in sequences for p in s.annotations])
        summary = statistics.summarise(statistics.per_object(rows))
        record.results.update({name: value.mean for name, value in summary.items()})
        record.outputs["scores"] = files.digest_of_file(options.out)
    for name, value in summary.items():
        print(f"{name:9} {100 * value.mean:6.2f}")


def _measured(options: argparse.Namespace, record: Draft) -> "list[Score]":
    """Score masks; with the other engine too, where that is asked for and can be."""
    from rgmp.evaluation import engines, scoring

    def rows_by(engine: "Engine") -> "list[Score]":
        return scoring.score(
            options.davis,
            options.benchmark,
            options.split,
            options.masks,
            sequences=options.sequences,
            variant=options.variant or options.masks.name,
            seed=options.seed,
            engine=engine,
            resolution=options.resolution,
            processes=options.processes,
        )

    other = engines.second_engine(options.engine, options.cross_check)
    rows = rows_by(options.engine)
    if other:
        largest = engines.cross_check(rows, rows_by(other))
        record.results["cross_check_difference"] = largest
        print(f"cross-checked with the {other} engine, largest difference {largest:.2g}")
    record.inputs["masks"] = davis.digest_of_masks(options.masks, chosen_sequences(options))
    return rows


def _adopted(options: argparse.Namespace, record: Draft) -> "list[Score]":
    """Take someone's scores as they are."""
    from rgmp.evaluation import adoption

    rows = adoption.adopt(
        options.davis,
        options.benchmark,
        options.split,
        options.scores,
        sequences=options.sequences,
        variant=options.variant or options.scores.stem,
        resolution=options.resolution,
    )
    record.inputs["scores"] = files.digest_of_file(options.scores)
    return rows


COMMANDS = (
    Command(
        "score",
        _score,
        _score_options,
        "Score a folder of masks, anyone's: J and F of every frame.",
        "--davis data/DAVIS --benchmark davis2016 --masks masks/rgmp --out scores.csv",
    ),
)
