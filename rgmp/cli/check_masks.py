"""`rgmp check-masks`: whether masks can be scored, and whether they are what they seem."""

import argparse
from pathlib import Path

from rgmp.cli.command import Command
from rgmp.cli.complaints import note, warn
from rgmp.cli.options import (
    COMMAND_LINE,
    add_flags,
    add_processes,
    add_truth,
    add_videos,
    require_flags,
    videos_of,
)
from rgmp.config.load import validated
from rgmp.data.videos import Videos
from rgmp.errors import refuse


def _check_masks_options(command: argparse.ArgumentParser) -> None:
    flags = add_flags(
        command, ("--davis or --truth", "--benchmark or --dataset or --truth", "--masks"), "masks"
    )
    add_videos(flags)
    add_truth(flags)
    flags.add_argument("--masks", type=Path, help="folder, or zip, of <sequence>/00000.png ...")
    command.add_argument("--strict", action="store_true", help="status 2 if anything is found")
    add_processes(command)


def _check_masks(options: argparse.Namespace) -> None:
    require_flags(options)
    from rgmp.evaluation.doctor import findings, warnings_of
    from rgmp.evaluation.scoring import judge

    videos = validated(Videos, videos_of(options), COMMAND_LINE)
    judged = judge(
        videos,
        options.masks,
        variant=options.masks.name,
        seed=None,
        processes=options.processes,
    )
    for line in judged.notes:
        note(line)
    found = [*warnings_of(findings(judged.evidence, judged.rows))]
    if judged.problems or options.strict:
        refuse([*found, *judged.problems])  # the causes first: of many problems few are printed
    for line in found:
        warn(line)
    print(f"{len(judged.evidence)} masks, likely mistakes found: {len(found) or 'none'}")


COMMANDS = (
    Command(
        "check-masks",
        _check_masks,
        _check_masks_options,
        "Look at masks from any method: can they be scored, and are they what they seem?",
        "--davis data/DAVIS --benchmark davis2017 --masks masks/mine",
        "share",
    ),
)
