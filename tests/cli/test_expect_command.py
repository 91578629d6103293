"""`rgmp expect`: where one more training is expected, of a study, a published file or a list."""

import shutil
from pathlib import Path

import pytest
from support.fake_study import build

from rgmp.cli.main import main
from rgmp.evaluation.prediction import normal_range
from rgmp.reporting import tables
from rgmp.runtime.files import read_json, write_json
from rgmp.study import table_files


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("expect") / "mini"
    build(folder, variants=2, seeds=(0, 1, 2, 3), frames=6)
    tables.write(folder)
    return folder


def first_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.splitlines()[0]


def test_a_list_of_anyones(capsys: pytest.CaptureFixture[str]) -> None:
    """84.0, 83.1 and 83.7 have mean 83.6 and s 0.458; half the interval is 2.277."""
    for number, place in (
        ("83.9", "inside"),
        ("85.88", "outside, above"),
        ("81", "outside, below"),
    ):
        assert main(["expect", number, "--values", "83.1", "84.0", "83.7"]) == 0
        assert first_line(capsys) == (
            "J&F: 3 trainings, 83.6 ± 0.5; the next is expected from 81.3 to 85.9 (95%); "
            f"{number} is {place}"
        )


def test_two_values_are_too_few(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["expect", "83.9", "--values", "83.1", "84.0"]) == 0
    out = capsys.readouterr().out
    assert out == "J&F: 83.5; two trainings say too little of the next; 3 are needed\n"


def test_a_training_that_failed_is_no_fraction(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["expect", "0", "--values", "83.1", "84.0", "83.7"]) == 0
    assert first_line(capsys).endswith("; 0 is outside, below")


def test_a_study_says_of_each_benchmark_what_its_table_says(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["expect", "--of", str(finished), "--variant", "no_bptt"]) == 0
    *lines, what_for = capsys.readouterr().out.splitlines()
    assert "It says nothing of another recipe" in what_for
    ablation = table_files.read(finished, "ablation")
    objects = table_files.read(finished, "objects")
    for line, benchmark in zip(lines, ("davis2016", "davis2017"), strict=True):
        mine = objects[(objects["benchmark"] == benchmark) & (objects["variant"] == "no_bptt")]
        found = normal_range(mine.groupby("seed")["J&F"].mean().tolist())
        assert line.startswith(f"{benchmark}, no_bptt: 4 trainings, {100 * found.mean:.1f} ± ")
        assert f"from {100 * found.low:.1f} to {100 * found.high:.1f} (95%)" in line
        row = ablation[(ablation["benchmark"] == benchmark) & (ablation["variant"] == "no_bptt")]
        (ends,) = row[["next_training_low", "next_training_high"]].to_numpy().tolist()
        assert ends == pytest.approx([found.low, found.high], rel=1e-12)


def test_the_published_file_says_the_same_without_the_study(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published = tmp_path / "theirs.json"
    shutil.copy(finished / "tables/normal_range.json", published)
    said = []
    for source in (finished, published):
        assert main(["expect", "60", "--of", str(source), "--benchmark", "davis2017"]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert said[0].startswith("davis2017, full: 4 trainings, ")


def test_rows_that_no_training_made_have_no_range(finished: Path) -> None:
    table = table_files.read(finished, "ablation")
    assert table["next_training_low"].notna().tolist() == (table["seeds"] > 0).tolist()
    names = {
        one["variant"] for one in read_json(finished / "tables/normal_range.json")["trainings"]
    }
    assert names == {"full", "no_bptt"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--of", "nowhere"],
            "nowhere: cannot be read (No such file or directory); name a study's folder, or",
        ),
        (["--of", "hosts"], "; name a study's folder, or a normal_range.json"),
        (["--of", "plan.json"], "; name a study's folder, or a normal_range.json"),
        (["--of", "empty"], "empty/tables/normal_range.json: not there; run `rgmp tables empty`"),
        (
            ["--of", "mini", "--variant", "ful"],
            "mini/tables/normal_range.json: no training of 'ful'; there are: davis2016, full; ",
        ),
        (["--of", "odd.json"], "odd.json: trainings.0.values.0 (=1.2)"),
        (
            ["83.9", "--values", "0.831", "0.84", "0.837"],
            "J&F: 0.831 seems to be a fraction; give all in per cent, such as 83.1",
        ),
        (
            ["0.839", "--values", "83.1", "84", "83.7"],
            "J&F: 0.839 seems to be a fraction; give all in per cent, such as 83.9",
        ),
        (["--values", "83.1", "0.84", "83.7"], "J&F: 0.84 seems to be a fraction; give all in "),
        (["0.6", "--of", "mini"], "J&F: 0.6 seems to be a fraction; give all in per cent, such "),
        (["0.839", "--values", "0.831", "0.84"], "J&F: 0.831 seems to be a fraction; give all in"),
        (["101", "--values", "1", "2", "3"], "'101' is not allowed; allowed: per cent, from 0"),
        (["1", "--values", "1", "nan", "3"], "'nan' is not allowed; allowed: per cent, from 0"),
        (["--values", "1", "2", "3", "--variant", "full"], "--values: they are of no study"),
        (["1"], "one of the arguments --of --values is required"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str],
    said: str,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mini").symlink_to(finished)
    (tmp_path / "empty").mkdir()
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")
    shutil.copy(finished / "plan.json", tmp_path)
    odd = {"benchmark": "davis2016", "variant": "full", "values": [1.2]}
    write_json(tmp_path / "odd.json", {"study": "odd", "trainings": [odd]})
    assert main(["expect", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error
