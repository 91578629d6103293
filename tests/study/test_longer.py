"""The verdicts of a longer study beside those of a study."""

import shutil
from pathlib import Path

import pytest
from support.fake_study import build
from support.written_tables import rows_of, text_of

from rgmp.errors import UserError
from rgmp.reporting import first_screen, tables
from rgmp.study import table_files
from rgmp.study.longer import files_of, read_if_there, samples_of
from rgmp.study.plan import load_plan, save
from rgmp.study.results import load


def decided(folder: Path, name: str, column: str, **verdicts: str) -> None:
    """Give the rows of some variants in a written table another verdict, on every benchmark."""
    table = table_files.read(folder, name)
    for variant, verdict in verdicts.items():
        table.loc[table["variant"] == variant, column] = verdict
    table_files.write(folder, name, table)


def longer(study: Path, folder: Path | None) -> None:
    """Name the longer study of a study."""
    plan = load_plan(study)
    save(plan.model_copy(update={"longer_study": folder}), study)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    tables.write(build(root / "longer", variants=4, frames=6, seeds=(0, 1, 2)))
    build(root / "ours", variants=5, frames=6)
    return root


@pytest.fixture
def two(made: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A study of five variants and its longer one, of four of them, with tables."""
    ours, theirs = (shutil.copytree(made / name, tmp_path / name) for name in ("ours", "longer"))
    longer(ours, theirs)
    return ours, theirs


def test_verdicts_stand_beside_by_benchmark_and_variant(two: tuple[Path, Path]) -> None:
    ours, theirs = two
    decided(theirs, "ablation", "difference_verdict", no_bptt="better")
    tables.write(ours)
    for name in ("ablation", "difficulty"):
        expected = {
            (r["benchmark"], r["variant"], r.get("difficulty")): r["difference_verdict"]
            for r in rows_of(theirs, name)
        }
        for row in rows_of(ours, name):
            key = row["benchmark"], row["variant"], row.get("difficulty")
            assert row["longer_study_verdict"] == expected.get(key, "")
    text = text_of(ours, "ablation.md")
    assert "| Verdict | Longer study |" in text
    assert f"Longer study: the verdict of {theirs}" in text.replace("\\", "")
    assert "Longer study" in text_of(ours, "difficulty.tex")


def test_without_a_longer_study_there_is_no_such_column_in_print(two: tuple[Path, Path]) -> None:
    ours, _ = two
    longer(ours, None)
    tables.write(ours)
    assert all(row["longer_study_verdict"] == "" for row in rows_of(ours, "ablation"))
    assert "Longer study" not in text_of(ours, "ablation.md")
    assert first_screen.opposites(load(ours)) is None
    assert "longer study" not in first_screen.what(load(ours))


def test_a_longer_study_that_moved_away_is_said_to_be_missing(two: tuple[Path, Path]) -> None:
    ours, theirs = two
    theirs.rename(theirs.with_name("moved"))
    assert read_if_there(load_plan(ours)) is None
    tables.write(ours)
    assert "Longer study: not shown, nothing of this table was" in text_of(ours, "ablation.md")
    assert first_screen.what(load(ours)).endswith(f"The longer study, {theirs}, is not there.")


def test_a_broken_table_of_the_longer_study_is_named(two: tuple[Path, Path]) -> None:
    ours, theirs = two
    (theirs / "tables/ablation.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=rf"{theirs}/tables/ablation.csv: not a table of .* verdic"):
        tables.write(ours)


def test_a_variant_with_other_overrides_is_another(two: tuple[Path, Path]) -> None:
    ours, theirs = two
    plan = load_plan(theirs)
    first, second, *rest = plan.variants
    changed = second.model_copy(update={"overrides": {"finetune": {"steps": 1}}})
    save(plan.model_copy(update={"variants": (first, changed, *rest)}), theirs)
    tables.write(ours)
    shown = {r["variant"] for r in rows_of(ours, "ablation") if r["longer_study_verdict"]}
    assert shown == {"no_reference", "no_synthetic"}


def test_the_first_sentence_counts_the_samples_of_both(two: tuple[Path, Path]) -> None:
    ours, theirs = two
    tables.write(ours)
    assert samples_of(load_plan(theirs)) == {"pretrain": 3200, "finetune": 3200}
    told = first_screen.what(load(ours))
    assert told.startswith(
        "This study: training of 3,200 synthetic pairs and 3,200 clips, 2 seeds, 6 sequences."
    )
    assert f"({theirs}): training of 3,200 synthetic pairs and 3,200 clips, 3 seeds." in told
    assert len(files_of(load_plan(ours))) == 3


def test_better_against_worse_alone_is_opposite(two: tuple[Path, Path]) -> None:
    ours, _ = two
    tables.write(ours)
    for name in ("ablation", "difficulty"):
        for column in ("difference_verdict", "longer_study_verdict"):
            table = table_files.read(ours, name).assign(**{column: "undecided"})
            table_files.write(ours, name, table)
    assert first_screen.opposites(load(ours)) == []
    decided(ours, "ablation", "difference_verdict", no_bptt="worse", no_reference="worse")
    decided(ours, "ablation", "longer_study_verdict", no_reference="worse")
    assert first_screen.opposites(load(ours)) == []
    decided(ours, "ablation", "longer_study_verdict", no_bptt="better, by less than the margin")
    decided(ours, "difficulty", "difference_verdict", no_reference="better")
    decided(ours, "difficulty", "longer_study_verdict", no_reference="worse")
    found = first_screen.opposites(load(ours))
    assert found is not None
    assert found[:2] == [
        f"without BPTT, {benchmark}: here worse, in the longer study better, by less than the "
        "margin."
        for benchmark in ("DAVIS-2016", "DAVIS-2017")
    ]
    assert "without reference, DAVIS-2016, fast: here better, in the longer study worse." in found
