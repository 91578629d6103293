"""The DAG itself: what it would do, what it does, and what it leaves alone."""

import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.workflow import PROJECT, STUDY, make_workspace, planned, snakemake

from rgmp.config.base import BENCHMARKS
from rgmp.reporting import catalog
from rgmp.reporting.figures import job_graph
from rgmp.runtime.cores import usable_cores
from rgmp.runtime.files import read_json, write_json, write_text
from rgmp.study.costs import Cost, Costs, cpu_here
from rgmp.study.estimate import identity_of
from rgmp.study.jobs import jobs_of, sizes_of
from rgmp.study.plan import load_plan
from rgmp.study.resolve import resolve

pytestmark = pytest.mark.usefixtures("forked_jobs")


def default_study() -> dict[str, Any]:
    """That of `make all`, without the longer study beside it, which is not in a test's folder."""
    study = yaml.safe_load((PROJECT / "workflow/config/mini.yaml").read_text())
    return {key: value for key, value in study.items() if key != "longer_study"}


def test_the_mini_study_trains_the_smallest_number_of_times(tmp_path: Path) -> None:
    """With each of two seeds: three stage 1 and seven stage 2 for ten variants.

    Stage 1 differs without reference and without previous mask alone; two variants differ from full
    in inference alone, and one has its stage 1.
    """
    longer = str(PROJECT / "results/reference/mini")
    shorter = default_study()["pretrain"] | {"steps": 100}
    changes = {"seeds": [0, 1], "without": [], "longer_study": longer, "pretrain": shorter}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(default_study() | changes))
    shutil.copytree(PROJECT / "ablations", tmp_path / "ablations")
    jobs = planned(snakemake(tmp_path, "--dry-run", study="study.yaml"))
    assert jobs["train"] == 2 * (3 + 7)
    assert jobs["evaluate"] == 2 * 8, "one for all with the same weights, on both benchmarks"
    assert jobs["time_frames"] == jobs["score_bounds"] == 2, "one for each benchmark"


def test_a_reference_is_compared_last_and_fails_nothing(tmp_path: Path) -> None:
    """Here nothing can be compared, since the scores are gone; that is printed and kept."""
    shutil.copytree(PROJECT / "ablations", tmp_path / "ablations")
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(default_study()))
    results = tmp_path / "results"
    plan = resolve(tmp_path / "study.yaml", tmp_path / "ablations", results)
    for name in catalog.table_names(plan):
        write_text(results / f"mini/tables/{name}.csv", "")
    write_text(results / "mini/report.html", "")
    reference = results / "reference/mini"
    write_text(reference / "plan.json", "{}")
    only_that = ("all", "--allowed-rules", "all", "agree")
    done = snakemake(tmp_path, *only_that, "--dry-run", study="study.yaml")
    assert "Nothing to be done" in done.stdout + done.stderr, "it has no verdicts yet"
    write_text(reference / "tables/ablation.csv", "")
    done = snakemake(tmp_path, *only_that, study="study.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    said = (results / "mini/tables/agreement.txt").read_text()
    assert said.startswith("rgmp: results/mini: not finished, ")
    assert said.splitlines()[-1] in done.stderr


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
    "bounds": "score_bounds",
    "cross-check": "cross_check",
    "tables": "make_tables",
    "figures": "make_figures",
    "report": "make_report",
}


def test_the_figure_of_the_dag_is_the_dag(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(default_study()))
    shutil.copytree(PROJECT / "ablations", tmp_path / "ablations")
    plan = resolve(tmp_path / "study.yaml", tmp_path / "ablations", tmp_path / "results")
    for name in ("plan.json", "tables/ablation.csv"):
        write_text(tmp_path / "results/reference/mini" / name, "")
    jobs = job_graph.jobs(plan, compared=True)
    counts = {RULES.get(name, name): count for name, count in jobs.items()}
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


def test_the_jobs_that_are_planned_are_those_of_the_dag(tmp_path: Path) -> None:
    """Each with what it waits for, counted by rule; given weights and methods of others, too."""
    from rgmp.config.method import Network
    from rgmp.model import weights
    from rgmp.model.network import RGMP

    make_workspace(tmp_path)
    network = RGMP(Network(backbone="resnet10", width=4, decoder_width=4))
    weights.save(tmp_path / "given.safetensors", network, {})
    given = {"weights": "given.safetensors", "stages": []}
    variant = {"label": "given", "claim": "none", "overrides": given}
    (tmp_path / "ablations/given.yaml").write_text(yaml.safe_dump(variant))
    study = STUDY | {"seeds": [0, 1]}
    (tmp_path / "seconds.yaml").write_text(yaml.safe_dump(study))
    done = snakemake(tmp_path, "--forceall", "--dag")
    assert done.returncode == 0, done.stderr
    rules = {
        node: re.sub("^evaluate_.*", "evaluate", rule)
        for node, rule in re.findall(r'(\d+)\[label = "(\w+)', done.stdout)
    }
    edges = [(rules[a], rules[b]) for a, b in re.findall(r"(\d+) -> (\d+)", done.stdout)]
    with chdir(tmp_path):
        plan = resolve(Path("seconds.yaml"))
        jobs = jobs_of(plan, sizes_of(plan, Path("results/tiny")))
    of = {job.name: job.kind for job in jobs}
    names = {"score": "score_external"} | RULES
    planned_edges = [(of[before], job.kind) for job in jobs for before in job.after]
    expected = Counter((names.get(a, a), names.get(b, b)) for a, b in planned_edges)
    assert expected == Counter((a, b) for a, b in edges if b != "all")
    assert Counter(names.get(job.kind, job.kind) for job in jobs) == Counter(
        rule for rule in rules.values() if rule != "all"
    )


def test_a_run_keeps_what_it_was_expected_to_take(tmp_path: Path) -> None:
    make_workspace(tmp_path)
    with chdir(tmp_path):
        plan = resolve(Path("seconds.yaml"))
        jobs = jobs_of(plan, sizes_of(plan, Path("results/tiny")))
    cost = Cost(fixed=1, each=0, source="a guess")
    costs = Costs(device=cpu_here(), known=dict.fromkeys((j.cost for j in jobs), cost))
    write_json(tmp_path / "results/tiny/costs.json", costs.model_dump(mode="json"))
    scores = "results/tiny/scores/davis2016/reporter/external.csv"
    done = snakemake(tmp_path, scores)
    assert done.returncode == 0, done.stdout + done.stderr
    (kept,) = (tmp_path / "results/tiny/first").glob("estimate-*.json")
    with chdir(tmp_path):
        loaded = jobs_of(load_plan(Path("results/tiny")), sizes_of(plan, Path("results/tiny")))
    assert kept.name == f"estimate-{identity_of(loaded)}.json", "as the report will look for it"
    found = read_json(kept)
    assert (found["ran"], found["sources"]) == (0, ["a guess"])
    assert found["planned"][0]["cores"] == min(4, usable_cores())
    assert found["planned"][0]["longest"] == 8, "check, two stages, evaluation, four of the report"


def test_jobs_find_rgmp_beside_a_snakemake_whose_environment_is_not_active(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_workspace(tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/bash").symlink_to("/bin/bash")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    done = snakemake(tmp_path, "results/tiny/scores/davis2016/reporter/external.csv")
    assert done.returncode == 0, done.stdout + done.stderr


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
    slow = {"matplotlib", "pandas", "scipy", "torch"}
    look = f"import sys\n{imports}\nprint({slow} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_two_studies_are_not_mixed(tmp_path: Path) -> None:
    make_workspace(tmp_path)
    done = snakemake(tmp_path, "--dry-run", "--configfile", "seconds.yaml")
    assert done.returncode == 0, "the last --configfile wins: argparse keeps one list"
    both = snakemake(tmp_path, "--dry-run", study=["seconds.yaml", "seconds.yaml"])
    assert both.returncode == 2
    assert "a study is one file" in both.stderr


def test_a_broken_frame_is_named_before_anything_is_trained(tmp_path: Path) -> None:
    make_workspace(tmp_path)
    frame = tmp_path / "davis/JPEGImages/480p/val_b/00002.jpg"
    frame.write_bytes(frame.read_bytes()[:200])
    done = snakemake(tmp_path, "all")
    assert done.returncode != 0
    complaint = [line.strip() for line in done.stderr.splitlines() if "rgmp: " in line]
    assert len(complaint) == 1
    assert complaint[0].startswith("rgmp: ")
    assert "val_b/00002.jpg: not a readable image" in complaint[0]
    assert not list(tmp_path.glob("results/tiny/weights/*/*/*"))


@pytest.mark.slow
def test_a_study_of_external_methods_alone_is_one_comparison_for_each_benchmark(
    tmp_path: Path,
) -> None:
    make_workspace(tmp_path)
    given = {"davis2016": "given/masks", "davis2017": "given/masks"}
    study = {key: STUDY[key] for key in ("study", "title", "benchmarks")}
    study["data"] = {"davis": "davis"}
    shutil.copytree(tmp_path / "given/masks", tmp_path / "given/again")
    again = dict.fromkeys(given, "given/again")
    study["external"] = [
        {"name": "one", "label": "One", "masks": given},
        {"name": "other", "label": "Other", "masks": again},
    ]
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    done = snakemake(tmp_path, "all", study="study.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    for benchmark in BENCHMARKS:
        report = (tmp_path / f"results/tiny/{benchmark}/report.html").read_text()
        assert "No method leads: of One and Other" in report
    done = snakemake(tmp_path, "all", "--dry-run", study="study.yaml")
    assert "Nothing to be done" in done.stdout + done.stderr
    study["margin"] = 1
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    assert planned(snakemake(tmp_path, "all", "--dry-run", study="study.yaml"))["compare"] == 2
