"""What documents say of the reference is what its tables say; a running study is kept by seed."""

import json
import re
from pathlib import Path

import pytest
from reference import (
    BASIS,
    REFERENCE,
    block_of,
    is_finished,
    keep_whole_seeds,
    pictures_of_runs,
    places,
    printed_block,
    whole_seeds,
)
from support.fake_study import build

from rgmp.config.study import SEVERAL
from rgmp.reporting import power
from rgmp.runtime.tidy import rows_of
from rgmp.study import layout, table_files
from rgmp.study.plan import load_plan

STUDIES = sorted(path.name for path in REFERENCE.iterdir() if is_finished(path))


in_documents = pytest.mark.parametrize(
    ("study", "document"), [pytest.param(*one, id=f"{one[0]}-{one[1].name}") for one in places()]
)


@in_documents
def test_numbers_of_the_documents_are_those_of_the_reference(study: str, document: Path) -> None:
    printed = block_of(document.read_text(encoding="utf-8"), study).group()
    assert printed == printed_block(REFERENCE / study, document)


@in_documents
def test_verdicts_over_all_stand_beside_those_on_several_objects(
    study: str, document: Path
) -> None:
    printed = printed_block(REFERENCE / study, document)
    overall, parts = (table_files.read(REFERENCE / study, n) for n in ("ablation", "difficulty"))
    several = parts[parts["difficulty"] == SEVERAL].to_dict("records")
    for row in several:
        rows = rows_of(overall, benchmark=row["benchmark"], variant=row["variant"])
        (verdict,) = rows["difference_verdict"]
        beside = f" {verdict} over all; several objects: {row['difference_verdict']} |"
        assert any(
            line.startswith(f"| {row['label']} ") and beside in re.sub(" +", " ", line)
            for line in printed.splitlines()
        )
    assert printed.count(" over all; several objects: ") == len(several) > 0


def test_a_place_in_a_document_is_empty_until_there_is_a_reference() -> None:
    filled = {
        study
        for study, path in places()
        if block_of(path.read_text(encoding="utf-8"), study).group()
    }
    assert sorted(filled) == STUDIES


@pytest.mark.parametrize("study", STUDIES)
def test_the_reference_is_whole(study: str) -> None:
    folder = REFERENCE / study
    tables = {path.stem for path in (folder / layout.TABLES).glob("*.csv")}
    assert tables >= {*table_files.TIDY_DTYPES, "ablation", "difficulty"}
    assert any((folder / "records").rglob("*.json"))
    assert any((folder / layout.FIGURES).glob("*.png"))
    assert not (folder / layout.AGREEMENT).exists(), "with itself"
    first = {path.name.rpartition("-")[0] for path in (folder / layout.FIRST).iterdir()}
    claims = {f"claims-{variant.name}" for variant in load_plan(folder).variants}
    assert first == claims | {"seeds", "margin"}


@pytest.mark.parametrize("study", STUDIES)
def test_no_picture_is_older_than_the_rest_without_saying_so(study: str) -> None:
    of_runs = pictures_of_runs(REFERENCE / study)
    about = of_runs[0].with_name("README.md")
    if not about.exists():  # it is a copy of a run
        return
    text = about.read_text(encoding="utf-8")
    dated = re.findall(r"`(\w+\.png)` is as commit [0-9a-f]{7,} of \d{4}-\d\d-\d\d has it", text)
    assert dated == [path.name for path in of_runs]


@pytest.mark.parametrize("study", STUDIES)
def test_commands_in_records_work_in_any_clone(study: str) -> None:
    records = [
        json.loads(path.read_text()) for path in (REFERENCE / study).rglob("records/**/*.json")
    ]
    words = {word for record in records for word in record.get("command", [])}
    assert not [word for word in words if word.startswith("/")]
    assert not [record for record in records if "host" in record["machine"]]


@pytest.mark.skipif(BASIS not in STUDIES, reason=f"there is no reference of {BASIS} yet")
def test_studies_are_planned_by_the_variation_of_the_reference() -> None:
    measured = table_files.path_of(REFERENCE / BASIS, "ablation")
    assert power.REFERENCE.read_bytes() == measured.read_bytes()


def test_of_a_running_study_the_whole_seeds_are_kept(tmp_path: Path) -> None:
    """Of seed 1 a score is missing, of seed 2 the record of a training run, which comes last."""
    folder = build(tmp_path / "run", variants=2, seeds=(0, 1, 2, 3), frames=5)
    plan = load_plan(folder)
    (folder / "scores/davis2017/no_bptt/seed1.csv").unlink()
    (training,) = (t for t in plan.trainings if (t.seed, t.variants) == (2, ("no_bptt",)))
    (folder / layout.record(training.folder)).unlink()
    (folder / "scores/davis2017/full/.seed1.csv-unfinished").touch()
    assert whole_seeds(folder) == [0, 3]
    for _ in range(2):  # what an earlier call kept is replaced
        keep_whole_seeds(folder, tmp_path / "kept")
    kept = {path.name for path in (tmp_path / "kept/scores").rglob("*") if path.is_file()}
    assert kept == {"seed0.csv", "seed3.csv", "bounds.csv"}
    records = {
        int(path.stem.partition("seed")[2][0])
        for path in (tmp_path / "kept/records").rglob("*seed*.json")
    }
    assert records == {0, 3}
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {
        *(layout.PLAN, "records", "scores", "speed")
    }
    assert not is_finished(tmp_path / "kept")
