"""The tables of a study: CSV at full precision, and what is printed of them.

`write` computes every statistic once. Accuracies are fractions in the CSV files and per cent, with
one decimal, in print (`rgmp.reporting.table_layouts`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import inf, sqrt
from pathlib import Path

import pandas as pd

from rgmp.config.base import Benchmark
from rgmp.config.protocol import Protocol
from rgmp.config.study import SEVERAL
from rgmp.evaluation.comparison import Difference
from rgmp.evaluation.crossed import Values
from rgmp.evaluation.power import components_of
from rgmp.evaluation.summary import METHOD, keys_of, summarise
from rgmp.inference.timing_statistics import authors_seconds
from rgmp.provenance.machine import device_of
from rgmp.reporting import (
    catalog,
    methods_section,
    normal_range,
    published,
    reproduction,
    speed_rows,
    table_layouts,
)
from rgmp.reporting.analysis import Analysis, analyse_study
from rgmp.reporting.labels import BOUND_TITLES
from rgmp.reporting.latex_table import as_latex
from rgmp.reporting.typesetting import as_markdown
from rgmp.reporting.verdict_marks import Marks, marked, marks_of
from rgmp.runtime.files import write_text
from rgmp.runtime.tidy import rows_of
from rgmp.study import data_dictionary, layout, table_files
from rgmp.study.cross_check import EVALUATOR_DTYPES
from rgmp.study.paper_order import trainings_in_order
from rgmp.study.preregistration import remember_design
from rgmp.study.protocols import own_protocol
from rgmp.study.results import Results, load, seconds_of
from rgmp.study.table_files import dtypes_of
from rgmp.study.timing import SpeedFiles, clips_of, read_speed_files


@dataclass(frozen=True)
class Analysed:
    """What the tables of a study are made from.

    Attributes:
        results: the study.
        analysis: its statistics.
        speed: what its speed files say.
        marks: what is newer than its first results, and the longer study's verdicts.
    """

    results: Results
    analysis: Analysis
    speed: SpeedFiles
    marks: Marks


THIS_STUDY = ", this study"
"""After the label of `full` among published methods, of which one may have the same."""

Builder = Callable[[Analysed], pd.DataFrame]
"""Computes the rows of a table; further columns, and those that are missing, are seen to later."""


def write(folder: Path) -> None:
    """Compute the statistics of a study and write every table into `results/tables/`.

    Those of the catalog as .csv, .md and .tex, the tidy ones (`rgmp.study.table_files.TIDY_DTYPES`)
    as .csv alone; with them J&F of every training (`rgmp.reporting.normal_range`), what
    the columns mean (`rgmp.study.data_dictionary`) and the methods section of a paper
    (`rgmp.reporting.methods_section`). What is printed
    is what the CSV files say. The first time that there are scores, seeds and margin are kept:
    seeds that come later are marked, and another margin is said.

    Raises:
        UserError: `folder` is not a study's folder, or one of its files is broken.
    """
    results = load(folder)
    tables = build(results)
    if not tables["objects"].empty:
        remember_design(results.plan, folder)
    for name, table in tables.items():
        table_files.write(folder, name, table)
    write_text(folder / layout.TABLES / layout.DICTIONARY, _dictionary(tables))
    normal_range.write(folder, results.plan.study, tables["objects"])
    for shown in table_layouts.printed_tables(results):
        path = folder / layout.TABLES / shown.name
        write_text(path.with_suffix(".md"), as_markdown(shown))
        write_text(path.with_suffix(".tex"), as_latex(shown))
    methods_section.write(results)


def build(results: Results) -> dict[str, pd.DataFrame]:
    """Every table of the study by name, from its scores, speed files and records.

    Each has the columns of `rgmp.study.table_files.TABLE_DTYPES`; one without data has no rows.

    Raises:
        UserError: one of the files is broken.
    """
    analysis, speed = analyse_study(results), read_speed_files(results.plan, results.folder)
    study = Analysed(results, analysis, speed, marks_of(results))
    entries = catalog.tables(results.plan)
    tables = analysis.data | {entry.name: builder_of(entry)(study) for entry in entries}
    return {name: _with_columns(name, table) for name, table in tables.items()}


def builder_of(entry: catalog.Entry) -> Builder:
    """What computes a table of the catalog: `build_<name>`, or `build_benchmark`."""
    if entry.benchmark:
        return partial(build_benchmark, benchmark=entry.benchmark)
    builder: Builder = globals()[f"build_{entry.name}"]
    return builder


def _dictionary(tables: Mapping[str, pd.DataFrame]) -> str:
    """What every column means of these tables, and of that of the other engine."""
    columns = {name: [*table.columns] for name, table in tables.items()}
    return data_dictionary.as_markdown(columns | {Path(layout.EVALUATOR).stem: [*EVALUATOR_DTYPES]})


def _with_columns(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """A table with the columns that its file has, and their dtypes; text is never missing."""
    dtypes = dict(dtypes_of(name))
    if name == "speed":
        dtypes |= {str(column): "float64" for column in table if column not in dtypes}
    columns: dict[str, pd.Series] = {}
    for column, dtype in dtypes.items():
        known = column in table
        values = table[column] if known else pd.Series(None, table.index, dtype="object")
        if dtype == "str":
            values = values.astype("object").fillna("")
        columns[column] = values.astype(dtype)  # type: ignore[call-overload] # lists each dtype
    return pd.DataFrame(columns).reset_index(drop=True)


def build_ablation(study: Analysed) -> pd.DataFrame:
    """What each variant changes, against `full`; below them what was not trained here.

    Last the floor and the ceiling, which are compared with nothing.
    """
    results, analysis = study.results, study.analysis
    table = _identified(results, analysis.summary)
    differences = [
        _difference(analysis.differences.get(key))
        | _claim(analysis.difficulties.get((*key, SEVERAL)))
        for key in keys_of(table)
    ]
    table = table.join(pd.DataFrame(differences, index=table.index))
    ranges = normal_range.range_columns(analysis.data["objects"])
    table = table.merge(ranges, on=METHOD, how="left")
    if results.comparable:
        table = table.merge(published.ablation(), on=METHOD, how="left")
    table = pd.concat([table, _bounds(analysis.bounds)], ignore_index=True)
    return _marked(study, table)


def build_difficulty(study: Analysed) -> pd.DataFrame:
    """Each variant against `full` on the sequences of each difficulty."""
    rows = [
        {"benchmark": benchmark, "variant": variant, "difficulty": difficulty, **_difference(one)}
        for (benchmark, variant, difficulty), one in study.analysis.difficulties.items()
    ]
    table = pd.DataFrame(rows, columns=None if rows else ["variant"])
    return _marked(study, _identified(study.results, table))


def _marked(study: Analysed, table: pd.DataFrame) -> pd.DataFrame:
    """A table of differences with the marks of what is newer than the study's first results."""
    return marked(table, study.marks, study.analysis.data["objects"])


def _difference(difference: Difference | None) -> dict[str, object]:
    """The columns of a difference; none for `full` itself."""
    if difference is None:
        return {}
    judged, paired = difference.judged, difference.paired
    analysis, deciding = judged.analysis, judged.deciding
    low, high = analysis.like_these.interval()
    low_here, high_here = analysis.on_these.interval()
    spread = components_of(analysis) if analysis.decidable else None
    return _claim(difference) | {
        "difference_mean": analysis.mean,
        "difference_low": low,
        "difference_high": high,
        "difference_verdict": judged.verdict,
        "same_sequences_low": low_here,
        "same_sequences_high": high_here,
        "p_zero": judged.p_zero,
        "p_beyond": judged.p_beyond,
        "smallest_found": judged.smallest,
        "deciding_seeds": deciding.seeds if deciding else None,
        "deciding_sequences": deciding.sequences if deciding else None,
        "paired_seeds": len(paired.seeds),
        "paired_sequences": len(paired.sequences),
        "paired_figures": analysis.sequences,
        "sd_seeds": sqrt(spread.seeds) if spread else None,
        "sd_sequences": sqrt(spread.sequences) if spread else None,
        "sd_runs": sqrt(spread.runs) if spread else None,
        "same_data_as": difference.repeats,
    }


def _claim(difference: Difference | None) -> dict[str, object]:
    """What was expected of a difference, why, and the outcome; empty without an expectation."""
    if difference is None or difference.expected is None:
        return {}
    expected = difference.expected
    return {
        "expected": expected.difference,
        "because": expected.because,
        "claim": difference.claim,
    }


def build_benchmark(study: Analysed, benchmark: Benchmark) -> pd.DataFrame:
    """Every measure: `full` among the published methods, where it may; then the other variants.

    Last what is not trained here, the floor and the ceiling among it.
    """
    results, analysis, speed = study.results, study.analysis, study.speed
    ours = _identified(results, rows_of(analysis.summary, benchmark=benchmark))
    methods = ours["variant"]
    ours["source"] = [_source(results, benchmark, method) for method in methods]
    ours["section"] = [
        table_layouts.NOT_TRAINED if external else "This study" for external in ours["external"]
    ]
    ours = _with_protocols(results, benchmark, ours)
    times = [_authors_seconds(results, speed, benchmark, method) for method in methods]
    ours = ours.join(pd.DataFrame(times, ours.index))
    ours["busy"] = [
        not external and speed_rows.is_busy(speed, benchmark) for external in ours["external"]
    ]
    bounds = _bounds(rows_of(analysis.bounds, benchmark=benchmark))
    bounds = bounds.assign(source="the annotations", section=table_layouts.NOT_TRAINED)
    bounds = bounds.assign(other_protocol="", unknown_protocol="")
    if not results.comparable:
        return _grouped(pd.concat([ours, bounds], ignore_index=True))
    full = ours[methods == "full"]
    full = full.assign(label=full["label"] + THIS_STUDY)
    known = _with_protocols(results, benchmark, published.methods(benchmark))
    among = pd.concat([full, known]).assign(section=table_layouts.PUBLISHED)
    among = among.sort_values("J&F", ascending=False, kind="stable", na_position="last")
    return _grouped(pd.concat([among, ours[methods != "full"], bounds], ignore_index=True))


def _grouped(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with those apart, in each section, that are known to have another protocol."""
    sections = [*dict.fromkeys(rows["section"])]
    other = rows["other_protocol"].ne("")
    order = rows["section"].map(sections.index) + 0.5 * other
    headings = rows["section"].where(~other, rows["section"] + table_layouts.OTHER_PROTOCOL)
    return rows.assign(section=headings).loc[order.sort_values(kind="stable").index]


def build_protocols(study: Analysed) -> pd.DataFrame:
    """The cards of `full` and of everything that was not trained here, by benchmark."""
    results = study.results
    tables = []
    for benchmark in results.plan.benchmarks:
        rows = _identified(results, rows_of(study.analysis.summary, benchmark=benchmark))
        rows = rows[rows["external"] | rows["variant"].eq("full")]
        if results.comparable:
            names = rows["label"].where(rows["external"], rows["label"] + THIS_STUDY)
            rows = rows.assign(label=names)
            rows = pd.concat([rows, published.methods(benchmark)], ignore_index=True)
        cards = _protocols(results, benchmark, rows)
        told = pd.DataFrame([card.told for card in cards], rows.index)
        rows = rows[["benchmark", "variant", "label", "external", "mixed"]].join(told)
        tables.append(_with_protocols(results, benchmark, rows))
    return pd.concat(tables, ignore_index=True)


def _with_protocols(results: Results, benchmark: Benchmark, rows: pd.DataFrame) -> pd.DataFrame:
    """In what each row is known to differ in protocol from `full`, and what is not known of it."""
    own = own_protocol(results, benchmark)
    cards = _protocols(results, benchmark, rows)
    return rows.assign(
        other_protocol=[", ".join(card.unlike(own)) for card in cards],
        unknown_protocol=[" ".join(card.unknowns(own)) for card in cards],
    )


def _protocols(results: Results, benchmark: Benchmark, rows: pd.DataFrame) -> list[Protocol]:
    """The card of each row: its own, or that of `full`, whose variants differ as they say."""
    own = own_protocol(results, benchmark)
    known = published.protocols(benchmark)
    given = {name: external.protocol for name, external in results.external.items()}
    methods = rows.get("variant", pd.Series("", rows.index))
    return [
        known[label] if pd.isna(method) or not method else given.get(method, own)
        for method, label in zip(methods, rows["label"], strict=True)
    ]


def _bounds(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows of the floor and the ceiling."""
    labels = summary["variant"].map(BOUND_TITLES)
    return summary.assign(label=labels, external=True, mixed=False)


def _source(results: Results, benchmark: Benchmark, method: str) -> str:
    """Where a row's scores come from."""
    if method not in results.external:
        return "this study"
    given = results.external[method].scores.get(benchmark)
    return f"the scores in {given.name}" if given else "its masks, scored here"


def _authors_seconds(
    results: Results, speed: SpeedFiles, benchmark: Benchmark, method: str
) -> dict[str, float | None]:
    """Seconds per frame as the authors count them: measured, or as those of the method report."""
    if method in results.external:
        return {"seconds_per_frame": results.external[method].seconds_per_frame.get(benchmark)}
    if benchmark not in speed:
        return {"seconds_per_frame": None}
    variant = results.plan.variant(method)
    clips = clips_of(results.plan, speed[benchmark], benchmark, variant)
    timed = authors_seconds(clips) if clips else None
    return {**timed.columns("seconds_per_frame")} if timed else {"seconds_per_frame": None}


def build_reproduction(study: Analysed) -> pd.DataFrame:
    """The whole method, and what was not trained here, beside the figures published of them."""
    return reproduction.rows(study.results, study.analysis.data["objects"])


def build_speed(study: Analysed) -> pd.DataFrame:
    """Frames per second of every distinct computation by every protocol; then those reported."""
    results = study.results
    rows = speed_rows.rows(results, study.speed)
    for name, external in results.external.items():
        scored = rows_of(study.analysis.summary, variant=name)["benchmark"]
        for benchmark, seconds in external.seconds_per_frame.items():
            if benchmark in {*scored}:
                rows.append({"benchmark": benchmark, "variant": name, "authors_fps": 1 / seconds})
    table = _identified(results, pd.DataFrame(rows, columns=None if rows else ["variant"]))
    if rows:  # a timing is of no variant: its own record marks its rows
        timed = table["benchmark"].map(speed_rows.record_of)
        table["mixed"] |= timed.isin(_odd_records(results)) & ~table["external"]
    return table


def _odd_records(results: Results) -> set[str]:
    """The names of the records that differ from the others."""
    return {name for disagreement in results.disagreements for name in disagreement.records}


def build_sequences(study: Analysed) -> pd.DataFrame:
    """Every object of every sequence by method, mean over seeds, beside the authors' own."""
    keys = ["benchmark", "variant", "sequence", "object"]
    objects = summarise(study.analysis.data["objects"], keys)
    if study.results.comparable:
        authors = published.of_authors()
        objects = objects.merge(authors, on=["benchmark", "sequence", "object"], how="left")
    return objects


def build_cost(study: Analysed) -> pd.DataFrame:
    """What every training run took, and who shares it."""
    results = study.results
    records = {record["identity"]: record for record in results.of_kind("train")}
    odd = _odd_records(results)
    rows = [
        {
            "stage": training.stage,
            "label": training.slug,
            "seed": training.seed,
            "identity": training.identity,
            "variants": " ".join(training.variants),
            "shared_by": len(training.variants),
            "steps": record["results"].get("steps"),
            "samples": record["results"].get("samples"),
            "hours": seconds_of(record) / 3600,
            "device": device_of(record["machine"]),
            "peak_memory_bytes": record["peak_gpu_memory_bytes"] or record["peak_memory_bytes"],
            "mixed": record["name"] in odd,
        }
        for training in trainings_in_order(results.plan)
        if (record := records.get(training.identity))
    ]
    return pd.DataFrame(rows)


def build_checkpoints(study: Analysed) -> pd.DataFrame:
    """What choosing the best of the last checkpoints adds, and what is left of it elsewhere."""
    plan = study.results.plan
    rows = []
    for (benchmark, variant), choice in study.analysis.choices.items():
        planned = plan.variant(variant)
        last = plan.training(planned.runs[0].trainings[-1]).settings.steps
        optimism = choice.optimism
        low, high = optimism.interval() if optimism.error < inf else (None, None)
        rows.append(
            {
                "benchmark": benchmark,
                "variant": variant,
                "seeds": len(choice.last),
                "steps": " ".join(map(str, (*plan.earlier_checkpoints(planned), last))),
                **_over_seeds("last", choice.last),
                **_over_seeds("mean", choice.mean),
                **_over_seeds("best", choice.best),
                "gain": choice.gain.mean(),
                "gain_elsewhere": choice.elsewhere.mean(),
                "optimism": optimism.mean,
                "optimism_low": low,
                "optimism_high": high,
            }
        )
    table = pd.DataFrame(rows, columns=None if rows else ["variant"])
    return _identified(study.results, table)


def _over_seeds(name: str, values: Values) -> dict[str, float | None]:
    """A mean over seeds, and the sample standard deviation of more than one."""
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return {name: float(values.mean()), f"{name}_spread": spread}


def _identified(results: Results, table: pd.DataFrame) -> pd.DataFrame:
    """A table of methods with their labels, and which are external or of mixed provenance."""
    return table.assign(
        label=[results.label(method) for method in table["variant"]],
        external=[method in results.external for method in table["variant"]],
        mixed=[results.mixed(method) for method in table["variant"]],
    )
