"""`rgmp power`: what is printed of what a study of a size finds."""

import re
from pathlib import Path

import pytest
from support.fake_study import build

from rgmp.cli.main import main
from rgmp.evaluation.comparison import pair_all
from rgmp.evaluation.power import (
    Components,
    StudySize,
    analysis_with,
    components_of,
    forecast,
    smallest_difference,
)
from rgmp.reporting import power, tables
from rgmp.study import table_files
from rgmp.study.results import load

STUDY = Path(__file__).parents[2] / "workflow/config/mini.yaml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("power") / "mini"
    build(folder, variants=3, benchmarks=("davis2017",), seeds=(0, 1, 2, 3), frames=6)
    tables.write(folder)
    return folder


@pytest.fixture
def here(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what `rgmp power` reads of a study, and nothing else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mini/tables").mkdir(parents=True)
    for name in ("plan.json", "tables/ablation.csv"):
        (tmp_path / "mini" / name).write_bytes((finished / name).read_bytes())
    return tmp_path


def rows(text: str) -> list[dict[str, str]]:
    """The rows of the last table that is printed."""
    lines = text.rstrip("\n").splitlines()
    rule = max(n for n, line in enumerate(lines) if line.startswith("---"))
    spans = [match.span() for match in re.finditer("-+", lines[rule])]
    cells = [
        [line[a:b].strip() for a, b in spans] for line in (lines[rule - 1], *lines[rule + 1 :])
    ]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[1:]]


def numbers(cell: str) -> list[float]:
    return [float(found) for found in re.findall(r"[\d.]+", cell)]


def change(folder: Path, **values: float | None) -> None:
    """Change columns of all rows of a study's ablation table but those of full."""
    table = table_files.read(folder, "ablation")
    for column, value in values.items():
        table.loc[table["variant"] != "full", column] = value
    table_files.write(folder, "ablation", table)


def test_each_size_has_the_smallest_difference_of_the_measured_variances(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["power", str(finished), "--seeds", "8", "3", "--sequences", "20", "60"]) == 0
    found = rows(capsys.readouterr().out)
    assert [(row["method"], row["seeds"]) for row in found] == [
        (method, seeds) for method in ("no_bptt", "no_reference") for seeds in ("3", "8")
    ]
    paired = pair_all(load(finished).table("objects"))
    for row in found:
        components = components_of(paired["davis2017", row["method"]].analysed({}))
        for count in (20, 60):
            size = StudySize(int(row["seeds"]), count)
            value, low, high = numbers(row[f"{count} sequences"])
            assert value == pytest.approx(
                100 * smallest_difference(components, size, 0.05 / 2), abs=0.051
            )
            assert low <= value <= high


def test_defaults_are_the_study_s_own_and_limits_those_of_the_expected_mean_squares(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(here / "mini", sd_seeds=0.03, sd_sequences=0.1, sd_runs=0.11, paired_figures=20)
    assert main(["power", "mini"]) == 0
    out = capsys.readouterr().out
    analysis = analysis_with(Components(0.03**2, 0.1**2, 0.11**2), StudySize(4, 20))
    assert analysis.ms_seeds == pytest.approx(0.11**2 + 20 * 0.03**2)
    assert analysis.ms_sequences == pytest.approx(0.11**2 + 4 * 0.1**2)
    expected = forecast(analysis, StudySize(4, 20), 0.05 / 2)
    for row in rows(out):
        assert row["m"] == "2"
        assert row["seeds"] == "4"
        assert numbers(row["20 sequences"]) == [
            pytest.approx(100 * value, abs=0.051)
            for value in (expected.value, expected.low, expected.high)
        ]
    assert out.count("3.0 [") == out.count("10.0 [") == out.count("11.0 [") == 2


def test_the_same_computation_is_not_compared(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = table_files.read(here / "mini", "ablation")
    table.loc[table["variant"] == "no_bptt", "difference_verdict"] = "same computation"
    table_files.write(here / "mini", "ablation", table)
    assert main(["power", "mini"]) == 0
    assert [(row["method"], row["m"]) for row in rows(capsys.readouterr().out)] == [
        ("no_reference", "1")
    ]


def test_a_study_file_is_planned_by_the_reference(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(power, "REFERENCE", here / "mini/tables/ablation.csv")
    assert main(["power", str(STUDY), "--seeds", "5"]) == 0
    out = capsys.readouterr().out
    assert "as measured by the reference" in out
    assert {row["seeds"] for row in rows(out)} == {"5"}


@pytest.mark.skipif(not power.REFERENCE.is_file(), reason="no reference has been run yet")
def test_the_reference_of_the_package_is_one() -> None:
    assert main(["power", str(STUDY)]) == 0


@pytest.mark.parametrize(
    ("arguments", "columns", "words"),
    [
        (["mini"], {"sd_runs": None}, "mini: has no comparison with full over several seeds"),
        (["mini"], {"sd_runs": -0.1}, "mini/tables/ablation.csv: not the table ablation"),
        (["mini"], {"paired_seeds": 1}, "mini/tables/ablation.csv: not the table ablation"),
        (["."], {}, ".: not a study folder (no plan.json)"),
        (["nowhere.yaml"], {}, "nowhere.yaml: "),
        ([str(STUDY)], {}, "this version of rgmp includes no reference results"),
        (["mini", "--seeds", "1"], {}, "argument --seeds: '1' is not allowed"),
    ],
)
def test_a_mistake_is_a_line_and_status_2(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    columns: dict[str, float | None],
    words: str,
) -> None:
    monkeypatch.setattr(power, "REFERENCE", here / "absent.csv")
    change(here / "mini", **columns)
    assert main(["power", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("rgmp: ")
    assert words in said
    assert said.count("\n") == 1


def test_a_study_without_tables_is_a_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "mini/tables/ablation.csv").unlink()
    assert main(["power", "mini"]) == 2
    assert "run `rgmp tables mini`" in capsys.readouterr().err
