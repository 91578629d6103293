"""Two finished studies: what of them are the same bits, and what cannot be compared.

A study is compared with another run of itself: on another machine, or with other seeds. Results of
other data or settings answer another question, and the reason is said in place of a comparison.
How something is computed (precision, threads) is no such setting: whether it matters is what is
asked.
"""

import filecmp
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rgmp.config.base import Benchmark
from rgmp.errors import UserError
from rgmp.evaluation.agreement import Comparison
from rgmp.provenance.record import processors_of
from rgmp.study import table_files
from rgmp.study.comparable import data_of, first_difference
from rgmp.study.longer import COMPARED, Compared
from rgmp.study.plan import Plan
from rgmp.study.results import Results, load

_REASONS = 2
"""Settings that are named one by one where two variants differ in many."""
_COMPUTED = ("compute.", "inference.precision")
"""How something is computed."""


@dataclass(frozen=True)
class SameFiles:
    """How many of the files that two studies have in common are the same, byte by byte."""

    same: int
    common: int


def finished(folder: Path) -> Results:
    """Read a study that is finished: every score is there, and the table of its verdicts.

    Raises:
        UserError: it is not the folder of a finished study, or one of its files is broken.
    """
    results = load(folder)
    missing = [name for name in results.plan.scores if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"{folder}: not finished, {len(missing)} of {len(results.plan.scores)} score tables "
            f"are missing, such as {missing[0]}; run its workflow to the end"
        )
    return results


def verdicts_of(results: Results) -> dict[Compared, str]:
    """The verdicts against `full` as the study's tables have them: overall, and of predictions.

    Overall every method has one, that of `full` is empty. What is exploratory has none.

    Raises:
        UserError: a table is missing or broken, or lacks a method of the study.
    """
    verdicts: dict[Compared, str] = {}
    for name in COMPARED:
        table = results.table(name).reindex(columns=_READ, fill_value="")
        judged = table[(table["difficulty"] == "") | (table["expected"] != "")]
        for benchmark, method, difficulty, _, verdict in judged.itertuples(index=False, name=None):
            verdicts[benchmark, method, difficulty] = verdict
    overall = {(benchmark, method) for benchmark, method, difficulty in verdicts if not difficulty}
    lacking = {*results.plan.scores.values()} - overall
    if lacking:
        path = table_files.path_of(results.folder, "ablation")
        benchmark, method = min(lacking)
        raise UserError(
            f"{path}: lacks {method} on {benchmark}; run `rgmp tables {results.folder}` again"
        )
    return verdicts


_READ = ["benchmark", "variant", "difficulty", "expected", "difference_verdict"]


def same_difficulty(ours: Results, theirs: Results, difficulty: str) -> bool:
    """Whether a difficulty is that of the same sequences, where studies name those themselves."""
    a, b = (
        {one.sequence for one in study.plan.attributes if one.attribute == difficulty}
        for study in (ours, theirs)
    )
    return a == b


def same_scores(ours: Results, theirs: Results) -> SameFiles:
    """How many of the score tables that both studies have are the same."""
    common = [name for name in ours.plan.scores if name in theirs.plan.scores]
    paths = [(ours.folder / name, theirs.folder / name) for name in common]
    return SameFiles(sum(filecmp.cmp(a, b, shallow=False) for a, b in paths), len(common))


def same_weights(ours: Results, theirs: Results) -> SameFiles:
    """How many of the training runs that both studies have a record of left the same weights."""
    mine, others = _weights(ours), _weights(theirs)
    common = mine.keys() & others.keys()
    return SameFiles(sum(mine[identity] == others[identity] for identity in common), len(common))


def _weights(results: Results) -> dict[str, list[str]]:
    """The digests of what training left, by its identity."""
    trained = [record for record in results.of_kind("train") if record["outputs"]]
    return {str(r["identity"]): sorted(r["outputs"].values()) for r in trained}


def processors(results: Results) -> list[str]:
    """The GPUs or CPUs that trained and segmented."""
    records = results.of_kind("train", "infer")
    return sorted({processors_of(record) for record in records})


def incomparable(ours: Results, theirs: Results) -> dict[Comparison, str]:
    """The comparisons that only one study has, or that two settings have made two, and why."""
    keys = [*dict.fromkeys([*ours.plan.scores.values(), *theirs.plan.scores.values()])]
    benchmarks = dict.fromkeys(benchmark for benchmark, _ in keys)
    whole = {benchmark: _other_data(ours.plan, theirs.plan, benchmark) for benchmark in benchmarks}
    found: dict[Comparison, str] = {}
    for benchmark, method in keys:
        reason = whole[benchmark] or _other_method(ours.plan, theirs.plan, benchmark, method)
        if not reason and method != "full":
            of_full = found.get((benchmark, "full"))
            reason = f"full is not comparable: {of_full}" if of_full else ""
        if reason:
            found[benchmark, method] = reason
    return found


def computed_otherwise(ours: Results, theirs: Results) -> list[str]:
    """The settings that only say how something is computed, and in which the studies differ."""
    found = [
        difference
        for name in ours.variants
        if name in theirs.variants
        for difference in _differing(ours.plan, theirs.plan, name, computed=True)
    ]
    return [*dict.fromkeys(found)]


def _other_data(ours: Plan, theirs: Plan, benchmark: Benchmark) -> str:
    """Why no score of a benchmark can be compared, or nothing."""
    for name, plan in (("A", ours), ("B", theirs)):
        if benchmark not in plan.benchmarks:
            return f"{name} does not have this benchmark"
    found = first_difference(data_of(ours, benchmark), data_of(theirs, benchmark))
    if found is None:
        return ""
    key, a, b = found
    return f"{key}: {a} in A, {b} in B"


def _other_method(ours: Plan, theirs: Plan, benchmark: Benchmark, method: str) -> str:
    """Why a method of one study is not that of the other, or nothing."""
    for name, plan in (("A", ours), ("B", theirs)):
        if (benchmark, method) not in plan.scores.values():
            return f"{name} does not have it"
    given = [
        {e.name: e.digests.get(benchmark) for e in plan.external}.get(method)
        for plan in (ours, theirs)
    ]
    if any(given):
        return "" if given[0] == given[1] else "its masks or scores differ between A and B"
    differing = _differing(ours, theirs, method, computed=False)
    more = len(differing) - _REASONS
    beyond = [f"and {more} more"] if more > 0 else []
    return ", ".join([*differing[:_REASONS], *beyond])


def _differing(ours: Plan, theirs: Plan, variant: str, *, computed: bool) -> list[str]:
    """The settings in which a variant differs, as `finetune.steps: 300 in A, 600 in B`."""
    a, b = (_settings(plan, variant) for plan in (ours, theirs))
    keys = [key for key in dict.fromkeys([*a, *b]) if key.startswith(_COMPUTED) == computed]
    absent = "absent"
    return [
        f"{key}: {_shown(a.get(key, absent))} in A, {_shown(b.get(key, absent))} in B"
        for key in keys
        if a.get(key, absent) != b.get(key, absent)
    ]


def _settings(plan: Plan, variant: str) -> dict[str, Any]:
    """Every setting of a variant by its key in a study file, and the digests of what it reads."""
    planned = plan.variant(variant)
    run = planned.runs[0]
    settings: dict[str, Any] = {}
    for training in map(plan.training, run.trainings):
        parts = {
            **training.config,
            training.stage: training.settings.decisive,
            "network": training.network.architecture,
        }
        for part, values in parts.items():
            settings |= {f"{part}.{key}": value for key, value in values.items()}
        settings[f"{training.stage}, training data"] = training.data
        if training.network.initial_weights:  # a path: its digest is compared
            settings["network.initial_weights"] = plan.data.digests.get("weights")
    if not run.trainings:
        settings["weights"] = run.weights_digest
    inference = planned.inference.model_dump(mode="json")
    return settings | {f"inference.{key}": value for key, value in inference.items()}


def _shown(value: Any) -> str:
    """A value in a line; of a digest its first digits."""
    return value[:10] if isinstance(value, str) and len(value) == 64 else str(value)
