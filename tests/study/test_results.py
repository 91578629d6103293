"""What of a study's folder counts: what is in its plan."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.fake_files import write_record
from support.fake_study import build

from rgmp.config.base import BENCHMARKS
from rgmp.errors import UserError
from rgmp.reporting import tables
from rgmp.reporting.analysis import analyse_study
from rgmp.study import layout, table_files
from rgmp.study.job_files import read_metrics
from rgmp.study.results import Results, load, scores_of, seconds_of
from rgmp.study.timing import read_speed_files


@pytest.fixture
def three(tmp_path: Path) -> Path:
    return build(tmp_path, variants=3, frames=6)


def superseded(folder: Path, name: str, **changes: Any) -> None:
    """Leave a record of an earlier plan, made by other code, beside the one called `name`."""
    record = json.loads((folder / "records" / f"{name}.json").read_text())
    record |= {"name": f"{name}-old", **changes}
    record["code"]["sources"] = "7" * 64
    (folder / "records" / f"{name}-old.json").write_text(json.dumps(record))


def cost(results: Results) -> tuple[int, float]:
    """How many training runs the table of costs has, and how many hours they took."""
    table = tables.build(results)["cost"]
    return len(table), table["hours"].sum()


def test_records_of_an_earlier_plan_count_no_more(three: Path) -> None:
    before = load(three)
    training = before.plan.trainings[0].folder
    superseded(three, training)
    superseded(three, "masks/davis2016/full/seed0", seed=7)
    superseded(three, "scores/davis2016/full/seed0", variant="removed")
    superseded(three, "speed/davis2016")
    after = load(three)
    assert after.records == before.records
    assert after.disagreements == []
    assert cost(after) == cost(before)


def test_it_is_said_which_engine_scored_and_whether_another_agreed(tmp_path: Path) -> None:
    build(tmp_path, variants=1, benchmarks=("davis2016",), frames=6, external=True)
    assert load(tmp_path).scored_by == "the builtin engine, not cross-checked"
    said = {
        ("absent", 4): "not cross-checked",
        ("present", 4): "cross-checked with the other on 4 of 12 sequences of masks (all J and F "
        "agree to 1e-06)",
        ("present", 12): "cross-checked with the other (all J and F agree to 1e-06)",
    }
    for (evaluator, some), how in said.items():
        found = {"evaluator": evaluator, "sequences": some, "of_sequences": 12}
        write_record(tmp_path, "cross-check", "cross-check", None, None, results=found)
        assert load(tmp_path).scored_by == f"the builtin engine, {how}"


def test_it_is_said_on_which_annotation_davis_2016_is_scored(tmp_path: Path) -> None:
    build(tmp_path, variants=1, benchmarks=("davis2016", "davis2017"), frames=6)
    older = load(tmp_path)
    assert older.annotation == "annotations of objects, as DAVIS-2017's, made binary"  # rendered
    real = {"embedded": False}
    older = replace(older, plan=older.plan.model_copy(update=real))
    assert older.annotation == "annotations of an unrecorded kind"
    for name, kind in (("davis2016", "foreground"), ("davis2017", "objects")):
        for path in tmp_path.glob(f"records/scores/{name}/*/*.json"):
            record = json.loads(path.read_text())
            record["results"]["annotation"] = kind
            path.write_text(json.dumps(record))
    results = replace(older, records=load(tmp_path).records)
    assert results.annotation == "annotations of the foreground (0 and 255), as DAVIS-2016's own"


def test_words_of_variants_and_of_others_hold_each_for_themselves(tmp_path: Path) -> None:
    alone, beside = (
        load(build(tmp_path / str(external), variants=3, frames=6, external=external))
        for external in (False, True)
    )
    assert beside.methods == ["full", "no_reference", "no_bptt", "painter", "reporter"]
    ours, theirs = (analyse_study(results).differences for results in (alone, beside))
    assert {m for b, m in theirs if b == "davis2017"} == {*beside.methods[1:]} - {"painter"}
    for key, difference in ours.items():
        assert theirs[key].judged == difference.judged
    assert beside.label("reporter") == "Reporter"


def test_records_of_no_variant_stay(three: Path) -> None:
    superseded(three, "scores/davis2016/full/seed0", kind="mini", benchmark=None, variant=None)
    assert len(load(three).of_kind("mini")) == 1


def test_a_training_took_all_its_attempts_any_other_job_its_own(three: Path) -> None:
    results = load(three)
    assert {seconds_of(record) for record in results.of_kind("train")} == {123.4}
    assert {seconds_of(record) for record in results.of_kind("infer", "score", "speed")} == {2.5}


@pytest.mark.parametrize(
    "text", ["[]", "null", "{}", '{"computations": 1}', json.dumps({"computations": [{}]})]
)
def test_a_speed_file_of_the_wrong_shape_is_named(tmp_path: Path, text: str) -> None:
    build(tmp_path, variants=1, benchmarks=("davis2016",), frames=6)
    (tmp_path / "speed/davis2016.json").write_text(text)
    with pytest.raises(UserError, match=r"davis2016\.json: not a speed file \("):
        read_speed_files(load(tmp_path).plan, tmp_path)


POINT = {"step": 1, "loss": 0.5, "J": 0.25, "seconds": 2}


@pytest.mark.parametrize(
    "content",
    [
        *(b"{", b"\xe4\n", b"\0" * 9, b"1\n", b"{}\n", b"[" * 99_999),
        *(
            json.dumps({**POINT, key: value}).encode()
            for key in POINT
            for value in ("1", None, True)
        ),
        *(json.dumps({k: v for k, v in POINT.items() if k != key}).encode() for key in POINT),
        json.dumps({**POINT, "step": 1.5}).encode(),
    ],
)
def test_a_curve_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_metrics(path) == []
    path.write_text(json.dumps(POINT) + "\n")
    assert read_metrics(path) == [POINT]
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"metrics\.jsonl: (not a training curve|not UTF-8)"):
        read_metrics(path)


def test_scores_of_another_variant_are_refused(three: Path) -> None:
    path = three / "scores/davis2016/full/seed0.csv"
    path.write_bytes((three / "scores/davis2016/no_bptt/seed0.csv").read_bytes())
    expected = r"seed0\.csv: has scores of davis2016, no_bptt, expected davis2016, full; "
    with pytest.raises(UserError, match=expected):
        scores_of(load(three))


def test_the_workflow_names_the_tidy_tables_that_there_are() -> None:
    """It does so without pandas, which the columns of the tables need."""
    assert tuple(table_files.TIDY_DTYPES) == layout.TIDY
    assert table_files.TABLE_DTYPES.keys() == {*layout.TIDY, *layout.REPORTED, *BENCHMARKS}


def test_a_table_is_read_as_it_was_written(three: Path) -> None:
    tables.write(three)
    results = load(three)
    for name, table in tables.build(results).items():
        pd.testing.assert_frame_equal(results.table(name), table, check_exact=True, obj=name)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "the header must be benchmark,variant,seed,difference"),
        (b"\0", "NUL"),
        (b"benchmark,variant,seed\n", "the header must be"),
        (b"benchmark,variant,seed,difference,more\n", "the header must be"),
        (b"davis2016,full,0\n", "a row has more or fewer cells"),
        (b"davis2016,full,0,0.5,0.5\n", "a row has more or fewer cells"),
        (b"davis2016,full,0,much\n", "much"),
        (b"davis2016,full,zero,0.5\n", "zero"),
        (b"davis2016,removed,0,0.5\n", "has the variant removed, which the plan does not have"),
        (b"davis2018,full,0,0.5\n", "has the benchmark davis2018, which the plan does not have"),
    ],
)
def test_a_broken_table_is_named_with_what_to_do(
    tmp_path: Path, content: bytes, fault: str
) -> None:
    build(tmp_path, variants=1, benchmarks=("davis2016",), seeds=(0,), frames=4)
    path = table_files.path_of(tmp_path, "differences")
    with pytest.raises(UserError, match=r"differences\.csv: cannot be read .*; run `rgmp tables "):
        load(tmp_path).table("differences")
    path.parent.mkdir()
    header = b"benchmark,variant,seed,difference\n" if content.startswith(b"davis") else b""
    path.write_bytes(header + content)
    with pytest.raises(UserError) as refusal:
        load(tmp_path).table("differences")
    (line,) = str(refusal.value).splitlines()
    assert fault in line
    assert f"`rgmp tables {tmp_path}`" in line
