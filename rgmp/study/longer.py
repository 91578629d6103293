"""The longer study of a study: the same variants with more training, whose verdicts stand beside.

Needs no pandas: the workflow looks at it whenever its rules are read.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rgmp.config.base import Stage
from rgmp.errors import UserError
from rgmp.runtime.files import read_text
from rgmp.study import layout
from rgmp.study.comparable import data_of, first_difference
from rgmp.study.plan import Plan, load_plan

COMPARED = ("ablation", "difficulty")
"""The tables that have verdicts."""
_VERDICT = "difference_verdict"

Compared = tuple[str, str, str]
"""Benchmark, variant and difficulty; an empty difficulty: overall."""


@dataclass(frozen=True)
class LongerStudy:
    """What is shown of a longer study.

    Attributes:
        plan: its plan.
        verdicts: of the variants that both studies have, by what was compared.
    """

    plan: Plan
    verdicts: dict[Compared, str]


def files_of(plan: Plan) -> tuple[Path, ...]:
    """The files of the longer study that are read; none where the study names none."""
    folder = plan.longer_study
    if folder is None:
        return ()
    tables = (folder / layout.TABLES / f"{name}.csv" for name in COMPARED)
    return (folder / layout.PLAN, *tables)


def read_longer(plan: Plan) -> LongerStudy | None:
    """Read the longer study that a study names; None where it names none.

    A variant of the same name with other overrides is another variant: its verdicts are left out.

    Raises:
        UserError: a file of it is missing or broken, it is not comparable or not longer, or it
            shares no comparison with this study.
    """
    folder = plan.longer_study
    if folder is None:
        return None
    if not (folder / layout.PLAN).is_file():
        raise UserError(
            f"{plan.file}: longer_study (={folder}): not the folder of a finished study; name one, "
            "such as results/reference/embedded, or leave out the key"
        )
    try:
        theirs = load_plan(folder)
        if reason := why_not_longer(plan, theirs):
            raise UserError(
                f"{folder}: {reason}; its verdicts may stand beside those of this study only with "
                "the same data, split, margin and network, and more training samples; name the "
                "folder of such a study, or leave out the key"
            )
        common = _in_common(plan, theirs)
        _, *tables = files_of(plan)
        found = {key: verdict for path in tables for key, verdict in _verdicts(path)}
    except UserError as error:
        raise UserError(f"{plan.file}: longer_study: {error}") from error
    verdicts = {(b, v, d): verdict for (b, v, d), verdict in found.items() if (b, v) in common}
    if not verdicts:
        raise UserError(
            f"{plan.file}: longer_study (={folder}): shares no comparison with this study; name "
            "the folder of a study with its data, benchmarks and variants"
        )
    return LongerStudy(theirs, verdicts)


def read_if_there(plan: Plan) -> LongerStudy | None:
    """The same; None also where its files are missing, as after a move of one of the two.

    Raises:
        UserError: a file of it is broken, or as `read_longer`.
    """
    return read_longer(plan) if all(path.is_file() for path in files_of(plan)) else None


def why_not_longer(ours: Plan, theirs: Plan) -> str:
    """Why the verdicts of another study are not those of a longer training, or nothing.

    They are where it has the same data, split, margin and network, and `full` is trained in the
    same stages, on no fewer samples in any and on more in all.

    Returns:
        The first difference, such as `margin (points): 3 here, 5 there`.
    """
    found = first_difference(_fixed(ours, theirs), _fixed(theirs, ours))
    if found:
        key, *values = found
        here, there = (f"{v:g}" if isinstance(v, float) else str(v) for v in values)
        return f"{key}: {here} here, {there} there"
    samples, more = samples_of(ours), samples_of(theirs)
    for stage in samples:
        if more[stage] < samples[stage]:
            return f"samples of full in {stage}: {samples[stage]:,} here, {more[stage]:,} there"
    ours_in_all, theirs_in_all = sum(samples.values()), sum(more.values())
    if theirs_in_all > ours_in_all:
        return ""
    return f"training samples of full: {ours_in_all:,} here, {theirs_in_all:,} there"


def _fixed(plan: Plan, other: Plan) -> dict[str, Any]:
    """What has to be the same in a longer study, of the benchmarks that both have."""
    run = plan.variant("full").runs[0]
    trained = [plan.training(identity) for identity in run.trainings]
    network = trained[-1].network if trained else None
    return {
        "data": "the embedded benchmark" if plan.embedded else "a DAVIS tree",
        **{
            f"{benchmark}, {key}": value
            for benchmark in plan.benchmarks
            if benchmark in other.benchmarks and plan.embedded == other.embedded
            for key, value in data_of(plan, benchmark).items()
        },
        "margin (points)": plan.margin,
        "stages of full": ", ".join(training.stage for training in trained) or "none",
        **{f"network.{key}": v for key, v in (network.architecture if network else {}).items()},
        "network.initial_weights": "given" if network and network.initial_weights else "none",
    }


def _in_common(ours: Plan, theirs: Plan) -> set[tuple[str, str]]:
    """The benchmarks and variants that are compared with `full` in both studies."""
    overrides = {variant.name: variant.overrides for variant in theirs.variants}
    return {
        (benchmark, variant.name)
        for benchmark in {*ours.benchmarks} & {*theirs.benchmarks}
        for variant in ours.variants[1:]
        if overrides.get(variant.name) == variant.overrides
    }


def _verdicts(path: Path) -> Iterator[tuple[Compared, str]]:
    """The verdicts of a table of differences.

    Raises:
        UserError: the file is missing, or no such table.
    """
    command = f"rgmp tables {path.parent.parent}"
    text = read_text(path, f"run `{command}` to write it")
    rows = csv.DictReader(text.splitlines(), strict=True)
    try:
        for row in rows:
            yield (row["benchmark"], row["variant"], row.get("difficulty") or ""), row[_VERDICT]
    except (csv.Error, KeyError) as error:
        raise UserError(
            f"{path}: not a table of a study's verdicts ({error}); remove it and run `{command}`"
        ) from error


def samples_of(plan: Plan) -> dict[Stage, int]:
    """How many samples each stage of a training run of `full` has."""
    trained = map(plan.training, plan.variant("full").runs[0].trainings)
    return {training.stage: training.settings.samples for training in trained}
