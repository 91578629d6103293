"""The report of a study: one HTML file that needs nothing else."""

from collections import Counter, defaultdict
from collections.abc import Hashable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from rgmp.config.base import Benchmark
from rgmp.config.study import SEVERAL
from rgmp.errors import UserError
from rgmp.evaluation.verdicts import SAME, kind_of
from rgmp.provenance.machine import machine_of
from rgmp.provenance.record import RECORDS, Record
from rgmp.reporting import catalog, first_screen, page, reproduction, table_layouts
from rgmp.reporting.claims import claims_of, where
from rgmp.reporting.heat_map import Cell, heat_maps
from rgmp.reporting.labels import MARKS, REPEATED
from rgmp.reporting.page import Link
from rgmp.reporting.planning import what_came_in_words
from rgmp.reporting.typesetting import NOTHING
from rgmp.runtime.files import write_text
from rgmp.runtime.quantities import counted, duration, interval, limits, points, with_spread
from rgmp.runtime.tidy import rows_of
from rgmp.study import layout, mlflow_links
from rgmp.study.compared_data import is_over_all
from rgmp.study.estimate import what_came
from rgmp.study.mlflow_links import runs_of
from rgmp.study.results import Results, commit_of, load, seconds_of


def write(folder: Path) -> None:
    """Write `results/report.html` from the study's tables, figures and records.

    Raises:
        UserError: `folder` is not a study's folder, one of its files is broken, or a table or a
            figure is not there yet.
    """
    study, runs = load(folder), runs_of(folder)
    html = page.render(
        "report.html.j2",
        plan=study.plan,
        nature=study.nature,
        question=first_screen.question(study),
        unfinished=study.unfinished,
        what=first_screen.what(study),
        opposites=first_screen.opposites(study),
        verdicts=[
            *(_verdict(study, benchmark) for benchmark in study.plan.benchmarks),
            *([] if study.plan.embedded else reproduction.sentences(study)),
        ],
        claims=claims_of(study),
        full=study.label("full"),
        variants=[_variant(study, variant) for variant in study.variants],
        tables={table.name: table for table in table_layouts.printed_tables(study)},
        figures={entry.name: _figure(study, entry) for entry in catalog.FIGURE_ENTRIES},
        lead=_section(study, catalog.LEAD),
        sections=[_section(study, *section) for section in catalog.SECTIONS.items()],
        made={entry.name: _made(study, entry, "tables") for entry in catalog.tables(study.plan)},
        files={
            entry.name: page.files_beside(
                folder / layout.REPORT, f"{layout.TABLES}/{entry.name}", (".csv", ".tex", ".md")
            )
            for entry in catalog.tables(study.plan)
        },
        beside=_beside(study),
        runs=runs,
        compared=runs.comparison([mlflow_links.variant_run(v) for v in study.variants]),
        nothing=NOTHING,
        judged=table_layouts.JUDGED,
        facts=_facts(study),
        disagreements=study.disagreements,
        records=[_provenance(study, record) for record in study.records if not _is_beside(record)],
    )
    write_text(folder / layout.REPORT, html)


def _beside(study: Results) -> list[Link]:
    """Links to files beside the report that belong to no table or figure, as far as they are."""
    names = {
        "what the columns of the tables mean": f"{layout.TABLES}/{layout.DICTIONARY}",
        "methods section": f"{layout.TABLES}/{layout.METHODS_MARKDOWN}",
        "in TeX": f"{layout.TABLES}/{layout.METHODS_LATEX}",
        "its references": f"{layout.TABLES}/{layout.BIBLIOGRAPHY}",
        "plan": layout.PLAN,
    }
    there = {text: name for text, name in names.items() if (study.folder / name).is_file()}
    return [Link(text, quote(name)) for text, name in there.items()]


def _section(study: Results, anchor: str, heading: str = "") -> dict[str, Any]:
    """A section of the report, and the names of its figures and tables."""
    named = {"figures": catalog.FIGURE_ENTRIES, "tables": catalog.tables(study.plan)}
    return {
        "anchor": anchor,
        "heading": heading,
        **{
            kind: [e.name for e in entries if e.section == anchor]
            for kind, entries in named.items()
        },
    }


def _verdict(study: Results, benchmark: Benchmark) -> str:
    """What came out on a benchmark, in words."""
    rows = rows_of(study.table("ablation"), benchmark=benchmark)
    full = rows_of(rows, variant="full")[["J&F", "J&F_spread", "seeds"]]
    if full.empty:
        return f"{study.plan.title_of(benchmark)}: {study.label('full')} has not been scored yet."
    accuracy, spread, seeds = next(full.itertuples(index=False, name=None))
    reached = with_spread(accuracy, spread)
    of = f"the mean and standard deviation of {seeds} seeds" if seeds > 1 else "of one seed"
    told = f"{study.label('full')} reaches {reached}% J&F ({of})."
    by_difficulty = rows_of(study.table("difficulty"), benchmark=benchmark)
    others = by_difficulty[by_difficulty["difficulty"] != SEVERAL]
    since = Counter([*rows["claim_since_run"], *others["claim_since_run"]])
    for change, what in (("newer", "newer than the run"), ("withdrawn", "withdrawn since the run")):
        if since[change]:
            told += f" {counted(since[change], 'expectation')} {what}."
    return f"{study.plan.title_of(benchmark)}: {told}"


def _variant(study: Results, variant: str) -> dict[str, Any]:
    """A variant, what it tests, and what came out."""
    return {
        "name": variant,
        "label": study.label(variant),
        "claim": study.plan.variant(variant).claim,
        "found": _found(study, variant),
        "mixed": study.mixed(variant),
    }


def _found(study: Results, variant: str) -> list[str]:
    """What the study says about a variant's claim: overall, then each prediction."""
    overall = rows_of(study.table("ablation"), variant=variant).assign(difficulty="")
    predicted = rows_of(study.table("difficulty"), variant=variant)
    predicted = predicted[(predicted["expected"] != "") | (predicted["claim_since_run"] != "")]
    rows = pd.concat([overall[overall["difference_verdict"] != ""], predicted])
    in_order = rows.sort_values("benchmark", kind="stable").to_dict("records")
    return [_sentence(study, row) for row in in_order]


def _sentence(study: Results, row: dict[Hashable, Any]) -> str:
    """One difference in words: `DAVIS-2017, occlusion: worse, -5.1 [-8.0, -2.2] points; ...`."""
    told = f"{where(study, row)}: {row['difference_verdict']}"
    if row["difference_verdict"] == SAME:  # there is nothing that could differ
        return told + "."
    ends = (row[f"difference_{key}"] for key in ("mean", "low", "high"))
    told += f", {interval(*ends)} points"
    smallest = row["smallest_found"]
    if smallest > 1:  # no two scores differ by more
        told += "; no difference would be found for sure"
    elif not pd.isna(smallest):
        told += f"; a study like this finds a difference of {points(smallest)} points"
    if not pd.isna(row["deciding_seeds"]):
        size = (
            counted(row["deciding_seeds"], "seed"),
            counted(row["deciding_sequences"], "sequence"),
        )
        told += f"; one as large as the margin takes {' and '.join(size)}"
    if row["claim"] and is_over_all(study.plan, row):
        told += "; the claim is about sequences with several objects"
    elif row["claim"]:
        newer = " (expected since the run)" * (row["claim_since_run"] == "newer")
        told += f"; expected: {row['expected']}; claim: {row['claim']}{newer}"
    elif row["claim_since_run"] == "withdrawn":
        told += "; what was expected has been withdrawn since the run"
    return told + "."


def _figure(study: Results, entry: catalog.FigureEntry) -> dict[str, Any]:
    """A figure, how to read it, what made it, and its files."""
    name, beside = f"{layout.FIGURES}/{entry.name}", study.folder / layout.REPORT
    image = study.folder / f"{name}.png"
    if not image.is_file():
        raise UserError(f"{image}: no such figure; run `rgmp figures {study.folder}` first")
    numbers = [
        Link(f"numbers: {table}.csv", file.target)
        for table in entry.shown_by(study.plan)
        for file in page.files_beside(beside, f"{layout.TABLES}/{table}", (".csv",))
    ]
    return {
        "image": page.embedded(image),
        "caption": entry.caption_for(study.plan.seeds),
        "title": entry.title,
        "alternative": entry.alternative,
        "made": _made(study, entry, "figures"),
        "mixed": _is_mixed(study, entry),
        "files": [*page.files_beside(beside, name, (".pdf", ".png")), *numbers],
        "grids": _grids(study) if entry.name == catalog.DIFFICULTY.name else [],
    }


def _grids(study: Results) -> list[dict[str, Any]]:
    """The heat maps of differences by difficulty, for a page, whose cells show their intervals."""
    maps = heat_maps(study, study.variants)
    cells = [cell for one in maps for cell in one.cells]
    most = max((abs(cell.mean) for cell in cells), default=0) or 1
    there = {kind_of(cell.verdict) for cell in cells if cell.predicted}
    return [
        {
            "title": one.title,
            "marks": {kind: mark for kind, mark in MARKS.items() if kind in there},
            "headings": one.headings,
            "rows": {
                study.label(variant): [cell and _grid_cell(cell, most) for cell in cells]
                for variant, cells in one.rows.items()
            },
        }
        for one in maps
    ]


def _grid_cell(cell: Cell, most: float) -> dict[str, Any]:
    """A cell of a heat map; `share` is that of its colour, per cent, full at the largest mean."""
    told = f"{limits(cell.low, cell.high)} points, {counted(cell.sequences, 'sequence')}; "
    told += (
        f"verdict: {cell.verdict}; expected: {cell.expected}; claim: {cell.claim}"
        if cell.predicted
        else "exploratory: not predicted, hence no verdict"
    )
    notes = [told, cell.repeated, "mixed provenance" * cell.mixed]
    return {
        "text": points(cell.mean, "+"),
        "told": "; ".join(filter(None, notes)),
        "side": "lower" if cell.mean < 0 else "higher",
        "share": round(100 * abs(cell.mean) / most),
        "predicted": cell.predicted,
        "mark": MARKS[kind_of(cell.verdict)] if cell.predicted else "",
        "mixed": cell.mixed,
        "repeats": REPEATED * bool(cell.repeated),
    }


def _made(study: Results, entry: catalog.Entry, command: str) -> str:
    """What made a table or a figure: rule, commit, config, data, machine."""
    records = _evidence(study, entry)
    counts = Counter(record["kind"] for record in records)
    rested = ["the plan", *(f"{count} {kind} records" for kind, count in counts.items())]
    data = {(r["stage"] or r["benchmark"], r["inputs"].get("data", "")[:10]) for r in records}
    parts = {
        f"rule make_{command}": f"rgmp {command}, from {', '.join(rested)}",
        "commit": " and ".join(sorted({commit_of(record) for record in records})),
        "config": f"{study.plan.file}, plan {study.plan.digest[:10]}",
        "data": ", ".join(sorted(f"{where} {digest}" for where, digest in data if digest)),
        "machine": "; ".join(sorted({machine_of(record["machine"]) for record in records})),
        "provenance": "mixed" if _is_mixed(study, entry) else "",
    }
    return " · ".join(f"{part}: {value}" for part, value in parts.items() if value)


def _evidence(study: Results, entry: catalog.Entry) -> list[Record]:
    """The records that a table or a figure rests on."""
    return [
        record
        for record in study.of_kind(*entry.evidence)
        if entry.benchmark in {None, record["benchmark"]}
    ]


def _is_mixed(study: Results, entry: catalog.Entry) -> bool:
    """Whether one of the records that a table or a figure rests on differs from the others."""
    odd = {name for disagreement in study.disagreements for name in disagreement.records}
    return any(record["name"] in odd for record in _evidence(study, entry))


def _facts(study: Results) -> dict[str, str]:
    """What the results rest on, for the head of the report."""
    records = study.measured
    versions: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for package, version in record["versions"].items():
            versions[package].add(version)
    days = sorted(record["started"][:10] for record in records) or ["none"]
    trained = study.of_kind("train")
    hours = duration(sum(map(seconds_of, trained)))
    came = what_came(study.plan, study.folder, study.records)
    return {
        "study": f"{study.plan.study}, {study.plan.file}",
        "data": study.nature,
        "commit": study.commit,
        "machine": "; ".join(sorted({machine_of(record["machine"]) for record in records}))
        or "unknown",
        "run": days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}",
        "seeds": study.seeds,
        "training runs": f"{len(trained)}, {hours} in total",
        **({"time": what_came_in_words(came)} if came else {}),
        "scored by": study.scored_by,
        "packages": ", ".join(f"{name} {' / '.join(sorted(v))}" for name, v in versions.items()),
    }


def _is_beside(record: Record) -> bool:
    """Whether a record is of a job that no result rests on: it shows or mirrors."""
    return record["kind"] in {"tables", "figures", "report", "track"}


def _provenance(study: Results, record: Record) -> dict[str, Any]:
    """A record as a row of the last table."""
    return {
        "kind": record["kind"],
        "name": record["name"],
        "link": quote(f"{RECORDS}/{record['name']}.json"),
        "commit": commit_of(record),
        "sources": record["code"]["sources"][:10],
        "identity": (record["identity"] or "")[:12],
        "data": record["inputs"].get("data", "")[:10],
        "machine": machine_of(record["machine"]),
        "started": record["started"],
        "took": duration(seconds_of(record)),
        "odd": any(record["name"] in d.records for d in study.disagreements),
    }
