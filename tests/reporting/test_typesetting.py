"""Whatever a label says, it stands in its cell, and a row keeps its columns."""

import csv
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from support.fake_study import build

from rgmp.config.base import Line
from rgmp.reporting.latex_table import as_latex
from rgmp.reporting.typesetting import Table, as_markdown, places_of
from rgmp.runtime.markup import markdown, restructured
from rgmp.runtime.tidy import read_table, write_table
from rgmp.study.mlflow_links import variant_run
from rgmp.study.plan import load_plan
from rgmp.tracking.runs import read_mirrors

MARKS = "$%&#_{}~^\\|*[]<>\"'`-,?!=+@();:./ éß"
HOSTILE = (
    r"[2em] *x* \\[2em] \input{/etc/passwd} $\frac$ $x {",
    "* star",
    "\"quoted\" ``both'' --all ---none ?`!` <<x>> ,,y''",
    "| a | b | ~~c~~ `d` &lt; <b>e</b> $f$",
    "=1+1",
    "Große Öfen für œuvre \N{EN DASH} “quoted” — “x”…",
)


def is_line(text: str) -> bool:
    try:
        return TypeAdapter(Line).validate_python(text) == text
    except ValidationError:
        return False


lines = st.one_of(st.text(MARKS, min_size=1), st.text(min_size=1)).filter(is_line)


def table(labels: Sequence[str]) -> Table:
    cells = pd.DataFrame({"Variant": labels, "of [it]": labels})
    return Table("t", labels[0], cells, pd.Series(labels[0], cells.index), [labels[0]])


@settings(deadline=None)
@given(st.lists(lines, min_size=1, max_size=3))
def test_rows_keep_their_columns(labels: list[str]) -> None:
    made = table(labels)
    tex, text = as_latex(made), as_markdown(made)
    rows = [line for line in tex.splitlines() if re.search(r"(?<!\\) & ", line)]
    assert len(rows) == 1 + len(labels)
    for row in rows:
        assert row.endswith(r" \\")
        assert not row.startswith(("[", "*"))
        assert len(re.findall(r"(?<!\\)&", row)) == 1
    for row in rows[1:]:
        assert "\\\\" not in row[:-2]
    bare = re.sub(r"\\[\\&%$#_{}]", "", tex)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    for line in text.splitlines():
        if line.startswith("| "):
            assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3


@settings(deadline=None)
@given(labels=st.lists(lines, min_size=1, max_size=3))
def test_a_csv_keeps_every_label(
    labels: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "labels.csv"
    write_table(path, pd.DataFrame({"label": labels}))
    with path.open(newline="", encoding="utf-8") as file:
        assert [row["label"] for row in csv.DictReader(file)] == labels
    assert read_table(path, {"label": "str"}, what="", command="")["label"].to_list() == labels


@settings(deadline=None)
@given(lines)
def test_restructured_text_says_what_it_was_given(text: str) -> None:
    docutils = pytest.importorskip("docutils.core")
    read = docutils.publish_doctree(f"Of {restructured(text)}.").astext()
    assert " ".join(read.split()) == " ".join(f"Of {text}.".split())


def test_markdown_begins_no_list_and_no_heading() -> None:
    for note in ("# a", "- a", "+ a", "=== a", "1. a", "12) a"):
        last = as_markdown(table([note])).splitlines()[-1]
        assert re.match(r"\\[-#+=]|\d+\\[.)]", last)
    assert markdown("a & b, &amp; and &#38;") == r"a & b, \&amp; and \&#38;"
    assert as_markdown(table(["1.2 h in all"])).endswith("\n\n1.2 h in all\n")


def test_characters_of_latex_do_not_join() -> None:
    tex = as_latex(table(["--x --- '' `` ?` |"]))
    assert r"-{}-x -{}-{}- '{}' `{}` ?{}` $|$" in tex
    assert tex.splitlines()[1] == r"\begin{table}"


def test_latex_says_where_it_needs_more_than_ascii() -> None:
    assert (
        as_latex(table(["ohne Rückwärtspfad"])).splitlines()[1].startswith("% has letters beyond")
    )


@pytest.mark.parametrize("count", [1, 50])
def test_hostile_labels_compile(tmp_path: Path, count: int) -> None:
    latex = shutil.which("pdflatex")
    if latex is None:
        pytest.skip("pdflatex is not installed")
    every = "".join(map(chr, range(32, 127)))
    (tmp_path / "t.tex").write_text(as_latex(table([*HOSTILE, every, every[::-1]] * count)))
    (tmp_path / "all.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs,graphicx,siunitx}\\usepackage[T1]{fontenc}\n"
        "\\begin{document}\\listoftables\\input{t}\\end{document}\n"
    )
    command = [latex, "-draftmode", "-halt-on-error", "-interaction=nonstopmode", "all.tex"]
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]


def test_a_claim_is_itself_in_the_note_of_its_run(tmp_path: Path) -> None:
    folder = build(tmp_path, variants=1, benchmarks=("davis2016",), seeds=(0,), frames=6)
    plan = load_plan(folder)
    full = plan.variants[0].model_copy(update={"claim": "*a* [b](c) `d` <e>"})
    mirrors = read_mirrors(plan.model_copy(update={"variants": (full,)}), folder)
    (run,) = [mirror for mirror in mirrors if mirror.name == variant_run("full")]
    assert r"\*a\* \[b\](c) \`d\` \<e\>" in run.note


def test_a_long_table_continues_in_further_floats_with_its_headings() -> None:
    cells = pd.DataFrame({"Sequence": [f"s{i}" for i in range(50)], "J": ["1.0"] * 50})
    headings = pd.Series(["first"] * 20 + ["second"] * 30)
    text = as_latex(Table("t", "A title", cells, headings, ["A note."], caption="How to read it."))
    first, second = text.split(r"\begin{table}")[1:]
    assert r"\caption{A title. How to read it.}\label{tab:t}" in first
    assert r"\emph{Table~\thetable{} continued.}" in second
    assert "A note." not in first
    assert second.count("A note.") == second.count(r"\begin{tabular}{lS[table-format=1.1]}") == 1
    for part, rows in ((first, range(25)), (second, range(25, 50))):
        body = part.partition("\\midrule\n")[2].partition("\n\\bottomrule")[0].splitlines()
        assert [line for line in body if line[0] == "s"] == [rf"s{i} & 1.0 \\" for i in rows]
        heads = [line for line in body if "multicolumn" in line]
        names = ["first", "second"] if part is first else ["second"]
        assert heads == [rf"\multicolumn{{2}}{{l}}{{\emph{{{name}}}}} \\" for name in names]


def test_numbers_are_aligned_with_what_follows_them_beside() -> None:
    cells = pd.DataFrame(
        {
            "Variant": ["a", "b", "c"],
            "J": ["9.9 ± 12.3", "\N{MINUS SIGN}10.1 ± 0.4", "\N{EN DASH}"],
            "Difference": ["+1.2 [\N{MINUS SIGN}0.3, +2.7]", "as a", "\N{EN DASH}"],
            "steps": ["1,200", "50", "7"],
            "size": ["480p", "7", "8"],
            "0 or more": ["1,2", "007", "3"],
        }
    )
    text = as_latex(
        Table("t", "t", cells, pd.Series([""] * 3), [], arrows={"J": "\N{UPWARDS ARROW}"})
    )
    spec = "lS[table-format=+2.1(3)]S[table-format=+1.1]@{\\enspace}rS[table-format=4.0]rr"
    assert rf"\begin{{tabular}}{{{spec}}}" in text
    assert r"Variant & {J $\uparrow$} & \multicolumn{2}{c}{Difference} & {steps} & size &" in text
    assert r"a & 9.9(123) & +1.2 & [$-$0.3, +2.7] & 1200 & 480p & 1,2 \\" in text
    assert r"b & -10.1(4) & \multicolumn{2}{c}{as a} & 50 & 7 & 007 \\" in text
    assert r"c & {\textendash{}} & \multicolumn{2}{c}{\textendash{}} & 7 & 8 & 3 \\" in text


def test_a_heading_longer_than_its_cells_takes_two_lines() -> None:
    cells = pd.DataFrame(
        {
            "Variant": ["a variant"],
            "per object, ms": ["2.19"],
            "used by": ["all of them"],
            "what [it is]": ["as b"],
            "of the limit": ["1.0"],
        }
    )
    arrows = dict.fromkeys(("per object, ms", "of the limit"), "\N{UPWARDS ARROW}")
    text = as_latex(Table("t", "t", cells, pd.Series([""]), [], arrows=arrows))
    (head,) = [line for line in text.splitlines() if line.startswith("Variant & ")]
    lines = r"\begin{tabular}[b]{@{}%s@{}}%s \\ %s\end{tabular}"
    assert head.removesuffix(r" \\").split(" & ") == [
        "Variant",
        "{" + lines % ("c", "per object,", r"ms $\uparrow$") + "}",
        "used by",
        lines % ("l", "what", "{}[it is]"),
        "{" + lines % ("c", "of the", r"limit $\uparrow$") + "}",
    ]


def test_the_best_is_bold_and_the_second_underlined_under_one_heading() -> None:
    cells = pd.DataFrame(
        {
            "Variant": [*"abcdefg"],
            "J": ["9.0", "11.0 ± 1.0", "11.0 ± 2.0", "\N{EN DASH}", "50.0", "60.0", "9.0 ± 0.0"],
            "decay": ["1.0", "2.0", "\N{MINUS SIGN}3.0", "4.0", "1.0", "1.0", "0.0"],
            "other": ["1.0"] * 7,
        }
    )
    headings = pd.Series([*"1111222"])
    compared = pd.Series([True] * 6 + [False])
    arrows = {"J": "\N{UPWARDS ARROW}", "decay": "\N{DOWNWARDS ARROW}"}
    places = places_of(cells, headings, compared, arrows)
    assert [*places] == ["J", "decay"]
    assert [*places["J"]] == ["", "best", "best", "", "", "best", ""], "of two none is second"
    assert [*places["decay"]] == ["second", "", "best", "", "", "", ""], "equal digits: no best"
    table = Table("t", "t", cells, headings, ["n"], arrows=arrows, places=places)
    assert table.header("J") == "J \N{UPWARDS ARROW}"
    tex, text = as_latex(table), re.sub(" +", " ", as_markdown(table))
    assert r"c & \bfseries 11.0(20) & \bfseries -3.0 & 1.0 \\" in tex
    plain = r"\phantom{0}9.0$\mskip\medmuskip{\pm}\mskip\medmuskip$0.0"
    assert rf"g & {{{plain}}} & 0.0 & 1.0 \\" in tex, "siunitx would print 9.0 alone"
    assert r"a & 9.0 & {\underline{1.0}} & 1.0 \\" in tex
    assert "| c | **11.0 ± 2.0** | **\N{MINUS SIGN}3.0** | 1.0 |" in text
    assert "| a | 9.0 | <ins>1.0</ins> | 1.0 |" in text
    for made in (tex, text):
        assert "Bold: the best of its column" in made


def test_rows_of_a_heading_stand_together() -> None:
    cells = pd.DataFrame({"Variant": ["a", "b", "c"]})
    text = as_latex(Table("t", "t", cells, pd.Series(["one", "two", "one"]), []))
    rows = [line for line in text.splitlines() if line in {rf"{name} \\" for name in "abc"}]
    assert rows == [r"a \\", r"c \\", r"b \\"]
    assert text.count("multicolumn") == 2
