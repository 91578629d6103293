"""What each run is, in a sentence of Markdown: the description on its page in MLflow."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from rgmp.config.study import SEVERAL
from rgmp.provenance.record import Record
from rgmp.runtime.markup import markdown, markdown_paragraph
from rgmp.runtime.quantities import counted, interval, with_spread
from rgmp.study.compared_data import is_over_all, repeated
from rgmp.study.plan import Plan
from rgmp.study.planned import PlannedVariant, Training

_JOBS = {
    "mini": "The embedded benchmark, rendered with seed {seed}.",
    "check": "Every file of {name}, decoded, counted and known by its digest.",
    "checkpoints": "Weights after earlier steps of a training run.",
    "infer": "Masks of {benchmark} by {variant} with seed {seed}.",
    "score": "J and F of every frame of {benchmark}, of masks by {variant} with seed {seed}.",
    "bounds": "J and F of two baselines on {benchmark}: the mask of frame 0 kept throughout, and "
    "the truth at reduced resolution.",
    "speed": "Seconds per frame on {benchmark} of every distinct computation of the study.",
    "cross-check": "Masks scored with the other engine as well.",
    "tables": "The study's statistics and tables, made from scores and records.",
    "figures": "The study's figures, drawn from its tables.",
    "report": "The study's report, written from its tables and figures.",
}


def of_study(plan: Plan) -> str:
    """A study: its title, and on what it runs."""
    shown = "rendered toy data, not DAVIS" if plan.embedded else f"split {markdown(plan.split)}"
    benchmarks = "; ".join(map(plan.title_of, plan.benchmarks))
    tested = f"{len(plan.variants)} variants, {len(plan.seeds)} seeds, {benchmarks}"
    return f"{markdown_paragraph(plan.title)}: {tested}; {shown}."


def of_variant(plan: Plan, variant: PlannedVariant, rows: Sequence[Mapping[Hashable, Any]]) -> str:
    """A variant: its claim, and what came out by its rows of the table `ablation`, in per cent."""
    found = [f"{plan.title_of(row['benchmark'])}: {_outcome(plan, row)}" for row in rows]
    return "\n\n".join([markdown_paragraph(variant.claim), *found])


def _outcome(plan: Plan, row: Mapping[Hashable, Any]) -> str:
    """One row in words, such as `J&F 51.3 ± 6.8, 5 seeds; -2.6 [-8.3, +3.0] to full: worse.`."""
    told = f"J&F {with_spread(row['J&F'], row['J&F_spread'])}, {counted(row['seeds'], 'seed')}"
    if not row["difference_verdict"]:
        return f"{told}."
    ends = (row[f"difference_{end}"] for end in ("mean", "low", "high"))
    verdict, claim = row["difference_verdict"], f"claim {row['claim']}" if row["claim"] else ""
    if is_over_all(plan, row):
        verdict, claim = f"{verdict}, over all", claim and f"{claim}, {SEVERAL}"
    words = filter(None, (verdict, claim, repeated(plan, row)))
    return f"{told}; {interval(*ends)} to full: {'; '.join(words)}."


def of_seed(variant: PlannedVariant, seed: int) -> str:
    """A variant with one seed."""
    return markdown_paragraph(f"{variant.label}, trained and evaluated with seed {seed}.")


def of_training(training: Training) -> str:
    """A training run, and for whom it is."""
    shared = ", ".join(training.variants)
    steps = f"{training.settings.steps:,} steps"
    told = f"Training, stage {training.stage}, {steps} with seed {training.seed}, for {shared}."
    return markdown_paragraph(told)


def of_job(plan: Plan, record: Record) -> str:
    """Any other job."""
    sentence = _JOBS.get(record["kind"], "What rgmp {kind} made.")
    benchmark = record["benchmark"] and plan.title_of(record["benchmark"])
    return markdown_paragraph(sentence.format_map({**record, "benchmark": benchmark}))
