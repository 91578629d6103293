"""The tables of a study: CSV at full precision, Markdown, and LaTeX with booktabs.

Accuracies are fractions in the CSV and per cent, with one decimal, in print.
"""

import statistics
from collections.abc import Iterable
from pathlib import Path

from rgmp import facts
from rgmp.config.base import Benchmark
from rgmp.evaluation.summary import Measure, Summary, summarise
from rgmp.reporting import catalog
from rgmp.reporting.labels import BENCHMARK_TITLES, MEASURE_TITLES, STAGE_TITLES
from rgmp.reporting.typesetting import (
    UNKNOWN,
    Cell,
    Row,
    Table,
    as_csv,
    as_latex,
    as_markdown,
    duration,
    interval,
    number,
    percent,
    points,
)
from rgmp.runtime import cores
from rgmp.runtime.files import write_text
from rgmp.study import layout
from rgmp.study.results import Results, load, seconds_of

NOT_TRAINED = "Not trained here"
_PROTOCOL_ACCURACY = (
    "Per cent, mean over objects, then over seeds. Seconds a frame as the authors count: wall "
    "time of whole clips over their frames, with frame 0, reading, resizing and transfers."
)
_PROTOCOL_SPEED = (
    "FPS: network and aggregation, from a frame on the device to its labels there, frame 0 "
    "apart; median over frames and repeats. End to end: from a decoded frame in memory to its "
    "labels there. As the authors: frames of a clip over its wall time, with frame 0, reading, "
    "resizing, transfers and writing. Of the limit: operations of the network a second, in per "
    "cent of the machine's own product of matrices, which convolutions on a CPU may outrun. "
    "Peak: memory of the GPU; on a CPU, of the whole process."
)


def write(results: Path) -> None:
    """Write every table of the catalog into `results/tables/` as .csv, .md and .tex.

    Raises:
        UserError: the folder is none of a study, or one of its files is broken.
    """
    for table in build(load(results)):
        path = results / layout.TABLES / table.name
        write_text(path.with_suffix(".csv"), as_csv(table))
        write_text(path.with_suffix(".md"), as_markdown(table))
        write_text(path.with_suffix(".tex"), as_latex(table))


def build(results: Results) -> list[Table]:
    """Every table of the study, in the order of the catalog; one without data has no rows."""
    tables = [_table(results, entry) for entry in catalog.tables(results.plan.benchmarks)]
    for table in tables:
        table.notes.extend([*_marks(results, table), provenance(results)])
    return tables


def provenance(results: Results) -> str:
    """The sentence under every table: which study, engine, seeds and commit."""
    plan = results.plan
    return (
        f"Study {plan.study} ({plan.title}): {results.nature}. Scored by {results.scored_by}; "
        f"seeds {results.seeds}; commit {results.commit}."
    )


def _table(results: Results, entry: catalog.Entry) -> Table:
    """A table of the catalog, without what every table says under it."""
    if entry.benchmark:
        return _benchmark(results, entry, entry.benchmark)
    return BUILDERS[entry.name](results, entry)


def _ablation(results: Results, entry: catalog.Entry) -> Table:
    """What each variant changes, against `full`; below them what was not trained here."""
    known = facts.read("published_ablation.csv") if results.comparable else []
    published = {(fact["benchmark"], fact["variant"]): _published_jf(fact) for fact in known}
    rows: list[Row] = []
    for (benchmark, variant), scores in results.scores.items():
        row = _identify(results, benchmark, variant)
        row |= _figures(summarise(scores), ("J_mean", "F_mean", "J&F"))
        difference = results.differences.get((benchmark, variant))
        for key in ("mean", "low", "high", "level", "verdict"):
            row[f"difference_{key}"] = getattr(difference, key, None)
        row["published_J&F"] = published.get((benchmark, variant))
        rows.append(row)
    columns: dict[str, Cell] = {
        "Variant": _name,
        **{MEASURE_TITLES[m]: _with_spread(m) for m in ("J_mean", "F_mean", "J&F")},
        "Difference [interval]": _difference,
        "Verdict": lambda row: row["difference_verdict"] or UNKNOWN,
    }
    if published:
        columns["Paper"] = percent("published_J&F")
    notes = ["Per cent: mean over objects, then over seeds, ± standard deviation over seeds."]
    if results.differences:
        notes.append(
            f"Difference to {results.label('full')} in points of J&F with its {_level(results)} "
            "interval over seeds and sequences: the verdicts of a benchmark hold together with "
            "95%. Inconclusive: it includes zero, or there is one seed."
        )
    if results.external:
        notes.append(
            "What is not trained here has no seeds: its verdicts are of those very masks, and hold "
            "together for themselves."
        )
    if published:
        notes.append("Paper: J&F there, where known.")
    return Table(entry.name, entry.title, rows, columns, _title_and_kind, notes)


def _level(results: Results) -> str:
    """The confidence of a single interval, of variants where there are any: 98.8%."""
    found = results.differences
    ours = [d.level for (_, method), d in found.items() if method not in results.external]
    levels = sorted(set(ours or [d.level for d in found.values()]))
    return " or ".join(f"{100 * level:.3g}%" for level in levels)


def _benchmark(results: Results, entry: catalog.Entry, benchmark: Benchmark) -> Table:
    """Every measure: `full` among the published methods, where it may; then the other variants.

    Last what is not trained here.
    """
    ours: list[Row] = []
    for method in results.methods:
        if (benchmark, method) in results.scores:
            row = _identify(results, benchmark, method)
            row |= {"source": _source(results, benchmark, method), "note": ""}
            row["section"] = NOT_TRAINED if row["external"] else "This study"
            row |= _figures(summarise(results.scores[benchmark, method]), MEASURE_TITLES)
            row["seconds_per_frame"] = _authors_seconds(results, benchmark, method)
            row["busy"] = _busy(results, benchmark, method)
            ours.append(row)
    rows, notes = ours, [_PROTOCOL_ACCURACY]
    if results.comparable:
        full = [
            row | {"label": f"{row['label']}, this study"}
            for row in ours
            if row["variant"] == "full"
        ]
        among = sorted([*full, *published_methods(benchmark)], key=lambda row: -(row["J&F"] or 0))
        rows = [row | {"section": "Among published methods"} for row in among]
        rows += [row for row in ours if row["variant"] != "full"]
        notes.append(
            f"Published figures as reported, on other machines; {UNKNOWN}: unknown. "
            "The CSV names their sources."
        )
    columns: dict[str, Cell] = {
        "Method": _name,
        **{title: percent(measure) for measure, title in MEASURE_TITLES.items()},
        "s/frame": number("seconds_per_frame", "{:.3g}"),
    }
    return Table(entry.name, entry.title, rows, columns, lambda row: row["section"], notes)


def _source(results: Results, benchmark: Benchmark, method: str) -> str:
    """Where a row's figures come from."""
    if method not in results.external:
        return "this study"
    given = results.external[method].scores.get(benchmark)
    return f"the scores in {given.name}" if given else "its masks, scored here"


def _authors_seconds(results: Results, benchmark: Benchmark, method: str) -> float | None:
    """Seconds a frame as the authors count them: measured, or as those of the method report."""
    if method in results.external:
        return results.external[method].seconds_per_frame.get(benchmark)
    timed = results.speed.get((benchmark, method), {"summary": {}})["summary"]
    seconds: float | None = timed.get("authors_seconds_per_frame")
    return seconds


def published_methods(benchmark: str) -> list[Row]:
    """The published methods of a benchmark."""
    return [
        {
            "benchmark": benchmark,
            "variant": None,
            "label": fact["method"],
            "source": "; ".join(filter(None, (fact["accuracy_source"], fact["speed_source"]))),
            "note": fact["note"],
            **(_authors_own(benchmark) if fact["method"] == "RGMP" else {}),
            "J_mean": _fraction(fact["J_mean"]),
            "F_mean": _fraction(fact["F_mean"]),
            "J&F": _published_jf(fact),
            "seconds_per_frame": _known(fact["seconds_per_frame"]),
        }
        for fact in facts.read("published.csv")
        if fact["benchmark"] == benchmark
    ]


def _authors_own(benchmark: str) -> Row:
    """Recall and decay of the masks that the authors of RGMP published, mean over objects."""
    scores = facts.read("official_rgmp_scores.csv")
    rows = [row for row in scores if row["benchmark"] == benchmark]
    measures = ("J_recall", "J_decay", "F_recall", "F_decay")
    return {m: statistics.fmean(float(row[m]) for row in rows) for m in measures}


def _speed(results: Results, entry: catalog.Entry) -> Table:
    """Frames a second by every protocol, by scales and by the number of objects."""
    on_gpu = {record["name"] for record in results.of_kind("speed") if record["machine"]["gpu"]}
    rows: list[Row] = []
    for (benchmark, variant), timed in results.speed.items():
        row = _identify(results, benchmark, variant)
        row |= {key: timed[key] for key in ("device", "precision", "aggregation")}
        row["scales"] = " ".join(map(str, timed["scales"]))
        row |= timed["summary"]
        row["busy"] = _busy(results, benchmark, variant)
        on_cpu = f"speed/{benchmark}/{variant}" not in on_gpu
        row["threads"] = timed.get("threads") if on_cpu else None
        for count in sorted({clip["objects"] for clip in timed["clips"]}):
            clips = [clip for clip in timed["clips"] if clip["objects"] == count]
            seconds = [second for clip in clips for run in clip["network"] for second in run]
            row[f"fps_{count}_objects"] = 1 / statistics.median(seconds)
        rows.append(row)
    for benchmark, method in results.scores:
        reported = _authors_seconds(results, benchmark, method)
        if method in results.external and reported:
            rows.append(_identify(results, benchmark, method) | {"authors_fps": 1 / reported})
    counts = sorted({int(key[4:-8]) for row in rows for key in row if key.endswith("_objects")})
    columns: dict[str, Cell] = {
        "Variant": _name,
        "scales": lambda row: row.get("scales", UNKNOWN),
        "FPS": number("fps", "{:.1f}"),
        **{
            f"{count} object{'s' * (count > 1)}": number(f"fps_{count}_objects", "{:.1f}")
            for count in counts
        },
        "end to end": number("end_to_end_fps", "{:.1f}"),
        "as the authors": number("authors_fps", "{:.1f}"),
        "frame 0, s": number("first_frame_seconds", "{:.3g}"),
        "peak, MB": _megabytes,
        "of the limit": percent("fraction_of_limit"),
    }
    return Table(entry.name, entry.title, rows, columns, _timed_on, [_PROTOCOL_SPEED])


def _sequences(results: Results, entry: catalog.Entry) -> Table:
    """Every object of every sequence: `full` and what is not trained here; all in the CSV."""
    known = facts.read("official_rgmp_scores.csv") if results.comparable else []
    official = {(f["benchmark"], f["sequence"], int(f["object"])): f for f in known}
    rows: list[Row] = []
    for benchmark in results.plan.benchmarks:
        ours = {v: scores for (b, v), scores in results.scores.items() if b == benchmark}
        objects = next(iter(ours.values())).objects if ours else ()
        for index, (sequence, object_id) in enumerate(objects):
            row: Row = {"benchmark": benchmark, "sequence": sequence, "object": object_id}
            for variant, scores in ours.items():
                for measure in MEASURE_TITLES:
                    mean = float(scores.values[measure][:, index].mean())
                    row[f"{variant}_{measure}"] = mean
            fact = official.get((benchmark, sequence, object_id), {})
            for measure in ("J_mean", "F_mean"):
                row[f"RGMP_authors_{measure}"] = _known(fact.get(measure, ""))
            rows.append(row)
    columns: dict[str, Cell] = {
        "Sequence": lambda row: row["sequence"],
        "object": lambda row: str(row["object"]),
        **{
            title: percent(f"full_{measure}")
            for measure, title in MEASURE_TITLES.items()
            if not measure.endswith(("recall", "decay") if results.external else "recall")
        },
    }
    if official:
        columns["J, authors"] = percent("RGMP_authors_J_mean")
        columns["F, authors"] = percent("RGMP_authors_F_mean")
    shown = list(results.external)[:3]  # as many as a page has room for
    columns |= {results.label(name): percent(f"{name}_J&F") for name in shown}
    notes = [f"{results.label('full')}, per cent, mean over seeds; all in the CSV."]
    if shown:
        notes.append(f"J&F of {', '.join(map(results.label, shown))}.")
    return Table(entry.name, entry.title, rows, columns, _title, notes)


def _cost(results: Results, entry: catalog.Entry) -> Table:
    """What every training took, and who shares it."""
    records = {record["identity"]: record for record in results.of_kind("train")}
    odd = {name for disagreement in results.disagreements for name in disagreement.records}
    rows: list[Row] = [
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
            "device": record["machine"]["gpu"] or record["machine"]["cpu"],
            "peak_memory_bytes": record["peak_gpu_memory_bytes"] or record["peak_memory_bytes"],
            "mixed": record["name"] in odd,
        }
        for training in sorted(results.plan.trainings, key=lambda t: t.stage != "pretrain")
        if (record := records.get(training.identity))
    ]
    columns: dict[str, Cell] = {
        "Training": _name,
        "samples": number("samples", "{:,}"),
        "steps": number("steps", "{:,}"),
        "time": lambda row: duration(3600 * row["hours"]),
        "peak, MB": _megabytes,
        "variants": lambda row: str(row["shared_by"]),
        "used by": lambda row: _some(row["variants"].split()),
    }
    notes = [f"{duration(3600 * sum(row['hours'] for row in rows))} in all."]
    return Table(
        entry.name,
        entry.title,
        rows,
        columns,
        lambda row: f"{STAGE_TITLES[row['stage']]}, on {row['device']}",
        notes,
    )


BUILDERS = {"ablation": _ablation, "speed": _speed, "sequences": _sequences, "cost": _cost}
"""What builds a table, by its name; one of a benchmark is named after it."""


def _some(names: list[str]) -> str:
    """At most three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _identify(results: Results, benchmark: str, variant: str) -> Row:
    return {
        "benchmark": benchmark,
        "variant": variant,
        "label": results.label(variant),
        "external": variant in results.external,
        "mixed": results.mixed(variant),
    }


def _figures(summary: dict[Measure, Summary], measures: Iterable[Measure]) -> Row:
    figures: Row = {"seeds": summary["J&F"].seeds}
    for measure in measures:
        figures[measure] = summary[measure].mean
        figures[f"{measure}_spread"] = summary[measure].spread
    return figures


def _marks(results: Results, table: Table) -> list[str]:
    marks = []
    if any(row.get("mixed") for row in table.rows):
        sentences = "; ".join(disagreement.sentence for disagreement in results.disagreements)
        marks.append(f"† Mixed provenance: {sentences}; the report names them.")
    if any(row.get("busy") for row in table.rows):
        marks.append(
            f"‡ Timed on a busy machine: processes other than the job and its ancestors, such as "
            f"Snakemake, used more than {cores.BUSY:.0%} of its cores during the measurement (the "
            "share is in the speed table's CSV); such a speed does not measure the method."
        )
    return marks


def _busy(results: Results, benchmark: Benchmark, method: str) -> bool:
    """Whether others took much of the machine meanwhile; speed files of old do not say."""
    timed = results.speed.get((benchmark, method), {"summary": {}})["summary"]
    return bool(timed.get("others_share", 0) > cores.BUSY)


def _known(text: str) -> float | None:
    return float(text) if text else None


def _fraction(percent: str) -> float | None:
    return float(percent) / 100 if percent else None


def _published_jf(fact: dict[str, str]) -> float | None:
    known = [float(fact[measure]) for measure in ("J_mean", "F_mean") if fact[measure]]
    return sum(known) / 200 if len(known) == 2 else None


def _title(row: Row) -> str:
    benchmark: Benchmark = row["benchmark"]
    return BENCHMARK_TITLES[benchmark]


def _title_and_kind(row: Row) -> str:
    return _title(row) + (f", {NOT_TRAINED.lower()}" if row["external"] else "")


def _name(row: Row) -> str:
    return str(row["label"]) + "†" * bool(row.get("mixed")) + "‡" * bool(row.get("busy"))


def _with_spread(measure: str) -> Cell:
    def cell(row: Row) -> str:
        spread = row[f"{measure}_spread"]
        return points(row[measure]) + (f" ± {points(spread)}" if spread is not None else "")

    return cell


def _difference(row: Row) -> str:
    if row["difference_mean"] is None:
        return UNKNOWN
    return interval(*(row[f"difference_{key}"] for key in ("mean", "low", "high")))


def _timed_on(row: Row) -> str:
    """`DAVIS-2016 on AMD EPYC, 2 threads, fp32`; on a GPU its own threads say nothing."""
    if row["external"]:
        return f"{_title(row)}, as others report, on other machines"
    count = row["threads"]
    threads = f", {count} thread{'s' * (count > 1)}" if count else ""
    return f"{_title(row)} on {row['device']}{threads}, {row['precision']}"


def _megabytes(row: Row) -> str:
    peak: float | None = row.get("peak_memory_bytes")
    return UNKNOWN if peak is None else f"{peak / 1e6:,.0f}"
