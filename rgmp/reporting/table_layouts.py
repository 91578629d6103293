"""The printed form of a study's tables: their columns, headings and notes.

The numbers are those of the CSV files (`Results.table`); only sums of time are computed here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from rgmp.config.study import SEVERAL
from rgmp.data.annotations import IN_WORDS
from rgmp.evaluation.job import BOUNDS
from rgmp.inference.quiet import QUIET
from rgmp.reporting import catalog, reproduction
from rgmp.reporting.labels import (
    ARROWS,
    MEASURE_TITLES,
    PROTOCOL_TITLES,
    REPEATED,
    STAGE_TITLES,
)
from rgmp.reporting.margin import on_margin
from rgmp.reporting.published import AUTHORS
from rgmp.reporting.typesetting import Table, number, percent, places_of
from rgmp.runtime import cores
from rgmp.runtime.quantities import (
    UNKNOWN,
    counted,
    duration,
    interval,
    limits,
    points,
    with_spread,
)
from rgmp.study.compared_data import is_over_all, repeated
from rgmp.study.protocols import other_protocols
from rgmp.study.results import Results

_RANKED = {title: ARROWS[title] for title in MEASURE_TITLES.values()}
NOT_TRAINED = "Not trained here"
PUBLISHED = "Among published methods"
OTHER_PROTOCOL = ", another protocol"
"""Added to the heading of rows that are known to differ in it from `full`."""
VERDICT = "Verdict"
LONGER_STUDY = "Longer study"
EXPECTED, CLAIM = "Expected", "Claim"
DIFFERENCE = "Difference [interval]"
PAPER, TO_PAPER = "Paper", "To paper"
JUDGED = (VERDICT, LONGER_STUDY, CLAIM)
"""The headers of the columns whose cells begin with a verdict, or with a word on a claim."""
_PROTOCOL_ACCURACY = (
    "Per cent, mean over objects, then over seeds. Seconds per frame as the authors count: wall "
    "time of whole clips divided by their frames, including frame 0, reading, resizing and "
    "transfers."
)
_SCALE = (
    "Floor: the mask of frame 0 is kept for every frame. Ceiling: the truth, reduced to the "
    "resolution of the network's last map and enlarged again."
)
_ON_OTHER_PROTOCOL = "¶ Of another protocol than {full}: the table of protocols says in what."
_OTHER_PROTOCOL = (
    "Another protocol: in what a method is known to differ from {full}, so that the difference of "
    f"their scores is not one of methods alone; {UNKNOWN}: no difference is known, nor everything "
    "of its protocol (the table of protocols has the cards)."
)
_PROTOCOL_SPEED = (
    "FPS: network and aggregation, from a frame on the device to its labels there, without frame "
    "0; median over frames, mean over sequences and rounds. Each distinct computation is timed "
    "once, for all variants that share it. Ratio: its FPS relative to that of {first}, within "
    "rounds in which all take turns. Intervals are 95% over rounds. End to end: from a decoded "
    "frame in memory to its labels there. As the authors: frames of a clip divided by its wall "
    "time, including frame 0, reading, resizing, transfers and writing. Of the limit: operations "
    "of the network per second, in per cent of what the machine reaches in matrix products, which "
    "convolutions on a CPU may exceed."
)
_PROTOCOL_OBJECTS = (
    "Fixed and per object: milliseconds of the network per frame, a straight line fitted over 1 to "
    "5 objects; softmax aggregation takes one more pass, over the union, if there are several."
)
_PROTOCOL_MEMORY = (
    "Memory: MB with a short video, of {short_frames} frames, and a long one, of {long_frames}; on "
    "a GPU the peak of this computation alone, on a CPU what the process holds. The longer takes "
    "{growth:+.1%} at most."
)
_PROTOCOL_LABELS = (
    "As fp32: pixels with the label that the same weights give in fp32, in per cent; those of the "
    "first variant of a row with the first seed."
)
_PROTOCOL_CHECKPOINTS = (
    "J&F in per cent, mean over objects, then over seeds, ± standard deviation over seeds: of the "
    "last checkpoint, on which all other tables rest; of the mean of those listed; and of the "
    "best, chosen with each seed on these very sequences, which is never below the last, whatever "
    "the truth. Gain where chosen: of the checkpoint that is best on a random half of the "
    "sequences, over the mean of all of them on that half, in points; elsewhere: of the same one "
    "on the other half. Means over 1,000 halvings; where a figure recurs in several sequences, "
    "figures are halved. Optimism: the difference of the two gains, with its 95% interval over "
    "seeds: luck on the sequences that were chosen on. Of the best on all of them it is smaller, "
    "down to 0.7 times that."
)


@dataclass(frozen=True)
class Printed:
    """The rows of a table as they are printed.

    Attributes:
        columns: header -> cells as text; the first names the row.
        headings: of the rows.
        notes: under the table.
        compared: the rows whose accuracies may be ranked among those of their heading: of one
            study and protocol; None: no rows.
    """

    columns: dict[str, pd.Series]
    headings: pd.Series
    notes: list[str]
    compared: pd.Series | None = None


Layout = Callable[[Results, pd.DataFrame], Printed]
"""Prints the rows of a table's CSV file."""


def printed_tables(results: Results) -> list[Table]:
    """Every table of the catalog, as `rgmp tables` has written its CSV file.

    Raises:
        UserError: one of the files is missing or broken.
    """
    return [printed_table(results, entry) for entry in catalog.tables(results.plan)]


def layout_of(entry: catalog.Entry) -> Layout:
    """How a table of the catalog is printed: `print_<name>`, or `print_benchmark`."""
    layout: Layout = globals()[f"print_{'benchmark' if entry.benchmark else entry.name}"]
    return layout


def provenance(results: Results) -> str:
    """What is under every table: which study, engine, seeds, commit and data."""
    plan = results.plan
    which = "davis2016" in plan.benchmarks and not plan.embedded  # which truth is a question
    on = f" {plan.title_of('davis2016')} on {results.annotation};" if which else ""
    return f"{results.unfinished} ".lstrip() + (
        f"Study {plan.study} ({plan.title}): {results.nature}. Scored by {results.scored_by};{on} "
        f"seeds {results.seeds}; commit {results.commit}. Data, by the digests of their manifests: "
        f"{results.data}."
    )


def printed_table(results: Results, entry: catalog.Entry) -> Table:
    """A table of the catalog.

    Raises:
        UserError: one of the files that it is made from is missing or broken.
    """
    rows = _in_order(results, results.table(entry.name))
    rows = _with_other_protocols(results, rows)
    printed = layout_of(entry)(results, rows)
    cells = pd.DataFrame({head: column.astype("str") for head, column in printed.columns.items()})
    headings = printed.headings.astype("str")
    return Table(
        entry.name,
        entry.title,
        cells,
        headings,
        [*printed.notes, *_marks(results, rows), provenance(results)],
        caption=entry.caption_for(results.plan.seeds),
        arrows={head: arrow for head, arrow in ARROWS.items() if head in cells},
        places=places_of(cells, headings, printed.compared, _RANKED),
    )


def _in_order(results: Results, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the variants of each benchmark in the order of the paper.

    The others keep their places: published methods are sorted by accuracy, and the rest comes last.
    """
    if "variant" not in rows:
        return rows
    order = {variant: place for place, variant in enumerate(results.variants)}
    of_benchmark = {name: place for place, name in enumerate(results.plan.benchmarks)}
    ours = rows[rows["variant"].isin(order)]
    keys = zip(ours["benchmark"].map(of_benchmark), ours["variant"].map(order), strict=True)
    placed = iter([index for _, index in sorted(zip(keys, ours.index, strict=True))])
    here = {*ours.index}
    return rows.loc[[next(placed) if i in here else i for i in rows.index]].reset_index(drop=True)


def _with_other_protocols(results: Results, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table with a mark for methods of another protocol than that of `full`."""
    if "external" not in rows or "other_protocol" in rows:
        return rows
    other = other_protocols(results)
    return rows.assign(other_protocol=[other.get(method, "") for method in rows["variant"]])


def print_ablation(results: Results, rows: pd.DataFrame) -> Printed:
    """Each variant compared with `full`; below them the methods not trained here."""
    columns = {"Variant": _name(rows)}
    for measure in ("J_mean", "F_mean", "J&F"):
        columns[MEASURE_TITLES[measure]] = _with_spread(rows, measure)
    if (paper := rows["published_J&F"]).notna().any():
        columns |= {PAPER: percent(paper), TO_PAPER: _signed(rows["J&F"] - paper)}
    over_all = pd.Series(
        [is_over_all(results.plan, row) for row in rows.to_dict("records")], rows.index, dtype=bool
    )
    columns |= _with_scopes(_differences(results, rows), over_all)
    notes = ["Per cent: mean over objects, then over seeds, ± standard deviation over seeds."]
    if rows["difference_mean"].notna().any():
        notes += _notes_on_differences(results, "ablation")
    if over_all.any():
        labels = " and ".join(dict.fromkeys(rows.loc[over_all, "label"]))
        notes.append(
            f"Over all: {labels} change nothing where there is one object; the claim is answered "
            f"on sequences with {SEVERAL} (difficulty.csv)."
        )
    if rows["variant"].isin(BOUNDS).any():
        notes.append(_SCALE)
    if results.external:
        notes.append(
            "Methods not trained here have no seeds: their verdicts concern these masks only, and "
            "are corrected for multiple tests separately."
        )
    if PAPER in columns:
        notes.append(f"{PAPER}: published J&F, where known; {TO_PAPER}: ours minus it, in points.")
    return Printed(columns, _benchmark_and_kind(results, rows), notes, _ours(results, rows))


def print_difficulty(results: Results, rows: pd.DataFrame) -> Printed:
    """Each variant against `full` on the sequences of each difficulty, predicted ones first."""
    predicted = rows["expected"] != ""
    rows = pd.concat([rows[predicted], rows[~predicted]]).sort_values(
        "benchmark", kind="stable", ignore_index=True
    )
    columns = {
        "Variant": _name(rows),
        "Difficulty": rows["difficulty"],
        "Sequences": rows["paired_sequences"],
        **_differences(results, rows),
    }
    kind = rows["expected"].ne("").map({True: ", predicted", False: ", exploratory"})
    headings = _titles(results, rows) + kind.astype("str")
    return Printed(columns, headings, _notes_on_differences(results, "difficulty"))


def _differences(results: Results, rows: pd.DataFrame) -> dict[str, pd.Series]:
    """A difference with its two intervals, its verdict, and the outcome of the claim.

    Of what computes the same as `full`, no number: there is nothing that could differ.
    """
    ends = (rows[f"difference_{key}"] for key in ("mean", "low", "high"))
    here = rows["same_sequences_low"], rows["same_sequences_high"]
    theirs = rows["longer_study_verdict"]
    same = rows["difference_verdict"] == "same computation"
    differences = [interval(*values) for values in zip(*ends, strict=True)]
    intervals = [limits(*values) for values in zip(*here, strict=True)]
    return {
        DIFFERENCE: pd.Series(differences, rows.index, dtype="str").where(
            ~same, f"as {results.label('full')}"
        ),
        "[these sequences]": pd.Series(intervals, rows.index, dtype="str").where(~same, UNKNOWN),
        VERDICT: rows["difference_verdict"].replace("", UNKNOWN),
        **({LONGER_STUDY: theirs.replace("", UNKNOWN)} if theirs.ne("").any() else {}),
        EXPECTED: rows["expected"].replace("", UNKNOWN),
        CLAIM: _claims(rows),
    }


def _with_scopes(columns: dict[str, pd.Series], over_all: pd.Series) -> dict[str, pd.Series]:
    """The columns of differences, whose words say on what they are where that is not the same.

    Args:
        columns: as `_differences` returns them.
        over_all: the rows whose verdict is over all sequences, and whose claim is not.
    """
    scopes = {VERDICT: "over all", LONGER_STUDY: "over all", CLAIM: SEVERAL}
    return columns | {
        name: columns[name].where(
            ~over_all | (columns[name] == UNKNOWN), columns[name] + f", {scope}"
        )
        for name, scope in scopes.items()
        if name in columns
    }


def _claims(rows: pd.DataFrame) -> pd.Series:
    """What became of claims, and what became of them since the run."""
    newer, gone = (rows["claim_since_run"] == change for change in ("newer", "withdrawn"))
    found = rows["claim"].where(~newer | (rows["claim"] == ""), rows["claim"] + ", newer")
    return found.where(~gone, "withdrawn").replace("", UNKNOWN)


def _notes_on_differences(results: Results, name: str) -> list[str]:
    """How to read differences, intervals, verdicts and claims."""
    members = "the predictions" if name == "difficulty" else "the verdicts"
    intervals = (
        f"Difference to {results.label('full')} in points of J&F with its interval on sequences "
        "like these: seeds and sequences both vary. These sequences: seeds alone vary. Intervals "
        "are 95% each."
    )
    verdicts = (
        f"Within a benchmark, {members} are corrected for multiple tests (Holm): nominally a 5% "
        "chance that any better or worse is false (simulated: up to 7% with few seeds), and "
        f"likewise any no difference beyond the margin of {results.plan.margin:g} points. "
        f"Undecided: {name}.csv gives the difference that a study of this size finds, and the size "
        "that finds one as large as the margin."
    )
    notes = [intervals, verdicts, "Claim: the outcome of what the variant's file expected."]
    if said := on_margin(results):
        notes.append(said)
    if results.plan.longer_study is not None:
        there = results.table(name)["longer_study_verdict"].ne("").any()
        what = "the verdict of" if there else "not shown, nothing of this table was found in"
        notes.append(f"{LONGER_STUDY}: {what} {results.plan.longer_study}.")
    return notes


def print_benchmark(results: Results, rows: pd.DataFrame) -> Printed:
    """Every measure, and the time per frame."""
    columns = {
        "Method": _name(rows),
        **{title: percent(rows[measure]) for measure, title in MEASURE_TITLES.items()},
        "s/frame": number(rows["seconds_per_frame"], "{:.3g}"),
    }
    notes = [_PROTOCOL_ACCURACY]
    incomplete = rows["unknown_protocol"].ne("") & rows["external"].fillna(value=True)
    if incomplete.any() or rows["other_protocol"].ne("").any():
        columns["another protocol"] = rows["other_protocol"].where(
            rows["other_protocol"].ne("") | ~incomplete, UNKNOWN
        )
        notes.append(_OTHER_PROTOCOL.format(full=results.label("full")))
    if rows["variant"].isin(BOUNDS).any():
        notes.append(_SCALE)
    if results.comparable:
        notes.append(
            f"Published scores as reported, speeds on other machines; {UNKNOWN}: unknown. "
            "The CSV file names their sources."
        )
        if {*rows["benchmark"]} == {"davis2016"}:
            notes.append(
                f"The leaderboard of davischallenge.org scores on {IN_WORDS['foreground']}; what "
                "other sources score on is not known."
            )
    beside_full = rows["section"].isin(rows.loc[rows["variant"] == "full", "section"])
    return Printed(columns, rows["section"], notes, _ours(results, rows) & beside_full)


def print_protocols(results: Results, rows: pd.DataFrame) -> Printed:
    """How each method was trained, run and timed."""
    columns = {"Method": _name(rows)} | {
        title: rows[field] for field, title in PROTOCOL_TITLES.items()
    }
    note = (
        "Time per frame: as in the tables of benchmarks. Unknown: nothing is said of it where the "
        "figures come from; what is not known is not taken to differ."
    )
    return Printed(columns, _titles(results, rows), [note])


def print_reproduction(results: Results, rows: pd.DataFrame) -> Printed:
    """Every comparison with a published figure: of all objects of a method, then of each."""
    every = rows["sequence"] == ""
    columns = {
        "Sequence": rows["sequence"].where(~every, "all"),
        "object": rows["object"].map(lambda number: UNKNOWN if pd.isna(number) else str(number)),
    }
    for title, measure in (("J", "J_mean"), ("F", "F_mean"), ("J&F", "J&F")):
        ours, theirs = rows[measure], rows[f"published_{measure}"]
        columns |= {
            title: percent(ours),
            f"{title}, published": percent(theirs),
            f"{title}, difference": number(100 * (ours - theirs), "{:+z.2f}"),
        }
    columns["reproduced"] = rows["reproduced"].map({True: "yes", False: "no"}).fillna(UNKNOWN)
    headings = _titles(results, rows) + ", " + rows["label"]
    rule = (
        f"Reproduced: J and F each differ by no more than {100 * reproduction.TOLERANCE:g} points, "
        "mean over seeds; the CSV names the source of each published figure."
    )
    notes = [*reproduction.sentences(results), rule]
    if said := reproduction.on_annotations(results):
        notes.append(said)
    return Printed(columns, headings, notes)


def print_speed(results: Results, timed: pd.DataFrame) -> Printed:
    """Every computation by every protocol; the variants that share it follow it and say so."""
    rows = _with_sharers(results, timed)
    labels = _measured(rows, "labels_as_fp32")
    columns = {
        "Variant": _name(rows),
        "scales": rows["scales"].replace("", UNKNOWN),
        "FPS": _with_ends(rows, "fps", "{:.1f}").where(rows["as"] == "", "as " + rows["as"]),
        "ratio": _with_ends(rows, "ratio", "{:.2f}"),
        "fixed, ms": number(1000 * _measured(rows, "fixed_seconds"), "{:.2f}"),
        "per object, ms": number(1000 * _measured(rows, "object_seconds"), "{:.2f}"),
        "end to end": number(_measured(rows, "end_to_end_fps"), "{:.1f}"),
        "as the authors": number(_measured(rows, "authors_fps"), "{:.1f}"),
        "frame 0, s": number(_measured(rows, "first_frame_seconds"), "{:.3g}"),
        "short, MB": number(rows["short_bytes"] / 1e6, "{:,.0f}"),
        "long, MB": number(rows["long_bytes"] / 1e6, "{:,.0f}"),
        "of the limit": percent(_measured(rows, "fraction_of_limit")),
    }
    if labels.notna().any():
        columns["as fp32, %"] = number(100 * labels, "{:.2f}")
    timed_on = [_timed_on(results, row) for _, row in rows.iterrows()]
    headings = pd.Series(timed_on, rows.index, dtype="str")
    return Printed(columns, headings, _notes_on_speed(results, timed))


def _with_sharers(results: Results, timed: pd.DataFrame) -> pd.DataFrame:
    """Timings, each followed by rows for the variants that share it, which `as` names."""
    rows: list[dict[str, Any]] = []
    for row in timed.to_dict("records"):
        rows.append({**{str(column): value for column, value in row.items()}, "as": ""})
        about = ("benchmark", "device", "precision", "threads", "busy", "external")
        rows += [
            {
                **{column: row[column] for column in about},
                "label": results.label(name),
                "mixed": row["mixed"] or results.mixed(name),
                "scales": "",
                "other_protocol": "",
                "as": row["label"],
            }
            for name in sorted(row["shared_by"].split(), key=results.variants.index)
        ]
    whole = pd.DataFrame(rows, columns=[*timed, "as"], dtype="object")
    return whole.astype({**timed.dtypes, "as": "str"})


def _notes_on_speed(results: Results, timed: pd.DataFrame) -> list[str]:
    """How to read timings, and whether the machine was quiet."""
    measured = timed.dropna(subset="rounds")
    notes = [_PROTOCOL_SPEED.format(first=results.label("full"))]
    if measured.empty:
        return notes
    if _measured(timed, "object_seconds").notna().any():
        notes.append(_PROTOCOL_OBJECTS)
    growth = (measured["long_bytes"] / measured["short_bytes"] - 1).max()
    notes.append(_PROTOCOL_MEMORY.format(**measured.iloc[0], growth=growth))
    if _measured(timed, "labels_as_fp32").notna().any():
        notes.append(_PROTOCOL_LABELS)
    for _, row in measured.drop_duplicates("benchmark").iterrows():
        notes += _noise(results.plan.title_of(row["benchmark"]), results.label("full"), row)
    return notes


def _noise(title: str, first: str, row: pd.Series) -> list[str]:
    """Whether the machine was quiet, by the computation that was timed twice."""
    if pd.isna(row["quiet"]):
        return []
    ends = ", ".join(f"{row[f'again_ratio_{end}']:.3f}" for end in ("low", "high"))
    twice = f"{first} timed twice: a ratio of {row['again_ratio']:.3f} [{ends}]"
    if row["quiet"]:
        return [f"{title}, {row['rounds']} rounds: {twice}."]
    low, high = QUIET
    consequence = f"whose interval leaves {low:g} to {high:g}, so ratios as far from 1 mean nothing"
    return [f"{title}, {row['rounds']} rounds: the machine was not quiet. {twice}, {consequence}."]


def print_sequences(results: Results, rows: pd.DataFrame) -> Printed:
    """Every object of every sequence: `full`, the authors' own, and J&F of external methods."""
    full = rows[rows["variant"] == "full"].reset_index(drop=True)
    left_out = ("recall", "decay") if results.external else ("recall",)
    columns = {
        "Sequence": full["sequence"],
        "object": full["object"],
        **{
            title: percent(full[measure])
            for measure, title in MEASURE_TITLES.items()
            if not measure.endswith(left_out)
        },
    }
    if results.comparable:
        columns["J, authors"] = percent(full[f"{AUTHORS}J_mean"])
        columns["F, authors"] = percent(full[f"{AUTHORS}F_mean"])
    shown = list(results.external)[:3]  # as many as a page has room for
    keys = ["benchmark", "sequence", "object"]
    other = other_protocols(results)
    for name in shown:
        theirs = rows.loc[rows["variant"] == name, [*keys, "J&F"]]
        beside = full[keys].merge(theirs, on=keys, how="left")
        columns[results.label(name) + "¶" * bool(other[name])] = percent(beside["J&F"])
    notes = [f"{results.label('full')}, per cent, mean over seeds; the CSV has every variant."]
    if shown:
        notes.append(f"J&F of {', '.join(map(results.label, shown))}.")
    if any(other[name] for name in shown):
        notes.append(_ON_OTHER_PROTOCOL.format(full=results.label("full")))
    return Printed(columns, _titles(results, full), notes)


def print_cost(results: Results, rows: pd.DataFrame) -> Printed:
    """The cost of every training run, and the variants that share it."""
    columns = {
        "Training run": _name(rows),
        "samples": number(rows["samples"], "{:,.0f}"),
        "steps": number(rows["steps"], "{:,.0f}"),
        "time": (3600 * rows["hours"]).map(duration),
        "peak, MB": number(rows["peak_memory_bytes"] / 1e6, "{:,.0f}"),
        "variants": rows["shared_by"],
        "used by": rows["variants"].map(partial(_some, results)),
    }
    headings = rows["stage"].map(STAGE_TITLES).astype("str") + ", on " + rows["device"]
    return Printed(columns, headings, [f"{duration(3600 * rows['hours'].sum())} in total."])


def print_checkpoints(results: Results, rows: pd.DataFrame) -> Printed:
    """The last of the checkpoints, their mean and the best, and what is left of choosing."""
    ends = (rows[name] for name in ("optimism", "optimism_low", "optimism_high"))
    columns = {
        "Variant": _name(rows),
        "after steps": rows["steps"],
        **{name: _with_spread(rows, name) for name in ("last", "mean", "best")},
        "best over last": _signed(rows["best"] - rows["last"]),
        "gain where chosen": _signed(rows["gain"]),
        "elsewhere": _signed(rows["gain_elsewhere"]),
        "optimism [interval]": pd.Series(
            [interval(*values) for values in zip(*ends, strict=True)], dtype="str"
        ),
    }
    return Printed(columns, _titles(results, rows), [_PROTOCOL_CHECKPOINTS])


def _signed(differences: pd.Series) -> pd.Series:
    """Differences of fractions in points."""
    return differences.map(partial(points, sign="+"))


def _with_spread(rows: pd.DataFrame, name: str) -> pd.Series:
    """A mean over seeds with its standard deviation, if there are several."""
    pairs = zip(rows[name], rows[f"{name}_spread"], strict=True)
    return pd.Series([with_spread(*pair) for pair in pairs], rows.index, dtype="str")


def _marks(results: Results, rows: pd.DataFrame) -> list[str]:
    """Notes on the marks after names, if any."""
    marks = []
    if "mixed" in rows and rows["mixed"].any():
        sentences = "; ".join(disagreement.sentence for disagreement in results.disagreements)
        marks.append(f"† Mixed provenance: {sentences}; the report names them.")
    if "busy" in rows and rows["busy"].any():
        marks.append(
            "‡ Timed on a busy machine: processes other than the job and its ancestors, such as "
            f"Snakemake, used more than {cores.BUSY:.0%} of its cores during the measurement (the "
            "share is in speed.csv); such a speed does not measure the method."
        )
    if "other_protocol" in rows and rows["other_protocol"].ne("").any():
        marks.append(_ON_OTHER_PROTOCOL.format(full=results.label("full")))
    if "seeds_added" in rows:
        seeds = dict.fromkeys(" ".join(rows["seeds_added"]).split())
        if seeds:
            marks.append(
                f"§ Includes seeds that were added after the first tables were made "
                f"({', '.join(seeds)}): the error rate of the verdicts does not account for "
                "adding seeds until one is reached."
            )
        changes = {*rows["claim_since_run"]}
        if "newer" in changes:
            marks.append("Newer: not expected yet when the variant was first scored.")
        if "withdrawn" in changes:
            marks.append("Withdrawn: expected when the variant was first scored, but no longer.")
    if "same_data_as" in rows:
        repeats = (repeated(results.plan, row) for row in rows.to_dict("records"))
        marks += [
            f"{REPEATED} The {words}: one result, which counts there."
            for words in dict.fromkeys(repeats)
            if words
        ]
    return marks


def _name(rows: pd.DataFrame) -> pd.Series:
    """The label of a row, with marks of its problems."""
    name = rows["label"]
    for column, mark in (("mixed", "†"), ("busy", "‡")):
        if column in rows:
            name = name.where(~rows[column].fillna(False), name + mark)
    if "other_protocol" in rows:
        name = name.where(rows["other_protocol"] == "", name + "¶")
    if "seeds_added" in rows:
        name = name.where(rows["seeds_added"] == "", name + "§")
    if "same_data_as" in rows:
        name = name.where(rows["same_data_as"] == "", name + REPEATED)
    return name


def _with_ends(rows: pd.DataFrame, column: str, form: str) -> pd.Series:
    """A measurement with the ends of its interval: 12.3 [11.9, 12.7]; a dash for none."""
    parts = [number(_measured(rows, f"{column}{end}"), form) for end in ("", "_low", "_high")]
    joined = [
        middle if low == UNKNOWN else f"{middle} [{low}, {high}]"
        for middle, low, high in zip(*parts, strict=True)
    ]
    return pd.Series(joined, rows.index, dtype="str")


def _measured(rows: pd.DataFrame, column: str) -> pd.Series:
    """A column of the speed files; missing throughout where none of them has it."""
    missing = pd.Series(float("nan"), rows.index)
    return rows.get(column, missing)


def _some(results: Results, variants: str) -> str:
    """The labels of at most three variants, in the order of print, and how many more there are."""
    names = sorted(variants.split(), key=results.variants.index)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(map(results.label, names[:3])) + more


def _ours(results: Results, rows: pd.DataFrame) -> pd.Series:
    """Which rows are of variants: they share everything but what each of them changes."""
    return rows["variant"].isin(results.variants)


def _titles(results: Results, rows: pd.DataFrame) -> pd.Series:
    """What the benchmark of each row is called."""
    return rows["benchmark"].map(results.plan.title_of).astype("str")


def _benchmark_and_kind(results: Results, rows: pd.DataFrame) -> pd.Series:
    """`DAVIS-2016`, or `DAVIS-2016, not trained here`."""
    title = _titles(results, rows)
    return title.where(~rows["external"], title + f", {NOT_TRAINED.lower()}")


def _timed_on(results: Results, row: pd.Series) -> str:
    """`DAVIS-2016 on AMD EPYC, 2 threads, fp32`; on a GPU, threads do not matter."""
    title = results.plan.title_of(row["benchmark"])
    if row["external"]:
        return f"{title}, as others report, on other machines"
    threads = "" if pd.isna(row["threads"]) else f", {counted(row['threads'], 'thread')}"
    return f"{title} on {row['device']}{threads}, {row['precision']}"
