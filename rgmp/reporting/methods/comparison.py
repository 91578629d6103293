"""What `rgmp compare` has found, as its tables, figures and report tell it."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from rgmp.data.videos import Videos
from rgmp.evaluation.groups import groups_of, leading
from rgmp.evaluation.methods import Entry
from rgmp.evaluation.pairwise import Compared, compare_methods
from rgmp.evaluation.score_table import table_of
from rgmp.evaluation.summary import METHOD, by_seed, per_object
from rgmp.provenance.code import Code, in_words
from rgmp.reporting.labels import BENCHMARK_TITLES
from rgmp.reporting.quantities import counted


@dataclass(frozen=True)
class Comparison:
    """Methods that have been scored, to be compared.

    Attributes:
        videos: what they were scored on.
        entries: every training of every method, scored.
        margin: points of J&F: the largest difference that is none in practice.
        warnings: likely mistakes in what was given, a line each.
        code: that runs.
    """

    videos: Videos
    entries: list[Entry]
    margin: float
    warnings: list[str]
    code: Code

    @cached_property
    def scores(self) -> pd.DataFrame:
        """J and F of every frame (`rgmp.evaluation.score_table.SCORE_DTYPES`)."""
        return table_of(row for entry in self.entries for row in entry.judged.rows)

    @cached_property
    def objects(self) -> pd.DataFrame:
        """The statistics of every object (`rgmp.evaluation.summary.per_object`)."""
        return per_object(self.scores)

    @cached_property
    def trainings(self) -> pd.DataFrame:
        """The measures of every training, the mean over its objects."""
        return by_seed(self.objects, METHOD)

    @cached_property
    def compared(self) -> Compared:
        """Every method against every other."""
        return compare_methods(self.objects, self.margin / 100)

    @cached_property
    def groups(self) -> list[tuple[str, ...]]:
        """The maximal sets of methods of which no two are told apart."""
        return groups_of(self.compared.methods, self.compared.decided)

    @property
    def leading(self) -> list[str]:
        """The methods than which none is decided better."""
        return leading(self.compared.methods, self.compared.decided)

    @property
    def sequences(self) -> int:
        """How many were scored."""
        return int(self.scores["sequence"].nunique())

    @property
    def where(self) -> str:
        """On what they were scored: `DAVIS-2016 val`."""
        return f"{BENCHMARK_TITLES[self.videos.benchmark]} {self.videos.split}"

    @property
    def title(self) -> str:
        """In a few words."""
        return f"{counted(len(self.compared.methods), 'method')} on {self.where}"

    @property
    def provenance(self) -> str:
        """The sentence under every table and figure: what was scored, by what."""
        given = [entry.name for entry in self.entries if entry.is_table]
        engine = "masks scored by the builtin engine"
        unchanged = f"scores of {', '.join(given)} used as given"
        scored = [engine] * (len(given) < len(self.entries)) + [unchanged] * bool(given)
        part = "" if self.videos.sequences is None else ", a part of the split"
        return (
            f"{self.where}: {counted(self.sequences, 'sequence')}{part}; {'; '.join(scored)}; "
            f"commit {in_words(self.code)}."
        )

    @property
    def conclusions(self) -> list[str]:
        """What it comes to, in sentences: who leads, and what the pairs decide."""
        names, pairs = self.leading, self.compared.pairs
        if len(names) == 1:
            led = f"{names[0]} leads: no method is decided better than it."
        elif len(names) == len(self.compared.methods):
            led = (
                f"No method leads: of {_listed(names)} none is decided better than another. The "
                "order of their means is within the noise."
            )
        else:
            led = (
                f"Leading, and not told apart: {_listed(names)}. The order of their means is "
                "within the noise."
            )
        decided = len(self.compared.decided)
        equal = sum(one.judged.verdict == "no difference beyond the margin" for one in pairs)
        told = (
            f"Of {counted(len(pairs), 'pair')}, {decided} decided better or worse, {equal} without "
            f"a difference beyond {self.margin:g} points, {len(pairs) - decided - equal} undecided."
        )
        return [led, told, self.reach]

    @property
    def reach(self) -> str:
        """Of what the verdicts hold."""
        single = [m for m in self.compared.methods if self.trainings_of(m) == 1]
        several = [m for m in self.compared.methods if m not in single]
        on = "sequences like these"
        if not several:
            return (
                "Each method is a single training, compared over sequences alone: intervals and "
                f"verdicts are about these very masks on {on}, and say nothing of another training "
                "of any method."
            )
        told = (
            f"{_listed(several)}: {self.trainings_of(several[0])} trainings, paired in the order "
            f"given; seeds and sequences both vary, so verdicts between such methods are about "
            f"other trainings on {on} too."
        )
        if single:
            told += (
                f" {_listed(single)}: a single training, so verdicts are about these very masks, "
                "and say nothing of another training."
            )
        return told

    def trainings_of(self, method: str) -> int:
        """How many trainings a method has."""
        return sum(entry.method == method for entry in self.entries)


def _listed(names: list[str]) -> str:
    """`a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
