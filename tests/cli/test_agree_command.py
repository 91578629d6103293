"""`rgmp agree`: what is said of two studies, and its exit status."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from support.fake_study import build

from rgmp.cli.main import main
from rgmp.evaluation.score_table import read_scores, write_scores
from rgmp.reporting import tables
from rgmp.study.plan import load_plan, save


def study(folder: Path, seeds: tuple[int, ...], variants: int = 3) -> Path:
    build(folder, variants=variants, benchmarks=("davis2017",), seeds=seeds, frames=6)
    tables.write(folder)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one study with other seeds, to copy."""
    root = tmp_path_factory.mktemp("made")
    study(root / "a", (0, 1, 2))
    study(root / "b", (3, 4, 5, 6))
    return root


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "made")
    monkeypatch.chdir(tmp_path / "made")
    return tmp_path / "made"


def say(
    verdict: str, folder: Path, variant: str = "no_bptt", difficulty: str | None = None
) -> None:
    """Change a verdict of a study: the overall one, or that on the sequences of a difficulty."""
    path = folder / f"tables/{'difficulty' if difficulty else 'ablation'}.csv"
    table = pd.read_csv(path, dtype="str", keep_default_na=False)
    rows = table["variant"] == variant
    if difficulty:
        rows &= table["difficulty"] == difficulty
    assert rows.any()
    table.loc[rows, "difference_verdict"] = verdict
    table.to_csv(path, index=False)


def change_scores(folder: Path, variant: str, share: float) -> None:
    """Make every J and F of a variant smaller."""
    for path in (folder / "scores/davis2017" / variant).glob("*.csv"):
        scores = read_scores(path, "snakemake")
        scores[["J", "F"]] *= share
        write_scores(path, scores)


def trained_on(folder: Path, capability: str, digests: dict[str, str]) -> None:
    """Let records say on what CPU training ran, and some of them what weights it left."""
    for path in (folder / "records/weights").rglob("*.json"):
        record = json.loads(path.read_text())
        record["determinism"]["cpu_capability"] = capability
        left = digests.get(path.name.rpartition("-")[0])
        record["outputs"] = {"weights.safetensors": left} if left else {}
        path.write_text(json.dumps(record))


def agree(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = main(["agree", "a", "b"])
    captured = capsys.readouterr()
    return status, captured.out + captured.err


def test_a_study_agrees_with_a_copy_of_itself(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(here / "b")
    shutil.copytree(here / "a", here / "b")
    status, said = agree(capsys)
    assert status == 0
    assert "score tables: 9 of 9 are the same" in said
    assert "\na and b agree: no contradiction in 3 comparisons and 2 predictions." in said
    assert "Not comparable" not in said


def test_weights_are_the_same_where_their_digests_are(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(here / "b")
    shutil.copytree(here / "a", here / "b")
    trained_on(here / "a", "AVX512", {"full-seed0": "one", "full-seed1": "two"})
    trained_on(here / "b", "AVX2", {"full-seed0": "one", "full-seed1": "other"})
    _, said = agree(capsys)
    assert "training runs' weights: 2 of 4 are the same" in said  # both stages
    assert [line.rpartition(" ")[2] for line in said.splitlines()[:2]] == ["AVX512", "AVX2"]


def test_other_seeds_have_other_bits_and_the_same_conclusions(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say("worse", here / "a")
    say("undecided", here / "b")
    status, said = agree(capsys)
    assert status == 0
    assert "score tables: none in common" in said
    assert "The verdict is reversed: none." in said
    assert "Decided in A, open in B: no_bptt on davis2017." in said


def test_a_reversed_verdict_is_status_1(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say("worse", here / "a")
    say("better, by less than the margin", here / "b")
    status, said = agree(capsys)
    assert status == 1
    assert "The verdict is reversed: no_bptt on davis2017." in said
    assert "\na and b disagree in 1 of 3 comparisons and 0 of 2 predictions." in said


def test_a_reversed_prediction_is_status_1(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, before = agree(capsys)
    say("worse", here / "a", difficulty="occlusion")
    say("better", here / "b", difficulty="occlusion")
    status, said = agree(capsys)
    assert status == 1
    assert "The verdict is reversed: no_bptt on davis2017 (occlusion)." in said
    assert "\na and b disagree in 0 of 3 comparisons and 1 of 2 predictions." in said
    tested = [line for line in before.splitlines() if "Holm over the" in line]
    assert tested == [line for line in said.splitlines() if "Holm over the" in line]
    assert "Holm over the 3 tests" in tested[0], "the overall comparisons alone"


def test_a_prediction_that_one_study_decides_alone_is_listed(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say("worse", here / "a", difficulty="occlusion")
    say("undecided", here / "b", difficulty="occlusion")
    status, said = agree(capsys)
    assert status == 0
    line = next(x for x in said.splitlines() if x.startswith("Decided in A, open in B: "))
    assert "no_bptt on davis2017 (occlusion)" in line


def test_what_is_exploratory_in_either_study_takes_no_part(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, verdict in (("a", "worse"), ("b", "better")):
        say(verdict, here / folder, difficulty="fast")
    table = pd.read_csv(here / "a/tables/difficulty.csv", dtype="str", keep_default_na=False)
    predicted = (table["variant"] == "no_bptt") & (table["difficulty"] == "occlusion")
    table.loc[predicted, ["expected", "difference_verdict"]] = ["", "exploratory"]
    table.to_csv(here / "a/tables/difficulty.csv", index=False)
    say("worse", here / "b", difficulty="occlusion")
    status, said = agree(capsys)
    assert status == 0
    assert "no contradiction in 3 comparisons and 1 prediction." in said
    assert "(occlusion)" not in said


def test_a_difference_that_seeds_do_not_explain_is_status_1(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_scores(here / "b", "no_reference", 0.5)
    status, said = agree(capsys)
    assert status == 1
    assert "The means differ by more than the seeds explain: no_reference on davis2017." in said


def test_what_has_other_settings_is_not_compared(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reversed verdict counts no more; that of the other variant does not change."""
    say("worse", here / "a")
    say("better", here / "b")
    plan = load_plan(here / "b")
    trainings = tuple(
        t.model_copy(update={"settings": t.settings.model_copy(update={"steps": 600})})
        if t.variants == ("no_bptt",)
        else t
        for t in plan.trainings
    )
    save(plan.model_copy(update={"trainings": trainings}), here / "b")
    status, said = agree(capsys)
    assert status == 0
    assert "no_bptt on davis2017: finetune.steps: 400 in A, 600 in B" in said
    assert "no contradiction in 2 comparisons and 1 prediction." in said


def test_another_margin_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(load_plan(here / "b").model_copy(update={"margin": 5.0}), here / "b")
    status, said = agree(capsys)
    assert status == 0
    assert "a margin of 3 points in A, 5 in B" in said
    assert "no contradiction in 3 comparisons" in said


def test_a_variant_of_one_study_alone_is_named(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(here / "b")
    study(here / "b", (0, 1, 2), variants=2)
    status, said = agree(capsys)
    assert status == 0
    assert "no_reference on davis2017: B does not have it" in said
    assert "score tables: 6 of 6 are the same" in said


def test_another_rendering_is_another_benchmark(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, name in enumerate("ab"):
        plan = load_plan(here / name)
        data = plan.data.model_copy(update={"mini_seed": seed})
        save(plan.model_copy(update={"data": data}), here / name)
    status, said = agree(capsys)
    assert status == 0
    assert "seed of the rendering: 0 in A, 1 in B" in said
    assert said.endswith("Nothing was compared.\n")


def test_other_sequences_are_left_out_and_reverse_no_verdict(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say("worse", here / "a")
    say("better", here / "b")
    for path in here.glob("b/scores/davis2017/*/*.csv"):
        scores = read_scores(path, "snakemake")
        write_scores(path, scores[scores["sequence"] != "occlusion"])
    status, said = agree(capsys)
    assert status == 0
    assert "davis2017: 5 common sequences, of 6 in A and 5 in B" in said


def test_one_seed_each_is_not_tested(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, seed in (("a", 0), ("b", 1)):
        study(tmp_path / name, (seed,), variants=2)
    assert main(["agree", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    said = capsys.readouterr().out
    assert said.count("(not tested: one seed)") == 2


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ("plan.json", "b: not a study folder"),
        ("scores/davis2017/full/seed3.csv", "b: not finished, 1 of 12 score tables are missing"),
        ("tables/ablation.csv", "b/tables/ablation.csv: "),
        ("tables/difficulty.csv", "b/tables/difficulty.csv: "),
    ],
)
def test_an_unfinished_study_is_a_line_and_status_2(
    here: Path, lost: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "b" / lost).unlink()
    status, said = agree(capsys)
    assert status == 2
    assert said.startswith(f"rgmp: {words}")
    assert said.count("\n") == 1
