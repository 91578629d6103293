"""Every method against `full`: overall, and on the sequences of each difficulty.

The differences of J&F are paired by seed and sequence, analysed by `rgmp.evaluation.crossed` and
judged by `rgmp.evaluation.verdicts`, in these families for each benchmark:

- the variants, overall;
- the methods that were not trained here, overall, so that a row beside them weakens no claim;
- the predictions of the variants about difficulties.

What is the same computation as `full` belongs to none of them.

Where each sequence has one object, its foreground is that object: a comparison on two benchmarks
then rests on the same masks and scores. It is a member of a family on each, and its verdicts may
differ as the families do; but it is one result, which counts once (`repeats_of`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import pandas as pd

from rgmp.config.study import OVERALL, SEVERAL, Changed, Expectation
from rgmp.data.attributes import Attribute
from rgmp.errors import UserError
from rgmp.evaluation.crossed import Crossed, Values, analyse
from rgmp.evaluation.measures import MEASURES, Measure
from rgmp.evaluation.summary import by_method
from rgmp.evaluation.verdicts import Judged, Word, judge, word_of

MEASURE: Measure = "J&F"

Key = tuple[str, str]
"""Benchmark and method."""
Cell = tuple[str, str, str]
"""Benchmark, method and difficulty."""


@dataclass(frozen=True)
class Asked:
    """What a study asks.

    Attributes:
        margin: the largest difference that is none in practice, a fraction.
        external: the methods that were not trained here.
        expects: of each variant, what it is expected to change, by difficulty or `overall`.
        changed: of each benchmark and variant, where it computes anything else than `full`; of
            what is not named, everywhere.
        attributes: of the sequences; none: no difficulty is asked about.
    """

    margin: float
    external: Collection[str] = ()
    expects: Mapping[str, Mapping[str, Expectation]] = field(default_factory=dict)
    changed: Mapping[Key, Changed] = field(default_factory=dict)
    attributes: tuple[Attribute, ...] = ()

    def changed_by(self, key: Key) -> Changed:
        """Where a variant computes anything else than `full` on a benchmark."""
        return self.changed.get(key, "all")

    @property
    def figures(self) -> dict[str, str]:
        """What each sequence shows, where that is known."""
        return {one.sequence: one.figure for one in self.attributes}

    @property
    def difficulties(self) -> dict[str, set[str]]:
        """The sequences of each attribute, in the order in which attributes appear."""
        found: dict[str, set[str]] = {}
        for one in self.attributes:
            found.setdefault(one.attribute, set()).add(one.sequence)
        return found


@dataclass(frozen=True, eq=False)
class Paired:
    """The differences of a method to `full`, each the mean over a sequence's objects.

    Attributes:
        differences: float64 (S, Q), fractions.
        seeds: S of them, ascending: those of `full` where the other has none.
        sequences: Q names, sorted.
        objects: how many each of them has.
    """

    differences: Values
    seeds: tuple[int, ...]
    sequences: tuple[str, ...]
    objects: tuple[int, ...]

    def among(self, sequences: Collection[str]) -> "Paired | None":
        """The same on some sequences; None where it has none of them."""
        kept = [i for i, name in enumerate(self.sequences) if name in sequences]
        if not kept:
            return None
        return replace(
            self,
            differences=self.differences[:, kept],
            sequences=tuple(self.sequences[i] for i in kept),
            objects=tuple(self.objects[i] for i in kept),
        )

    def with_several_objects(self) -> "Paired | None":
        """The same on the sequences that have several objects."""
        several = zip(self.sequences, self.objects, strict=True)
        return self.among({name for name, objects in several if objects > 1})

    def analysed(self, figures: Mapping[str, str]) -> Crossed:
        """The analysis, of the figures that sequences show where those recur."""
        clusters = [figures.get(name, name) for name in self.sequences]
        recur = len({*clusters}) < len(clusters)
        return analyse(self.differences, self.objects, clusters if recur else None)


@dataclass(frozen=True)
class Difference:
    """A method minus `full`, judged.

    Attributes:
        paired: what it rests on.
        judged: its analysis and its verdict; with `exploratory`, there is none.
        expected: what was predicted of it, if anything.
        claim: what became of that; None where it was not asked.
        repeats: the earlier benchmark on which it rests on the same scores; empty: none.
    """

    paired: Paired
    judged: Judged[Crossed]
    expected: Expectation | None = None
    claim: Word | None = None
    repeats: str = ""

    @property
    def by_seed(self) -> dict[int, float]:
        """The mean over objects with each seed."""
        return dict(zip(self.paired.seeds, self.judged.analysis.by_seed, strict=True))


def compare_all(
    objects: pd.DataFrame, paired: Mapping[Key, Paired], asked: Asked
) -> dict[Key, Difference]:
    """J&F of each method minus that of `full`, overall, where both are scored.

    The prediction `overall` of a variant that changes sequences with several objects alone is not
    answered here but on those sequences, by `compare_difficulties`.

    Args:
        objects: as `rgmp.evaluation.summary.per_object` returns them.
        paired: the differences of their methods, of `pair_all`.
        asked: what the study asks.

    Returns:
        By benchmark and method, in the order of appearance.
    """
    analyses = {key: one.analysed(asked.figures) for key, one in paired.items()}
    families: dict[tuple[str, bool], dict[Key, Crossed]] = {}
    judged: dict[Key, Judged[Crossed]] = {}
    for key, analysis in analyses.items():
        if asked.changed_by(key) == "none":
            judged[key] = Judged(analysis, "same computation")
        else:
            family = families.setdefault((key[0], key[1] in asked.external), {})
            family[key] = analysis
    for family in families.values():
        judged |= judge(family, asked.margin)
    found, repeats = {}, repeats_of(objects, paired)
    for key, one in paired.items():
        here = asked.changed_by(key) == "all"
        expected = asked.expects.get(key[1], {}).get(OVERALL) if here else None
        found[key] = _difference(one, judged[key], expected, repeats.get(key, ""))
    return found


def compare_difficulties(
    objects: pd.DataFrame, paired: Mapping[Key, Paired], asked: Asked
) -> dict[Cell, Difference]:
    """The same of each variant on the sequences of each difficulty.

    A variant that changes sequences with several objects alone is asked about on those, and its
    prediction `overall` is answered under `SEVERAL`. What nobody has predicted is exploratory.

    Args:
        objects: as in `compare_all`.
        paired: likewise.
        asked: what the study asks.

    Returns:
        By benchmark, variant and difficulty, in the order of appearance. A cell without a sequence
        is not there.
    """
    cells: dict[Cell, Paired] = {}
    for key, every in paired.items():
        changed = asked.changed_by(key)
        several = changed == SEVERAL
        whole = every.with_several_objects() if several else every
        if changed == "none" or key[1] in asked.external or whole is None:
            continue
        if several:
            cells[*key, SEVERAL] = whole
        for difficulty, sequences in asked.difficulties.items():
            if part := whole.among(sequences):
                cells[*key, difficulty] = part
    predicted: dict[str, dict[Cell, Crossed]] = {}
    judged: dict[Cell, Judged[Crossed]] = {}
    for cell, one in cells.items():
        analysis = one.analysed(asked.figures)
        if _expected(asked, cell):
            predicted.setdefault(cell[0], {})[cell] = analysis
        else:
            judged[cell] = Judged(analysis, "exploratory")
    for family in predicted.values():
        judged |= judge(family, asked.margin)
    repeats = repeats_of(objects, cells)
    return {
        cell: _difference(one, judged[cell], _expected(asked, cell), repeats.get(cell, ""))
        for cell, one in cells.items()
    }


def _expected(asked: Asked, cell: Cell) -> Expectation | None:
    _, variant, difficulty = cell
    return asked.expects.get(variant, {}).get(OVERALL if difficulty == SEVERAL else difficulty)


def _difference(
    paired: Paired, judged: Judged[Crossed], expected: Expectation | None, repeats: str
) -> Difference:
    word = word_of(expected.difference, judged.verdict) if expected else None
    return Difference(paired, judged, expected, word, repeats)


K = TypeVar("K", bound=tuple[str, ...])
"""Benchmark and method, and a difficulty, if it is of one."""


def repeats_of(objects: pd.DataFrame, compared: Mapping[K, Paired]) -> dict[K, str]:
    """The comparisons that rest on the same scores as one on an earlier benchmark.

    The scores decide, of the method and of `full`: every measure of the same sequences with the
    same seeds, to the last bit. Equal differences alone would not do: those of a method that never
    differs are all zero, whatever it was scored on.

    Args:
        objects: as in `compare_all`.
        compared: what each comparison rests on; benchmarks in their order.

    Returns:
        Of those comparisons, the first of the benchmarks with these scores.
    """
    methods = by_method(objects)
    firsts: dict[tuple[str, ...], list[K]] = {}
    repeats: dict[K, str] = {}
    for key, paired in compared.items():
        earlier = firsts.setdefault(key[1:], [])
        same = (
            first
            for first in earlier
            if np.array_equal(compared[first].differences, paired.differences)
            and _scores(methods, first, compared[first]).equals(_scores(methods, key, paired))
        )
        if (found := next(same, None)) is None:
            earlier.append(key)
        else:
            repeats[key] = found[0]
    return repeats


def _scores(methods: Mapping[Key, pd.DataFrame], key: K, paired: Paired) -> pd.DataFrame:
    """Every score of a method and of `full` on a benchmark, on the sequences of a comparison."""
    benchmark, method = key[:2]
    rows = pd.concat([methods[benchmark, method], methods[benchmark, "full"]])
    rows = rows[rows["sequence"].isin(paired.sequences)]
    return rows[["variant", "seed", "sequence", *MEASURES]].reset_index(drop=True)


def pair_all(objects: pd.DataFrame) -> dict[Key, Paired]:
    """The differences of each method to `full` on the same benchmark, where both are scored.

    Args:
        objects: as in `compare_all`.

    Returns:
        By benchmark and method, in the order of appearance.

    Raises:
        UserError: two methods were scored on different objects, or have no seed in common.
    """
    methods = by_method(objects)
    tables = {key: _by_seed_and_object(rows) for key, rows in methods.items()}
    return {
        (benchmark, method): _minus(rows, methods[full], tables[benchmark, method], tables[full])
        for (benchmark, method), rows in methods.items()
        if method != "full" and (full := (benchmark, "full")) in methods
    }


def pair(variant: pd.DataFrame, full: pd.DataFrame) -> Paired:
    """The differences of a variant to `full` by the seeds that both have, and by sequence.

    What has no seeds, someone else's masks, is set against every seed of the other: the difference
    is to those very masks, and says nothing of another training of what made them.

    Args:
        variant: the statistics of its objects (`rgmp.evaluation.summary.per_object`).
        full: the same of what it is compared with, on the same benchmark; any other method.

    Raises:
        UserError: the two were scored on different objects, or have no seed in common.
    """
    return _minus(variant, full, _by_seed_and_object(variant), _by_seed_and_object(full))


def _minus(
    variant: pd.DataFrame, full: pd.DataFrame, theirs: pd.DataFrame, ours: pd.DataFrame
) -> Paired:
    """`pair`, with the tables of both by seed and object."""
    names = require_same_objects(variant, full)
    if variant["seed"].isna().all():
        differences = theirs.iloc[0] - ours  # the one row, minus every seed of full
    elif full["seed"].isna().all():
        differences = theirs - ours.iloc[0]
    else:
        common = theirs.index.intersection(ours.index)
        if common.empty:
            raise UserError(
                f"{names[0]} has seeds {tuple(theirs.index)}, {names[1]} {tuple(ours.index)}; "
                "a difference is paired by seed: train both with the same seeds"
            )
        differences = theirs.loc[common] - ours.loc[common]
    of_sequences = differences.T.groupby(level="sequence").mean().T
    objects = differences.columns.get_level_values("sequence").value_counts()
    return Paired(
        differences=of_sequences.to_numpy(),
        seeds=tuple(of_sequences.index.tolist()),
        sequences=tuple(of_sequences.columns),
        objects=tuple(int(objects[name]) for name in of_sequences.columns),
    )


def require_same_objects(one: pd.DataFrame, other: pd.DataFrame) -> tuple[str, str]:
    """The names of two methods that are scored on the same objects.

    Args:
        one: the statistics of its objects on a benchmark.
        other: the same of the other.

    Raises:
        UserError: they are not.
    """
    name, other_name = (rows["variant"].iloc[0] for rows in (one, other))
    of_one, of_other = (
        {*rows[["sequence", "object"]].itertuples(index=False, name=None)} for rows in (one, other)
    )
    if of_one != of_other:
        sequence, number = min(of_one ^ of_other)
        raise UserError(
            f"{name} and {other_name}: {sequence}, object {number}, is scored in only one of "
            f"them; score both on the same sequences of {other['benchmark'].iloc[0]}"
        )
    return name, other_name


def _by_seed_and_object(rows: pd.DataFrame) -> pd.DataFrame:
    """One method's J&F; what has no seed is one row. Seeds ascend, and so do objects."""
    seeds = rows["seed"].fillna(-1).astype(int)
    keys = [seeds, rows["sequence"], rows["object"]]
    table = rows[MEASURE].set_axis(pd.MultiIndex.from_arrays(keys)).unstack([1, 2])
    return table.sort_index(axis=1)
