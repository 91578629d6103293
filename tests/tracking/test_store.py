"""The mirror of a study's files in MLflow: whole, once, whatever happens to whoever writes it."""

import json
import shutil
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from mlflow import MlflowClient
from support.mirrors import start_writer
from support.tracked_study import (
    TIMEOUT,
    Store,
    die_at_write,
    killed,
    mirrored,
    retrack,
    write_score,
    write_study,
)

from rgmp.tracking.store import mirror


def test_second_call_writes_nothing(folder: Path) -> None:
    before = retrack(folder)
    assert mirrored(folder).written == 0
    after = Store(folder)
    assert after.names == before.names
    assert after.content() == before.content()


def test_every_run_that_is_read_or_written_is_progress(folder: Path) -> None:
    uri = f"sqlite:///{folder.parent}/mlflow.db"
    writing, reading = (iter(range(10**6)) for _ in range(2))
    made = mirror(folder, uri, 64, TIMEOUT, partial(next, writing))
    assert next(writing) > made.written > 0
    assert mirror(folder, uri, 64, TIMEOUT, partial(next, reading)).written == 0
    assert next(reading) == 1 + len(Store(folder).runs)


def test_new_log_alone_is_no_news(folder: Path) -> None:
    mirrored(folder)
    (folder / "logs" / "track.log").write_text("tracking")
    assert mirrored(folder).written == 0


def test_changed_record_takes_the_place_of_the_old(folder: Path) -> None:
    before = retrack(folder)
    write_score(folder, "full", J=0.75)
    after = retrack(folder)
    assert set(after.content()) == set(before.content())
    name = "scores/davis2016/full/seed0"
    assert after.runs[name].info.run_id != before.runs[name].info.run_id
    assert after.curve(after.runs[name], "davis2016/J") == [(0, 75.0)]
    parent = after.runs["full/seed0"]
    assert parent.info.run_id == before.runs["full/seed0"].info.run_id
    assert parent.data.metrics["davis2016/J"] == 75.0


def test_changed_label_reaches_the_run_that_is_there(folder: Path) -> None:
    before = retrack(folder)
    plan = json.loads((folder / "plan.json").read_text())
    plan["variants"][0]["label"] = "Ours"
    (folder / "plan.json").write_text(json.dumps(plan))
    after = retrack(folder)
    assert after.names == before.names
    assert after.runs["full/seed0"].data.tags["label"] == "Ours"


def test_changed_variant_gets_a_new_run_and_its_children_move_below_it(folder: Path) -> None:
    before = retrack(folder)
    plan = json.loads((folder / "plan.json").read_text())
    plan["variants"][0]["inference"]["aggregation"] = "independent"
    (folder / "plan.json").write_text(json.dumps(plan))
    after = retrack(folder)
    assert after.runs["full/seed0"].info.run_id != before.runs["full/seed0"].info.run_id
    assert after.runs["full/seed0"].data.params["inference.aggregation"] == "independent"
    score = after.runs["scores/davis2016/full/seed0"]
    assert score.info.run_id == before.runs["scores/davis2016/full/seed0"].info.run_id
    assert after.parent(score) == "full/seed0"


def test_experiment_that_was_deleted_comes_back(folder: Path) -> None:
    store = retrack(folder)
    store.client.delete_experiment(store.experiment.experiment_id)
    assert len(retrack(folder).all) == len(store.all)


def test_two_folders_of_one_study_share_a_store_without_touching_each_other(
    folder: Path, tmp_path: Path
) -> None:
    uri = f"sqlite:///{(folder.parent / 'mlflow.db').rename(tmp_path / 'shared.db')}"
    mine = len(mirrored(folder, uri).ids)
    theirs = folder.rename(tmp_path / "elsewhere")
    assert mirrored(theirs, uri).written == mine
    assert len(Store(theirs, uri).all) == 2 * mine


def test_folder_with_the_name_of_the_database_is_refused_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = folder.parent / "mlflow.db"
    database.unlink()
    database.mkdir()
    monkeypatch.setattr(MlflowClient, "__init__", killed)
    with pytest.raises(ConnectionError, match=rf"{database} is a folder, not a database"):
        mirrored(folder)


# ---- writers that are killed, and several at once ----


def overwrite(store: Path, content: Path) -> None:
    """Give a store the content of another; what MLflow knows of its file holds, unlike of a new."""
    with closing(sqlite3.connect(content)) as source, closing(sqlite3.connect(store)) as target:
        source.backup(target)


@pytest.mark.slow
def test_call_that_was_killed_is_completed_by_the_next(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the middle, at every write before the first run and of a training, and at the end."""
    results = write_study(tmp_path, ["full"])
    folder, empty = results / "tiny", made / "mlflow.db"
    shutil.copy(empty, store := results / "mlflow.db")
    with monkeypatch.context() as patch:
        writes = die_at_write(patch, fatal=0)
        undisturbed = retrack(folder).content()
    runs = [number for number, name in enumerate(writes, start=1) if name == "create_run"]
    model = writes.index("create_logged_model")
    of_study = range(1, runs[0] + 1)
    of_training = range(max(n for n in runs if n <= model), min(n for n in runs if n > model))
    of_sum = range(len(writes) - 3, len(writes) + 1)
    for fatal in (*of_study, *of_training, len(writes) // 2, *of_sum):
        overwrite(store, empty)
        with monkeypatch.context() as patch:
            die_at_write(patch, fatal)
            with pytest.raises(KeyboardInterrupt):
                mirrored(folder)
        assert retrack(folder).content() == undisturbed, f"after write {fatal}"


@pytest.mark.slow
def test_store_that_was_killed_while_it_was_made_is_not_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = folder.parent / "mlflow.db"
    database.unlink()
    left = folder.parent / ".mlflow.db.new-killed"  # by one that the kernel has ended
    left.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "search_experiments", killed)
        with pytest.raises(KeyboardInterrupt):
            mirrored(folder)
    assert not database.exists()
    assert len(retrack(folder).all) == len(mirrored(folder).ids)
    assert not left.exists()


@pytest.mark.slow
def test_eight_writers_on_a_fresh_store_lose_none_and_double_none(folder: Path) -> None:
    (folder.parent / "mlflow.db").rename(empty := folder.parent / "alone.db")
    writers = [start_writer(folder) for _ in range(8)]
    said = [writer.communicate(timeout=TIMEOUT) for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 8, said
    assert [errors for _, errors in said] == [""] * 8
    lines = [line for written, _ in said for line in written.splitlines()]
    assert len(lines) == 8
    assert lines.count("written: 0") == 7
    mirrored(folder, alone := f"sqlite:///{empty}")
    assert Store(folder).content() == Store(folder, alone).content()
