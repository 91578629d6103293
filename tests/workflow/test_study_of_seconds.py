"""A whole study: what one run makes, and what is done again after a change.

The classes share the one run (conftest.py), and workers take a class each.
"""

import csv
import re
import shutil
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest
import reference
import yaml
from filelock import FileLock
from PIL import Image
from support import tiny_study
from support.workflow import PROJECT, STUDY, planned, snakemake

from rgmp.provenance.record import read_all
from rgmp.reporting import catalog
from rgmp.reporting.labels import BOUND_TITLES
from rgmp.runtime.files import read_json
from rgmp.study.packing.pack import pack
from rgmp.study.packing.unpack import unpack
from rgmp.study.plan import load_plan, save


def own(jobs: dict[str, int]) -> dict[str, int]:
    """The jobs but for those that follow any change: tables and what is made from them."""
    remade = {"cross_check", "make_tables", "make_figures", "make_report", "track", "all", "total"}
    return {rule: count for rule, count in jobs.items() if rule not in remade}


def planned_with_other_bytes(workspace: Path, sequence: str) -> dict[str, int]:
    """What a dry run announces where a frame of the sequence has changed."""
    frame = workspace / "davis/JPEGImages/480p" / sequence / "00001.jpg"
    before = frame.read_bytes()
    Image.open(frame).rotate(180).save(frame)
    try:
        return planned(snakemake(workspace, "all", "--dry-run"))
    finally:
        frame.write_bytes(before)


@pytest.mark.slow
@pytest.mark.torch
class TestWhatOneRunMakes:
    """The files of the finished study."""

    def test_makes_every_row(self, finished: Path) -> None:
        folder = finished / "results/tiny"
        assert len(list(folder.glob("scores/*/*/seed0.csv"))) == 4 * 2
        with (folder / "scores/davis2017/full/seed0.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 2 * 2 * (
            tiny_study.FRAMES - 2
        )  # sequences, objects, frames but first and last
        assert {row["variant"] for row in rows} == {"full"}
        assert {row["seed"] for row in rows} == {"0"}

    def test_what_is_not_trained_here_stands_beside(self, finished: Path) -> None:
        with (finished / "results/tiny/tables/ablation.csv").open() as file:
            theirs = {
                row["label"]: row for row in csv.DictReader(file) if row["external"] == "True"
            }
        bounds = {*BOUND_TITLES.values()}
        assert theirs.keys() == {"Painter", "Reporter", *bounds}
        assert {theirs[bound]["difference_mean"] for bound in bounds} == {""}
        assert theirs["Painter"]["J&F"] == "1.0"
        assert float(theirs["Reporter"]["J&F"]) == pytest.approx(0.6)

    def test_makes_every_table_and_figure(self, finished: Path) -> None:
        folder = finished / "results/tiny"
        for name in catalog.table_names(load_plan(folder)):
            for suffix in ("csv", "md", "tex"):
                assert (folder / f"tables/{name}.{suffix}").stat().st_size > 0
        for name in catalog.FIGURE_NAMES:
            assert (folder / f"figures/{name}.png").stat().st_size > 0
        assert "A study of seconds" in (folder / "report.html").read_text(encoding="utf-8")

    def test_every_job_left_a_record(self, finished: Path) -> None:
        records = read_all(finished / "results/tiny")
        kinds = [record["kind"] for record in records]
        assert kinds.count("train") == 5
        assert kinds.count("infer") == 8
        assert kinds.count("score") == 8 + 2
        assert kinds.count("speed") == kinds.count("bounds") == 2
        assert kinds.count("check") == 4
        assert all(record["study"] == "tiny" for record in records)

    def test_the_report_of_the_workflow_has_captions(self, finished: Path) -> None:
        done = snakemake(finished, "all", "--report", "workflow.html")
        assert done.returncode == 0, done.stderr
        html = (finished / "workflow.html").read_text(encoding="utf-8")
        folder = finished / "results/tiny"
        for name in (*catalog.table_names(load_plan(folder)), *catalog.FIGURE_NAMES):
            assert f"tables/{name}.csv" in html or f"figures/{name}.png" in html
        assert "A study of seconds" in html
        assert "the range over seeds 0." in html, "captions read the study"

    def test_the_report_links_to_files_and_to_the_runs(self, finished: Path) -> None:
        folder = finished / "results/tiny"
        tracked = read_json(folder / "mlflow.json")
        runs = tracked["runs"]
        html = (folder / "report.html").read_text(encoding="utf-8")
        names = {record["name"] for record in read_all(folder)} - {"track", "report"}
        assert {"study", "full/seed0"} | names == runs.keys() & ({"study", "full/seed0"} | names)
        assert f"/#/experiments/{tracked['experiment']}/runs" in html
        linked = [unquote(target) for target in re.findall(r'href="([^"#:]+)"', html)]
        assert len(linked) > 50
        assert all((folder / target).is_file() for target in linked)

    def test_winner_take_all_has_the_weights_of_full(self, finished: Path) -> None:
        folder = finished / "results/tiny/records/masks/davis2017"
        full, winner = (read_json(folder / f"{v}/seed0.json") for v in ("full", "winner_take_all"))
        assert full["inputs"]["weights"] == winner["inputs"]["weights"]
        assert full["config"]["aggregation"] != winner["config"]["aggregation"]
        assert not {*full["masks"].values()} & {*winner["masks"].values()}
        folder = folder.with_name("davis2016")  # one object, the foreground
        full, winner = (read_json(folder / f"{v}/seed0.json") for v in ("full", "winner_take_all"))
        assert full["masks"] == winner["masks"]

    def test_again_there_is_nothing_to_do(self, made: Path) -> None:
        with FileLock(made.with_suffix(".lock")):
            done = snakemake(made, "all")
        assert done.returncode == 0
        assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.torch
class TestWhatIsDueAfterAChange:
    """What a dry run announces, or a run finds to do, where something has changed."""

    def test_other_masks_of_others_are_scored_again_and_nothing_else(self, finished: Path) -> None:
        mask = finished / "given/masks/val_a/00001.png"
        before = mask.read_bytes()
        mask.write_bytes((finished / "given/masks/val_b/00002.png").read_bytes())
        try:
            jobs = planned(snakemake(finished, "all", "--dry-run"))
        finally:
            mask.write_bytes(before)
        remade = {"cross_check", "make_tables", "make_figures", "make_report", "track"}
        assert set(jobs) == {"score_external", *remade, "all", "total"}
        assert jobs["score_external"] == 1

    def test_a_changed_label_trains_nothing(self, finished: Path) -> None:
        variant = finished / "ablations/no_synthetic.yaml"
        before = variant.read_text()
        variant.write_text(before.replace("label: without stage 1", "label: no stage 1"))
        try:
            jobs = planned(snakemake(finished, "all", "--dry-run"))
        finally:
            variant.write_text(before)
        remade = {"make_tables", "make_figures", "make_report", "track"}
        assert set(jobs) == {*remade, "all", "total"}

    @pytest.mark.parametrize("override", ["skip: [0, 1]", "benchmark: davis2016"])
    def test_a_new_variant_runs_only_its_own_jobs(self, finished: Path, override: str) -> None:
        """It sorts before the others, differs in stage 2, and at times reads another split."""
        new = finished / "ablations/a_new_one.yaml"
        new.write_text(f"label: new\nclaim: a test\noverrides: {{finetune: {{{override}}}}}\n")
        try:
            jobs = planned(snakemake(finished, "all", "--dry-run"))
        finally:
            new.unlink()
        assert jobs["train"] == jobs["evaluate"] == 1
        assert "time_frames" not in jobs, "it computes what full computes"

    def test_a_new_variant_of_the_same_weights_trains_nothing(self, finished: Path) -> None:
        new = finished / "ablations/independent.yaml"
        shutil.copy(PROJECT / "ablations/independent.yaml", new)
        try:
            jobs = planned(snakemake(finished, "all", "--dry-run"))
        finally:
            new.unlink()
        assert own(jobs) == {"evaluate": 1, "time_frames": 1}, "one object is computed as in full"

    def test_a_new_computation_is_timed_with_all_others(self, finished: Path) -> None:
        new = finished / "ablations/half_scale.yaml"
        new.write_text("label: new\nclaim: a test\noverrides: {inference: {scales: [0.5]}}\n")
        try:
            jobs = planned(snakemake(finished, "all", "--dry-run"))
        finally:
            new.unlink()
        assert own(jobs) == {"evaluate": 1, "time_frames": 2}

    def test_a_new_seed_runs_its_own_jobs_alone(self, finished: Path) -> None:
        study = finished / "seconds.yaml"
        before = study.read_text()
        study.write_text(yaml.safe_dump(STUDY | {"seeds": [0, 1]}))
        try:
            done = snakemake(finished, "all", "--dry-run")
        finally:
            study.write_text(before)
        assert own(planned(done)) == {"train": 5, "evaluate": 3}
        assert "seed 0" not in done.stdout + done.stderr

    def test_a_dry_run_changes_no_plan(self, finished: Path) -> None:
        """Trainings of a study that is running find themselves in it."""
        study = finished / "seconds.yaml"
        plan, before = finished / "results/tiny/plan.json", study.read_text()
        planned_before = plan.read_bytes()
        study.write_text(before.replace("learning_rate: 0.001", "learning_rate: 0.002"))
        try:
            assert planned(snakemake(finished, "all", "--dry-run"))["train"] > 0
        finally:
            study.write_text(before)
        assert plan.read_bytes() == planned_before

    def test_touched_weights_of_stage_1_train_nothing(self, finished: Path) -> None:
        for weights in finished.glob("results/tiny/weights/pretrain/*/weights.safetensors"):
            weights.touch()
        assert "Nothing to be done" in snakemake(finished, "all").stderr

    def test_a_touched_file_of_the_same_bytes_runs_nothing(self, finished: Path) -> None:
        (finished / "davis/JPEGImages/480p/val_a/00001.jpg").touch()
        assert "Nothing to be done" in snakemake(finished, "all").stderr

    def test_the_same_bytes_elsewhere_on_another_device_run_nothing(self, finished: Path) -> None:
        study = finished / "seconds.yaml"
        before = study.read_text()
        moved = STUDY | {"data": STUDY["data"] | {"davis": "moved"}}
        study.write_text(yaml.safe_dump(moved | {"machine": {"device": "auto"}}))
        (finished / "davis").rename(finished / "moved")
        try:
            jobs = planned(snakemake(finished, "all", "--dry-run"))
        finally:
            (finished / "moved").rename(finished / "davis")
            study.write_text(before)
        remade = {"make_tables", "make_figures", "make_report", "track"}
        assert set(jobs) == {*remade, "all", "total"}

    @pytest.mark.parametrize(
        ("change", "again"),
        [
            ({"inference": {"scales": [0.5]}}, {"evaluate": 3, "time_frames": 2}),
            ({"speed": STUDY["speed"] | {"frames": 4}}, {"time_frames": 2}),
            ({"evaluation": {"cross_check": "off"}}, {}),
        ],
    )
    def test_a_changed_setting_runs_what_it_changes(
        self, finished: Path, change: dict[str, object], again: dict[str, int]
    ) -> None:
        study = finished / "seconds.yaml"
        before = study.read_text()
        study.write_text(yaml.safe_dump(STUDY | change))
        try:
            jobs = planned(snakemake(finished, "all", "--dry-run"))
        finally:
            study.write_text(before)
        assert own(jobs) == again

    def test_other_bytes_in_the_val_split_train_nothing(self, finished: Path) -> None:
        jobs = planned_with_other_bytes(finished, "val_a")
        assert "train" not in jobs
        assert jobs["check_data"] == 2  # as davis2016 and as davis2017
        assert jobs["evaluate"] == 3
        assert jobs["time_frames"] == jobs["score_bounds"] == 2

    def test_other_bytes_in_the_train_split_train_stage_2_again(self, finished: Path) -> None:
        jobs = planned_with_other_bytes(finished, "train_a")
        assert jobs["train"] == jobs["evaluate"] == 3


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.usefixtures("forked_jobs")
class TestHowAStudyGoesOn:
    """What runs again in a copy, from what is kept of a study, and with other settings."""

    def test_new_sequences_train_nothing(self, finished: Path, tmp_path: Path) -> None:
        """Evaluations find what they segmented (tests/cli/test_evaluate_command.py)."""
        copy = tmp_path / "more"
        shutil.copytree(finished, copy, symlinks=True)
        for kind in ("JPEGImages", "Annotations"):
            shutil.copytree(copy / f"davis/{kind}/480p/val_a", copy / f"davis/{kind}/480p/val_c")
        for split in copy.glob("davis/ImageSets/*/val.txt"):
            split.write_text(split.read_text() + "val_c\n")
        jobs = own(planned(snakemake(copy, "all", "--dry-run")))
        again = {"check_data": 2, "score_external": 2, "score_bounds": 2, "time_frames": 2}
        assert jobs == {"evaluate": 3, **again}
        folder = copy / "results/tiny"
        before = {path: path.stat().st_ino for path in folder.glob("masks/*/*/*")}
        record = "results/tiny/records/masks/davis2017/winner_take_all/seed0.json"
        assert snakemake(copy, record).returncode == 0
        after = {path: path.stat().st_ino for path in folder.glob("masks/*/*/*")}
        assert after.items() >= before.items()
        assert {path.parent.name[:5] for path in after.keys() - before.keys()} == {"val_c"}
        assert read_json(copy / record)["results"]["segmented"] == 1

    def test_a_copied_study_goes_on_where_it_was(self, finished: Path, tmp_path: Path) -> None:
        """Its files and what Snakemake remembers of them: nothing is due but what is new."""
        copy = tmp_path / "elsewhere"
        shutil.copytree(finished, copy, symlinks=True)
        assert "Nothing to be done" in snakemake(copy, "all").stderr
        (copy / "ablations/a_new_one.yaml").write_text(
            "label: new\nclaim: a test\noverrides: {finetune: {skip: [0, 1]}}\n"
        )
        jobs = planned(snakemake(copy, "all", "--dry-run"))
        assert own(jobs) == {"train": 1, "evaluate": 1}

    def test_a_study_goes_on_from_its_whole_seeds(self, finished: Path, tmp_path: Path) -> None:
        """In a new clone; the first seed is run again: its weights and masks are needed."""
        copy, own_folders = tmp_path / "clone", ("results", ".snakemake")
        shutil.copytree(finished, copy, ignore=shutil.ignore_patterns(*own_folders))
        results = finished / "results/tiny"
        reference.keep_whole_seeds(results, tmp_path / "kept")
        plan = load_plan(tmp_path / "kept")
        save(plan.model_copy(update={"seeds": (1, 0)}), tmp_path / "kept")
        reference.restore(tmp_path / "kept", copy / "results/tiny")
        (copy / "seconds.yaml").write_text(yaml.safe_dump(STUDY | {"seeds": [1, 0]}))
        done = snakemake(copy, "all", "--dry-run")
        assert own(planned(done)) == {"train": 5, "evaluate": 3, "time_frames": 2}
        assert "seed 0" not in done.stdout + done.stderr

    def test_a_study_goes_on_from_an_archive(self, finished: Path, tmp_path: Path) -> None:
        """In a new clone nothing is trained or evaluated again, but for other settings there."""
        clone, own_folders = tmp_path / "clone", ("results", ".snakemake")
        shutil.copytree(finished, clone, ignore=shutil.ignore_patterns(*own_folders))
        pack(finished / "results/tiny", tmp_path / "tiny.zip")
        unpack(tmp_path / "tiny.zip", clone)
        assert own(planned(snakemake(clone, "all", "--dry-run"))) == {}
        (clone / "seconds.yaml").write_text(
            yaml.safe_dump(STUDY | {"inference": {"scales": [0.5]}})
        )
        jobs = own(planned(snakemake(clone, "all", "--dry-run")))
        assert jobs == {"evaluate": 3, "time_frames": 2}

    def test_a_split_without_truth_is_segmented_and_packed(
        self, finished: Path, tmp_path: Path
    ) -> None:
        copy = tmp_path / "copy"
        shutil.copytree(finished, copy, symlinks=True)
        (copy / "davis/ImageSets/2017/test-dev.txt").write_text("train_a\n")
        submission = {"submission": {"davis": "davis"}}
        (copy / "seconds.yaml").write_text(yaml.safe_dump(STUDY | submission))
        jobs = own(planned(snakemake(copy, "all", "--dry-run")))
        assert jobs == {"check_data": 1, "evaluate": 1, "archive": 1}
        archive = "results/tiny/submission/full/seed0.zip"
        done = snakemake(copy, archive)
        assert done.returncode == 0, done.stderr
        with zipfile.ZipFile(copy / archive) as opened:
            wanted = [f"train_a/{number:05d}.png" for number in range(tiny_study.FRAMES)]
            assert opened.namelist() == wanted
        record = read_json(copy / "results/tiny/records/masks/davis2017/full/seed0.json")
        assert record["results"]["segmented"] == 0

    def test_checkpoints_are_added_beside_what_is_there(
        self, finished: Path, tmp_path: Path
    ) -> None:
        """The training run that did not keep them is repeated; nothing else is run again."""
        copy = tmp_path / "keeping"
        shutil.copytree(finished, copy, symlinks=True)
        study = STUDY | {"finetune": STUDY["finetune"] | {"keep_last": 2}}
        (copy / "seconds.yaml").write_text(yaml.safe_dump(study))
        jobs = planned(snakemake(copy, "all", "--dry-run"))
        assert own(jobs) == {"keep_checkpoints": 3, "evaluate": 3}
        folder = copy / "results/tiny"
        before = {
            path: path.stat().st_mtime_ns
            for kind in ("weights", "masks", "scores", "speed")
            for path in (folder / kind).rglob("*")
            if path.is_file()
        }
        table = "results/tiny/tables/checkpoints.csv"
        done = snakemake(copy, table)
        assert done.returncode == 0, done.stderr
        assert all(path.stat().st_mtime_ns == time for path, time in before.items())
        with (copy / table).open() as file:
            rows = [*csv.DictReader(file)]
        assert len(rows) == 4 * 2
        assert {(row["seeds"], row["steps"]) for row in rows} == {("1", "1 2")}
        with (folder / "tables/ablation.csv").open() as file:
            last = {(row["benchmark"], row["variant"]): row for row in csv.DictReader(file)}
        for row in rows:
            ablation = last[row["benchmark"], row["variant"]]
            assert float(row["last"]) == pytest.approx(float(ablation["J&F"]))
            assert float(row["best"]) >= float(row["last"])
        assert "keep_checkpoints" not in planned(snakemake(copy, "all", "--dry-run"))

    def test_weights_from_elsewhere_are_run_and_scored_without_training(
        self, finished: Path
    ) -> None:
        """As the authors' released file would be."""
        (trained,) = finished.glob("results/tiny/weights/finetune/full-*/weights.safetensors")
        given = finished / "given weights.safetensors"
        shutil.copy(trained, given)
        new = finished / "ablations/given.yaml"
        overrides = f"{{weights: {given.name}, stages: []}}"
        new.write_text(f"label: given\nclaim: a test\noverrides: {overrides}\n")
        scores = finished / "results/tiny/scores/davis2016"
        try:
            done = snakemake(finished, str((scores / "given/seed0.csv").relative_to(finished)))
            assert done.returncode == 0, done.stderr
            jobs = planned(snakemake(finished, "all", "--dry-run"))
        finally:
            new.unlink()
        assert "train" not in jobs
        assert "finetune" not in done.stderr
        rows, wanted = (
            [{**row, "variant": ""} for row in csv.DictReader(path.read_text().splitlines())]
            for path in (scores / "given/seed0.csv", scores / "full/seed0.csv")
        )
        assert rows == wanted
