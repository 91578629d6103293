"""Views of MLflow's table of runs, saved with the experiment: what a reader wants to see first.

A link opens one (`viewStateShareKey`), and MLflow lists them above the table. They are tags of the
experiment, as MLflow's own *Save view* writes them.
"""

import json
from collections.abc import Iterator
from typing import Any

from rgmp.study.mlflow_links import ABLATION_VIEW
from rgmp.study.plan import Plan
from rgmp.tracking.measures import SUMMARIES, WORDS

_TAG = "mlflow.sharedViewState."


def saved_views(plan: Plan, created: int) -> dict[str, str]:
    """The views of a study, as tags of its experiment.

    Args:
        plan: of the study.
        created: milliseconds since 1970, by which MLflow sorts them.
    """
    by_seed = [*_metrics(plan, "J&F"), "params.`seed`", *_own("Duration", "Dataset")]
    _, *others = SUMMARIES
    by_variant = [*_metrics(plan, "J&F"), *_words(plan), *_metrics(plan, *others)]
    views = (  # the newest comes first
        ("trainings", "Trainings", "train", _own("Duration", "Models", "Dataset", "Version")),
        ("seeds", "Seeds of each variant", "seed", by_seed),
        (ABLATION_VIEW, "Ablation: variants", "variant", by_variant),
    )
    return {
        f"{_TAG}{key}": json.dumps(
            {
                "name": name,
                "createdAt": created + age,
                "updatedAt": created + age,
                "state": json.dumps(_state(plan, kind, columns)),
            }
        )
        for age, (key, name, kind, columns) in enumerate(views)
    }


def _state(plan: Plan, kind: str, columns: list[str]) -> dict[str, Any]:
    """The state of the page: which runs, in which order, with which columns."""
    first, *_ = _metrics(plan, "J&F")
    return {
        "searchFilter": f"tags.kind = '{kind}'",
        "orderByKey": first if kind != "train" else "attributes.start_time",
        "selectedColumns": columns,
        "columnOrder": columns,
    }


def _metrics(plan: Plan, *columns: str) -> Iterator[str]:
    for column in columns:
        yield from (f"metrics.`{SUMMARIES[column]}/{benchmark}`" for benchmark in plan.benchmarks)


def _words(plan: Plan) -> Iterator[str]:
    for tag in WORDS.values():
        yield from (f"tags.`{tag}/{benchmark}`" for benchmark in plan.benchmarks)


def _own(*attributes: str) -> list[str]:
    return [f"attributes.`{attribute}`" for attribute in attributes]
