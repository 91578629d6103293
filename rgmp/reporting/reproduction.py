"""Whether published figures are reproduced: ours beside them, by sequence where those are known.

`full` is compared with RGMP, and a method that was not trained here with that of its name in
`facts/published.csv`, such as `osvos`. RGMP's authors published masks, whose scores are known of
every object (`facts/official_rgmp_scores.csv`), so that a part of DAVIS can be compared as well.
"""

import pandas as pd

from rgmp.config.base import RESOLUTION, Benchmark
from rgmp.data.annotations import IN_WORDS
from rgmp.evaluation.summary import METHOD, by_seed, summarise
from rgmp.reporting import published
from rgmp.reporting.published import AUTHORS
from rgmp.runtime.quantities import counted, points
from rgmp.runtime.tidy import rows_of
from rgmp.study.results import Results

TOLERANCE = 0.001
"""J and F are reproduced within 0.1 points, the last digit that is published."""
_ROUNDING = 1e-9
_MEASURES = ("J_mean", "F_mean", "J&F")
_THE_PAPER = "RGMP"
_OBJECT = ["sequence", "object"]


def rows(results: Results, objects: pd.DataFrame) -> pd.DataFrame:
    """Our figures beside the published ones.

    Args:
        results: of the study.
        objects: the statistics of objects (`rgmp.evaluation.summary.per_object`).

    Returns:
        A row for each benchmark and method for all of its objects, then, where published figures of
        objects are known, one for each; none where frames are not DAVIS's or have another size.
    """
    if results.plan.embedded or results.plan.data.resolution != RESOLUTION:
        return pd.DataFrame(columns=["benchmark", "variant"])
    found = [
        _of_method(
            results, benchmark, method, rows_of(objects, benchmark=benchmark, variant=method)
        )
        for benchmark in results.plan.benchmarks
        for method in results.methods
        if method == "full" or method in results.external
    ]
    whole = [table for table in found if not table.empty]
    return pd.concat(whole, ignore_index=True) if whole else pd.DataFrame(columns=[*METHOD])


def _of_method(
    results: Results, benchmark: Benchmark, method: str, objects: pd.DataFrame
) -> pd.DataFrame:
    """The rows of a method; none if nothing is published of it, or it is not scored yet."""
    name = _THE_PAPER if method == "full" else method
    known = published.methods(benchmark)
    known = known[known["label"].map(_plain) == _plain(name)]
    if known.empty or objects.empty:
        return pd.DataFrame()
    one = known.iloc[0]
    single = _single(benchmark, objects) if one["label"] == _THE_PAPER else pd.DataFrame()
    every = _every(results, objects, one, single)
    table = pd.concat([every, single], ignore_index=True)
    if table.empty:
        return table
    differences = [(table[m] - table[f"published_{m}"]).abs() for m in ("J_mean", "F_mean")]
    largest = pd.concat(differences, axis=1).max(axis=1)
    return table.assign(
        benchmark=benchmark,
        variant=method,
        label=results.label(method),
        external=method in results.external,
        mixed=results.mixed(method),
        published=one["label"],
        largest_difference=largest,
        reproduced=largest.map(lambda d: None if pd.isna(d) else d <= TOLERANCE + _ROUNDING),
    )


def _plain(name: str) -> str:
    """A method's name as a study may write it: `OSVOS-S` as `osvos_s`."""
    return name.casefold().replace("-", "_")


def _single(benchmark: Benchmark, objects: pd.DataFrame) -> pd.DataFrame:
    """Every object that the authors' masks have been scored on, ours and theirs."""
    authors = rows_of(published.of_authors(), benchmark=benchmark)
    ours = summarise(objects, _OBJECT)[[*_OBJECT, *_MEASURES]]
    theirs = {f"{AUTHORS}{m}": f"published_{m}" for m in _MEASURES}
    both = ours.merge(authors, on=_OBJECT).rename(columns=theirs)
    mean = both[["published_J_mean", "published_F_mean"]].mean(axis=1)
    both["published_J&F"] = mean
    return both[[*_OBJECT, *_MEASURES, *theirs.values()]].assign(source="the authors' masks")


def _every(
    results: Results, objects: pd.DataFrame, known: pd.Series, single: pd.DataFrame
) -> pd.DataFrame:
    """The mean over all objects, beside the published one, or that of the authors' on these."""
    ours = by_seed(objects, [*METHOD])[[*_MEASURES]].mean()
    scored = objects[_OBJECT].drop_duplicates()
    if results.plan.complete:
        theirs = {f"published_{m}": known[m] for m in _MEASURES}
        source = known["source"]
    elif len(single) == len(scored):
        columns = [f"published_{m}" for m in _MEASURES]
        theirs, source = dict(single[columns].mean()), "the authors' masks, the same objects"
    else:
        return pd.DataFrame()
    return pd.DataFrame([{**ours, **theirs, "sequence": "", "source": source}])


def sentences(results: Results) -> list[str]:
    """The verdict on every method that is compared with published figures."""
    table = results.table("reproduction")
    return [
        _sentence(results.plan.title_of(benchmark), of_method)
        for benchmark in results.plan.benchmarks
        for _, of_method in rows_of(table, benchmark=benchmark).groupby("variant", sort=False)
    ]


def _sentence(title: str, table: pd.DataFrame) -> str:
    """`DAVIS-2016: RGMP is reproduced within 0.1: J and F of all, and of each of 20 sequences`."""
    first = table.iloc[0]
    name = first["published"]
    begun = f"{title}: {first['label']}, compared with {name} as published:"
    every, single = table[table["sequence"] == ""], table[table["sequence"] != ""]
    wrong = single[single["reproduced"].eq(False)]
    sequences = single["sequence"].nunique()
    told = []
    if not every.empty:
        told.append(_overall(every.iloc[0]))
    if wrong.empty and (every.empty or every["reproduced"].all()):
        of_each = f" and of each of {counted(sequences, 'sequence')}" if sequences else ""
        told.insert(0, f"reproduced within {100 * TOLERANCE:g}, J and F of all{of_each}")
    elif wrong.empty:
        told.insert(0, f"not reproduced within {100 * TOLERANCE:g}")
    else:
        told.insert(
            0,
            f"not reproduced within {100 * TOLERANCE:g} on {wrong['sequence'].nunique()} of "
            f"{counted(sequences, 'sequence')}: {', '.join(_worst_first(wrong))}",
        )
    return f"{begun} {'; '.join(told)}."


def _overall(row: pd.Series) -> str:
    pairs = ((title, row[m], row[f"published_{m}"]) for title, m in _SHORT.items())
    return ", ".join(f"{title} {points(ours)} ({points(theirs)})" for title, ours, theirs in pairs)


_SHORT = {"J": "J_mean", "F": "F_mean", "J&F": "J&F"}


def _worst_first(wrong: pd.DataFrame) -> list[str]:
    """The sequences that are not reproduced, with J and F of the object that is furthest off."""
    worst = wrong.sort_values("largest_difference", ascending=False, kind="stable")
    told = []
    for row in worst.drop_duplicates("sequence").to_dict("records"):
        j, f = (points(row[m] - row[f"published_{m}"], "+") for m in ("J_mean", "F_mean"))
        told.append(f"{row['sequence']} (J {j}, F {f})")
    return told


def on_annotations(results: Results) -> str | None:
    """What the published figures of DAVIS-2016 are scored on, where the study's are on others."""
    own = IN_WORDS["foreground"]
    if "davis2016" not in results.plan.benchmarks or results.annotation == own:
        return None
    return (
        f"The published figures of DAVIS-2016 are on {own}, those here on {results.annotation}: "
        "name the former in data.davis2016."
    )
