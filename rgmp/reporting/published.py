"""Published results (`rgmp.facts`) as tables, in fractions, for comparison with a study's own."""

import math
from collections.abc import Mapping
from functools import cache
from statistics import fmean

import pandas as pd

from rgmp import facts
from rgmp.config.protocol import UNKNOWN, Protocol
from rgmp.runtime.tidy import rows_of

AUTHORS = "RGMP_authors_"
"""Prefix of a measure of the masks that the authors of RGMP published."""

_OFFICIAL = ("J_recall", "J_decay", "F_recall", "F_decay")


def methods(benchmark: str) -> pd.DataFrame:
    """The published methods of a benchmark, missing where a number is unknown.

    RGMP's recall and decay are those of the masks that its authors published, mean over objects.

    Returns:
        A row for each, with the columns label, source, note, seconds_per_frame and the measures.
    """
    facts_of = rows_of(_read("published.csv"), benchmark=benchmark)
    sources = facts_of[["accuracy_source", "speed_source"]]
    table = pd.DataFrame(
        {
            "benchmark": benchmark,
            "label": facts_of["method"],
            "source": [
                "; ".join(filter(None, row)) for row in sources.itertuples(index=False, name=None)
            ],
            "note": facts_of["note"],
            "seconds_per_frame": pd.to_numeric(facts_of["seconds_per_frame"]),
            **_accuracy(facts_of),
        }
    )
    official = rows_of(of_authors(), benchmark=benchmark)
    for measure in _OFFICIAL:
        values = official[f"{AUTHORS}{measure}"]
        of_rgmp = fmean(values) if len(values) else math.nan  # of data sets that they had not
        table[measure] = table["label"].eq("RGMP").map({True: of_rgmp})
    return table.reset_index(drop=True)


@cache
def protocols(benchmark: str) -> Mapping[str, Protocol]:
    """The cards of the published methods of a benchmark, by label."""
    return {
        row["method"]: Protocol.model_validate(
            {key: _given(row, key) for key in Protocol.model_fields}
        )
        for row in facts.read("published.csv")
        if row["benchmark"] == benchmark
    }


def _given(row: dict[str, str], key: str) -> str | list[str]:
    """A field of a card as its table has it: lists are separated by spaces."""
    text = row[f"protocol_{key}"]
    is_list = key == "training_data" or (key == "scales" and text != UNKNOWN)
    return text.split() if is_list else text


def ablation() -> pd.DataFrame:
    """J&F of the paper's variants where known: benchmark, variant and `published_J&F`."""
    known = _read("published_ablation.csv")
    return known[["benchmark", "variant"]].assign(**{"published_J&F": _accuracy(known)["J&F"]})


def of_authors() -> pd.DataFrame:
    """The statistics of the masks that RGMP's authors published: a row for each object.

    Returns:
        The columns benchmark, sequence, object, and the measures of J and F after `AUTHORS`.
    """
    table = _read("official_rgmp_scores.csv").drop(columns="frames_scored")
    keys = ["benchmark", "sequence", "object"]
    measures = table.columns.drop(keys)
    table = table.astype({"object": int, **dict.fromkeys(measures, float)})
    return table.rename(columns={measure: f"{AUTHORS}{measure}" for measure in measures})


def _accuracy(known: pd.DataFrame) -> dict[str, pd.Series]:
    """J, F and J&F, given J and F in per cent."""
    j, f = (pd.to_numeric(known[measure]) for measure in ("J_mean", "F_mean"))
    return {"J_mean": j / 100, "F_mean": f / 100, "J&F": (j + f) / 200}


def _read(name: str) -> pd.DataFrame:
    return pd.DataFrame(facts.read(name))
