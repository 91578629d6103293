"""A study's folder, read: the plan, the records, and the tables that `rgmp tables` wrote.

Figures and the report are made from this value alone; scores, which only `rgmp tables` needs, are
read by `scores_of`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from rgmp.config.base import Benchmark
from rgmp.data.annotations import ANNOTATIONS, IN_WORDS
from rgmp.data.attributes import FILE, Attribute, read_attributes
from rgmp.data.davis import masks_in
from rgmp.data.mask_source import MaskFile, MaskSource, open_masks
from rgmp.data.sequence import Sequence
from rgmp.data.videos import Videos
from rgmp.errors import UserError
from rgmp.evaluation.engines import PRESENT, TOLERANCE
from rgmp.evaluation.job import BOUNDS
from rgmp.evaluation.score_table import read_scores, table_of
from rgmp.provenance.code import in_words
from rgmp.provenance.machine import machine_of
from rgmp.provenance.record import Record, processors_of, read_all
from rgmp.study import layout, table_files
from rgmp.study.paper_order import paper_order
from rgmp.study.plan import Plan, load_plan
from rgmp.study.planned import PlannedExternal

MEASURED = ("train", "infer", "score", "bounds", "speed")  # kinds of records that results rest on


@dataclass(frozen=True)
class Disagreement:
    """Mixed provenance: some records differ from the others of their kind.

    Attributes:
        sentence: in what they differ.
        records: names of those in the minority.
        variants: those that depend on them.
    """

    sentence: str
    records: tuple[str, ...]
    variants: frozenset[str]


@dataclass(frozen=True)
class Results:
    """A study's folder, read.

    Attributes:
        folder: `results/<study>`.
        plan: the study resolved.
        records: what the jobs wrote about themselves, sorted by name; of `MEASURED`, those alone
            that are in the plan.
    """

    folder: Path
    plan: Plan
    records: list[Record]

    @cached_property
    def variants(self) -> list[str]:
        """Names of the variants, `full` first, in the order of the paper."""
        return paper_order(self.plan)

    @property
    def others(self) -> list[str]:
        """Names of the variants beside `full`."""
        return self.variants[1:]

    @property
    def external(self) -> dict[str, PlannedExternal]:
        """The methods that were not trained here, by name."""
        return {external.name: external for external in self.plan.external}

    @property
    def methods(self) -> list[str]:
        """Names of the variants, `full` first, then of the methods that were not trained here."""
        return [*self.variants, *self.external]

    def computing(self, benchmark: Benchmark) -> list[str]:
        """The `methods` without the variants that are the same computation as `full` there."""
        same = {v for v in self.others if self.plan.changed_by(v, benchmark) == "none"}
        return [method for method in self.methods if method not in same]

    @cached_property
    def furthest(self) -> list[str]:
        """Names of the variants beside `full`, those whose J&F differs most from its first.

        Raises:
            UserError: as `table`.
        """
        differences = self.table("ablation").groupby("variant")["difference_mean"]
        most = differences.agg(lambda values: values.abs().max()).fillna(0).to_dict()
        return sorted(self.others, key=lambda variant: most.get(variant, 0.0), reverse=True)

    def label(self, method: str) -> str:
        """The name in print of a variant, or of a method that was not trained here."""
        named = self.external.get(method) or self.plan.variant(method)
        return named.label

    def videos(self, benchmark: Benchmark) -> Videos:
        """The videos that a benchmark is scored on."""
        return self.plan.videos(benchmark, self.folder)

    def sequence(self, benchmark: Benchmark, name: str) -> Sequence:
        """The files of a sequence that a benchmark is scored on, listed once.

        Raises:
            UserError: they do not match, or are not there any more.
        """
        if (benchmark, name) not in self._sequences:
            opened = self.videos(benchmark).tree.open_sequence(name)
            self._sequences[benchmark, name] = opened
        return self._sequences[benchmark, name]

    @cached_property
    def _sequences(self) -> dict[tuple[Benchmark, str], Sequence]:
        """The sequences that have been listed."""
        return {}

    @cached_property
    def attributes(self) -> tuple[Attribute, ...]:
        """What makes the sequences difficult, if the study or the embedded benchmark says it.

        Raises:
            UserError: the embedded benchmark's file is broken.
        """
        own = self.folder / layout.DAVIS / FILE
        if self.plan.embedded and own.is_file():
            return read_attributes(own)
        return self.plan.attributes

    @property
    def comparable(self) -> bool:
        """Whether published scores may stand beside these: real frames, the whole split."""
        return self.plan.complete and not self.plan.embedded

    def mask_of(
        self, benchmark: Benchmark, method: str, sequence: str, frame: str
    ) -> MaskFile | None:
        """A method's mask of a frame, with the first seed; None: it has no masks, or not any more.

        Raises:
            UserError: masks that were not made here cannot be listed, or lack the frame.
        """
        if method in self.external:
            given = self.external[method].masks.get(benchmark)
            return (
                self._given_mask(given, benchmark, sequence, frame)
                if given and given.exists()
                else None
            )
        name = layout.masks(layout.run(benchmark, method, self.plan.seeds[0]))
        place = self._masks.get(name, {}).get(sequence)
        if place is None or not (self.folder / place).is_dir():
            return None
        return MaskFile(self.folder / place / f"{frame}.png")

    def _given_mask(self, given: Path, benchmark: Benchmark, sequence: str, frame: str) -> MaskFile:
        """The mask of a frame in a folder or a zip that is given, matched as when it was scored."""
        if given not in self._given:
            self._given[given] = open_masks(given, {*self.table("frames")["sequence"]})
        source = self._given[given]
        names = self.videos(benchmark).tree.list_sequence(sequence).names
        found = source.masks_of(sequence, names).masks
        if frame not in found:
            raise UserError(
                f"{source.where(sequence)}: no mask of frame {frame}, which is scored; put it "
                "there, or run the study again"
            )
        return found[frame]

    def masks_of(self, name: str) -> MaskSource:
        """The masks of a run or of an external method, by its name, such as `davis2017/full/seed0`.

        Raises:
            UserError: its record, or its folder of masks, is not there.
        """
        if name in self.plan.adoptions:
            benchmark, method = self.plan.adoptions[name]
            given = method.masks[benchmark]
            return open_masks(given, self.plan.videos(benchmark, self.folder).names())
        places = self._masks.get(layout.masks(name))
        if places is None:
            raise UserError(f"{self.folder / layout.record(layout.masks(name))}: no such record")
        files = {one: masks_in(self.folder / place) for one, place in places.items()}
        folders = {one: {p.name: MaskFile(p) for p in paths} for one, paths in files.items()}
        return MaskSource(self.folder, "", folders)

    @cached_property
    def _given(self) -> dict[Path, MaskSource]:
        """The folders and zips of masks that have been listed."""
        return {}

    @cached_property
    def _masks(self) -> dict[str, dict[str, str]]:
        """Where the masks of each run lie, by the name of their record."""
        return {record["name"]: record.get("masks", {}) for record in self.of_kind("infer")}

    def table(self, name: str) -> pd.DataFrame:
        """A table as `rgmp tables` wrote it (`rgmp.study.table_files`).

        Raises:
            UserError: it is missing, broken, or of another plan.
        """
        if name not in self._tables:
            table = table_files.read(self.folder, name)
            self._require_planned(name, table)
            self._tables[name] = table
        return self._tables[name]

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        """The tables that have been read."""
        return {}

    def _require_planned(self, name: str, table: pd.DataFrame) -> None:
        """Refuse a table of methods or benchmarks that the plan does not have (any more)."""
        known: dict[str, set[str]] = {
            "variant": {*self.methods, *BOUNDS, ""},
            "benchmark": {*self.plan.benchmarks},
        }
        for column in table.columns.intersection([*known]):
            if unknown := {*table[column]} - known[column]:
                raise UserError(
                    f"{table_files.path_of(self.folder, name)}: has the {column} {min(unknown)}, "
                    f"which the plan does not have; run `rgmp tables {self.folder}` again"
                )

    @property
    def measured(self) -> list[Record]:
        """The records that results rest on: training, inference, scores, speed."""
        return [record for record in self.records if record["kind"] in MEASURED]

    @property
    def commit(self) -> str:
        """The commit that the results come from, in words: `1a2b3c4d5e (dirty)`."""
        commits = sorted({commit_of(record) for record in self.measured})
        return " and ".join(commits) or "unknown"

    @property
    def scored_by(self) -> str:
        """Which implementation of J and F scored, and whether another agreed."""
        scored = [record for record in self.of_kind("score") if "engine" in record["config"]]
        if not scored:
            return "no engine"
        engines = " and ".join(sorted({record["config"]["engine"] for record in scored}))
        how = "not cross-checked"
        checked = [r["results"] for r in self.of_kind(layout.CROSS_CHECK)]
        if checked and checked[0].get("evaluator") == PRESENT:
            some, every = (checked[0].get(key) for key in ("sequences", "of_sequences"))
            share = "" if some == every else f" on {some} of {every} sequences of masks"
            how = f"cross-checked with the other{share} (all J and F agree to {TOLERANCE:g})"
        return f"the {engines} engine, {how}"

    @property
    def annotation(self) -> str:
        """What DAVIS-2016 is scored on, in words, as the records of scores have it."""
        scored = (r for r in self.of_kind("score", "bounds") if r["benchmark"] == "davis2016")
        found = {record["results"].get("annotation") for record in scored}
        if self.plan.embedded:
            found.add("objects_made_binary")
        words = [IN_WORDS[kind] for kind in ANNOTATIONS if kind in found]
        return " and ".join(words) or "annotations of an unrecorded kind"

    @property
    def data(self) -> str:
        """The digest of the manifest of every part of the data, in words."""
        parts: dict[str, list[str]] = defaultdict(list)
        for part, digest in self.plan.data.digests.items():
            parts[digest[:10]].append(part)
        return "; ".join(f"{', '.join(named)} {digest}" for digest, named in parts.items())

    @property
    def seeds(self) -> str:
        """The seeds, as `0, 1, 2`."""
        return ", ".join(map(str, self.plan.seeds))

    @cached_property
    def unfinished(self) -> str:
        """That planned results are missing, as a sentence; nothing of a complete study."""
        planned = self.plan.measured
        missing = sum(not (self.folder / path).is_file() for path in planned)
        told = f"The study is not complete: {missing} of {len(planned)} results are missing."
        return told if missing else ""

    @property
    def nature(self) -> str:
        """What the study is scored on, as every table and figure says."""
        if self.plan.embedded:
            return "rendered toy data, not DAVIS; scores are not comparable with the paper's"
        if not self.plan.complete:
            sequences = self.table("objects")["sequence"].nunique()
            others = not self.plan.data.sets.keys().isdisjoint(self.plan.benchmarks)
            what = ", ".join(self.plan.benchmarks) if others else "a part of DAVIS"
            return (
                f"{what} ({sequences} sequences scored); scores are not comparable with the paper's"
            )
        return f"the whole of DAVIS {self.plan.split}"

    def of_kind(self, *kinds: str) -> list[Record]:
        """The records of some kinds."""
        return [record for record in self.records if record["kind"] in kinds]

    def variants_of(self, record: Record) -> tuple[str, ...]:
        """The variants that depend on a record: several for a shared training run."""
        for training in self.plan.trainings:
            if record["kind"] == "train" and training.identity == record["identity"]:
                return training.variants
        return (record["variant"],) if record["variant"] else ()

    @cached_property
    def disagreements(self) -> list[Disagreement]:
        """Where the provenance is mixed.

        Records of training, inference, scores, bounds and speed should share the package's sources;
        those of one kind, stage and benchmark their data; those of speed their machine; training
        runs, and inferences, the type of CPU or GPU, since the same seed gives other bits on
        another.
        """
        found = [self._odd(self.measured, "version of the package's sources", _sources)]
        groups: dict[str, list[Record]] = defaultdict(list)
        for record in self.measured:
            if "data" in record["inputs"]:
                where = record["stage"] or record["benchmark"]
                groups[f"data ({record['kind']}, {where})"].append(record)
        found += [self._odd(records, what, _data) for what, records in groups.items()]
        for kind, work in (("train", "training"), ("infer", "inference")):
            found.append(self._odd(self.of_kind(kind), f"processor type in {work}", processors_of))
        found.append(self._odd(self.of_kind("speed"), "machine for FPS", _machine))
        return [disagreement for disagreement in found if disagreement]

    def mixed(self, variant: str) -> bool:
        """Whether a variant depends on records that differ from the others."""
        return any(variant in disagreement.variants for disagreement in self.disagreements)

    def _odd(
        self, records: list[Record], what: str, of: Callable[[Record], str]
    ) -> Disagreement | None:
        """The records that differ from most in one thing, if there are any."""
        most, count = Counter(map(of, records)).most_common(1)[0] if records else ("", 0)
        odd = [record for record in records if of(record) != most]
        if not odd:
            return None
        return Disagreement(
            sentence=f"{len(odd)} of {len(odd) + count} records have a different {what}",
            records=tuple(record["name"] for record in odd),
            variants=frozenset(v for record in odd for v in self.variants_of(record)),
        )


def load(folder: Path) -> Results:
    """Read the plan and the records of a study's folder.

    Raises:
        UserError: it is not a study's folder, or one of its files is broken.
    """
    plan = load_plan(folder)
    records = [record for record in read_all(folder) if _is_planned(plan, record)]
    return Results(folder, plan, records)


def scores_of(results: Results) -> pd.DataFrame:
    """The score tables of a study, one after another in the order of the plan.

    Returns:
        Their rows (`rgmp.evaluation.score_table.SCORE_DTYPES`); none of what is not scored yet.

    Raises:
        UserError: one of them is broken, or of another benchmark or variant.
    """
    return _joined(results, {name: [key] for name, key in results.plan.scores.items()})


def bounds_of(results: Results) -> pd.DataFrame:
    """The scores of the floor and the ceiling of each benchmark, as `scores_of` returns those.

    Raises:
        UserError: a table is broken, or of another benchmark.
    """
    return _joined(
        results,
        {layout.bounds(b): [(b, bound) for bound in BOUNDS] for b in results.plan.benchmarks},
    )


def checkpoint_scores_of(results: Results) -> dict[int, pd.DataFrame]:
    """The scores of the earlier checkpoints of a study, by step, as `scores_of` returns those.

    Raises:
        UserError: one of them is broken, or of another benchmark or variant.
    """
    tables: dict[int, dict[str, list[tuple[str, str]]]] = defaultdict(dict)
    for name, (benchmark, variant, _, step) in results.plan.checkpoint_scores.items():
        tables[step or 0][name] = [(benchmark, variant.name)]
    return {step: _joined(results, of_step) for step, of_step in sorted(tables.items())}


def _joined(results: Results, tables: Mapping[str, Collection[tuple[str, str]]]) -> pd.DataFrame:
    """Those of some score tables that are there, one after another.

    Args:
        results: of the study.
        tables: the benchmark and method of all rows of a table, by its path below the folder.
    """
    found = [table_of([])]
    for name, keys in tables.items():
        path = results.folder / name
        if path.is_file():
            scores = read_scores(path, "snakemake")
            others = {*zip(scores["benchmark"], scores["variant"], strict=True)}.difference(keys)
            if others:
                expected = " or ".join(", ".join(key) for key in keys)
                raise UserError(
                    f"{path}: has scores of {', '.join(min(others))}, expected {expected}; remove "
                    "it and score again"
                )
            found.append(scores)
    return pd.concat(found, ignore_index=True)


def _is_planned(plan: Plan, record: Record) -> bool:
    """Whether a record belongs to a job of the plan: jobs of earlier plans leave theirs behind."""
    match record["kind"]:
        case "train" | "checkpoints":
            made = ((t.folder, layout.checkpoints(t.folder)) for t in plan.trainings)
            return any(record["name"] in names for names in made)
        case "score" | "bounds":
            return f"{record['name']}.csv" in plan.measured
        case "infer":
            return record["name"] in map(layout.masks, plan.inferences)
        case "speed":
            return f"{record['name']}.json" in map(layout.speed, plan.benchmarks)
        case "check":
            return record["name"].removeprefix("data/") in plan.checks
    return True


def seconds_of(record: Record) -> float:
    """How long a job took: a training run with all its attempts, any other its successful one."""
    seconds = record["results"].get("seconds") if record["kind"] == "train" else None
    return seconds if isinstance(seconds, int | float) else record["wall_seconds"]


def commit_of(record: Record) -> str:
    """The commit that a job ran from, in words: `1a2b3c4d5e (dirty)`."""
    return in_words(record["code"])


def _sources(record: Record) -> str:
    return record["code"]["sources"]


def _data(record: Record) -> str:
    return record["inputs"]["data"]


def _machine(record: Record) -> str:
    return machine_of(record["machine"])
