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
from rgmp.reporting.typesetting import Table, as_markdown
from rgmp.runtime.markup import markdown, restructured
from rgmp.runtime.tidy import read_table, write_table
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
        "\\documentclass{article}\\usepackage{booktabs,graphicx,longtable}\\usepackage[T1]{fontenc}\n"
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
    (run,) = [
        m for m in read_mirrors(plan.model_copy(update={"variants": (full,)}), folder) if m.note
    ]
    assert run.note == r"\*a\* \[b\](c) \`d\` \<e\>"


def test_a_long_table_runs_over_pages_with_its_headings() -> None:
    cells = pd.DataFrame({"Sequence": [f"s{i}" for i in range(50)], "J": ["1.0"] * 50})
    headings = pd.Series(["first"] * 20 + ["second"] * 30)
    text = as_latex(Table("t", "A title", cells, headings, ["A note."]))
    body = text.partition("\\endlastfoot\n")[2].splitlines()
    assert r"\begin{longtable}{lr}" in text
    assert r"\label{tab:t}" in text
    assert body[0] == r"\multicolumn{2}{l}{\emph{first}} \\"
    assert body[21] == r"\addlinespace \multicolumn{2}{l}{\emph{second}} \\"
    assert body[1:21] == [rf"s{i} & 1.0 \\" for i in range(20)]
    assert body[22:52] == [rf"s{i} & 1.0 \\" for i in range(20, 50)]


def test_rows_of_a_heading_stand_together() -> None:
    cells = pd.DataFrame({"Variant": ["a", "b", "c"]})
    text = as_latex(Table("t", "t", cells, pd.Series(["one", "two", "one"]), []))
    rows = [line for line in text.splitlines() if line in {rf"{name} \\" for name in "abc"}]
    assert rows == [r"a \\", r"c \\", r"b \\"]
    assert text.count("multicolumn") == 2
