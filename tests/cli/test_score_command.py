"""`rgmp score`: of anyone's masks, by either engine, or the scores of others."""

import csv
from pathlib import Path

import numpy as np
import pytest
from support.commands import (
    SCORE,
    VAL,
    given_scores,
    the_record,
)
from support.evaluator import put_evaluator, take_evaluator_away
from support.tiny_study import HEIGHT, WIDTH

from rgmp.cli import main as cli
from rgmp.data import davis
from rgmp.runtime import files


@pytest.mark.usefixtures("here")
def test_anyones_masks_are_scored(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(SCORE) == 0
    assert capsys.readouterr().out.splitlines()[0].split()[-1] == "100.0"
    with Path("scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["variant"], row["J"], row["F"]) for row in rows} == {("truth", "1.0", "1.0")}
    assert not list(Path().rglob("*.json"))


@pytest.mark.usefixtures("here")
def test_means_are_printed_where_no_table_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    there = {*Path().rglob("*")}
    truth = ["score", "--truth", "truth", "--masks", "truth"]
    for command in (SCORE[:-2], truth):
        assert cli.main(command) == 0
        assert capsys.readouterr().out.splitlines()[0].split() == ["J&F", "100.0"]
        assert {*Path().rglob("*")} == there
    assert cli.main([*truth, "--record", "record.json"]) == 0
    found = the_record("record.json")
    assert (found["results"]["J&F"], found["outputs"]) == (1.0, {})


@pytest.mark.usefixtures("here")
def test_a_rerun_reads_no_older_result() -> None:
    assert cli.main(SCORE) == 0
    older = Path("scores.csv").read_text()
    davis.write_mask(Path("truth/val_a/00001.png"), np.zeros((HEIGHT, WIDTH), np.uint8))
    assert cli.main(SCORE) == 0
    newer = Path("scores.csv").read_text()
    assert newer != older
    assert cli.main([*SCORE, "--out", "elsewhere.csv"]) == 0
    assert Path("elsewhere.csv").read_text() == newer


@pytest.mark.usefixtures("here")
def test_scores_of_others_are_taken_over(capsys: pytest.CaptureFixture[str]) -> None:
    given_scores()
    options = ["--scores", "given.csv", "--sequences", "val_a", "--record", "record.json"]
    assert cli.main(["score", *VAL, *options, "--out", "scores.csv"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["J&F", "68.8"]
    with Path("scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["J"] for row in rows] == ["0.5", "1.0", "0.5", "1.0"]
    assert {(row["variant"], row["seed"]) for row in rows} == {("given", "")}
    found = the_record("record.json")
    assert found["config"] == {"scores": "given.csv"}
    assert found["inputs"]["scores"] == files.digest_of_file(Path("given.csv"))


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("masks", [False, True])
def test_every_problem_of_what_is_scored_has_its_line(
    masks: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    given_scores()
    for name in ("00001", "00002"):
        Path(f"truth/val_b/{name}.png").write_bytes(b"")
    source = [] if masks else ["--scores", "given.csv"]
    assert cli.main([*(SCORE if masks else [*SCORE[:-4], *source, *SCORE[-2:]])]) == 2
    first, second = capsys.readouterr().err.splitlines()
    expected = (
        ("truth/val_b/00001.png: not a", "truth/val_b/00002.png: not a")
        if masks
        else [f"given.csv: val_b, object {i}: missing frame 00001, 00002" for i in (1, 2)]
    )
    assert first.startswith(f"rgmp: {expected[0]}")
    assert second.startswith(f"rgmp: {expected[1]}")
    assert second.endswith(" (2 problems in all)")
    assert not Path("scores.csv").exists()


# ---- two engines ----


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("engine", "cross_check"), [("builtin", "auto"), ("official", "require")])
def test_two_engines_that_agree(
    engine: str, cross_check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_evaluator(monkeypatch, tmp_path / "packages", error=5e-7)
    options = ["--engine", engine, "--cross-check", cross_check, "--record", "record.json"]
    assert cli.main([*SCORE, *options]) == 0
    assert the_record("record.json")["results"]["cross_check_difference"] == pytest.approx(5e-7)
    with Path("scores.csv").open() as file:
        found = {float(row["J"]) for row in csv.DictReader(file)}
    assert found == {1.0 if engine == "builtin" else 1 - 5e-7}


@pytest.mark.usefixtures("here")
def test_two_engines_that_disagree_end_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_evaluator(monkeypatch, tmp_path / "packages", "other figures")
    Path("truth/global_results-val.csv").touch()
    assert cli.main([*SCORE, "--cross-check", "auto", "--record", "record.json"]) == 2
    said = capsys.readouterr().err.splitlines()
    warning, stale, line = (line for line in said if line.startswith("rgmp: "))
    assert warning.startswith("rgmp: warning: identical to the truth: val_a, val_b: ")
    assert stale.startswith("rgmp: note: truth/global_results-val.csv: left by the official ")
    assert "val_a, object 1, frame 00001: J 1.0" in line
    assert not Path("scores.csv").exists()
    assert not Path("record.json").exists()


@pytest.mark.usefixtures("here")
def test_a_fault_of_the_other_engine_is_an_error_where_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_evaluator(monkeypatch, tmp_path / "packages", "an error")
    assert cli.main([*SCORE, "--cross-check", "require"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("rgmp: engine official: val_a, frames 00001 to 00002: davis2017-")
    assert not Path("scores.csv").exists()
    assert cli.main([*SCORE, "--cross-check", "auto", "--record", "record.json"]) == 0
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("rgmp: warning: engine official: val_a, ")
    assert line.endswith("; not cross-checked")
    assert "cross_check_difference" not in the_record("record.json")["results"]


@pytest.mark.usefixtures("here")
def test_the_other_engine_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    take_evaluator_away(monkeypatch)
    assert cli.main([*SCORE, "--cross-check", "auto", "--record", "record.json"]) == 0
    assert "cross_check_difference" not in the_record("record.json")["results"]
    capsys.readouterr()
    for options in (["--cross-check", "require"], ["--engine", "official"]):
        assert cli.main([*SCORE, *options, "--out", "other.csv"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "run `make evaluator`" in line
    assert not Path("other.csv").exists()


# ---- conventions ----

CONVENTIONS = [*SCORE, "--conventions", "table.csv"]
OF_2016 = ["score", "--davis", "davis", "--benchmark", "davis2016", *SCORE[5:]]


@pytest.mark.usefixtures("here")
def test_conventions_are_written_printed_and_asked(capsys: pytest.CaptureFixture[str]) -> None:
    davis.write_mask(Path("truth/val_a/00001.png"), np.zeros((HEIGHT, WIDTH), np.uint8))
    assert cli.main(SCORE) == 0
    alone, said = Path("scores.csv").read_bytes(), capsys.readouterr().out
    Path("some.txt").write_text("val_b")
    options = ["--match", "100", "--subsets", "some.txt", "--record", "record.json"]
    assert cli.main([*CONVENTIONS, *options]) == 0
    assert Path("scores.csv").read_bytes() == alone
    found = capsys.readouterr().out
    assert found.startswith(said)
    with Path("table.csv").open() as file:
        rows = list(csv.DictReader(file))
    official = rows[0]
    assert official["official"] == "True"
    assert f"J_mean    {100 * float(official['J']):5.1f}" in said
    some = f"{Path.cwd().name}/some"
    assert [row["J"] for row in rows if row["sequences"] == some] == ["1.0"] * (len(rows) // 2)
    assert f"| official     | objects     | not scored             | counted {' ' * 19}" in found
    assert "J 100.00: mean over objects" in found.partition("100, within 0.05, is given by:")[2]
    record = the_record("record.json")
    assert record["outputs"]["conventions"] == files.digest_of_file(Path("table.csv"))
    assert record["results"]["annotation"] == "objects"
    assert cli.main([*CONVENTIONS, "--match", "3"]) == 0  # the table is replaced
    assert "No convention gives 3 within 0.05" in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_scores_of_2016_say_on_which_annotation(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*OF_2016, "--record", "record.json"]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == "scored on annotations of objects, as DAVIS-2017's, made binary"
    assert the_record("record.json")["results"]["annotation"] == "objects_made_binary"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([*SCORE, "--match", "70.4"], "--match: missing --conventions TABLE.csv"),
        (
            [*CONVENTIONS, "--match", "101"],
            "'101' is not allowed; allowed: per cent, from 0 to 100",
        ),
        ([*CONVENTIONS, "--other-davis", "davis"], "--other-davis: allowed for davis2016 alone"),
        (
            [*OF_2016, *CONVENTIONS[-2:], "--other-davis", "davis"],
            "davis: has annotations of objects, as DAVIS-2017's, made binary, as davis does",
        ),
        ([*OF_2016, *CONVENTIONS[-2:], "--other-davis", "nowhere"], "nowhere/ImageSets/2016/val"),
        ([*CONVENTIONS, "--subsets", "some.txt"], "some.txt: val_c is not scored; val has val_a, "),
        (
            [
                *CONVENTIONS,
                "--subsets",
                "davis/ImageSets/2017/val.txt",
                "davis/../davis/ImageSets/2017/val.txt",
            ],
            "there are two lists of the name 2017/val",
        ),
        ([*CONVENTIONS, "--subsets", "absent.txt"], "absent.txt: cannot be read"),
        ([*SCORE, "--conventions", "scores.csv"], "scores.csv: is another output of this command"),
        ([*SCORE, "--conventions", "some.txt", "--subsets", "some.txt"], "same file as the input"),
        ([*SCORE, "--conventions", "study.yaml"], "exists and is not a table of conventions"),
        ([*SCORE, "--conventions", "truth/val_a/00001.png"], "is the same file as the input"),
        (
            [*SCORE[:-4], "--scores", "given.csv", *SCORE[-2:], *CONVENTIONS[-2:]],
            "--scores given.csv: has no masks to measure; leave out --conventions",
        ),
    ],
)
def test_conventions_that_cannot_be_had(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given_scores()
    Path("some.txt").write_text("val_a\nval_c\n")
    assert cli.main(arguments) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert line in said
    assert not Path("scores.csv").exists()
    assert not Path("table.csv").exists()


@pytest.mark.usefixtures("here")
def test_masks_that_seem_a_mistake_are_warned_of_or_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """These are the annotations themselves."""
    said = "identical to the truth: val_a, val_b: in 2 of 2 sequences (val_a: 2 of 2 frames equal"
    assert cli.main(SCORE) == 0
    assert f"rgmp: warning: {said}" in capsys.readouterr().err
    Path(SCORE[-1]).unlink()
    assert cli.main([*SCORE, "--strict"]) == 2
    assert f"rgmp: {said}" in capsys.readouterr().err
    assert not Path(SCORE[-1]).exists()
    masks = ["check-masks", *SCORE[1:-2]]
    assert cli.main(masks) == 0
    shown = capsys.readouterr()
    assert shown.out == "8 masks, likely mistakes found: 1\n"
    assert f"rgmp: warning: {said}" in shown.err
    assert cli.main([*masks, "--strict"]) == 2
    Path("truth/val_a/00001.png").unlink()
    assert cli.main(masks) == 2
    assert "val_a: missing 00001.png" in capsys.readouterr().err
