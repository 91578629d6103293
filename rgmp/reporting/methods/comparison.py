"""What `rgmp compare` has found, as its tables, figures and report tell it."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from rgmp.config.protocol import UNKNOWN, Protocol
from rgmp.config.titles import benchmark_title
from rgmp.data.annotations import IN_WORDS, Annotation
from rgmp.data.videos import Videos
from rgmp.evaluation.groups import groups_of, leading
from rgmp.evaluation.methods import ComparisonJob, Entry, Method
from rgmp.evaluation.pairwise import LEAST_TRAININGS, Compared, compare_methods
from rgmp.evaluation.score_table import table_of
from rgmp.evaluation.summary import METHOD, by_seed, per_object
from rgmp.provenance.code import Code, in_words
from rgmp.runtime.quantities import counted


@dataclass(frozen=True)
class Comparison:
    """Methods that have been scored, to be compared.

    Attributes:
        job: what was asked for.
        entries: every training of every method, scored.
        warnings: likely mistakes in what was given, a line each.
        code: that runs.
        annotation: what masks were scored on; None: none were.
    """

    job: ComparisonJob
    entries: list[Entry]
    warnings: list[str]
    code: Code
    annotation: Annotation | None = None

    @property
    def videos(self) -> Videos:
        """What they were scored on."""
        return self.job.videos

    @property
    def margin(self) -> float:
        """Points of J&F: the largest difference that is none in practice."""
        return self.job.margin

    @cached_property
    def methods(self) -> dict[str, Method]:
        """What was given of each method, by name, the best J&F first."""
        given = {one.name: one for one in self.job.methods}
        return {name: given[name] for name in self.compared.methods}

    def label(self, name: str) -> str:
        """What a method is called in print."""
        return self.methods[name].label or name

    @cached_property
    def protocols(self) -> dict[str, list[str]]:
        """The methods of each protocol, of which some field is known: `1`, `2` ...; then the rest.

        Those of one protocol have the same in all fields that decide accuracy. None where nothing
        is known of any.
        """
        known: dict[Protocol, list[str]] = {}
        rest = []
        for name, method in self.methods.items():
            decisive = method.protocol.decisive
            if decisive == Protocol():
                rest.append(name)
            else:
                known.setdefault(decisive, []).append(name)
        numbered = {str(number): names for number, names in enumerate(known.values(), 1)}
        return numbered | ({UNKNOWN: rest} if known and rest else {})

    def protocol_of(self, name: str) -> str:
        """Its number, or that it is unknown; empty where nothing is known of any method's."""
        return next((number for number, names in self.protocols.items() if name in names), "")

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
        return f"{benchmark_title(self.videos.benchmark)} {self.videos.split}"

    @property
    def title(self) -> str:
        """In a few words."""
        of = f"{self.job.title}: " if self.job.title else ""
        return f"{of}{counted(len(self.compared.methods), 'method')} on {self.where}"

    @property
    def provenance(self) -> str:
        """The sentence under every table and figure: what was scored, by what."""
        given = [self.name_of(entry) for entry in self.entries if entry.is_table]
        on = f" on {IN_WORDS[self.annotation]}" if self.annotation else ""
        engine = f"masks scored by the builtin engine{on}"
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
        pairs = self.compared.pairs
        decided = len(self.compared.decided)
        equal = sum(one.judged.verdict == "no difference beyond the margin" for one in pairs)
        told = (
            f"Of {counted(len(pairs), 'pair')}, {decided} decided better or worse, {equal} without "
            f"a difference beyond {self.margin:g} points, {len(pairs) - decided - equal} undecided."
        )
        led = self._led(self.compared.methods)
        if len(self.protocols) < 2:
            return [led, told, self.reach]
        within = [
            f"Within protocol {number}: {self._led(names)}"
            for number, names in self.protocols.items()
            if number != UNKNOWN and len(names) > 1
        ]
        across = (
            "Not all of these methods have the same protocol, or their protocol is not known: "
            "between two of different protocols a verdict is about what was given here, not about "
            f"methods under the same conditions. Whatever the protocol: {led}"
        )
        return [*within, across, told, self.reach]

    def _led(self, methods: list[str]) -> str:
        """Which of some methods lead."""
        among = {pair for pair in self.compared.decided if {*pair} <= {*methods}}
        names = [self.label(name) for name in leading(methods, among)]
        if len(names) == 1:
            return f"{names[0]} leads: no method is decided better than it."
        if len(names) == len(methods):
            return (
                f"No method leads: of {_listed(names)} none is decided better than another. The "
                "order of their means is within the noise."
            )
        return (
            f"Leading, and not told apart: {_listed(names)}. The order of their means is "
            "within the noise."
        )

    def name_of(self, entry: Entry) -> str:
        """What a training is called in print."""
        return entry.name.replace(entry.method, self.label(entry.method), 1)

    @property
    def reach(self) -> str:
        """Of what the verdicts hold."""
        few = [m for m in self.methods if self.trainings_of(m) < LEAST_TRAININGS]
        several = [m for m in self.methods if m not in few]
        on = "sequences like these"
        if all(self.trainings_of(m) == 1 for m in self.methods):
            return (
                "Each method is a single training, compared over sequences alone: intervals and "
                f"verdicts are about these very masks on {on}, and say nothing of another training "
                "of any method."
            )
        numbers = [
            f"{self.label(m)} has {counted(self.trainings_of(m), 'training')}" for m in self.methods
        ]
        told = f"{_listed(numbers)}, none of which is paired with one of another method."
        if len(several) > 1:
            told += (
                f" A verdict between {_listed([*map(self.label, several)])} is about other "
                f"trainings of both, on {on}."
            )
        if few:
            told += (
                f" Fewer than {LEAST_TRAININGS} do not measure how another would differ: a verdict "
                f"on {_listed([*map(self.label, few)])} is about the mean of those very masks on "
                f"{on}, and says nothing of another training of it."
            )
        return told

    def trainings_of(self, method: str) -> int:
        """How many trainings a method has."""
        return sum(entry.method == method for entry in self.entries)


def _listed(names: list[str]) -> str:
    """`a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
