"""The lines of a run: what is due, each result, what failed."""

from pathlib import Path

import pytest
from support.fake_study import build

from rgmp.provenance.record import read
from rgmp.reporting.run_log import RunLog
from rgmp.runtime.files import write_json, write_text
from rgmp.study import layout
from rgmp.study.jobs import jobs_of, sizes_of
from rgmp.study.plan import load_plan


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of two variants and two seeds, alone in its folder of results."""
    return build(tmp_path_factory.mktemp("run") / "results/toy", variants=2, frames=5)


def due_in(folder: Path) -> dict[int, list[str]]:
    """The files of all jobs, and under number 0 those of the rule that names them all."""
    plan = load_plan(folder)
    jobs = jobs_of(plan, sizes_of(plan, folder))
    files = {n: [str(folder / layout.record(r)) for r in j.records] for n, j in enumerate(jobs, 1)}
    return {0: [], **files}


def number_of(folder: Path, record: str) -> int:
    path = str(folder / layout.record(record))
    return next(number for number, files in due_in(folder).items() if path in files)


def test_it_begins_with_what_is_to_be_done(folder: Path) -> None:
    due = due_in(folder)
    text = "\n".join(RunLog(load_plan(folder), folder, due, None).heading())
    assert f"to do: {len(due) - 1} jobs: " in text
    assert "pretrain 2, finetune 4, evaluate 4" in text
    assert "2 seeds; unshared they would be 8" in text, "both variants have stage 1 in common"
    assert "how long it takes is not known" in text
    some = {number: due[number] for number in (1, 2)}
    text = "\n".join(RunLog(load_plan(folder), folder, some, None).heading())
    assert f"to do: 2 jobs of {len(due) - 1}: " in text


def test_every_result_is_a_line_with_its_number(folder: Path) -> None:
    run = RunLog(load_plan(folder), folder, due_in(folder), None)
    name = "scores/davis2017/no_bptt/seed1"
    number = number_of(folder, name)
    run.begin(number, "a message", 0)
    assert run.status(0) == "running: evaluate no_bptt/seed1"
    for benchmark, accuracy in (("davis2016", 0.6229), ("davis2017", 0.5)):
        path = folder / layout.record(f"scores/{benchmark}/no_bptt/seed1")
        write_json(path, {**read(path), "results": {"J&F": accuracy}})
    lines = run.end(number, [], 1)
    total = len(due_in(folder)) - 1
    assert lines == [
        f"[ 1/{total}] no_bptt seed 1  J&F 62.3 embedded, foreground; J&F 50.0 embedded, objects"
    ]
    assert run.status(1) == ""
    assert run.end(0, [], 2) == [], "it only names the others"


def test_a_job_without_a_result_is_a_line_with_its_name(folder: Path, tmp_path: Path) -> None:
    plan = load_plan(folder)
    run = RunLog(plan, folder, due_in(folder), None)
    training = plan.trainings[0]
    number = number_of(folder, training.folder)
    run.begin(number, "finetune full-seed0-1a2b3c4d5e6f", 0)
    (line,) = run.end(number, [], 1)
    assert line.endswith(f"{training.stage} full seed {training.seed}")
    check = number_of(folder, f"data/{next(iter(plan.checks))}")
    write_text(tmp_path / "log", "12 images\n\nno problems\x1b[2J found\n")
    run.begin(check, "check", 1)
    (line,) = run.end(check, [str(tmp_path / "log")], 1)
    assert line.endswith(f"{next(iter(plan.checks.values()))}  no problems\\x1b[2J found")


def test_a_failure_is_said_at_once_and_at_the_end(folder: Path, tmp_path: Path) -> None:
    run = RunLog(load_plan(folder), folder, due_in(folder), None)
    mistake, fault, nothing = (str(tmp_path / name) for name in ("mistake", "fault", "nothing"))
    write_text(
        Path(mistake), "render: 3/9\nrgmp: a.png: broken; do this\nrgmp: b.png: broken\nmore\n"
    )
    write_text(Path(fault), "Traceback (most recent call last):\n  File x\nValueError: no\n")
    number = number_of(folder, "scores/davis2017/full/seed0")
    run.begin(number, "evaluate", 0)
    assert run.fail(number, "evaluate_full", [mistake], 1.0) == [
        "FAILED evaluate full/seed0",
        "  rgmp: a.png: broken; do this",
        "  rgmp: b.png: broken",
        f"  log: {mistake}",
    ]
    assert run.fail(0, "all", [nothing, fault], 1.0)[1:2] == ["  ValueError: no"]
    assert run.fail(0, "others", [nothing], 1.0)[1:] == ["  it said nothing", f"  log: {nothing}"]
    said = [*run.closing()]
    assert said[0] == f"0 of {len(due_in(folder)) - 1} jobs done; failed or stopped:"
    assert said[1] == f"  evaluate full/seed0  {mistake}"
    run.begin(number, "evaluate", 5)
    run.end(number, [], 6)
    assert mistake not in "\n".join(run.closing()), "tried again, it went well"
    write_text(Path(nothing), "rgmp: interrupted\n")
    assert run.fail(number, "evaluate_full", [nothing], 1.0)[0] == "STOPPED evaluate_full"


def test_nothing_is_said_at_the_end_of_a_run_that_went_well(folder: Path) -> None:
    assert [*RunLog(load_plan(folder), folder, {}, 2).closing()] == []
