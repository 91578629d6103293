"""The verdicts of a longer study beside those of a study."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fake_study import build
from support.written_tables import rows_of, text_of

from rgmp.errors import UserError
from rgmp.reporting import first_screen, tables
from rgmp.study import table_files
from rgmp.study.longer import (
    files_of,
    read_if_there,
    read_longer,
    samples_of,
    why_not_longer,
)
from rgmp.study.plan import Plan, load_plan, save
from rgmp.study.planned import Training
from rgmp.study.resolve import resolve
from rgmp.study.results import load

PROJECT = Path(__file__).parents[2]


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


def trained(folder: Path, **changes: dict[str, object]) -> Plan:
    """Change settings of every training run of a planned study, by the name of their part."""

    def changed(training: Training) -> Training:
        parts = {
            part: getattr(training, part).model_copy(update=values)
            for part, values in changes.items()
        }
        return training.model_copy(update=parts)

    plan = load_plan(folder)
    plan = plan.model_copy(update={"trainings": tuple(map(changed, plan.trainings))})
    save(plan, folder)
    return plan


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    theirs = build(root / "longer", variants=4, frames=6, seeds=(0, 1, 2))
    trained(theirs, settings={"steps": 1200})
    tables.write(theirs)
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


def with_data(folder: Path, **changes: object) -> None:
    """Change what a planned study says of its data."""
    plan = load_plan(folder)
    data = plan.data.model_copy(update=changes)
    save(plan.model_copy(update={"data": data}), folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda folder: with_data(folder, mini_seed=7),
            "davis2016, seed of the rendering: None here, 7 there",
        ),
        (
            lambda folder: with_data(
                folder, digests={**load_plan(folder).data.digests, "davis2016/val": "e" * 64}
            ),
            "davis2016, digest of the rendering: .* here, eeeeeeeeee there",
        ),
        (
            lambda folder: replanned(folder, embedded=False),
            "data: the embedded benchmark here, a DAVIS tree there",
        ),
        (lambda folder: replanned(folder, margin=5.0), r"margin \(points\): 3 here, 5 there"),
        (
            lambda folder: trained(folder, network={"width": 32}),
            "network.width: 64 here, 32 there",
        ),
        (
            lambda folder: trained(folder, settings={"steps": 400}),
            "training samples of full: 6,400 here, 6,400 there",
        ),
        (
            lambda folder: trained(folder, settings={"steps": 300}),
            "samples of full in pretrain: 3,200 here, 2,400 there",
        ),
    ],
)
def test_what_is_not_the_same_but_for_more_training_is_refused(
    two: tuple[Path, Path], change: Callable[[Path], object], said: str
) -> None:
    ours, theirs = two
    plan = load_plan(ours)
    change(theirs)
    with pytest.raises(UserError, match=rf"longer_study: {theirs}: {said}; its .*; name .* key$"):
        read_longer(plan)


def replanned(folder: Path, **changes: object) -> None:
    save(load_plan(folder).model_copy(update=changes), folder)


def test_another_split_of_real_data_is_refused(two: tuple[Path, Path]) -> None:
    """Bytes may differ there: another part of DAVIS, or other frames that nobody compares."""
    ours, theirs = two
    for folder in two:
        replanned(folder, embedded=False)
    with_data(theirs, digests={"davis2016/val": "e" * 64})
    assert why_not_longer(load_plan(ours), load_plan(theirs)) == ""
    replanned(theirs, split="train")
    said = why_not_longer(load_plan(ours), load_plan(theirs))
    assert said == "davis2016, split: val here, train there"


def test_the_reference_is_a_longer_study_of_the_default_one(tmp_path: Path) -> None:
    mini = PROJECT / "workflow/config/mini.yaml"
    plan = resolve(mini, ablations=PROJECT / "ablations", results=tmp_path)
    reference = load_plan(PROJECT / "results/reference/embedded")
    assert why_not_longer(plan, reference) == ""
    assert why_not_longer(reference, plan).startswith("samples of full in pretrain: 19,200 here")


def test_the_first_sentence_counts_the_samples_of_both(two: tuple[Path, Path]) -> None:
    ours, theirs = two
    tables.write(ours)
    assert samples_of(load_plan(theirs)) == {"pretrain": 9600, "finetune": 9600}
    told = first_screen.what(load(ours))
    assert told.startswith(
        "This study: training of 3,200 synthetic pairs and 3,200 clips, 2 seeds, 6 sequences."
    )
    assert f"({theirs}): training of 9,600 synthetic pairs and 9,600 clips, 3 seeds." in told
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
        for benchmark in ("embedded, foreground", "embedded, objects")
    ]
    assert (
        "without reference, embedded, foreground, fast: here better, in the longer study worse."
        in found
    )
