"""Writes what `rgmp compare` makes: scores, tables, figures, a report, in one folder."""

from collections.abc import Mapping
from pathlib import Path

from rgmp.errors import visible
from rgmp.evaluation.score_table import write_scores
from rgmp.provenance.code import in_words, package_versions
from rgmp.provenance.machine import machine_of, this_machine
from rgmp.reporting import page
from rgmp.reporting.figures import style
from rgmp.reporting.figures.write import save
from rgmp.reporting.latex_table import as_latex
from rgmp.reporting.methods import figures, tables
from rgmp.reporting.methods.comparison import Comparison
from rgmp.reporting.table_layouts import VERDICT
from rgmp.reporting.typesetting import NOTHING, Table, as_markdown
from rgmp.runtime.clock import utc_now
from rgmp.runtime.files import digest_of_file, files_below, write_text
from rgmp.runtime.tidy import rows_of, write_table
from rgmp.study import data_dictionary, layout

_CAPTIONS = {
    tables.METHODS: "J&F of each method, with its interval of 95% on sequences like these. Methods "
    "that share a letter, at the right, are not told apart.",
    tables.PAIRS: "J&F of a method minus that of another, with its interval of 95%; the margin is "
    "shaded. Hollow markers: undecided, or no verdict. Squares: no difference beyond the margin. "
    "An arrowhead marks an interval that continues beyond the axis.",
}
_SAID = {
    tables.METHODS: {
        "Title": "J&F of each method",
        "Subject": "A row for each method: J&F in per cent as a dot on its interval, and at the "
        "right the letters of its groups.",
    },
    tables.PAIRS: {
        "Title": "Differences of every pair of methods",
        "Subject": "A row for each pair of methods: the difference of J&F in points as a marker on "
        "its interval, with zero as a vertical line and the margin shaded.",
    },
}


def write(folder: Path, comparison: Comparison, inputs: Mapping[str, str]) -> dict[str, str]:
    """Write everything.

    Args:
        folder: a new one.
        comparison: what is written of.
        inputs: digests of what was read, by name.

    Returns:
        The digest of every file, by its path below the folder.
    """
    for method in comparison.compared.methods:
        scores = rows_of(comparison.scores, variant=method)
        write_scores(folder / layout.scores(method), scores)
    methods, pairs, trainings = (
        rows(comparison)
        for rows in (tables.rows_of_methods, tables.rows_of_pairs, tables.rows_of_trainings)
    )
    written = {tables.METHODS: methods, tables.PAIRS: pairs, tables.TRAININGS: trainings}
    printed = [
        tables.print_methods(comparison, methods),
        tables.print_pairs(comparison, pairs),
    ]
    if comparison.protocols:
        written[tables.PROTOCOLS] = tables.rows_of_protocols(comparison)
        printed.append(tables.print_protocols(comparison, written[tables.PROTOCOLS]))
    for name, rows in written.items():
        write_table(folder / layout.TABLES / f"{name}.csv", rows)
    columns = {name: [*map(str, rows.columns)] for name, rows in written.items()}
    write_text(folder / layout.TABLES / layout.DICTIONARY, data_dictionary.as_markdown(columns))
    for shown in printed:
        path = folder / layout.TABLES / shown.name
        write_text(path.with_suffix(".md"), as_markdown(shown))
        write_text(path.with_suffix(".tex"), as_latex(shown))
    with style.in_style():
        foot = comparison.provenance
        drawn = {
            tables.METHODS: figures.draw_methods(methods, trainings, foot),
            tables.PAIRS: figures.draw_pairs(pairs, comparison.margin, foot),
        }
        for name, figure in drawn.items():
            save(figure, folder / layout.FIGURES / name, _SAID[name])
    write_text(folder / layout.REPORT, _report(folder, comparison, printed, inputs))
    made = files_below(folder)
    return {path.relative_to(folder).as_posix(): digest_of_file(path) for path in made}


def _report(
    folder: Path, comparison: Comparison, printed: list[Table], inputs: Mapping[str, str]
) -> str:
    """The page."""
    made = f"rgmp compare, from the score tables beside this report; {comparison.provenance}"
    return page.render(
        "methods/comparison.html.j2",
        title=comparison.title,
        conclusions=comparison.conclusions,
        warnings=comparison.warnings,
        tables={table.name: table for table in printed},
        figures={
            name: {
                "image": page.embedded(folder / layout.FIGURES / f"{name}.png"),
                "caption": caption,
                "title": _SAID[name]["Title"],
                "alternative": _SAID[name]["Subject"],
                "made": made.rstrip("."),
                "mixed": False,
                "files": page.files_beside(
                    folder / layout.REPORT, f"{layout.FIGURES}/{name}", (".pdf", ".png")
                ),
                "grids": [],
            }
            for name, caption in _CAPTIONS.items()
        },
        made=dict.fromkeys([table.name for table in printed], made.rstrip(".")),
        files={
            table.name: page.files_beside(
                folder / layout.REPORT, f"{layout.TABLES}/{table.name}", (".csv", ".tex", ".md")
            )
            for table in printed
        },
        nothing=NOTHING,
        judged=[VERDICT],
        facts=_facts(comparison, inputs),
        given=[
            {
                "name": comparison.name_of(entry),
                "path": visible(str(entry.path)),
                "notes": entry.judged.notes,
            }
            for entry in comparison.entries
        ],
    )


def _facts(comparison: Comparison, inputs: Mapping[str, str]) -> dict[str, str]:
    """What the results rest on."""
    digests = (f"{name} {digest[:10]}" for name, digest in inputs.items())
    packages = (f"{name} {version}" for name, version in package_versions().items())
    return {
        "truth": visible(f"{comparison.videos.davis}, {comparison.videos.resolution}"),
        "margin": f"{comparison.margin:g} points of J&F",
        "data": ", ".join(digests),
        "commit": in_words(comparison.code),
        "machine": machine_of(this_machine()),
        "run": utc_now()[:10],
        "packages": ", ".join(packages),
    }
