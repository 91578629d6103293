"""Computes every statistic of a study, once: tables, figures and the report read what it wrote."""

from dataclasses import dataclass

import pandas as pd

from rgmp.evaluation.checkpoint_choice import Choice, choice_among
from rgmp.evaluation.comparison import (
    Asked,
    Cell,
    Difference,
    Key,
    compare_all,
    compare_difficulties,
    pair_all,
)
from rgmp.evaluation.course import courses_of
from rgmp.evaluation.summary import METHOD, by_method, by_seed, per_object, summarise
from rgmp.runtime.tidy import empty_table
from rgmp.study.results import Results, bounds_of, checkpoint_scores_of, scores_of
from rgmp.study.table_files import TIDY_DTYPES


@dataclass(frozen=True)
class Analysis:
    """What the scores of a study amount to; all numbers are fractions.

    Attributes:
        summary: a row for each method (`rgmp.evaluation.summary.summarise`).
        bounds: the same of the floor and the ceiling of each benchmark, which are compared with
            nothing.
        differences: of each method that is compared with `full`, by (benchmark, method).
        difficulties: of each variant by difficulty, by (benchmark, variant, difficulty).
        choices: what choosing a checkpoint adds, by (benchmark, variant), where several are kept
            and with some seed all of them are scored.
        data: the tidy tables (`rgmp.study.table_files.TIDY_DTYPES`), by name.
    """

    summary: pd.DataFrame
    bounds: pd.DataFrame
    differences: dict[Key, Difference]
    difficulties: dict[Cell, Difference]
    choices: dict[Key, Choice]
    data: dict[str, pd.DataFrame]


def analyse_study(results: Results) -> Analysis:
    """Read the scores of a study and compute its statistics.

    Raises:
        UserError: a score table is broken, or some do not belong together.
    """
    scores = scores_of(results)
    objects = per_object(scores)
    asked = _asked(results)
    paired = pair_all(objects)
    differences = compare_all(objects, paired, asked)
    sequences = by_seed(objects, [*METHOD, "sequence"])
    data = {
        "objects": objects,
        "sequence_means": sequences[[*TIDY_DTYPES["sequence_means"]]],
        "differences": _by_seed(differences),
        "course": courses_of(scores),
        "frames": _frames(scores, results.plan.seeds[0]),
    }
    return Analysis(
        summary=summarise(objects),
        bounds=summarise(per_object(bounds_of(results))),
        differences=differences,
        difficulties=compare_difficulties(objects, paired, asked),
        choices=_choices(results, objects, asked),
        data=data,
    )


def _choices(results: Results, objects: pd.DataFrame, asked: Asked) -> dict[Key, Choice]:
    """What choosing among the checkpoints of each variant adds.

    Args:
        results: of the study.
        objects: the statistics of objects with the last weights.
        asked: what the study asks, of which the figures that sequences show are taken.
    """
    plan = results.plan
    last = by_method(objects)
    earlier = {
        step: by_method(per_object(rows)) for step, rows in checkpoint_scores_of(results).items()
    }
    found: dict[Key, Choice] = {}
    for key in last:
        steps = () if key[1] in results.external else plan.earlier_checkpoints(plan.variant(key[1]))
        tables = [earlier[step].get(key) for step in steps]
        scored = [table for table in tables if table is not None]
        if scored and len(scored) == len(steps):
            choice = choice_among([*scored, last[key]], asked.figures)
            if choice is not None:
                found[key] = choice
    return found


def _asked(results: Results) -> Asked:
    """What the plan of a study asks."""
    plan = results.plan
    return Asked(
        margin=plan.margin / 100,
        external=results.external,
        expects={variant.name: variant.expects for variant in plan.variants},
        changed={
            (benchmark, name): plan.changed_by(name, benchmark)
            for benchmark in plan.benchmarks
            for name in results.variants
        },
        attributes=results.attributes,
    )


def _by_seed(differences: dict[Key, Difference]) -> pd.DataFrame:
    """The differences of single seeds, a row each."""
    rows = [
        (*key, seed, value)
        for key, difference in differences.items()
        for seed, value in difference.by_seed.items()
    ]
    table = empty_table(TIDY_DTYPES["differences"])
    return pd.DataFrame(rows, columns=table.columns).astype(table.dtypes) if rows else table


def _frames(scores: pd.DataFrame, first: int) -> pd.DataFrame:
    """J of every frame with the first seed, or without one: mean over its objects."""
    shown = scores[scores["seed"].isna() | (scores["seed"] == first)]
    keys = [*METHOD, "sequence", "frame"]
    return shown.groupby(keys, sort=False)["J"].mean().reset_index()
