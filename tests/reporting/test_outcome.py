"""What came of a study, on a terminal: the numbers of its tables, on screens of any width."""

import csv
import re
from pathlib import Path

import pytest
from support.fake_study import build

from rgmp.reporting import tables
from rgmp.reporting.outcome import outcome
from rgmp.runtime.files import write_json, write_text
from rgmp.runtime.quantities import points
from rgmp.runtime.terminal import Screen

COMMITTED = Path(__file__).parents[2] / "results/reference/embedded"


@pytest.fixture(scope="module")
def seven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build(tmp_path_factory.mktemp("seven"), variants=7, frames=8, seeds=(0, 1, 2))
    tables.write(folder)
    return folder


def shown(folder: Path, screen: Screen | None = None) -> str:
    return "\n".join(outcome(folder, screen or Screen()))


@pytest.mark.parametrize("made", [True, False], ids=["made", "committed"])
def test_every_row_of_the_ablation_table_is_there(made: bool, seven: Path) -> None:
    folder = seven if made else COMMITTED
    text = shown(folder, Screen(width=200))
    with (folder / "tables/ablation.csv").open() as file:
        for row in csv.DictReader(file):
            line = next(found for found in text.splitlines() if f"  {row['label']}  " in found)
            text = text.replace(line, "", 1)  # of the other benchmark it is another one
            assert points(float(row["J&F"])) in line
            assert row["difference_verdict"] in line
            if row["difference_verdict"] == "same computation":
                assert "  as RGMP  " in line
            elif row["difference_mean"]:
                assert f"{points(float(row['difference_mean']), '+')} [" in line
            over_all = row["variant"] in {"independent", "winner_take_all"}
            over_all &= row["difference_verdict"] != "same computation"
            assert (f"{row['difference_verdict']}, over all" in line) == over_all
            if row["claim"]:
                assert line.endswith(row["claim"] + ", several objects" * over_all)


@pytest.mark.parametrize("made", [True, False], ids=["made", "committed"])
def test_a_prediction_counts_once_where_two_benchmarks_have_the_same_scores(
    made: bool, repeating: Path
) -> None:
    folder = repeating if made else COMMITTED
    with (folder / "tables/difficulty.csv").open() as file:
        asked = [row for row in csv.DictReader(file) if row["claim"]]
    asked = [row for row in asked if row["difficulty"] != "several objects"]
    columns = ("variant", "difficulty", "difference_mean", "difference_low", "sd_seeds", "sd_runs")
    results = {tuple(row[column] for column in columns) for row in asked}
    text = shown(folder)
    counted = re.search(r"^Predictions by difficulty: (.*)$", text, re.MULTILINE)
    assert counted
    assert sum(map(int, re.findall(r"\d+", counted[1]))) == len(results) < len(asked)
    more = f"  {len(asked) - len(results)} more on the same sequences and masks as one of these"
    assert more in text.splitlines()


def test_claims_are_counted_and_named(seven: Path) -> None:
    text = shown(seven)
    assert re.search(r"^Claims: \d ", text, re.MULTILINE)
    assert re.search(r"^Predictions by difficulty: \d ", text, re.MULTILINE)
    assert "Training over several frames stops errors adding up." in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_are_as_wide_as_the_screen_and_words_are_whole(width: int) -> None:
    lines = shown(COMMITTED, Screen(width=width)).splitlines()
    assert max(map(len, lines)) <= width + (width < 80) * 20, "numbers are not broken"
    assert all(word in " ".join(lines) for word in ("same", "computation", "contradicted"))


def test_colours_change_nothing_but_the_colour(seven: Path) -> None:
    coloured = shown(seven, Screen(coloured=True))
    assert "\x1b[31mworse\x1b[0m" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == shown(seven)


def test_it_ends_with_where_the_rest_is(seven: Path) -> None:
    assert shown(seven).endswith(f"Tables: {seven}/tables")
    write_text(seven / "report.html", "")
    runs = {"uri": "sqlite:///results/mlflow.db", "experiment": "1", "runs": {}}
    write_json(seven / "mlflow.json", runs)
    assert shown(seven).splitlines()[-3:] == [
        f"Report: {seven}/report.html",
        f"Tables: {seven}/tables",
        "MLflow: mlflow ui --backend-store-uri sqlite:///results/mlflow.db",
    ]
