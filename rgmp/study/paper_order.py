"""The order of variants in print: by the part of the method that each changes, as in the paper.

The network comes first, then the two stages of training, then inference; among those that change
the same part a stage that is left out comes before one that is done differently.
"""

from typing import Any

from rgmp.config.base import STAGES
from rgmp.study.plan import Plan
from rgmp.study.planned import PlannedVariant, Training


def paper_order(plan: Plan) -> list[str]:
    """The names of the variants, `full` first."""
    of_full, *others = (_parts(plan, variant) for variant in (plan.variant("full"), *plan.variants))
    keys = {
        variant.name: _first_change(of_full, parts)
        for variant, parts in zip(plan.variants, others, strict=True)
        if variant.name != "full"
    }
    return ["full", *sorted(keys, key=lambda name: (*keys[name], name))]


def trainings_in_order(plan: Plan) -> list[Training]:
    """The training runs, each with its variants in the order of the paper.

    Of a stage those come first that earlier variants need, the seeds of each side by side.
    """
    place = {name: number for number, name in enumerate(paper_order(plan))}
    found = [
        training.model_copy(
            update={"variants": tuple(sorted(training.variants, key=place.__getitem__))}
        )
        for training in plan.trainings
    ]
    return sorted(found, key=lambda t: (STAGES.index(t.stage), place[t.variants[0]], t.seed))


def _first_change(of_full: dict[str, Any], parts: dict[str, Any]) -> tuple[int, bool]:
    """The place of the first part that differs, and whether it is there."""
    changed = (
        (place, parts[part] is not None)
        for place, part in enumerate(parts)
        if parts[part] != of_full[part]
    )
    return next(changed, (len(parts), True))


def _parts(plan: Plan, variant: PlannedVariant) -> dict[str, Any]:
    """What a variant consists of, in the order of the paper; None: it does without."""
    trainings = [plan.training(identity) for identity in variant.runs[0].trainings]
    settings = {training.stage: training.settings for training in trainings}
    return {
        "network": trainings[-1].network.architecture if trainings else None,
        **{stage: settings.get(stage) for stage in STAGES},
        "inference": variant.inference,
    }
