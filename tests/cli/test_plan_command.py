"""`rgmp plan`: what it says of a study, what it measures, and what fits."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.tiny_study import FRAMES, STUDY

from rgmp.cli import main as cli
from rgmp.cli import measuring
from rgmp.config.study import Machine
from rgmp.provenance.machine import peak_memory
from rgmp.runtime.files import read_json
from rgmp.study.estimate import device_here
from rgmp.study.jobs import Job, jobs_of, sizes_of
from rgmp.study.plan import load_plan
from rgmp.training.job import TrainingJob

pytestmark = pytest.mark.torch

LONGER = {
    **STUDY,
    "seeds": [3],
    "pretrain": STUDY["pretrain"] | {"steps": 8},
    "finetune": STUDY["finetune"] | {"steps": 8},
}


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Measure here rather than in processes of their own, which import torch; what was."""
    names: list[str] = []

    def here(name: str, work: measuring.Work, count: int) -> list[measuring.Tried]:
        names.append(f"{name} x{count}")
        return [work() for _ in range(count)]

    monkeypatch.setattr(measuring, "side_by_side", here)
    monkeypatch.setattr("rgmp.cli.fitting.side_by_side", here)
    monkeypatch.setattr("rgmp.runtime.cores.usable_cores", lambda: 2)
    Path("study.yaml").write_text(yaml.safe_dump(LONGER))
    return names


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    capsys.readouterr()
    assert cli.main(["plan", "study.yaml", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.usefixtures("here")
def test_what_never_ran_is_said_to_be_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys)
    assert "  pretrain  not known (1 job)" in lines
    assert any(line.startswith("Not known: check, pretrain, finetune") for line in lines)
    assert any("in all, with" in line.lower() and "at least 0 s" in line for line in lines)
    assert not Path("results/tiny/costs.json").exists()


@pytest.mark.usefixtures("here")
def test_training_and_evaluation_are_measured_as_many_at_once_as_will_run(
    one_process: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = said(capsys, "--measure", "--cores", "1", "2")
    assert sorted(one_process) == [
        "evaluate full/seed3 x2",
        "finetune full-seed3 x2",
        "finetune full-seed3, alone x1",
        "finetune full-seed3, first steps x2",
        "pretrain full-seed3 x2",
    ]
    assert any(line.startswith("Not known: check, bounds, speed, tables") for line in lines)
    costs = read_json(Path("results/tiny/costs.json"))
    assert costs["slowdown"]["at_once"] == 2
    plan = load_plan(Path("results/tiny"))
    assert len(costs["known"]) == 3
    assert all(cost["memory_bytes"] > 10**7 for cost in costs["known"].values())
    assert not list(Path("results/tiny").rglob("*.safetensors")), "nothing is left"
    kept = Path("results/tiny/costs.json").read_bytes()
    assert [line for line in said(capsys, "--cores", "1", "2") if "samples each" in line] == [
        line for line in lines if "samples each" in line
    ]
    assert Path("results/tiny/costs.json").read_bytes() == kept
    assert plan == load_plan(Path("results/tiny"))


SHARED = LONGER | {"machine": {"device": "cpu", "processes": 2}, "compute": {"threads": 1}}
"""Two processes share each batch of two samples."""


@pytest.mark.usefixtures("here")
def test_a_training_run_is_measured_by_as_many_processes_as_share_its_batches(
    one_process: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rgmp.training import scaling

    asked = []

    def together(
        job: TrainingJob, steps: int, counts: list[int], *, last: bool
    ) -> Iterator[scaling.Scaled]:
        asked.append((job.stage, job.settings.batch, steps, counts, last))
        yield scaling.Scaled(2, 1, 4.0, 0.0, 2e9, 0.0)

    monkeypatch.setattr(scaling, "measure", together)
    Path("study.yaml").write_text(yaml.safe_dump(SHARED))
    lines = said(capsys, "--measure")
    assert sorted(asked) == [
        ("finetune", 2, 4, [2], False),
        ("finetune", 2, 4, [2], True),
        ("pretrain", 2, 4, [2], True),
    ]
    assert {name for name in one_process if "x2" in name} == {"evaluate full/seed3 x2"}
    trained = [line for line in lines if "samples each" in line]
    assert all("16 samples each, 250 ms a sample" in line for line in trained)
    assert all(line.endswith("memory 2 GB") for line in trained)
    assert not any("part of a batch" in line for line in lines)


@pytest.mark.usefixtures("here", "one_process")
def test_where_so_many_cannot_run_a_part_is_measured_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def alone(job: TrainingJob, *_: float, **__: bool) -> measuring.Tried:
        assert (job.settings.batch, job.machine.processes) == (1, 1)
        return measuring.Tried(1, 0.5, 10**9, 10**6, gradient_bytes=10**8)

    monkeypatch.setattr(measuring, "_has_room", lambda *_: False)
    monkeypatch.setattr(measuring, "_try_alone", alone)
    Path("study.yaml").write_text(yaml.safe_dump(SHARED))
    lines = said(capsys, "--measure")
    trained = [line for line in lines if "samples each" in line]
    assert all("250 ms a sample" in line for line in trained), "two work at the same time"
    assert all(line.endswith("memory 1.1 GB") for line in trained), "with the gradients"
    (told,) = (line for line in lines if line.startswith("Training was measured with the part"))
    assert "one of 2 processes has" in told
    assert told in said(capsys), "also from what was kept"


@pytest.mark.usefixtures("here")
def test_a_split_for_a_server_is_counted_where_it_is_segmented(
    one_process: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """With the last weights alone; both evaluations are measured, and their masks counted."""
    kept = {"finetune": LONGER["finetune"] | {"keep_last": 2}, "benchmarks": ["davis2017"]}
    Path("study.yaml").write_text(yaml.safe_dump(LONGER | kept))
    said(capsys)
    (before,) = {job.cost for job in _evaluations()}
    submission = {"submission": {"davis": "davis", "split": "train"}}
    Path("study.yaml").write_text(yaml.safe_dump(LONGER | kept | submission))
    lines = said(capsys, "--measure")
    earlier, last = _evaluations()
    assert (earlier.name, last.name) == ("evaluate full/seed3/step7", "evaluate full/seed3")
    assert (earlier.units, last.units) == (2 * FRAMES, 4 * FRAMES)
    assert earlier.cost == before != last.cost, "known from a study without it"
    assert [name for name in one_process if "evaluate" in name] == [
        "evaluate full/seed3/step7 x2",
        "evaluate full/seed3 x2",
    ]
    assert any(line.startswith("  evaluate") and line.endswith("(2 jobs)") for line in lines)
    known = read_json(Path("results/tiny/costs.json"))["known"]
    each, more = (known[job.cost]["disk_each"] for job in (earlier, last))
    assert 0.5 * each < more < 2 * each, "of every frame, so in all twice as much"


def _evaluations() -> list[Job]:
    folder = Path("results/tiny")
    plan = load_plan(folder)
    return [job for job in jobs_of(plan, sizes_of(plan, folder)) if job.kind == "evaluate"]


@pytest.mark.usefixtures("here")
def test_what_fits_is_measured_and_leaves_the_training_what_it_is(
    one_process: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Memory is made up here: 1 GB, and 1 GB for each sample, or half of it."""

    def taken(job: TrainingJob, steps: int, *, last: bool = True) -> measuring.Tried:
        assert (steps, last, job.compute.accumulate, job.machine.processes) == (1, True, 1, 1)
        each = 0.5 if job.machine.recompute_activations else 1
        taken = int(1e9 * (1 + each * job.settings.batch))
        return measuring.Tried(0, 1, taken, 0, gradient_bytes=10**8)

    monkeypatch.setattr("rgmp.cli.fitting.try_training", taken)
    monkeypatch.setattr("rgmp.cli.fitting.device_here", lambda _: ("H200", 8))
    lines = said(capsys, "--fit", "2.5GB")
    start = next(n for n, line in enumerate(lines) if "compute.accumulate: " in line)
    settings = "compute.accumulate: {}, machine.recompute_activations: {}, machine.processes: 1"
    assert lines[start].startswith(
        f"  {settings.format(2, 'false')}: 2 GB measured on H200, 2 GB predicted (of 2.5 GB)"
    )
    assert lines[start + 1].startswith(f"  {settings.format(1, 'true')}: 2 GB measured on H200")
    assert not [line for line in lines if "CPU:" in line]
    assert lines[start + 2].startswith("These leave the training what it is")
    assert len(one_process) == 2 * 2 * 2 + 2
    assert cli.main(["plan", "study.yaml", "--fit", "1.2GB"]) == 2
    assert "recompute_activations it takes 1.5 GB on H200" in capsys.readouterr().err
    Path("study.yaml").write_text(yaml.safe_dump({**LONGER, "machine": {"device": "auto"}}))
    lines = said(capsys, "--fit", "2.5GB", "--gpus", "2")
    (start,) = (n for n, line in enumerate(lines) if "machine.processes: 2" in line)
    assert "2.1 GB measured on H200, 2.1 GB predicted" in lines[start], "and the gradients"
    assert lines[start - 1].startswith("Several processes: measured with the part of a batch")


@pytest.mark.usefixtures("here")
def test_gpus_that_cannot_share_a_batch_are_left_out_before_anything_is_measured(
    one_process: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    taken = measuring.Tried(0, 1, 10**9, 0)
    monkeypatch.setattr("rgmp.cli.fitting.try_training", lambda *_: taken)
    monkeypatch.setattr("rgmp.study.estimate.gpus_here", list)
    Path("study.yaml").write_text(yaml.safe_dump({**LONGER, "machine": {"device": "auto"}}))
    lines = said(capsys, "--fit", "1.2GB", "--gpus", "1", "3")
    assert "--gpus 3: cannot share batches of 2 samples evenly: left out" in lines
    assert any("machine.processes: 1: 1 GB measured" in line for line in lines)
    device, _ = device_here(Machine())
    assert any(line.startswith("Measured on a CPU: ") for line in lines), "of a process, all of it"
    assert any(f"1 GB measured on {device}, 1 GB predicted" in line for line in lines)
    assert cli.main(["plan", "study.yaml", "--fit", "0.5GB", "--gpus", "1", "3"]) == 2
    assert "it takes 1 GB on " in capsys.readouterr().err
    one_process.clear()
    assert cli.main(["plan", "study.yaml", "--fit", "1.2GB", "--gpus", "3", "4"]) == 2
    assert "3 and 4: cannot share batches of 2 samples evenly; name" in capsys.readouterr().err
    assert not one_process


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--gpus", "2"], "--gpus 2: study.yaml computes on the CPU"),
        (["--records", "nowhere"], "nowhere: has no record of training or inference"),
        (["--fit", "12"], "a number and MB, GB, MiB, GiB"),
        (["--measure", "--records", "nowhere"], "not allowed with"),
        (["--cores", "0"], "a whole number from 1"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_written(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree("results", ignore_errors=True)
    assert cli.main(["plan", "study.yaml", *arguments]) == 2
    out, err = capsys.readouterr()
    assert named in err
    assert (out, err.count("\n")) == ("", 1)
    assert not Path("results/tiny/plan.json").exists()


@pytest.mark.usefixtures("here")
def test_gpus_are_planned_for_where_the_study_may_use_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    machine = {"device": "cuda", "processes": 2}
    Path("study.yaml").write_text(yaml.safe_dump({**LONGER, "machine": machine}))
    lines = said(capsys)
    assert [line.partition(":")[0] for line in lines if line.startswith("In all")] == [
        f"In all, with {count} GPUs and {count} cores" for count in (2, 4, 8)
    ]
    assert cli.main(["plan", "study.yaml", "--gpus", "1"]) == 2
    assert "takes machine.processes (=2) GPUs" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_a_cpu_is_not_measured_in_place_of_gpus(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rgmp.study.estimate.gpus_here", list)
    Path("study.yaml").write_text(yaml.safe_dump({**LONGER, "machine": {"device": "auto"}}))
    assert cli.main(["plan", "study.yaml", "--measure", "--gpus", "2"]) == 2
    assert "there is no GPU here to measure for --gpus 2" in capsys.readouterr().err
    assert not Path("results/tiny/costs.json").exists()


def test_a_process_of_its_own_measures() -> None:
    """Its peak of memory is its own: this one has imported torch, and held as much again."""
    held = bytearray(2 * 10**8)
    (one,) = measuring.side_by_side("a test", _nothing, 1)
    assert one.memory_bytes < len(held) < peak_memory()
    assert 0 < one.startup < 600


def _nothing() -> measuring.Tried:
    return measuring.Tried(measuring._age(), 1, peak_memory(), 0)
