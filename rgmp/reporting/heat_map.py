"""Differences by difficulty as a grid of cells, which the figure and the report both show."""

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from rgmp.config.base import Benchmark
from rgmp.config.study import SEVERAL
from rgmp.reporting.labels import REPEATED
from rgmp.runtime.tidy import rows_of
from rgmp.study.compared_data import repeated
from rgmp.study.results import Results


@dataclass(frozen=True)
class Cell:
    """What was found of a variant on the sequences of one difficulty.

    Attributes:
        mean: J&F minus that of `full`, a fraction; `low` and `high` are the ends of its interval.
        sequences: how many sequences it rests on.
        predicted: whether the variant's file says what to expect; else it is exploratory.
        verdict: of what was predicted.
        expected: as the variant's file says; empty: nothing.
        claim: what became of it.
        repeated: of what rests on the same scores as on an earlier benchmark, whose; else empty.
        mixed: whether it rests on records of mixed provenance.
    """

    mean: float
    low: float
    high: float
    sequences: int
    predicted: bool
    verdict: str
    expected: str
    claim: str
    repeated: str
    mixed: bool


@dataclass(frozen=True)
class HeatMap:
    """A benchmark's grid.

    Attributes:
        benchmark: it is of.
        title: what is above it: the benchmark, and what its cells with a mark repeat.
        difficulties: of the columns; those of all benchmarks, several objects last.
        rows: the cells of each variant, by its name; None: the comparison is not made.
    """

    benchmark: Benchmark
    title: str
    difficulties: list[str]
    rows: dict[str, list[Cell | None]]

    @property
    def cells(self) -> list[Cell]:
        """Those that there are, row by row."""
        return [cell for cells in self.rows.values() for cell in cells if cell]

    @property
    def headings(self) -> list[str]:
        """The difficulties, as what is above the columns: nothing above one that has no cell."""
        columns = zip(*self.rows.values(), strict=True)
        there = zip(self.difficulties, columns, strict=True)
        return [name if any(cells) else "" for name, cells in there]


def heat_maps(results: Results, variants: Collection[str]) -> list[HeatMap]:
    """The grid of each benchmark of which `tables/difficulty.csv` has a comparison.

    Args:
        results: of the study.
        variants: those that are shown.

    Raises:
        UserError: the table is missing or broken.
    """
    table = results.table("difficulty").dropna(subset="difference_mean")
    table = table[table["variant"].isin(variants)]
    order = _order(table)
    of_benchmarks = ((b, rows_of(table, benchmark=b)) for b in results.plan.benchmarks)
    return [_heat_map(results, b, rows, order) for b, rows in of_benchmarks if not rows.empty]


def _order(table: pd.DataFrame) -> list[str]:
    """Every difficulty, as they follow one another where a variant has most of them."""
    of_variants = table.groupby(["benchmark", "variant"], sort=False)["difficulty"].apply(list)
    most_first = sorted(of_variants, key=len, reverse=True)
    names = dict.fromkeys(name for names in most_first for name in names)
    return sorted(names, key=lambda name: name == SEVERAL)


def _heat_map(
    results: Results, benchmark: Benchmark, table: pd.DataFrame, difficulties: list[str]
) -> HeatMap:
    """The grid of a benchmark's rows."""
    found = {
        (row["variant"], row["difficulty"]): Cell(
            mean=row["difference_mean"],
            low=row["difference_low"],
            high=row["difference_high"],
            sequences=row["paired_sequences"],
            predicted=row["expected"] != "",
            verdict=row["difference_verdict"],
            expected=row["expected"],
            claim=row["claim"],
            repeated=repeated(results.plan, row),
            mixed=bool(row["mixed"]),
        )
        for row in table.to_dict("records")
    }
    shown = [variant for variant in results.others if variant in {*table["variant"]}]
    rows = {variant: [found.get((variant, name)) for name in difficulties] for variant in shown}
    repeats = dict.fromkeys(cell.repeated for cell in found.values() if cell.repeated)
    marked = f" ({REPEATED}: {'; '.join(repeats)})" if repeats else ""
    title = results.plan.title_of(benchmark) + marked
    return HeatMap(benchmark, title, difficulties, rows)
