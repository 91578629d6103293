"""What studies of some sizes can find, from the variation that another one measured, in words.

The variances are those of `tables/ablation.csv`, where `rgmp tables` keeps them, so that neither
scores nor data are needed; `rgmp.evaluation.power` says what follows from them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from rgmp.config.load import load_study
from rgmp.errors import UserError
from rgmp.evaluation.crossed import Crossed
from rgmp.evaluation.power import (
    POWER,
    SIGNIFICANCE,
    Components,
    MeasuredValue,
    StudySize,
    analysis_with,
    deviations,
    forecast,
)
from rgmp.runtime.quantities import points
from rgmp.runtime.tidy import not_a_table, read_table
from rgmp.study import table_files
from rgmp.study.results import load

REFERENCE = Path(str(files("rgmp.facts"))) / "reference_ablation.csv"
"""`tables/ablation.csv` of the reference, once there is one: what a study file is planned from."""
_ON_VARIATION = """\
How the difference of J&F to full varies, as measured by {source}: standard deviations in points by
seed, by sequence (by figure, where those recur in several) and by single run, with 95% limits."""
_ON_SMALLEST = f"""\
The smallest difference, in points, that is detected with {POWER:.0%} power, by number of sequences
(or figures), with 95% limits. Its test is at {SIGNIFICANCE:.0%} over the number of comparisons
judged together (m), so that it is detected whatever Holm's procedure decides on the others."""
_WHAT = "the table ablation of a study"
_SIZE = ["paired_seeds", "paired_figures"]
_VARIATION = ["sd_seeds", "sd_sequences", "sd_runs"]


@dataclass(frozen=True)
class _Source:
    """Differences that were measured, and the size of the study that asks.

    Attributes:
        name: where they come from.
        path: of the file.
        remake: the command that writes it.
        table: rows of `tables/ablation.csv`.
        seeds: of the study that asks.
    """

    name: str
    path: Path
    remake: str
    table: pd.DataFrame
    seeds: int


@dataclass(frozen=True)
class _Comparison:
    """A difference to `full`, as far as it is known how it varies.

    Attributes:
        benchmark: as in the table.
        method: likewise.
        analysis: its variation.
        family: how many comparisons its verdict holds together with, itself among them.
    """

    benchmark: str
    method: str
    analysis: Crossed
    family: int


def power(
    measured: Path, seeds: Sequence[int] | None = None, sequences: Sequence[int] | None = None
) -> str:
    """The smallest differences that are found with 80 % power, as text.

    Args:
        measured: the folder of a study, such as `results/mini`; or a study file, for which the
            reference's variation is used.
        seeds: numbers of them, at least 2; None: as many as the study has.
        sequences: likewise, to be combined with each number of seeds; None: as many as the
            variation was measured on.

    Returns:
        A line on what the numbers are, a table of the standard deviations of each difference, and
        one of the smallest differences by benchmark, method, seeds and sequences; in points.

    Raises:
        UserError: `measured` is neither, its table is missing or broken, or no difference in it was
            measured with several seeds on several sequences.
    """
    source = _of_results(measured) if measured.is_dir() else _of_reference(measured)
    comparisons = _comparisons(source)
    own = (one.analysis.sequences for one in comparisons)
    counts = sorted({*(seeds or [source.seeds])}), sorted({*(sequences or own)})
    parts = [
        _ON_VARIATION.format(source=source.name),
        _printed(_variation(comparisons)),
        _ON_SMALLEST,
        _printed(_smallest(comparisons, *counts)),
    ]
    return "\n\n".join(parts)


def _of_results(folder: Path) -> _Source:
    results = load(folder)
    table, path = results.table("ablation"), table_files.path_of(folder, "ablation")
    return _Source(str(folder), path, f"rgmp tables {folder}", table, len(results.plan.seeds))


def _of_reference(path: Path) -> _Source:
    """The reference's differences, of the benchmarks and variants of a study file."""
    study = load_study(path)
    if not REFERENCE.is_file():
        raise UserError(
            f"{path}: this version of rgmp includes no reference results to plan a study from; "
            "name the folder of a finished study instead, such as results/mini"
        )
    remake = "pip install --force-reinstall rgmp"
    dtypes = table_files.TABLE_DTYPES["ablation"]
    table = read_table(REFERENCE, dtypes, what=_WHAT, command=remake)
    table = table[table["benchmark"].isin(study.benchmarks)]
    table = table[table["variant"].map(study.has)]
    return _Source("the reference", REFERENCE, remake, table, len(study.seeds))


def _comparisons(source: _Source) -> list[_Comparison]:
    """What is judged and known to vary, in the order of the table."""
    table = source.table.dropna(subset=[*_SIZE, *_VARIATION])
    table = table[table["difference_verdict"] != "same computation"]
    if table.empty:
        raise UserError(
            f"{source.name}: has no comparison with full over several seeds and several "
            "sequences, so its variation is unknown; name the folder of a study that has one"
        )
    numbers = table[_VARIATION].to_numpy()
    if not (np.isfinite(numbers) & (numbers >= 0)).all() or (table[_SIZE] < 2).any(axis=None):
        reason = "a standard deviation, or a number of seeds or sequences, is impossible"
        raise not_a_table(source.path, _WHAT, reason, source.remake)
    families = table.groupby(["benchmark", "external"])["variant"].transform("count")
    return [
        _Comparison(
            benchmark=row["benchmark"],
            method=row["variant"],
            analysis=analysis_with(
                Components(*(row[name] ** 2 for name in _VARIATION)),
                StudySize(*(int(row[name]) for name in _SIZE)),
            ),
            family=int(family),
        )
        for row, family in zip(table.to_dict("records"), families, strict=True)
    ]


def _variation(comparisons: Sequence[_Comparison]) -> pd.DataFrame:
    """How each difference varies."""
    return pd.DataFrame(
        {
            "benchmark": one.benchmark,
            "method": one.method,
            "seeds": str(one.analysis.seeds),
            "sequences": str(one.analysis.sequences),
            **{f"by {name}"[:-1]: _cell(sd) for name, sd in deviations(one.analysis).items()},
        }
        for one in comparisons
    )


def _smallest(
    comparisons: Sequence[_Comparison], seeds: Sequence[int], sequences: Sequence[int]
) -> pd.DataFrame:
    """What is found of each comparison with each number of seeds and sequences."""
    return pd.DataFrame(
        {
            "benchmark": one.benchmark,
            "method": one.method,
            "m": str(one.family),
            "seeds": str(several),
            **{
                f"{count} sequences": _cell(
                    forecast(one.analysis, StudySize(several, count), SIGNIFICANCE / one.family)
                )
                for count in sequences
            },
        }
        for one, several in product(comparisons, seeds)
    )


def _cell(measured: MeasuredValue) -> str:
    return f"{points(measured.value)} [{points(measured.low)}, {points(measured.high)}]"


def _printed(table: pd.DataFrame) -> str:
    """A table of text: names on the left, numbers on the right."""
    align = ["left" if name in {"benchmark", "method"} else "right" for name in table]
    return table.to_markdown(index=False, disable_numparse=True, colalign=align, tablefmt="simple")
