"""What the report says first: what is asked, what the study is, what a longer one contradicts."""

import pandas as pd

from rgmp.config.base import STAGES, Stage
from rgmp.evaluation.verdicts import direction_of
from rgmp.reporting.claims import where
from rgmp.reporting.margin import on_margin
from rgmp.runtime.quantities import counted
from rgmp.study.longer import COMPARED, read_if_there, samples_of
from rgmp.study.plan import Plan
from rgmp.study.results import Results

_SAMPLES: dict[Stage, str] = {"pretrain": "synthetic pair", "finetune": "clip"}


def question(study: Results) -> str:
    """What a study asks."""
    full = study.label("full")
    if study.others:
        return f"What does each part of {full} contribute to J&F, and where?"
    return f"What J&F does {full} reach?"


def what(study: Results) -> str:
    """What a study is: the samples of a training run of `full`, the seeds, the sequences.

    Of the longer study, where it names one that is there, the same but for the sequences.

    Raises:
        UserError: a table is missing or broken, the longer study's is, or what was kept is.
    """
    trained, seeds = _training(study.plan, _trained(study)), len(study.plan.seeds)
    ours = f"This study: {trained}, {counted(seeds, 'seed')}"
    sequences = study.table("objects")["sequence"].nunique()
    told = f"{ours}, {counted(sequences, 'sequence')}."
    if added := dict.fromkeys(" ".join(study.table("ablation")["seeds_added"]).split()):
        told += (
            f" Added after the first tables: {counted(len(added), 'seed')} ({', '.join(added)})."
        )
    if said := on_margin(study):
        told += f" {said}"
    if longer := read_if_there(study.plan):
        plan = longer.plan
        told += (
            f" The longer study, {plan.title} ({study.plan.longer_study}): "
            f"{_training(plan, samples_of(plan))}, {counted(len(plan.seeds), 'seed')}."
        )
    elif study.plan.longer_study:
        told += f" The longer study, {study.plan.longer_study}, is not there."
    return told


def _trained(study: Results) -> dict[Stage, int]:
    """The samples of each stage of `full`, as the table of costs has them."""
    cost = study.table("cost")
    of_full = cost[cost["variants"].map(lambda names: "full" in names.split()).astype(bool)]
    first = of_full.dropna(subset="samples").drop_duplicates("stage").set_index("stage")["samples"]
    return {stage: int(first[stage]) for stage in STAGES if stage in first}


def _training(plan: Plan, samples: dict[Stage, int]) -> str:
    """`training of 6,400 synthetic pairs and 1,600 clips`."""
    if not samples:
        return "no training of its own" + " yet" * bool(plan.trainings)
    return "training of " + " and ".join(
        f"{count:,} {_SAMPLES[stage]}{'s' * (count != 1)}" for stage, count in samples.items()
    )


def opposites(study: Results) -> list[str] | None:
    """Each comparison in which a study and its longer one contradict each other, in words.

    A contradiction is better in one and worse in the other. None: there is nothing to compare with.

    Raises:
        UserError: a table is missing or broken.
    """
    rows = pd.concat([study.table(name) for name in COMPARED], ignore_index=True)
    rows = rows[rows["longer_study_verdict"] != ""]
    if rows.empty:
        return None
    ours, theirs = (
        rows[column].map(direction_of) for column in ("difference_verdict", "longer_study_verdict")
    )
    return [
        f"{row['label']}, {where(study, row)}: here {row['difference_verdict']}, "
        f"in the longer study {row['longer_study_verdict']}."
        for row in rows[ours * theirs < 0].to_dict("records")
    ]
