"""What `rgmp compare` says: who leads, of what the verdicts hold; any number of methods."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from support.html import Strict

from rgmp.config.protocol import Protocol
from rgmp.data.videos import Videos
from rgmp.evaluation.measures import Score
from rgmp.evaluation.methods import ComparisonJob, Entry, Method
from rgmp.evaluation.scoring import Judged
from rgmp.provenance.code import Code
from rgmp.reporting.figures.style import in_style
from rgmp.reporting.methods import figures, tables
from rgmp.reporting.methods.comparison import Comparison
from rgmp.reporting.methods.write import write
from rgmp.runtime.quantities import UNKNOWN
from rgmp.study import layout
from rgmp.study.data_dictionary import OF_COMPARISONS, described

Values = npt.NDArray[np.float64]
VIDEOS = Videos(davis=Path("davis"), benchmark="davis2016")
CODE = Code(commit="c0ffee1234567", dirty=False, sources="")
BASE = np.random.default_rng(0).uniform(0.3, 0.6, 20)


def comparison_of(about: Mapping[str, Any] | None = None, /, **methods: Values) -> Comparison:
    """Methods with the same J and F in both frames of each sequence, of one training or several.

    `about` has their labels and protocols.
    """
    about = about or {}
    entries = []
    for name, values in methods.items():
        for number, of_training in enumerate(np.atleast_2d(values)):
            seed = number if values.ndim > 1 else None
            rows = [
                Score("davis2016", name, seed, f"{q:03d}", 1, f"{t:05d}", reached, reached)
                for q, reached in enumerate(of_training.tolist())
                for t in (1, 2)
            ]
            entries.append(Entry(name, Path(name), seed, False, Judged(rows)))
    given = tuple(Method(name=n, trainings=(), **about.get(n, {})) for n in methods)
    job = ComparisonJob(videos=VIDEOS, methods=given, out=Path("out"))
    return Comparison(job, entries, warnings=["a <b>"], code=CODE)


def noise(size: float, seed: int) -> Values:
    return np.random.default_rng(seed).normal(0, size, 20)


def test_the_group_that_leads_is_named_and_not_the_largest_mean() -> None:
    alike = {"a": BASE + 0.2, "b": BASE + 0.2 + noise(0.1, 1)}
    found = comparison_of(**alike, c=BASE)
    first, *_ = found.compared.methods
    assert {*found.leading} == {"a", "b"}
    led, pairs, _ = found.conclusions
    other = "b" if first == "a" else "a"
    assert led.startswith(f"Leading, and not told apart: {first} and {other}. The order")
    assert pairs.startswith("Of 3 pairs, 2 decided better or worse, 0 without a difference")
    assert comparison_of(**alike).conclusions[0].startswith("No method leads: of ")
    alone = comparison_of(a=BASE + 0.2, b=BASE).conclusions[0]
    assert alone == "a leads: no method is decided better than it."


def test_letters_and_ranks_are_in_the_table() -> None:
    found = comparison_of(a=BASE + 0.2, b=BASE + 0.2 + noise(0.1, 1), c=BASE)
    rows = tables.rows_of_methods(found).set_index("method")
    assert rows["group"].to_dict() == {"a": "a", "b": "a", "c": "b"}
    assert rows["rank_best"].to_dict() == {"a": 1, "b": 1, "c": 3}
    assert rows["rank_worst"].to_dict() == {"a": 2, "b": 2, "c": 3}
    printed = tables.print_methods(found, tables.rows_of_methods(found)).cells
    assert printed.set_index("Method")["rank"].to_dict() == {"a": "1-2", "b": "1-2", "c": "3"}


def test_it_says_of_what_verdicts_hold() -> None:
    several = BASE + np.random.default_rng(1).normal(0.1, 0.05, (4, 20))
    single = comparison_of(a=BASE, b=BASE + 0.1).reach
    assert single.startswith("Each method is a single training, compared over sequences alone")
    assert single.endswith("and say nothing of another training of any method.")
    mixed = comparison_of(a=several, b=several[:3] - 0.1, c=several[:2] - 0.2, d=BASE - 0.3).reach
    assert mixed.startswith("a has 4 trainings, b has 3 trainings, c has 2 trainings and d has 1 ")
    assert "A verdict between a and b is about other trainings of both, on sequences" in mixed
    assert "a verdict on c and d is about the mean of those very masks" in mixed
    assert "Fewer" not in comparison_of(a=several, b=several - 0.1).reach
    assert "of both" not in comparison_of(a=several, c=BASE).reach


def assert_described(folder: Path) -> None:
    """Assert that the data dictionary is of these files, and has no other columns."""
    columns = {path.stem: [*pd.read_csv(path)] for path in folder.glob("*.csv")}
    told = (folder / layout.DICTIONARY).read_text(encoding="utf-8")
    for file, names in columns.items():
        section = told.partition(f"## `{file}.csv`")[2].partition("\n## ")[0]
        assert re.findall(r"^\| `(.+?)` \|", section, re.MULTILINE) == names
    used = {described(file, name) for file, names in columns.items() for name in names}
    assert used >= {*OF_COMPARISONS}


def test_methods_of_other_protocols_are_grouped_and_lead_by_group(tmp_path: Path) -> None:
    ours = Protocol(online_finetuning=False, input_size="480p", hardware="H200")
    about = {
        "a": {"protocol": Protocol(online_finetuning=True), "label": "A of 2017"},
        "b": {"protocol": ours},
        "c": {"protocol": ours.model_copy(update={"hardware": "unknown"})},
    }
    values = {"a": BASE + 0.3, "b": BASE + 0.2, "c": BASE, "d": BASE - 0.1}
    found = comparison_of(about, **values)
    assert found.protocols == {"1": ["a"], "2": ["b", "c"], "unknown": ["d"]}
    within, across, _, reach = found.conclusions
    assert within == "Within protocol 2: b leads: no method is decided better than it."
    assert across.endswith("Whatever the protocol: A of 2017 leads: no method is decided better "
                           "than it.")  # fmt: skip
    assert "A of 2017" not in reach
    pairs = tables.rows_of_pairs(found)
    printed = tables.print_pairs(found, pairs).cells
    differing = dict(
        zip(pairs["method"] + pairs["minus"], printed["another protocol"], strict=True)
    )
    assert differing["ab"] == "online fine-tuning"
    assert {differing[pair] for pair in ("bc", "ad", "bd")} == {UNKNOWN}
    shown = tables.print_methods(found, tables.rows_of_methods(found))
    assert [heading for heading, _ in shown.sections()] == [
        f"DAVIS-2016 val, protocol {number}" for number in ("1", "2", "unknown")
    ]
    write(tmp_path / "out", found, {})
    html = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    Strict(html)
    assert "How they were trained, run and timed" in html
    cards = pd.read_csv(tmp_path / "out/tables/protocols.csv").set_index("method")
    assert_described(tmp_path / "out/tables")
    assert cards.loc["b", "hardware"] == "H200"
    assert cards.loc["d", "input_size"] == "unknown"
    whole = comparison_of({"a": {"protocol": ours}, "b": {"protocol": ours}}, a=BASE, b=BASE + 0.1)
    assert len(whole.conclusions) == 3, "one protocol needs no word"
    assert not comparison_of(a=BASE, b=BASE + 0.1).protocols


def test_sizes_that_find_the_margin_are_printed_for_undecided_pairs_alone() -> None:
    several = BASE + np.random.default_rng(1).normal(0, 0.05, (3, 20))
    other = BASE + np.random.default_rng(2).normal(0, 0.05, (3, 20))
    found = comparison_of(a=several, b=other, c=BASE - 0.3)
    rows = tables.rows_of_pairs(found)
    printed = tables.print_pairs(found, rows).cells
    told = dict(zip(printed["Verdict"], printed[f"finds {found.margin:g} points"], strict=True))
    assert told["better"] == ""
    assert "sequences" in told.get("undecided", "sequences")
    assert rows["deciding_seeds"].dtype == "Int64"


@pytest.mark.parametrize("count", [2, 12])
def test_any_number_of_methods_is_drawn(count: int) -> None:
    names = [f"method {i} of a long name, in $ and {{}}" for i in range(count)]
    values = {name: BASE + noise(0.1, i) for i, name in enumerate(names)}
    found = comparison_of(**values)
    methods, pairs = tables.rows_of_methods(found), tables.rows_of_pairs(found)
    with in_style():
        for figure in (
            figures.draw_methods(methods, tables.rows_of_trainings(found), "foot"),
            figures.draw_pairs(pairs, 3.0, "foot"),
        ):
            figure.draw_without_rendering()
            (ax,) = figure.axes
            assert len(ax.get_yticklabels()) in {count, count * (count - 1) // 2}


def test_one_sequence_is_written_without_a_verdict(tmp_path: Path) -> None:
    found = comparison_of(**{"a&b": BASE[:1], "<c>": BASE[1:2]})
    made = write(tmp_path / "out", found, {"data": "1" * 64})
    html = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    Strict(html)
    assert "one sequence: no verdict" in html
    assert "a &lt;b&gt;" in html
    assert "scores/a&b.csv" in made
    table = pd.read_csv(tmp_path / "out/tables/pairs.csv")
    assert table[["p_zero", "smallest_found"]].isna().all(axis=None)
