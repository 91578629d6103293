"""A selftest's results for readers: its JSON, a table of all findings, a plot, and sentences.

What documents say of the speed of a GPU is made here from `selftest.json`, so that every figure
names the card, the driver and the versions it was measured with.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes

from rgmp.errors import UserError
from rgmp.provenance.code import in_words
from rgmp.reporting.figures import style
from rgmp.reporting.figures.write import save
from rgmp.runtime.files import write_json, write_text
from rgmp.selftest.results import FILE, read

TABLE = "findings"
PLOT = "speed"
NOTHING_YET = (
    "No figure of a GPU exists yet: `rgmp selftest` measures them where there is one, and none of "
    "this code has run on any so far."
)

NETWORK = "frames a second, network only"
END_TO_END = "frames a second, end to end"
CLIP = "frames a second, whole clip from JPEGs to PNGs"
CONVOLUTIONS = "frames a second, if a step were its convolutions alone"
TRAINED = "samples trained on in a second, without a loader"
WAITING = "share of training time spent waiting for data"
HOURS = "hours of training of the paper's study, if every run took as long as full's"


class Found(NamedTuple):
    """A finding with its conditions, as `selftest.json` has it."""

    conditions: Mapping[str, Any]
    value: float
    low: float | None
    high: float | None

    @property
    def text(self) -> str:
        """Value and interval with three digits: `352 [350, 355]`."""
        if self.low is None or self.high is None:
            return _digits(self.value)
        return f"{_digits(self.value)} [{_digits(self.low)}, {_digits(self.high)}]"


def publish(source: Path, folder: Path) -> None:
    """Write a selftest's results for readers: `selftest.json`, `findings.csv`, `.md`, `speed.png`.

    Tracebacks, which name files of the machine, are left out.

    Args:
        source: the folder of the selftest.
        folder: where to write.

    Raises:
        UserError: `source` has no results, or they are not of a GPU.
    """
    results = read(source / FILE)
    if not results["machine"].get("gpu"):
        raise UserError(f"{source / FILE}: was not run on a GPU; name the results of one that was")
    sections = [{**section, "traceback": ""} for section in results["sections"]]
    results = {**results, "sections": sections}
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / FILE, results)
    table = table_of(results)
    write_text(folder / f"{TABLE}.csv", table.to_csv(index=False))
    write_text(folder / f"{TABLE}.md", f"{told_machine(results)}\n\n{_markdown(table)}\n")
    with style.in_style():
        _plot(results, folder / PLOT)


def told_machine(results: Mapping[str, Any]) -> str:
    """Card, driver and versions, in a sentence."""
    machine = results["machine"]
    return (
        f"{machine['gpu']}, driver {machine['driver']}, CUDA {machine['cuda']}, cuDNN "
        f"{machine['cudnn']}, torch {machine['torch']}; {machine['cpu']}, {machine['cores']} "
        f"cores; commit {in_words(results['code'])}, {results['started'][:10]}."
    )


def table_of(results: Mapping[str, Any]) -> pd.DataFrame:
    """Every finding, one row each: section, quantity, conditions, value, interval, unit, limit."""
    rows = [
        {
            "section": section["name"],
            "quantity": finding["quantity"],
            "conditions": _told(finding["conditions"]),
            **{key: finding[key] for key in ("value", "low", "high", "unit", "limit", "holds")},
        }
        for section in results["sections"]
        for finding in section["findings"]
    ]
    return pd.DataFrame(rows)


def found(results: Mapping[str, Any], quantity: str, **conditions: Any) -> list[Found]:
    """The findings of a quantity whose value is a number, under these conditions among others."""
    return [
        Found(f["conditions"], float(f["value"]), f["low"], f["high"])
        for section in results["sections"]
        for f in section["findings"]
        if f["quantity"] == quantity
        and isinstance(f["value"], int | float)
        and all(f["conditions"].get(key) == value for key, value in conditions.items())
    ]


def sentence(folder: Path) -> str:
    """What a first page says of the speed of a GPU: in a few sentences, or that nothing is known.

    Args:
        folder: what `publish` wrote, if it did.
    """
    if not (folder / FILE).is_file():
        return NOTHING_YET
    results = read(folder / FILE)
    main = {"precision": "bf16", "scales": 3, "objects": 1}
    speeds = [
        f"{_digits(one.value)} {told}"
        for quantity, told in (
            (NETWORK, "in the network alone"),
            (END_TO_END, "end to end"),
            (CLIP, "from JPEGs to PNGs"),
        )
        for one in found(results, quantity, **main)[:1]
    ]
    hours = [
        f"{_digits(one.value)} h in {one.conditions['precision']}" for one in found(results, HOURS)
    ]
    told = [f"Measured on {told_machine(results)}"]
    if speeds:
        at = "Frames a second at 480x854 (bf16, one object, three scales)"
        told.append(f"{at}: {', '.join(speeds)}.")
    waited = found(results, WAITING)
    if waited:  # the last one is of both stages
        told.append(f"Training waits for data for {100 * waited[-1].value:.1f}% of its time.")
    if hours:
        told.append(f"The paper's study trains for {', '.join(hours)}.")
    return " ".join(told)


def block(folder: Path) -> str:
    """What the speed page says: the sentence, then tables of inference and training.

    Args:
        folder: what `publish` wrote, if it did.
    """
    if not (folder / FILE).is_file():
        return NOTHING_YET
    results = read(folder / FILE)
    parts = [sentence(folder), *(_markdown(t) for t in _tables(results) if not t.empty)]
    return "\n\n".join(parts)


def _tables(results: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
    """Frames a second of inference, and samples a second of training."""
    kinds = {
        "network only": NETWORK,
        "end to end": END_TO_END,
        "whole clip": CLIP,
        "its convolutions alone": CONVOLUTIONS,
    }
    columns = ["precision", "scales", "objects"]
    by_case: dict[tuple[Any, ...], dict[str, str]] = {}
    for title, quantity in kinds.items():
        for one in found(results, quantity):
            case = tuple(one.conditions[key] for key in columns)
            by_case.setdefault(case, {})[title] = one.text
    yield pd.DataFrame(
        {**dict(zip(columns, case, strict=True)), **texts} for case, texts in by_case.items()
    ).fillna("")
    yield pd.DataFrame(
        {
            "stage": one.conditions["stage"],
            "precision": one.conditions["precision"],
            "frames": one.conditions["frames"],
            "samples a second": one.text,
        }
        for one in found(results, TRAINED)
    )


def _plot(results: Mapping[str, Any], path: Path) -> None:
    """Frames a second over the number of objects, a panel for each number of scales."""
    ours = [one for one in found(results, NETWORK) if "objects" in one.conditions]
    scales = sorted({one.conditions["scales"] for one in ours}, reverse=True)
    figure = style.figure_on(told_machine(results), 2.6)
    panels: Sequence[Axes] = figure.subplots(1, max(len(scales), 1), squeeze=False, sharey=True)[0]
    for ax, count in zip(panels, scales, strict=False):
        ax.set_title("one scale" if count == 1 else f"{count} scales")
        of_panel = [one for one in ours if one.conditions["scales"] == count]
        for index, precision in enumerate(
            dict.fromkeys(o.conditions["precision"] for o in of_panel)
        ):
            line = [one for one in of_panel if one.conditions["precision"] == precision]
            objects = [one.conditions["objects"] for one in line]
            values = [one.value for one in line]
            below = [one.value - (one.low or one.value) for one in line]
            above = [(one.high or one.value) - one.value for one in line]
            ax.errorbar(
                objects,
                values,
                yerr=[below, above],
                label=precision,
                color=style.COLOURS[index],
                marker=style.MARKERS[index],
                linestyle=style.LINES[index],
                capsize=2,
            )
        ax.set_yscale("log")
        ax.set_xlabel("objects")
        ax.legend()
    panels[0].set_ylabel("frames a second, network only")
    save(
        figure,
        path,
        {
            "Title": "Speed of inference on a GPU",
            "Subject": "Frames a second of the network over the number of objects, by precision",
        },
    )
    path.with_suffix(".pdf").unlink()


def _told(conditions: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in conditions.items())


def _digits(value: float) -> str:
    """Three digits, whole numbers from a hundred on: `0.0123`, `12.3`, `1,234`."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _markdown(table: pd.DataFrame) -> str:
    return str(table.to_markdown(index=False, disable_numparse=True))
