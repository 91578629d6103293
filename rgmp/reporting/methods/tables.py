"""The tables of `rgmp compare`: methods with letters and ranks, and every pair of them.

Numbers are fractions in the CSV files and per cent, with one decimal, in print. The columns of
pairs mean what those of a study's differences mean (`rgmp.study.data_dictionary`).
"""

from collections.abc import Mapping
from math import inf

import pandas as pd

from rgmp.evaluation.groups import letters_of, ranks_of
from rgmp.evaluation.measures import MEASURES
from rgmp.evaluation.pairwise import Pair
from rgmp.evaluation.summary import METHOD
from rgmp.reporting.labels import ARROWS, MEASURE_TITLES, PROTOCOL_TITLES
from rgmp.reporting.methods.comparison import Comparison
from rgmp.reporting.table_layouts import VERDICT
from rgmp.reporting.typesetting import Table, percent
from rgmp.runtime.quantities import UNKNOWN, counted, interval, points

METHODS, PAIRS, PROTOCOLS, TRAININGS = "methods", "pairs", "protocols", "trainings"
"""The names of the tables; that of protocols is there where something is known of one, and the
last is a CSV file alone."""
_NOTES_ON_METHODS = (
    (
        "Per cent: mean over objects, then over trainings. Intervals are 95% each, on sequences "
        "like these; whether two methods differ is what their pair says, not whether these overlap."
    ),
    (
        "Group: methods that share a letter are not told apart: no pair among them is decided "
        "better or worse. Rank: from 1 + the number decided better to n - the number decided worse."
    ),
)
_ON_DIFFERENCES = (
    "Difference of J&F in points, paired by sequence, with its interval of 95% on sequences like "
    "these."
)
_ON_VERDICTS = (
    "Verdicts are corrected for {family} (Holm): nominally a 5% chance that any better or worse is "
    "false (simulated: up to 6% over sequences alone, up to 7% with few trainings), and likewise "
    "any no difference beyond the margin of {margin:g} points."
)
_ON_PROTOCOLS = (
    "Another protocol: in what the first method is known to differ from the second, so that their "
    f"difference is not one of methods alone; {UNKNOWN}: no difference is known, nor everything of "
    "both protocols."
)
_ON_CARDS = (
    "As given. Methods of one protocol have the same in what may change accuracy: all but what the "
    "time per frame is of, the machine and who says so. Unknown: not given."
)
_ON_POWER = (
    "Found: the smallest difference that is found with a power of 80%, at the significance that "
    "Holm asks of the next pair. Finds {margin:g} points: the size at which a difference of the "
    "margin is found so."
)


def rows_of_methods(comparison: Comparison) -> pd.DataFrame:
    """A row for each method, the best J&F first."""
    compared = comparison.compared
    letters = letters_of(comparison.groups)
    ranks = ranks_of(compared.methods, compared.decided)
    ends = {name: estimate.interval() for name, estimate in compared.means.items()}
    names = compared.summary["variant"]
    table = compared.summary[METHOD].assign(
        label=names.map(comparison.label),
        protocol=names.map(comparison.protocol_of),
        group=names.map(letters),
        rank_best=[ranks[name].best for name in names],
        rank_worst=[ranks[name].worst for name in names],
        trainings=[comparison.trainings_of(name) for name in names],
        low=[max(ends[name][0], 0.0) for name in names],
        high=[ends[name][1] for name in names],
    )
    measures = [f"{measure}{end}" for measure in MEASURES for end in ("", "_spread")]
    return table.join(compared.summary[measures]).rename(
        columns={"variant": "method", "low": "J&F_low", "high": "J&F_high"}
    )


def rows_of_pairs(comparison: Comparison) -> pd.DataFrame:
    """A row for each pair, in the order of the methods."""
    benchmark = comparison.videos.benchmark
    rows = [
        {"benchmark": benchmark, **_pair(one), **_sides(comparison, one)}
        for one in comparison.compared.pairs
    ]
    return pd.DataFrame(rows).astype(_MAY_BE_MISSING)


_MAY_BE_MISSING = {
    **dict.fromkeys(("p_zero", "p_beyond", "smallest_found"), "float64"),
    **dict.fromkeys(("deciding_seeds", "deciding_sequences"), "Int64"),
}


def _pair(one: Pair) -> dict[str, object]:
    judged, analysis = one.judged, one.judged.analysis
    low, high = analysis.like_these.interval()
    deciding = judged.deciding
    return {
        "method": one.first,
        "minus": one.second,
        "difference_mean": analysis.mean,
        "difference_low": low,
        "difference_high": high,
        "difference_verdict": judged.verdict,
        "p_zero": judged.p_zero,
        "p_beyond": judged.p_beyond,
        "smallest_found": None if one.smallest == inf else one.smallest,
        "deciding_seeds": deciding.seeds if deciding else None,
        "deciding_sequences": deciding.sequences if deciding else None,
        "trainings": one.trainings[0],
        "minus_trainings": one.trainings[1],
        "sequences": analysis.sequences,
    }


def _sides(comparison: Comparison, one: Pair) -> dict[str, object]:
    """What a pair is called, and in what its first method is known to be of another protocol."""
    first, second = (comparison.methods[name].protocol for name in (one.first, one.second))
    return {
        "label": comparison.label(one.first),
        "minus_label": comparison.label(one.second),
        "other_protocol": ", ".join(first.unlike(second)),
        "unknown_protocol": " ".join(first.unknowns(second)),
    }


def rows_of_protocols(comparison: Comparison) -> pd.DataFrame:
    """The card of each method, by protocol."""
    return pd.DataFrame(
        [
            {
                "protocol": protocol,
                "method": name,
                "label": comparison.label(name),
                **comparison.methods[name].protocol.told,
            }
            for protocol, names in comparison.protocols.items()
            for name in names
        ]
    )


def print_protocols(comparison: Comparison, rows: pd.DataFrame) -> Table:
    """How each method was trained, run and timed."""
    columns = {"Method": rows["label"]} | {
        title: rows[field] for field, title in PROTOCOL_TITLES.items()
    }
    headings = [_heading(comparison, protocol) for protocol in rows["protocol"]]
    notes = [_ON_CARDS, comparison.provenance]
    return _table(comparison, PROTOCOLS, "Protocols", columns, notes, headings)


def _heading(comparison: Comparison, protocol: str) -> str:
    """`DAVIS-2016 val, protocol 1`."""
    return comparison.where + (f", protocol {protocol}" if protocol else "")


def rows_of_trainings(comparison: Comparison) -> pd.DataFrame:
    """A row for each training, numbered from 1 on in the order given; the methods in order."""
    order = {name: place for place, name in enumerate(comparison.compared.methods)}
    table = comparison.trainings.sort_values("variant", key=lambda n: n.map(order), kind="stable")
    table["seed"] = table["seed"].fillna(0) + 1
    table["label"] = table["variant"].map(comparison.label)
    return table.rename(columns={"variant": "method", "seed": "training"}).reset_index(drop=True)


def print_methods(comparison: Comparison, rows: pd.DataFrame) -> Table:
    """Groups, ranks and every measure, by protocol."""
    order = {protocol: place for place, protocol in enumerate(comparison.protocols)}
    rows = rows.sort_values(
        "protocol", key=lambda of: of.map(order), kind="stable", ignore_index=True
    )
    ends = zip(rows["J&F"], rows["J&F_low"], rows["J&F_high"], strict=True)
    columns = {
        "Method": rows["label"],
        "group": rows["group"],
        "rank": [_range(*of) for of in zip(rows["rank_best"], rows["rank_worst"], strict=True)],
        "J&F [interval]": [f"{points(m)} [{points(low)}, {points(high)}]" for m, low, high in ends],
        **{
            title: percent(rows[measure])
            for measure, title in MEASURE_TITLES.items()
            if measure != "J&F"
        },
    }
    if (rows["trainings"] > 1).any():
        columns["trainings"] = rows["trainings"]
        columns["sd of J&F"] = percent(rows["J&F_spread"])
    notes = [*_NOTES_ON_METHODS, comparison.reach, comparison.provenance]
    headings = [_heading(comparison, protocol) for protocol in rows["protocol"]]
    return _table(comparison, METHODS, "Methods", columns, notes, headings)


def print_pairs(comparison: Comparison, rows: pd.DataFrame) -> Table:
    """Each difference with its interval, its verdict and what would be found."""
    ends = (rows[f"difference_{end}"] for end in ("mean", "low", "high"))
    undecided = rows["difference_verdict"] == "undecided"
    columns = {
        "Method": rows["label"],
        "minus": rows["minus_label"],
        "Difference [interval]": [interval(*of) for of in zip(*ends, strict=True)],
        VERDICT: rows["difference_verdict"],
        "found": percent(rows["smallest_found"]),
        f"finds {comparison.margin:g} points": _sizes(rows).where(undecided, ""),
    }
    if comparison.protocols:
        known = rows["other_protocol"].ne("") | rows["unknown_protocol"].eq("")
        columns["another protocol"] = rows["other_protocol"].where(known, UNKNOWN)
    family = counted(len(rows), "pair")
    verdicts = _ON_VERDICTS.format(family=family, margin=comparison.margin)
    on_protocols = [_ON_PROTOCOLS] if comparison.protocols else []
    on_power = _ON_POWER.format(margin=comparison.margin)
    notes = [_ON_DIFFERENCES, verdicts, on_power, *on_protocols, comparison.reach]
    notes.append(comparison.provenance)
    return _table(comparison, PAIRS, "Every pair of methods", columns, notes)


def _table(
    comparison: Comparison,
    name: str,
    title: str,
    columns: Mapping[str, object],
    notes: list[str],
    headings: list[str] | None = None,
) -> Table:
    cells = pd.DataFrame(columns).astype("str")
    of_rows = pd.Series(headings or comparison.where, cells.index, dtype="str")
    arrows = {header: arrow for header, arrow in ARROWS.items() if header in cells}
    return Table(name, title, cells, of_rows, notes, arrows=arrows)


def _range(best: int, worst: int) -> str:
    """`2`, or `1-3`."""
    return str(best) if best == worst else f"{best}-{worst}"


def _sizes(rows: pd.DataFrame) -> pd.Series:
    """`92 sequences`, `5 trainings, 40 sequences`; a dash where no size suffices."""
    sizes = zip(rows["deciding_seeds"], rows["deciding_sequences"], strict=True)
    told = []
    for seeds, sequences in sizes:
        if pd.isna(seeds):
            told.append(UNKNOWN)
            continue
        trainings = [counted(seeds, "training")] if seeds > 1 else []
        told.append(", ".join([*trainings, counted(sequences, "sequence")]))
    return pd.Series(told, rows.index, dtype="str")
