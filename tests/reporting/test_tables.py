import dataclasses
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.fake_study import build
from support.written_tables import rows_of, text_of

from rgmp.config.base import BENCHMARKS
from rgmp.config.protocol import Protocol
from rgmp.errors import UserError
from rgmp.evaluation.job import BOUNDS
from rgmp.evaluation.score_table import read_scores
from rgmp.reporting import catalog, table_layouts, tables
from rgmp.reporting.latex_table import as_latex
from rgmp.reporting.typesetting import Table, as_markdown
from rgmp.runtime.quantities import UNKNOWN, duration, points
from rgmp.runtime.tidy import read_table, write_table
from rgmp.runtime.tidy import rows_of as rows_by
from rgmp.study import layout, table_files
from rgmp.study.cross_check import EVALUATOR_DTYPES
from rgmp.study.data_dictionary import OF_STUDIES, described
from rgmp.study.plan import save
from rgmp.study.results import load
from rgmp.study.table_files import TABLE_DTYPES


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build(tmp_path_factory.mktemp("five"), variants=5)
    tables.write(folder)
    return folder


@pytest.fixture(scope="module")
def seven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build(tmp_path_factory.mktemp("seven"), variants=7, frames=8, seeds=(0, 1, 2))
    tables.write(folder)
    return folder


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build(tmp_path_factory.mktemp("real"), variants=4, complete=True, seeds=(0, 1, 2))
    tables.write(folder)
    return folder


def names_of(folder: Path) -> tuple[str, ...]:
    return catalog.table_names(load(folder).plan)


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that keeps three checkpoints of every training run: it has every table."""
    folder = build(tmp_path_factory.mktemp("keeping"), variants=2, frames=6, keep_last=3)
    tables.write(folder)
    return folder


@pytest.mark.parametrize("study", ["five", "keeping"])
def test_every_table_of_the_catalog_is_built_and_printed_and_has_a_place(
    study: str, request: pytest.FixtureRequest
) -> None:
    results = load(request.getfixturevalue(study))
    built, entries = tables.build(results), catalog.tables(results.plan)
    assert {*built} == {*layout.TIDY, *names_of(results.folder)}
    every = [*entries, *catalog.FIGURE_ENTRIES]
    assert {entry.section for entry in every} == {catalog.LEAD, *catalog.SECTIONS}
    assert [entry.name for entry in entries if entry.benchmark] == list(BENCHMARKS)


def test_every_table_has_what_computes_it_its_columns_and_a_layout_and_no_other(
    keeping: Path, real: Path
) -> None:
    entries = {*catalog.tables(load(keeping).plan), *catalog.tables(load(real).plan)}
    assert all(callable(tables.builder_of(entry)) for entry in entries)
    assert all(callable(table_layouts.layout_of(entry)) for entry in entries)
    assert {entry.name for entry in entries} == TABLE_DTYPES.keys() - {*layout.TIDY}
    names = {"benchmark" if entry.benchmark else entry.name for entry in entries}
    for module, start in ((tables, "build_"), (table_layouts, "print_")):
        found = {name.removeprefix(start) for name in vars(module) if name.startswith(start)}
        assert found == names


@pytest.mark.parametrize("found_by_name", [tables.builder_of, table_layouts.layout_of])
def test_a_table_without_what_computes_or_prints_it_is_named(
    found_by_name: Callable[[catalog.Entry], object],
) -> None:
    entry = dataclasses.replace(catalog.COST, name="new_table")
    with pytest.raises(KeyError, match=r"(build|print)_new_table"):
        found_by_name(entry)


def plain_mean(folder: Path, benchmark: str, variant: str, measure: str) -> float:
    """Mean over frames, then objects, then seeds, by hand."""
    seeds = []
    scores = folder / "scores" / benchmark
    for path in sorted((scores / variant).glob("*.csv")) or [scores / "bounds.csv"]:
        objects: dict[tuple[str, int], list[float]] = {}
        for row in rows_by(read_scores(path, "snakemake"), variant=variant).to_dict("records"):
            objects.setdefault((row["sequence"], row["object"]), []).append(row[measure])
        seeds.append(np.mean([np.mean(frames) for frames in objects.values()]))
    return float(np.mean(seeds))


def test_the_ablation_in_csv_is_the_plain_mean_at_full_precision(five: Path) -> None:
    rows = rows_of(five, "ablation")
    assert len(rows) == 2 * (5 + len(BOUNDS))
    full: dict[str, float] = {}
    for row in rows:
        j, f = (plain_mean(five, row["benchmark"], row["variant"], m) for m in "JF")
        assert float(row["J_mean"]) == pytest.approx(j, rel=1e-13)
        assert float(row["F_mean"]) == pytest.approx(f, rel=1e-13)
        assert float(row["J&F"]) == pytest.approx((j + f) / 2, rel=1e-13)
        full.setdefault(row["benchmark"], (j + f) / 2)
        if row["variant"] in BOUNDS:
            assert row["difference_mean"] == row["difference_verdict"] == "", "compared with none"
        elif row["variant"] != "full":
            difference = (j + f) / 2 - full[row["benchmark"]]
            assert float(row["difference_mean"]) == pytest.approx(difference, abs=1e-13)


def test_a_csv_keeps_every_digit_of_a_float(tmp_path: Path) -> None:
    values = [0.1 + 0.2, 1 / 3, float(np.float64(2) / 7), 1e-17, 5e-324, 0.7233909999999999]
    path, dtypes = tmp_path / "t.csv", {"v": "float64"}
    write_table(path, pd.DataFrame({"v": values}))
    assert [float(line) for line in path.read_text().split()[1:]] == values
    assert read_table(path, dtypes, what="t", command="t")["v"].to_list() == values


def test_objects_are_the_plain_statistics_of_their_frames(five: Path) -> None:
    rows = rows_of(five, "objects")
    assert len(rows) == 5 * 2 * (6 + 12)  # variants, seeds, objects of both benchmarks
    row = next(
        r for r in rows if (r["variant"], r["seed"], r["sequence"]) == ("no_bptt", "1", "crossing")
    )
    scores = read_scores(five / f"scores/{row['benchmark']}/no_bptt/seed1.csv", "snakemake")
    frames = scores[(scores["sequence"] == "crossing") & (scores["object"] == int(row["object"]))]
    assert float(row["J_mean"]) == pytest.approx(frames["J"].mean(), rel=1e-13)
    assert float(row["F_recall"]) == pytest.approx((frames["F"] > 0.5).mean())
    assert float(row["J&F"]) == pytest.approx(frames[["J", "F"]].mean().mean(), rel=1e-13)


def test_the_words_follow_the_intervals(real: Path) -> None:
    words = set()
    for row in rows_of(real, "ablation"):
        if row["variant"] in {"full", *BOUNDS}:
            assert row["difference_verdict"] == ""
            continue
        low, high = float(row["difference_low"]), float(row["difference_high"])
        found = row["difference_verdict"]
        if float(row["p_zero"]) <= 0.05:
            assert found.startswith("worse" if high < 0 else "better")
        elif float(row["p_beyond"]) <= 0.05:
            assert found == "no difference beyond the margin"
            assert -0.03 < low < high < 0.03
        else:
            assert found == "undecided"
            assert float(row["smallest_found"]) > 0
        words.add(found)
        label = row["label"].replace("_", r"\_")
        assert re.search(rf"\| {label} \|.*\| {found} \|", text_of(real, "ablation.md"))
    assert "worse" in words


def test_differences_by_difficulty_are_predicted_or_exploratory(seven: Path) -> None:
    rows = rows_of(seven, "difficulty")
    predicted = {
        (r["benchmark"], r["variant"], r["difficulty"]) for r in rows if r["expected"] != ""
    }
    assert predicted == {
        *((b, "no_bptt", "occlusion") for b in BENCHMARKS),
        *((b, "no_reference", "fast") for b in BENCHMARKS),
        ("davis2017", "winner_take_all", "several objects"),
        ("davis2017", "winner_take_all", "crossing"),
    }
    for row in rows:
        explored = row["expected"] == ""
        assert (row["difference_verdict"] == "exploratory") == explored
        assert (row["claim"] == "") == (row["because"] == "") == explored
        assert row["difference_low"] <= row["difference_high"] or row["difference_low"][0] == "-"
    alone = [r for r in rows if r["variant"] in {"winner_take_all", "independent"}]
    assert {r["benchmark"] for r in alone} == {"davis2017"}, "one object: the same computation"
    text = text_of(seven, "difficulty.md")
    assert "**embedded, foreground, predicted**" in text
    assert "**embedded, objects, exploratory**" in text
    assert "| without BPTT | occlusion | 2 |" in text


def test_what_is_the_same_computation_is_said_to_be(seven: Path) -> None:
    rows = {(r["benchmark"], r["variant"]): r for r in rows_of(seven, "ablation")}
    same = rows["davis2016", "winner_take_all"]
    assert (float(same["difference_mean"]), same["difference_verdict"]) == (0, "same computation")
    assert same["claim"] == same["p_zero"] == ""
    several = next(
        r
        for r in rows_of(seven, "difficulty")
        if (r["variant"], r["difficulty"]) == ("winner_take_all", "several objects")
    )
    asked = rows["davis2017", "winner_take_all"]
    assert (asked["expected"], asked["claim"]) == ("worse", several["claim"])
    assert int(asked["paired_sequences"]) == 6 > int(several["paired_sequences"]) == 4


def test_a_verdict_over_all_says_so_beside_the_claim_on_several_objects(
    seven: Path, tmp_path: Path
) -> None:
    rows = {(r["benchmark"], r["variant"]): r for r in rows_of(seven, "ablation")}
    text = text_of(seven, "ablation.md")
    foreground, objects = text.split("**embedded, objects**")
    asked, silent = (rows["davis2017", name] for name in ("winner_take_all", "independent"))
    verdict, claim = asked["difference_verdict"], asked["claim"]
    assert f"| {verdict}, over all | worse | {claim}, several objects |" in objects
    assert f"| {silent['difference_verdict']}, over all | {UNKNOWN} | {UNKNOWN} |" in objects
    assert objects.count(", over all |") == 2
    assert ", over all |" not in foreground
    assert "Over all: independent objects and winner takes all change nothing where" in text
    assert f"{claim}, several objects" in text_of(seven, "ablation.tex")
    folder = shutil.copytree(seven, tmp_path / "longer")
    table = table_files.read(folder, "ablation")
    table["longer_study_verdict"] = table["difference_verdict"].where(table["claim"] != "", "")
    table_files.write(folder, "ablation", table)
    cells = table_layouts.printed_table(load(folder), catalog.ABLATION).cells
    theirs = cells.set_index("Variant")["Longer study"]
    assert [*theirs["winner takes all"]] == [UNKNOWN, f"{verdict}, over all"]
    assert [*theirs["independent objects"]] == [UNKNOWN, UNKNOWN]


def test_what_repeats_another_benchmark_is_marked_and_says_which(repeating: Path) -> None:
    rows = {
        (r["variant"], r["difficulty"], r["benchmark"]): r for r in rows_of(repeating, "difficulty")
    }
    repeats = {key: row["same_data_as"] for key, row in rows.items() if row["same_data_as"]}
    others = ("no_bptt", "no_reference", "no_synthetic")
    assert repeats == {(name, "occlusion", "davis2017"): "davis2016" for name in others}
    for name in others:
        first, second = (rows[name, "occlusion", benchmark] for benchmark in BENCHMARKS)
        numbers = [key for key in first if key.startswith(("difference_", "same_sequences", "sd_"))]
        assert [first[key] for key in numbers if "verdict" not in key] == [
            second[key] for key in numbers if "verdict" not in key
        ]
    foreground, objects = text_of(repeating, "difficulty.md").split(
        "**embedded, objects, predicted**"
    )
    assert "| without BPTT‖ | occlusion |" in objects
    assert "‖" not in foreground
    assert objects.count("‖ |") == 3
    note = "‖ The same sequences and masks as embedded, foreground: one result, which counts there."
    assert note in objects
    assert r"without BPTT$^\|$" in text_of(repeating, "difficulty.tex")
    assert "‖" not in text_of(repeating, "ablation.md"), "overall there are others"


def test_the_cell_says_that_it_is_the_same_computation(seven: Path) -> None:
    text = text_of(seven, "ablation.md").partition("**embedded, objects**")[0]
    for label in ("winner takes all", "independent objects"):
        assert re.search(rf"\| {label} \|.*\| as RGMP \| {UNKNOWN} \| same computation \|", text)
    assert "+0.0 " not in text
    assert r"\multicolumn{2}{c}{as RGMP}" in text_of(seven, "ablation.tex")


def test_variants_are_printed_in_the_order_of_the_paper_and_the_best_marked(seven: Path) -> None:
    rows = [row["variant"] for row in rows_of(seven, "ablation")]
    planned = [variant.name for variant in load(seven).plan.variants]
    assert rows[: len(planned)] == planned, "files keep the order of the plan"
    text = text_of(seven, "ablation.md").partition("**embedded, objects**")[2]
    here = text.partition("\n**")[0]
    labels = re.findall(r"^\| ([a-zA-Z][^|]*?) \|", here, re.MULTILINE)[1:]
    assert labels == [
        *("RGMP", "without reference", "without stage 1"),
        *("independent objects", "one scale", "winner takes all"),
        "without BPTT",  # whose settings are those of full in this fake
    ]
    accuracies = {
        row["label"]: points(float(row["J&F"]))
        for row in rows_of(seven, "ablation")
        if row["benchmark"] == "davis2017" and row["external"] == "False"
    }
    first, second, *_ = sorted({*accuracies.values()}, key=float, reverse=True)
    best = re.findall(r"^\| ([^|]+) \| [^|]+ \| [^|]+ \| \*\*([\d.]+) ± [\d.]+\*\*", here, re.M)
    then = re.findall(r"^\| ([^|]+) \| [^|]+ \| [^|]+ \| <ins>([\d.]+) ± [\d.]+</ins>", here, re.M)
    assert dict(best) == {name: value for name, value in accuracies.items() if value == first}
    assert dict(then) == {name: value for name, value in accuracies.items() if value == second}
    floor = text.partition("not trained here**")[2]
    assert not re.search(r"\*\*\d|<ins>", floor), "what is not trained here is in no contest"


def test_published_methods_are_not_ranked(real: Path) -> None:
    text = text_of(real, "davis2016.md")
    assert not re.search(r"\*\*\d|<ins>", text), "protocols differ, or are not known"
    assert "Bold" not in text


def test_the_figure_of_the_paper_stands_beside_ours(real: Path) -> None:
    text = text_of(real, "ablation.md").partition("**DAVIS-2016**")[2]
    row, *_ = rows_of(real, "ablation")
    assert (row["benchmark"], row["variant"]) == ("davis2016", "full")
    ours = float(row["J&F"]) - float(row["published_J&F"])
    assert f"| 81.8 | {points(ours, '+')} |" in text.partition("\n| without")[0]
    assert re.search(rf"^\| without BPTT \|.*\| {UNKNOWN} \| {UNKNOWN} \|", text, re.MULTILINE)
    assert "| J&F ↑ | Paper | To paper | Difference" in text


@pytest.mark.parametrize("study", ["seven", "keeping", "real"])
def test_every_column_of_every_csv_is_described(study: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(study)
    sections = text_of(folder, layout.DICTIONARY).split("\n## ")[1:]
    told = {
        section.split("`")[1]: re.findall(r"^\| `(.+?)` \| [^|]+ \| [^|]+ \|$", section, re.M)
        for section in sections
    }
    written = {
        path.name: path.read_text(encoding="utf-8").partition("\n")[0].split(",")
        for path in (folder / "tables").glob("*.csv")
    }
    assert told == written | {"evaluator.csv": [*EVALUATOR_DTYPES]}


def test_no_description_is_of_a_column_that_no_csv_has(keeping: Path, real: Path) -> None:
    columns = {**TABLE_DTYPES, "evaluator": EVALUATOR_DTYPES}
    columns["speed"] = {
        name: "" for study in (keeping, real) for name in rows_of(study, "speed")[0]
    }
    used = {described(file, column) for file, named in columns.items() for column in named}
    assert used == {*OF_STUDIES} - {"labels_as_fp32"}, "there where not all compute in fp32"


def test_a_column_that_is_not_described_is_named() -> None:
    with pytest.raises(KeyError, match=r"cost\.csv: the column joules is not described"):
        described("cost", "joules")


# ---- checkpoints ----


def test_the_checkpoints_of_a_row_are_the_plain_means_of_their_scores(keeping: Path) -> None:
    rows = rows_of(keeping, "checkpoints")
    assert {(r["benchmark"], r["variant"]) for r in rows} == {
        *product(BENCHMARKS, ("full", "no_bptt"))
    }
    for row in rows:
        scores = keeping / "scores" / row["benchmark"] / row["variant"]
        reached = []
        for seed in (0, 1):
            places = (f"seed{seed}/step392", f"seed{seed}/step396", f"seed{seed}")
            tables_of = [read_scores(scores / f"{place}.csv", "snakemake") for place in places]
            means = [t.groupby(["sequence", "object"])[["J", "F"]].mean() for t in tables_of]
            reached.append([float(mean.to_numpy().mean()) for mean in means])
        assert (row["seeds"], row["steps"]) == ("2", "392 396 400")
        last, mean, best = (float(row[key]) for key in ("last", "mean", "best"))
        assert last == pytest.approx(np.mean([seed[-1] for seed in reached]))
        assert mean == pytest.approx(np.mean(reached))
        assert best == pytest.approx(np.mean([max(seed) for seed in reached]))
        spread = np.std([seed[-1] for seed in reached], ddof=1)
        assert float(row["last_spread"]) == pytest.approx(spread)
        gains = float(row["gain"]) - float(row["gain_elsewhere"])
        assert float(row["optimism"]) == pytest.approx(gains)
        assert float(row["optimism_low"]) < gains < float(row["optimism_high"])
    text = text_of(keeping, "checkpoints.md")
    assert re.search(r"\| RGMP +\| 392 396 400 +\|", text)
    assert "never below the last" in text


def test_earlier_checkpoints_change_no_other_table(keeping: Path, tmp_path: Path) -> None:
    tables.write(build(tmp_path, variants=2, frames=6))
    for name in (*names_of(tmp_path), *layout.TIDY):
        assert text_of(tmp_path, f"{name}.csv") == text_of(keeping, f"{name}.csv")
    assert not (tmp_path / "tables/checkpoints.csv").exists()


def test_what_lacks_a_checkpoint_has_no_part_in_their_table(keeping: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(keeping, tmp_path / "lacking")
    (folder / "scores/davis2016/full/seed1/step392.csv").unlink()
    (folder / "scores/davis2017/no_bptt/seed0/step396.csv").unlink()
    shutil.rmtree(folder / "scores/davis2016/no_bptt/seed0")
    shutil.rmtree(folder / "scores/davis2016/no_bptt/seed1")
    tables.write(folder)
    rows = {(r["benchmark"], r["variant"]): r for r in rows_of(folder, "checkpoints")}
    assert {key: row["seeds"] for key, row in rows.items()} == {
        ("davis2016", "full"): "1",
        ("davis2017", "full"): "2",
        ("davis2017", "no_bptt"): "1",
    }
    alone = rows["davis2016", "full"]
    assert alone["last_spread"] == alone["optimism_low"] == alone["optimism_high"] == ""


def test_a_broken_file_of_attributes_is_named(tmp_path: Path) -> None:
    build(tmp_path, variants=2, frames=6)
    (tmp_path / "data/davis/attributes.csv").write_text("sequence\n")
    with pytest.raises(UserError, match=r"attributes\.csv: the header is 'sequence'"):
        tables.write(tmp_path)
    (tmp_path / "data/davis/attributes.csv").unlink()
    tables.write(tmp_path)
    assert rows_of(tmp_path, "difficulty") == []


def test_underscores_and_percent_are_escaped() -> None:
    cells = pd.DataFrame({"na_me": ["a_b & 5% {c} $ # ~ ^ \\ |*|"]})
    table = Table("t", "100%_sure", cells, pd.Series(["s_1"]), ["50%_"])
    latex, markdown = as_latex(table), as_markdown(table)
    escaped = (
        r"a\_b \& 5\% \{c\} \$ \# \textasciitilde{} \textasciicircum{} \textbackslash{} $|$*$|$"
    )
    assert escaped in latex
    assert r"100\%\_sure" in latex
    assert r"50\%\_" in latex
    assert r"a\_b & 5% {c} \$ # \~ ^ \\ \|\*\|" in markdown
    assert r"na\_me" in markdown


@pytest.mark.parametrize("variants", [1, 2, 10])
@pytest.mark.parametrize("benchmarks", [("davis2016",), ("davis2016", "davis2017")])
def test_the_names_of_the_files_are_fixed(tmp_path: Path, variants: int, benchmarks: Any) -> None:
    tables.write(build(tmp_path, variants=variants, benchmarks=benchmarks, seeds=(0,), frames=6))
    expected = {f"{name}.{kind}" for name in names_of(tmp_path) for kind in ("csv", "md", "tex")}
    expected |= {f"{name}.csv" for name in layout.TIDY}
    expected |= {layout.DICTIONARY, layout.NORMAL_RANGE, *layout.METHODS}
    assert {path.name for path in (tmp_path / "tables").iterdir()} == expected


def test_a_study_without_data_says_so_in_every_table(tmp_path: Path) -> None:
    build(tmp_path, variants=2, frames=6)
    for name in ("scores", "speed", "records"):
        shutil.rmtree(tmp_path / name)
    tables.write(tmp_path)
    for name in names_of(tmp_path):
        assert rows_of(tmp_path, name) == [], "a header alone"
        for kind in ("md", "tex"):
            assert "No data yet." in text_of(tmp_path, f"{name}.{kind}")


def test_a_toy_study_shows_no_published_row_and_says_what_it_is(five: Path) -> None:
    for name in names_of(five):
        for kind in ("csv", "md", "tex"):
            text = text_of(five, f"{name}.{kind}")
            assert "OSVOS" not in text
            assert "STM" not in text
            if kind != "csv":
                assert "rendered toy data, not DAVIS" in text
                assert "seeds 0, 1; commit c0ffee1234" in text
                assert "builtin engine" in text
    assert all(row["published_J&F"] == "" for row in rows_of(five, "ablation"))
    assert all(row["RGMP_authors_J_mean"] == "" for row in rows_of(five, "sequences"))


def test_full_stands_among_the_published_methods_on_the_whole_of_davis(real: Path) -> None:
    for benchmark in ("davis2016", "davis2017"):
        rows = rows_of(real, benchmark)
        among = [row for row in rows if row["section"].startswith("Among published methods")]
        other = [row for row in among if row["section"].endswith(", another protocol")]
        for group in (among[: -len(other)], other):
            reached = [float(row["J&F"] or 0) for row in group]
            assert reached == sorted(reached, reverse=True)
        assert {"RGMP, this study", "FAVOS"} <= {row["label"] for row in among[: -len(other)]}
        assert {"OSVOS", "STM"} <= {row["label"] for row in other}
        assert [r["variant"] for r in rows[len(among) :]] == [
            *(v.name for v in load(real).plan.variants[1:]),
            *BOUNDS,
        ]


def test_published_methods_have_the_protocol_that_is_known_of_them(real: Path) -> None:
    cards = {(r["benchmark"], r["label"]): r for r in rows_of(real, "protocols")}
    ours = cards["davis2017", "RGMP, this study"]
    assert (ours["scales"], ours["online_finetuning"]) == ("0.5, 0.75, 1", "no")
    osvos = cards["davis2016", "OSVOS"]
    assert osvos["other_protocol"] == "online fine-tuning"
    assert osvos["unknown_protocol"] == "training_data input_size scales flips precision"
    assert cards["davis2017", "XMem"]["other_protocol"] == "also trained on YouTube-VOS"
    nothing = cards["davis2016", "FAVOS"]
    assert nothing["other_protocol"] == ""
    assert {nothing[field] for field in Protocol.model_fields} == {"unknown"}
    assert "| OSVOS¶" in text_of(real, "davis2016.md")
    assert "| FAVOS |" in text_of(real, "davis2016.md")
    assert r"OSVOS\P{}" in text_of(real, "davis2016.tex")


def test_the_card_of_a_rendered_study_has_the_size_of_its_frames(five: Path) -> None:
    assert {row["input_size"] for row in rows_of(five, "protocols")} == {"124x72"}


def test_what_is_of_another_protocol_is_marked_in_every_table(tmp_path: Path) -> None:
    folder = build(tmp_path, variants=2, frames=6, external=True)
    plan = load(folder).plan
    painter, reporter = plan.external
    card = {"protocol": Protocol(online_finetuning=True, flips=True)}
    save(plan.model_copy(update={"external": (painter.model_copy(update=card), reporter)}), folder)
    tables.write(folder)
    for name in ("ablation", "davis2016", "sequences", "protocols"):
        text = text_of(folder, f"{name}.md")
        assert "Painter (masks)¶" in text
        assert "¶ Of another protocol than RGMP" in text
        assert "Reporter¶" not in text
    (theirs,) = (r for r in rows_of(folder, "davis2016") if r["variant"] == "painter")
    assert theirs["section"] == "Not trained here, another protocol"
    assert theirs["other_protocol"] == "online fine-tuning, flips"
    own, *_ = (r for r in rows_of(folder, "protocols") if r["variant"] == "full")
    assert (own["training_data"], own["hardware"]) == ("the embedded benchmark", "Xeon")


def test_published_figures_are_those_of_their_sources(real: Path) -> None:
    published = {row["label"]: row for row in rows_of(real, "davis2016") if row["variant"] == ""}
    rgmp = published["RGMP"]
    assert (float(rgmp["J_mean"]), float(rgmp["F_mean"])) == (0.815, 0.82)
    assert round(100 * float(rgmp["J_recall"]), 1) == 91.7  # the leaderboard's
    assert round(100 * float(rgmp["F_decay"]), 1) == 10.1
    assert "leaderboard" in rgmp["source"]
    assert published["VideoMatch"]["F_mean"] == published["VideoMatch"]["J&F"] == ""
    known = {(r["benchmark"], r["variant"]): r["published_J&F"] for r in rows_of(real, "ablation")}
    assert float(known["davis2016", "no_synthetic"]) == pytest.approx(0.6875)
    assert known["davis2016", "no_bptt"] == ""
    libby = next(row for row in rows_of(real, "sequences") if row["sequence"] == "libby")
    assert float(libby["RGMP_authors_J_mean"]) == 0.723291
    assert "| 81.8 |" in text_of(real, "davis2016.md")


def test_what_is_not_trained_here_stands_in_every_table(tmp_path: Path) -> None:
    folder = build(tmp_path, variants=2, frames=6, external=True)
    tables.write(folder)
    found = {(r["benchmark"], r["label"]): r for r in rows_of(folder, "ablation")}
    theirs = found["davis2016", "Painter (masks)"]
    assert (theirs["seeds"], theirs["J_mean_spread"], theirs["external"]) == ("0", "", "True")
    assert theirs["difference_verdict"] not in {"", "exploratory", "same computation"}
    assert theirs["expected"] == theirs["claim"] == ""
    assert ("davis2017", "Painter (masks)") not in found
    assert "**embedded, objects, not trained here**" in text_of(folder, "ablation.md")
    sources = {r["label"]: r for r in rows_of(folder, "davis2016")}
    assert sources["Painter (masks)"]["source"] == "its masks, scored here"
    assert sources["Reporter"]["source"] == "the scores in reporter.csv"
    assert sources["Reporter"]["seconds_per_frame"] == "0.5"
    assert sources["Painter (masks)"]["seconds_per_frame"] == ""
    (timed,) = (r for r in rows_of(folder, "speed") if r["external"] == "True")
    assert (timed["label"], timed["benchmark"], timed["authors_fps"]) == (
        "Reporter",
        "davis2016",
        "2.0",
    )
    variants = {(r["benchmark"], r["variant"]) for r in rows_of(folder, "sequences")}
    assert ("davis2016", "painter") in variants
    assert ("davis2017", "painter") not in variants
    assert "| Painter (masks) | Reporter |" in text_of(folder, "sequences.md")


def test_a_part_of_davis_shows_its_own_rows_only(tmp_path: Path) -> None:
    build(tmp_path, variants=2, complete=True, seeds=(0,), frames=6)
    plan = json.loads((tmp_path / "plan.json").read_text())
    (tmp_path / "plan.json").write_text(json.dumps(plan | {"complete": False}))
    tables.write(tmp_path)
    assert "a part of DAVIS (30 sequences scored)" in text_of(tmp_path, "davis2017.md")
    assert "OSVOS" not in text_of(tmp_path, "davis2017.md")


def test_the_cost_counts_every_training_once(five: Path) -> None:
    rows = rows_of(five, "cost")
    assert len(rows) == len({row["identity"] for row in rows}) == len(load(five).plan.trainings)
    shared = next(r for r in rows if (r["stage"], r["label"]) == ("finetune", "full-seed0"))
    assert shared["variants"].split() == ["full", "winner_take_all"]
    assert float(shared["hours"]) == pytest.approx(123.4 / 3600)
    used = [
        x.split("|")[-2].strip() for x in text_of(five, "cost.md").splitlines() if "-seed0" in x
    ]
    assert {"RGMP, winner takes all, without BPTT", "RGMP, winner takes all"} <= {*used}


def test_a_row_whose_records_disagree_is_marked(tmp_path: Path) -> None:
    build(tmp_path, variants=3, frames=6)
    path = tmp_path / "records/scores/davis2016/no_bptt/seed0.json"
    record = json.loads(path.read_text())
    record["code"]["sources"] = "6" * 64
    path.write_text(json.dumps(record))
    tables.write(tmp_path)
    assert {r["variant"] for r in rows_of(tmp_path, "ablation") if r["mixed"] == "True"} == {
        "no_bptt"
    }
    assert "without BPTT†" in text_of(tmp_path, "speed.md")
    assert r"without BPTT$^\dagger$" in text_of(tmp_path, "speed.tex")


def test_a_shared_training_by_other_code_marks_all_who_share_it(tmp_path: Path) -> None:
    build(tmp_path, variants=5, frames=6)
    training = next(t for t in load(tmp_path).plan.trainings if t.slug == "full-seed0")
    path = tmp_path / "records" / f"{training.folder}.json"
    record = json.loads(path.read_text())
    record["code"]["sources"] = "6" * 64
    path.write_text(json.dumps(record))
    (disagreement,) = load(tmp_path).disagreements
    assert disagreement.records == (training.folder,)
    assert disagreement.variants == set(training.variants)


@pytest.mark.parametrize(
    ("job", "work", "held", "said_there"),
    [
        ("weights/finetune/no_bptt-seed0-*", "training", "determinism", {"cpu_capability": "AVX2"}),
        ("masks/davis2017/no_bptt/seed1", "inference", "determinism", {"cpu_capability": "AVX2"}),
        ("weights/finetune/no_bptt-seed0-*", "training", "results", {"processors": "Xeon; Epyc"}),
    ],
)
def test_a_job_on_another_type_of_cpu_or_on_several_marks_its_row(
    tmp_path: Path, job: str, work: str, held: str, said_there: dict[str, str]
) -> None:
    """There the same seed gives other bits."""
    build(tmp_path, variants=5, frames=6)
    (path,) = (tmp_path / "records").glob(f"{job}.json")
    record = json.loads(path.read_text())
    record[held] |= said_there
    path.write_text(json.dumps(record))
    tables.write(tmp_path)
    marked = {r["variant"] for r in rows_of(tmp_path, "ablation") if r["mixed"] == "True"}
    assert marked == {"no_bptt"}
    said = f"1 of {{}} records have a different processor type in {work}"
    assert re.search(said.format(r"\d+"), text_of(tmp_path, "ablation.md"))


def test_latex_rows_have_as_many_cells_as_columns(real: Path) -> None:
    for name in names_of(real):
        text = text_of(real, f"{name}.tex")
        found = re.search(r"\\begin\{tabular\}\{(.+)\}$", text, re.MULTILINE)
        assert found
        columns = re.findall("[lrS]", re.sub(r"\[[^]]*\]|@\{[^}]*\}", "", found[1]))
        for line in text.splitlines():
            if line.endswith(r"\\"):
                cells = re.split(r"(?<!\\)&", line)
                spans = (re.match(r"\s*\\multicolumn\{(\d+)\}", cell) for cell in cells)
                assert sum(int(span[1]) if span else 1 for span in spans) == len(columns)
        assert text.count(r"\begin{") == text.count(r"\end{")
        assert text.isascii()


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels with what LaTeX reads as its own."""
    folder = build(tmp_path_factory.mktemp("ten"), variants=10, seeds=(0,), frames=6)
    tables.write(folder)
    return folder


@pytest.fixture(scope="module")
def none(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build(tmp_path_factory.mktemp("none"), variants=1, frames=6)
    shutil.rmtree(folder / "scores")
    tables.write(folder)
    return folder


@pytest.mark.parametrize("columns", ["onecolumn", "twocolumn"])
@pytest.mark.parametrize("study", ["ten", "real", "none", "repeating"])
def test_latex_compiles_and_fits_the_page(
    study: str, columns: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    latex = shutil.which("pdflatex") or shutil.which("tectonic")
    if latex is None:
        pytest.skip("neither pdflatex nor tectonic is installed")
    folder: Path = request.getfixturevalue(study)
    names = [*(f"{name}.tex" for name in names_of(folder)), layout.METHODS_LATEX]
    inputs = "\n".join(rf"\input{{{folder}/tables/{name}}}" for name in names)
    (tmp_path / "all.tex").write_text(
        f"\\documentclass[{columns}]{{article}}\n\\usepackage{{booktabs,graphicx,siunitx}}\n"
        f"\\begin{{document}}\n{inputs}\n\\end{{document}}\n"
    )
    options = ["-halt-on-error", "-interaction=nonstopmode"] if "pdflatex" in latex else []
    command = [latex, *options, "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if done.returncode and "siunitx.sty' not found" in done.stdout:
        pytest.skip("siunitx is not installed")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "all.pdf").stat().st_size > 0
    assert "Overfull" not in done.stdout + done.stderr


def test_the_same_rows_give_the_same_bytes(five: Path) -> None:
    before = {path.name: path.read_bytes() for path in (five / "tables").iterdir()}
    tables.write(five)
    assert {path.name: path.read_bytes() for path in (five / "tables").iterdir()} == before


def test_numbers_for_people() -> None:
    assert points(0.8175) == "81.8"
    assert points(-0.00001) == "0.0"
    assert points(-0.0123, "+") == "\N{MINUS SIGN}1.2"
    assert points(0.0123, "+") == "+1.2"
    assert points(-0.0001, "+") == "\N{MINUS SIGN}0.0"
    assert points(-0.0, "+") == "+0.0"
    assert [duration(s) for s in (0.25, 12.4, 90, 7200)] == ["0.25 s", "12 s", "1.5 min", "2.0 h"]
