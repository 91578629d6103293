"""What Slurm is asked for, by the profile, the rules and the plan: the commands that it gets."""

import re
import shlex
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import forked
from support.workflow import PROJECT, STUDY, make_workspace, resolved, snakemake

from rgmp.runtime.files import write_json, write_text
from rgmp.study import layout
from rgmp.study.costs import Cost, Costs, cpu_here
from rgmp.study.jobs import jobs_of, sizes_of

PROFILE = ["--workflow-profile", str(PROJECT / "workflow/profiles/slurm")]
SBATCH = """#!/bin/sh
for word; do
    case $word in --wrap=*) ;; *) printf '%s\\n' "$word" >> $$.sbatch ;; esac
done
exit 1
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace, and the login node of a cluster, whose sbatch writes down what it is told."""
    make_workspace(tmp_path)
    says = {"sinfo": "short long*", "sacct": "lab", "sacctmgr": "lab", "squeue": ""}
    programs = {name: f"#!/bin/sh\necho '{said}'\n" for name, said in says.items()}
    programs["sbatch"] = SBATCH
    for name, text in programs.items():
        write_text(tmp_path / "bin" / name, text)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    return tmp_path


def asked(workspace: Path, *arguments: str, study: str = "seconds.yaml") -> dict[str, list[str]]:
    """The words of the sbatch command of one job of each rule that may start."""
    quick = ["--slurm-init-seconds-before-status-checks", "1"]
    done = snakemake(workspace, *PROFILE, *quick, "--keep-going", *arguments, study=study)
    assert done.returncode == 1, done.stderr
    found = {}
    for file in workspace.glob("*.sbatch"):
        words = file.read_text().splitlines()
        named = re.match("rule_([a-z_]+)_wildcards_", words[words.index("--comment") + 1])
        assert named
        found[named[1]] = words
    return found


def test_the_cores_of_the_login_node_limit_nothing(workspace: Path) -> None:
    """They are not asked for, though Snakemake has to know them before it runs jobs itself."""
    resolved(workspace, {"compute": {"threads": 64}})
    command = ["--snakefile", str(PROJECT / "Snakefile"), *PROFILE, "--dry-run", "--forceall"]
    command += ["--printshellcmds", "--configfile", "seconds.yaml"]
    done = forked.run("snakemake", "snakemake.cli", command, workspace, timeout=120)
    assert done.returncode == 0, done.stderr
    found = re.findall(r"rgmp (train|evaluate|speed) .*--threads (\d+) ", done.stdout + done.stderr)
    assert {*found} == {("train", "64"), ("evaluate", "64"), ("speed", "64")}


def test_several_processes_have_one_task_with_all_gpus_and_threads_on_one_node(
    workspace: Path,
) -> None:
    """They are torchrun's. --cores, which `snakemake` gives, limits none; defaults stand."""
    resolved(workspace, {"compute": {"threads": 3}, "machine": {"processes": 2}})
    train = shlex.join(asked(workspace)["train"])
    assert re.search(" --gpus=2$", train)
    assert "ntasks" not in train
    assert " --cpus-per-task=6 " in train
    assert " -p long -t 240 --mem 16000 --nodes=1 --requeue " in train
    assert " --signal=USR1@120 " in train


@pytest.mark.parametrize(
    ("default", "gres"), [("runtime=33", "gpu:2"), ("gres_kind=gpu:a100", "gpu:a100:2")]
)
def test_several_nodes_have_the_same_number_of_gpus(
    default: str, gres: str, workspace: Path
) -> None:
    """Of a total Slurm may give one node more than it has processes, and another fewer."""
    batches = {stage: STUDY[stage] | {"batch": 4} for stage in ("pretrain", "finetune")}
    resolved(workspace, {"machine": {"processes": 4, "nodes": 2}} | batches)
    train = shlex.join(asked(workspace, "--default-resources", default)["train"])
    assert " --nodes=2 " in train
    assert " --ntasks=2 " in train
    assert train.endswith(f" --gres={gres}")
    assert "--gpus" not in train


@pytest.mark.parametrize(("longest", "minutes"), [(600, 360), (300, 300)])
def test_time_and_memory_are_those_of_the_plan_and_gpus_may_be_generic_resources(
    longest: int, minutes: int, workspace: Path
) -> None:
    """No more time than the partition allows, else the job waits for ever."""
    plan = resolved(workspace, {"machine": {"workers": 2}})
    with chdir(workspace):
        jobs = jobs_of(plan, sizes_of(plan, Path("results/tiny")))
    cost = Cost(fixed=7200, each=0, process_bytes=10**9, source="a guess")
    known = {job.cost: cost for job in jobs if job.kind == "train"}
    costs = Costs(device=cpu_here(), known=known)
    write_json(workspace / "results/tiny/costs.json", costs.model_dump(mode="json"))
    defaults = ["gres_kind=gpu:a100", "runtime=33", "mem_mb=4000", f"longest_runtime={longest}"]
    found = asked(workspace, "--default-resources", *defaults)
    train, bounds = shlex.join(found["train"]), shlex.join(found["score_bounds"])
    assert f" -t {minutes} --mem 4000 " in train, "three times two hours; a process and two workers"
    assert train.endswith(" --gres=gpu:a100:1")
    assert " -t 33 --mem 4000 " in bounds
    assert "gpu" not in bounds


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_checkpoints_that_cannot_be_made_again_take_no_gpu_of_the_cluster(
    device: str, workspace: Path
) -> None:
    """A training run on a GPU does not repeat: they are recorded, or missed, on this node."""
    change = {"machine": {"device": device, "processes": 2}}
    plan = resolved(workspace, change | {"finetune": STUDY["finetune"] | {"keep_last": 2}})
    for made in plan.trainings:
        write_text(workspace / "results/tiny" / layout.record(made.folder), "{}")
    write_text(workspace / "bin/rgmp", '#!/bin/sh\necho "$*" > here\nexit 1\n')
    (workspace / "bin/rgmp").chmod(0o755)
    training = next(t for t in plan.trainings if t.settings.earlier_checkpoints)
    record = layout.record(layout.checkpoints(training.folder))
    found = asked(workspace, f"results/tiny/{record}")
    if device == "auto":
        assert shlex.join(found["keep_checkpoints"]).endswith(" --gpus=2")
    else:
        assert found == {}
        command = (workspace / "here").read_text()
        assert command.startswith("train results/tiny finetune/full-seed0-")


def test_a_comparison_gets_what_the_defaults_are_and_its_threads_and_no_gpu(
    workspace: Path,
) -> None:
    """Though all jobs get one by default; nothing is known of what it costs."""
    methods = [
        {"name": name, "label": name, "masks": {"davis2017": "davis/Annotations/480p"}}
        for name in ("one", "other")
    ]
    compared: dict[str, Any] = {"study": "tiny", "title": "None", "external": methods}
    compared |= {"data": {"davis": "davis"}, "benchmarks": ["davis2017"]}
    (workspace / "compared.yaml").write_text(yaml.safe_dump(compared))
    defaults = ["gpu=1", "runtime=33", "mem_mb=4000"]
    found = asked(workspace, "--default-resources", *defaults, study="compared.yaml")
    compare = shlex.join(found["compare"])
    assert " -t 33 --mem 4000 " in compare
    assert " --cpus-per-task=8 " in compare
    assert "gpu" not in compare
