"""The DAG itself: what it would do, what it does, and what it leaves alone."""

import csv
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from PIL import Image
from support import tiny_study

from rgmp.config.base import BENCHMARKS
from rgmp.provenance.record import read_all
from rgmp.reporting import catalog
from rgmp.reporting.figures import job_graph
from rgmp.runtime.files import read_json, write_text
from rgmp.study.plan import load_plan
from rgmp.study.resolve import resolve

PROJECT = Path(__file__).parents[2]
STUDY = tiny_study.STUDY | {
    "seeds": [0],
    "external": [
        {"name": "painter", "label": "Painter", "masks": {"davis2017": "given/masks"}},
        {"name": "reporter", "label": "Reporter", "scores": {"davis2016": "given/scores.csv"}},
    ],
}


def make_workspace(root: Path) -> Path:
    """A folder with data, a study, what others made of the data, and the project's variants."""
    tiny_study.write_tree(root)
    lines = ["sequence,object,frame,J,F"]
    for name in ("val_a", "val_b"):
        shutil.copytree(root / "davis/Annotations/480p" / name, root / "given/masks" / name)
        lines += [f"{name},1,{frame:05d},0.5,0.7" for frame in range(1, tiny_study.FRAMES - 1)]
    (root / "given/scores.csv").write_text("\n".join(lines))
    (root / "ablations").mkdir()
    for name in ("full", "no_synthetic", "no_bptt", "no_reference", "winner_take_all"):
        shutil.copy(PROJECT / f"ablations/{name}.yaml", root / "ablations")
    (root / "seconds.yaml").write_text(yaml.safe_dump(STUDY))
    return root


def snakemake(
    workspace: Path, *arguments: str, study: str = "seconds.yaml"
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile")]
    command += ["--cores", "4", *arguments, "--configfile", study]
    return subprocess.run(
        command, cwd=workspace, capture_output=True, text=True, timeout=600, check=False
    )


def planned(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """How many jobs of each rule a dry run announces; of all rules that evaluate together."""
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE)
    counts: Counter[str] = Counter()
    for rule, count in dict(found).items():  # it is announced twice
        counts["evaluate" if rule.startswith("evaluate_") else rule] += int(count)
    return counts


def own(jobs: dict[str, int]) -> dict[str, int]:
    """The jobs but for those that follow any change: tables and what is made from them."""
    remade = {"make_tables", "make_figures", "make_report", "track", "all", "total"}
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


def test_the_mini_study_trains_the_smallest_number_of_times(tmp_path: Path) -> None:
    """With each of two seeds: three stage 1 and seven stage 2 for ten variants.

    Stage 1 differs without reference and without previous mask alone; two variants differ from full
    in inference alone, and one has its stage 1.
    """
    study = yaml.safe_load((PROJECT / "workflow/config/mini.yaml").read_text())
    longer = str(PROJECT / "results/reference/mini")
    changes = {"seeds": [0, 1], "variants": None, "longer_study": longer}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study | changes))
    shutil.copytree(PROJECT / "ablations", tmp_path / "ablations")
    jobs = planned(snakemake(tmp_path, "--dry-run", study="study.yaml"))
    assert jobs["train"] == 2 * (3 + 7)
    assert jobs["evaluate"] == 2 * 8, "one for all with the same weights, on both benchmarks"
    assert jobs["time_frames"] == 2, "one for each benchmark"


def test_a_reference_is_compared_last_and_fails_nothing(tmp_path: Path) -> None:
    """Here nothing can be compared, since the scores are gone; that is printed and kept."""
    shutil.copytree(PROJECT / "ablations", tmp_path / "ablations")
    shutil.copy(PROJECT / "workflow/config/mini.yaml", tmp_path / "study.yaml")
    results = tmp_path / "results"
    for name in catalog.table_names(BENCHMARKS):
        write_text(results / f"mini/tables/{name}.csv", "")
    write_text(results / "mini/report.html", "")
    write_text(results / "reference/mini/plan.json", "{}")
    done = snakemake(tmp_path, "all", "--allowed-rules", "all", "agree", study="study.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    said = (results / "mini/tables/agreement.txt").read_text()
    assert said.startswith("rgmp: results/mini: not finished, ")
    assert said in done.stdout


@pytest.mark.parametrize(("processes", "launcher"), [(1, ""), (2, "torchrun --standalone ")])
def test_several_processes_of_a_training_are_started_by_torchrun(
    tmp_path: Path, processes: int, launcher: str
) -> None:
    make_workspace(tmp_path)
    study = STUDY | {"machine": {"device": "cpu", "processes": processes}}
    (tmp_path / "seconds.yaml").write_text(yaml.safe_dump(study))
    done = snakemake(tmp_path, "--dry-run", "--printshellcmds")
    commands = re.findall(r"Shell command: (.*)rgmp train ", done.stdout + done.stderr)
    assert commands
    assert {command.partition("--nproc")[0] for command in commands} == {launcher}


ODD = "ü 'q' {x} {{y}} {input} $HOME `id` # %s; \\\\ \"a\""


@pytest.mark.slow
def test_names_with_what_shells_and_snakemake_read_reach_the_commands(tmp_path: Path) -> None:
    """Braces, quotes, spaces and leading dashes in paths and splits: all that `rgmp plan` takes."""
    make_workspace(tmp_path)
    tree, split = tmp_path / f"-davis {ODD}", f"Val.V2 {ODD}"
    (tmp_path / "davis").rename(tree)
    (tmp_path / "stills").rename(tmp_path / f"-stills {ODD}")
    (tmp_path / "given").rename(tmp_path / f"-given {ODD}")
    for folder in (tree / "ImageSets").iterdir():
        (folder / "val.txt").rename(folder / f"{split}.txt")
    stills = {kind: f"-stills {ODD}/{kind}" for kind in ("images", "masks")}
    painter, reporter = STUDY["external"]
    change = {
        "title": f"*Of* `a` |b| {ODD} _c_",
        "data": {"davis": tree.name, "stills": [stills]},
        "split": split,
        "external": [
            painter | {"masks": {"davis2017": f"-given {ODD}/masks"}},
            reporter | {"scores": {"davis2016": f"-given {ODD}/scores.csv"}},
        ],
    }
    (tmp_path / "seconds.yaml").write_text(yaml.safe_dump(STUDY | change))
    scores = [
        f"results/tiny/scores/{x}/external.csv" for x in ("davis2017/painter", "davis2016/reporter")
    ]
    done = snakemake(tmp_path, *scores)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all((tmp_path / path).is_file() for path in scores)
    done = snakemake(tmp_path, "--dry-run", "--forceall", "--printshellcmds")
    assert done.returncode == 0, done.stdout + done.stderr
    commands = [
        shlex.split(line.removeprefix("Shell command: "))
        for line in (done.stdout + done.stderr).splitlines()
        if re.match("Shell command: rgmp check ", line)
    ]
    parts = {"stills", f"davis2016/{split}", f"davis2017/{split}", "davis2017/train"}
    assert {tuple(words[2:4]) for words in commands} == {("results/tiny", part) for part in parts}


RULES = {  # of the commands in the figure of the DAG
    "mini": "render_mini",
    "check": "check_data",
    "speed": "time_frames",
    "tables": "make_tables",
    "figures": "make_figures",
    "report": "make_report",
}


def test_the_figure_of_the_dag_is_the_dag(tmp_path: Path) -> None:
    study = yaml.safe_load((PROJECT / "workflow/config/mini.yaml").read_text())
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    shutil.copytree(PROJECT / "ablations", tmp_path / "ablations")
    plan = resolve(tmp_path / "study.yaml", tmp_path / "ablations", tmp_path / "results")
    counts = {RULES.get(name, name): count for name, count in job_graph.jobs(plan).items()}
    drawn = planned(snakemake(tmp_path, "--dry-run", study="study.yaml"))
    assert counts == {rule: n for rule, n in drawn.items() if rule not in {"all", "total"}}
    dot = snakemake(tmp_path, "--rulegraph", study="study.yaml").stdout
    rules = {
        node: re.sub("^evaluate_.*", "evaluate", rule)
        for node, rule in re.findall(r'(\d+)\[label = "(\w+)"', dot)
    }
    edges = {(rules[a], rules[b]) for a, b in re.findall(r"(\d+) -> (\d+)", dot)}
    shown = {
        (RULES.get(before, before), RULES.get(name, name))
        for name, befores in job_graph.WAITS_FOR.items()
        for before in befores
    }
    shown = {(a, b) for a, b in shown if "score" not in {a, b}}  # of others, of which it has none
    real = {(a, b) for a, b in edges if b not in {"all", a}}
    assert closure(shown) == closure(real)
    assert all((a, b) not in closure(shown - {(a, b)}) for a, b in shown), "an arrow too many"


def closure(edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Every pair of which the second rests on the first, directly or through others."""
    further = {(a, d) for a, b in edges for c, d in edges if b == c}
    return edges if further <= edges else closure(edges | further)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"benchmark": ["davis2016"]}, "unknown key benchmark"),
        ({"data": {"davis": "nowhere", "stills": []}}, "data.stills"),
        ({"seeds": []}, "seeds"),
    ],
)
def test_a_mistake_in_the_study_is_one_line_and_status_2(
    tmp_path: Path, change: dict[str, object], named: str
) -> None:
    make_workspace(tmp_path)
    (tmp_path / "seconds.yaml").write_text(yaml.safe_dump(STUDY | change))
    done = snakemake(tmp_path, "--dry-run")
    assert done.returncode == 2
    complaint = [line for line in done.stderr.splitlines() if line.startswith("rgmp: ")]
    assert len(complaint) == 1
    assert named in complaint[0]
    assert "Traceback" not in done.stderr


def test_rules_are_read_without_a_package_that_draws_or_trains() -> None:
    """Each start of Snakemake reads them; these packages take seconds."""
    rules = (PROJECT / "workflow/rules/common.smk").read_text()
    imports = "\n".join(re.findall(r"^(?:from|import) rgmp.*$", rules, re.MULTILINE))
    look = f"import sys\n{imports}\nprint({{'matplotlib', 'pandas', 'torch'}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_two_studies_are_not_mixed(tmp_path: Path) -> None:
    make_workspace(tmp_path)
    done = snakemake(tmp_path, "--dry-run", "--configfile", "seconds.yaml")
    assert done.returncode == 0, "the last --configfile wins: argparse keeps one list"
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile"), "-n"]
    command += ["--configfile", "seconds.yaml", "seconds.yaml"]
    both = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert both.returncode == 2
    assert "a study is one file" in both.stderr


def test_a_broken_frame_is_named_before_anything_is_trained(tmp_path: Path) -> None:
    make_workspace(tmp_path)
    frame = tmp_path / "davis/JPEGImages/480p/val_b/00002.jpg"
    frame.write_bytes(frame.read_bytes()[:200])
    done = snakemake(tmp_path, "all")
    assert done.returncode != 0
    complaint = [line for line in done.stdout.splitlines() if line.startswith("rgmp: ")]
    assert len(complaint) == 1
    assert "val_b/00002.jpg: not a readable image" in complaint[0]
    assert not list(tmp_path.glob("results/tiny/weights/*/*/*"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study of seconds after one run of everything."""
    workspace = make_workspace(tmp_path_factory.mktemp("study"))
    done = snakemake(workspace, "all")
    logs = "\n".join(p.read_text() for p in workspace.glob("results/tiny/logs/**/*.log"))
    assert done.returncode == 0, done.stderr + logs
    return workspace


@pytest.mark.slow
@pytest.mark.torch
class TestStudyOfSeconds:
    """What one run makes, and what is done again after a change."""

    def test_makes_every_row(self, finished: Path) -> None:
        folder = finished / "results/tiny"
        assert len(list(folder.glob("scores/*/*/seed0.csv"))) == 5 * 2
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
        assert theirs.keys() == {"Painter", "Reporter"}
        assert theirs["Painter"]["J&F"] == "1.0"
        assert float(theirs["Reporter"]["J&F"]) == pytest.approx(0.6)

    def test_other_masks_of_others_are_scored_again_and_nothing_else(self, finished: Path) -> None:
        mask = finished / "given/masks/val_a/00001.png"
        before = mask.read_bytes()
        mask.write_bytes((finished / "given/masks/val_b/00002.png").read_bytes())
        try:
            jobs = planned(snakemake(finished, "all", "--dry-run"))
        finally:
            mask.write_bytes(before)
        remade = {"make_tables", "make_figures", "make_report", "track"}
        assert set(jobs) == {"score_external", *remade, "all", "total"}
        assert jobs["score_external"] == 1

    def test_makes_every_table_and_figure(self, finished: Path) -> None:
        folder = finished / "results/tiny"
        for name in catalog.table_names(load_plan(folder).benchmarks):
            for suffix in ("csv", "md", "tex"):
                assert (folder / f"tables/{name}.{suffix}").stat().st_size > 0
        for name in catalog.FIGURE_NAMES:
            assert (folder / f"figures/{name}.png").stat().st_size > 0
        assert "A study of seconds" in (folder / "report.html").read_text(encoding="utf-8")

    def test_every_job_left_a_record(self, finished: Path) -> None:
        records = read_all(finished / "results/tiny")
        kinds = [record["kind"] for record in records]
        assert kinds.count("train") == 6
        assert kinds.count("infer") == 10
        assert kinds.count("score") == 10 + 2
        assert kinds.count("speed") == 2
        assert kinds.count("check") == 4
        assert all(record["study"] == "tiny" for record in records)

    def test_the_report_of_the_workflow_has_captions(self, finished: Path) -> None:
        done = snakemake(finished, "all", "--report", "workflow.html")
        assert done.returncode == 0, done.stderr
        html = (finished / "workflow.html").read_text(encoding="utf-8")
        folder = finished / "results/tiny"
        for name in (*catalog.table_names(load_plan(folder).benchmarks), *catalog.FIGURE_NAMES):
            assert f"tables/{name}.csv" in html or f"figures/{name}.png" in html
        assert "A study of seconds" in html
        assert "the range over seeds 0." in html, "captions read the study"

    def test_the_report_links_to_the_runs(self, finished: Path) -> None:
        folder = finished / "results/tiny"
        runs = read_json(folder / "mlflow.json")["runs"]
        html = (folder / "report.html").read_text(encoding="utf-8")
        names = {record["name"] for record in read_all(folder)} - {"track", "report"}
        assert {"study", "full/seed0"} | names == runs.keys() & ({"study", "full/seed0"} | names)
        shown = {name for name, run_id in runs.items() if f"/runs/{run_id}" in html}
        assert {"study", "full/seed0", "scores/davis2017/full/seed0"} <= shown

    def test_winner_take_all_has_the_weights_of_full(self, finished: Path) -> None:
        folder = finished / "results/tiny/records/masks/davis2017"
        full, winner = (read_json(folder / f"{v}/seed0.json") for v in ("full", "winner_take_all"))
        assert full["inputs"]["weights"] == winner["inputs"]["weights"]
        assert full["config"]["aggregation"] != winner["config"]["aggregation"]
        assert not {*full["masks"].values()} & {*winner["masks"].values()}
        folder = folder.with_name("davis2016")  # one object, the foreground
        full, winner = (read_json(folder / f"{v}/seed0.json") for v in ("full", "winner_take_all"))
        assert full["masks"] == winner["masks"]

    def test_again_there_is_nothing_to_do(self, finished: Path) -> None:
        done = snakemake(finished, "all")
        assert done.returncode == 0
        assert "Nothing to be done" in done.stdout + done.stderr

    def test_a_changed_label_trains_nothing(self, finished: Path) -> None:
        variant = finished / "ablations/no_bptt.yaml"
        before = variant.read_text()
        variant.write_text(before.replace("label: without BPTT", "label: no BPTT"))
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
        assert own(planned(done)) == {"train": 6, "evaluate": 4}
        assert "seed 0" not in done.stdout + done.stderr

    def test_new_sequences_train_nothing(self, finished: Path, tmp_path: Path) -> None:
        """Evaluations find what they segmented (tests/cli/test_evaluate.py)."""
        copy = tmp_path / "more"
        shutil.copytree(finished, copy, symlinks=True)
        for kind in ("JPEGImages", "Annotations"):
            shutil.copytree(copy / f"davis/{kind}/480p/val_a", copy / f"davis/{kind}/480p/val_c")
        for split in copy.glob("davis/ImageSets/*/val.txt"):
            split.write_text(split.read_text() + "val_c\n")
        jobs = own(planned(snakemake(copy, "all", "--dry-run")))
        again = {"check_data": 2, "score_external": 2, "time_frames": 2}
        assert jobs == {"evaluate": 4, **again}
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
            ({"inference": {"scales": [0.5]}}, {"evaluate": 4, "time_frames": 2}),
            ({"speed": STUDY["speed"] | {"frames": 4}}, {"time_frames": 2}),
            ({"evaluation": {"cross_check": "off"}}, {"evaluate": 4, "score_external": 2}),
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
        assert jobs["evaluate"] == 4
        assert jobs["time_frames"] == 2

    def test_other_bytes_in_the_train_split_train_stage_2_again(self, finished: Path) -> None:
        jobs = planned_with_other_bytes(finished, "train_a")
        assert jobs["train"] == jobs["evaluate"] == 4

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
        assert "rule train:" not in done.stderr
        rows, wanted = (
            [{**row, "variant": ""} for row in csv.DictReader(path.read_text().splitlines())]
            for path in (scores / "given/seed0.csv", scores / "full/seed0.csv")
        )
        assert rows == wanted
