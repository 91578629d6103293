"""Costs from records: known answers of a made-up timeline, other devices, other studies."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.fake_study import build

from rgmp.config.study import Submission
from rgmp.errors import UserError
from rgmp.provenance.record import Record, read_all
from rgmp.reporting.planning import estimate_in_words
from rgmp.runtime.files import read_json, write_json
from rgmp.study import layout
from rgmp.study.costs import Cost, Costs, Slowdown, costs_of, find_costs, ran_of, recorded_sizes
from rgmp.study.estimate import (
    Room,
    estimate,
    identity_of,
    remember_estimate,
    what_came,
)
from rgmp.study.jobs import Job, jobs_of
from rgmp.study.plan import COMPARISON, Plan, load_plan

DEVICE = "Xeon, 2 cores"


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A finished study of two variants and two seeds, alone in its folder of results."""
    folder = build(tmp_path / "results/toy", variants=2, benchmarks=("davis2017",), frames=5)
    for kind in ("mini", "tables", "figures", "track", "report"):
        records = folder / "records"
        record = json.loads((records / "speed/davis2017.json").read_text())
        write_json(records / f"{kind}.json", {**record, "kind": kind, "name": kind})
    for name in load_plan(folder).checks:
        write_json(folder / f"records/data/{name}.json", {**record, "name": f"data/{name}"})
    return folder


def jobs_in(folder: Path) -> list[Job]:
    plan = load_plan(folder)
    return jobs_of(plan, recorded_sizes(plan, []))


def rewrite(folder: Path, pattern: str, change: Callable[[dict[str, Any]], object]) -> None:
    for path in sorted((folder / "records").glob(pattern)):
        record = json.loads(path.read_text())
        change(record)
        path.write_text(json.dumps(record))


def at(record: dict[str, Any], second: int, took: float) -> None:
    """Let a job begin so many seconds after three o'clock."""
    minutes, seconds = divmod(second, 60)
    record.update(started=f"2026-05-04T03:{minutes:02d}:{seconds:02d}Z", wall_seconds=took)


def trained_at(second: int, record: dict[str, Any]) -> None:
    """Let a training run take 34 s, 32 of them for its steps."""
    at(record, second, 34.0)
    record["results"]["seconds"] = 32.0


def test_a_cost_is_the_median_from_the_end_of_the_job_before(toy: Path) -> None:
    """Two stage 1 of 3,200 samples after each other: 4 s to begin, 2 s beside the steps."""
    first, second = (job for job in jobs_in(toy) if job.stage == "pretrain")
    rewrite(toy, "**/*.json", lambda record: at(record, 0, 1.0))
    for start, job in ((0, first), (38, second)):
        rewrite(toy, f"{job.records[0]}.json", partial(trained_at, start))
    found = costs_of(toy, DEVICE).known[first.cost]
    assert first.cost == second.cost
    assert found.each == 32 / 3200
    assert found.fixed == pytest.approx(4 + 2)
    assert found.seconds(6400) == pytest.approx(64 + 6)
    assert found.memory_bytes == 512_000_000
    assert found.at_once > 1, "the others began with the first"


def test_what_is_not_finished_or_ran_elsewhere_is_not_known(toy: Path) -> None:
    jobs = jobs_in(toy)
    assert {job.cost for job in jobs if job.cost} == costs_of(toy, DEVICE).known.keys()
    assert not costs_of(toy, "Epyc, 2 cores").known
    (toy / "records/scores/davis2017/full/seed0.json").unlink()
    (toy / "records/speed/davis2017.json").unlink()
    rewrite(toy, "weights/finetune/*.json", lambda r: r["machine"].update(cpu="Epyc"))
    rewrite(toy, "tables.json", lambda r: r["machine"].update(cores=64))
    known = costs_of(toy, DEVICE).known
    absent = {job.sort for job in jobs if job.cost and job.cost not in known}
    assert absent == {"finetune", "speed"}, "another seed was evaluated; tables need no device"


def test_cpus_of_one_name_are_told_apart_by_their_instructions(toy: Path) -> None:
    rewrite(toy, "**/*.json", lambda record: record["determinism"].update(cpu_capability="AVX2"))
    assert not costs_of(toy, DEVICE).known
    assert costs_of(toy, "Xeon, AVX2, 2 cores").known


def test_what_a_study_costs_is_known_from_another_with_more_steps(toy: Path) -> None:
    """The same cost of other learning rates and steps; another of any other setting."""
    plan = load_plan(toy)
    longer, other = (
        Plan.model_validate(
            json.loads(plan.model_dump_json())
            | {
                "trainings": [
                    {**t.model_dump(mode="json"), "settings": t.settings.model_dump() | change}
                    for t in plan.trainings
                ]
            }
        )
        for change in ({"steps": 4000, "learning_rate": 1e-5}, {"batch": 4})
    )
    costs = costs_of(toy, DEVICE)
    jobs = jobs_of(longer, recorded_sizes(longer, []))
    more, less = (estimate(j, costs, [Room(2)]).sorts["finetune"] for j in (jobs, jobs_in(toy)))
    assert not more.unknown
    assert more.seconds == pytest.approx(10 * less.seconds, rel=0.02)
    trained = [job for job in jobs_of(other, recorded_sizes(other, [])) if job.stage]
    assert not {job.cost for job in trained} & costs.known.keys()


def test_records_are_scaled_to_what_was_measured_and_may_then_be_of_another_device(
    toy: Path,
) -> None:
    jobs, other = jobs_in(toy), toy.parent / "new"
    first = next(job for job in jobs if job.stage == "pretrain")
    recorded = costs_of(toy, DEVICE)
    write_json(other / layout.PLAN, read_json(toy / layout.PLAN))
    assert not find_costs(other, jobs, "Epyc, 8 cores").known
    assert find_costs(other, jobs, DEVICE).known == recorded.known
    here = Cost(fixed=1, each=3 * recorded.known[first.cost].each, source="measured")
    measured = Costs(device="Epyc, 8 cores", known={first.cost: here})
    write_json(other / layout.COSTS, measured.model_dump(mode="json"))
    found = find_costs(other, jobs, "Epyc, 8 cores")
    assert found.known[first.cost] == here
    tables = next(job for job in jobs if job.kind == "tables")
    seconds = recorded.known[tables.cost].seconds(tables.units or 0)
    assert found.known[tables.cost].seconds(tables.units or 0) == pytest.approx(3 * seconds)
    assert found.known[tables.cost].source == f"{toy} times 3.00, as the measured steps"
    (other / layout.COSTS).write_text("{}")
    with pytest.raises(UserError, match=r"costs\.json.*measure again"):
        find_costs(other, jobs, DEVICE)


def test_a_broken_study_beside_is_left_out(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = jobs_in(toy)
    (toy / "records/tables.json").write_text("{}")
    assert not find_costs(toy.parent / "new", jobs, DEVICE).known
    assert "its costs are not used: " in capsys.readouterr().err


def test_a_study_beside_that_only_compares_has_no_costs_and_is_no_fault(
    toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json(toy.parent / "compared" / layout.PLAN, {"kind": COMPARISON})
    assert find_costs(toy.parent / "new", jobs_in(toy), DEVICE).known
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"started": "soon"}, r"record tables: started \(='soon'\) is no time"),
        ({"wall_seconds": -1}, "times that cannot be"),
    ],
)
def test_times_that_cannot_be_are_one_line(toy: Path, change: dict[str, Any], named: str) -> None:
    rewrite(toy, "tables.json", lambda record: record.update(change))
    with pytest.raises(UserError, match=named):
        costs_of(toy, DEVICE)


def test_a_cost_has_one_set_of_weights_and_an_estimate_all_that_are_kept(tmp_path: Path) -> None:
    """Three of each training run of stage 2; checkpoints and curves are no weights."""
    folder = build(
        tmp_path / "results/toy", variants=2, benchmarks=("davis2017",), frames=5, keep_last=3
    )
    plan = load_plan(folder)
    for training in plan.trainings:
        earlier = training.settings.earlier_checkpoints
        names = [layout.checkpoint(training.folder, step) for step in earlier]
        for name in (layout.weights(training.folder), *names):
            (folder / name).write_bytes(bytes(1000))
    jobs, costs = jobs_in(folder), costs_of(folder, DEVICE)
    disk = {job.stage: costs.known[job.cost].disk_fixed for job in jobs if job.stage}
    assert disk == {"pretrain": 1000, "finetune": 1000}
    sorts = estimate(jobs, costs, []).sorts
    runs = {stage: sorts[stage].jobs for stage in ("pretrain", "finetune")}
    assert runs == {"pretrain": 2, "finetune": 4}
    assert sorts["pretrain"].disk_bytes == 2 * 1000
    assert sorts["finetune"].disk_bytes == 4 * 3 * 1000
    (told,) = (
        line
        for line in estimate_in_words(plan, costs, estimate(jobs, costs, []))
        if line.startswith("Disk: ")
    )
    assert told.startswith("Disk: weights 14 kB, ")
    assert told.endswith("checkpoints of each training run while it goes on 6 kB")


def test_how_many_checkpoints_are_kept_changes_no_time(toy: Path, tmp_path: Path) -> None:
    keeping = build(
        tmp_path / "results/keeping", variants=2, benchmarks=("davis2017",), frames=5, keep_last=3
    )
    costs = [{job.cost for job in jobs_in(folder) if job.stage} for folder in (toy, keeping)]
    assert costs[0] == costs[1]


def test_a_split_for_a_server_is_no_benchmark_in_the_records(toy: Path) -> None:
    submission = Submission(davis=Path("davis"))
    plan = load_plan(toy).model_copy(update={"embedded": False, "submission": submission})
    frames = {"masks/davis2017/full/seed0": 100, "masks/submission/full/seed0": 30}
    (like,) = (r for r in read_all(toy) if r["name"] == "masks/davis2017/full/seed0")
    records = [
        Record(**{**like, "name": name, "results": {"frames": count, "sequences": 1}})
        for name, count in frames.items()
    ]
    assert recorded_sizes(plan, records) == {"davis2017": 100, "submission": 30}
    assert recorded_sizes(plan, records[1:]) == {"submission": 30}
    embedded = plan.model_copy(update={"embedded": True})
    assert recorded_sizes(embedded, records)["submission"] == 1, "in sequences"


def test_a_job_alone_is_faster_only_where_that_was_measured(toy: Path) -> None:
    job = next(job for job in jobs_in(toy) if job.stage == "pretrain")
    cost = Cost(fixed=10, each=0.01, at_once=2, source="x")
    known = Costs(device=DEVICE, known={job.cost: cost})
    assert known.seconds_alone(job) == 42
    slower = known.model_copy(update={"slowdown": Slowdown(at_once=2, factor=1.5)})
    assert slower.seconds_alone(job) == pytest.approx(28)
    two = [job, job._replace(name="again")]
    for costs, cores, expected in ((known, 1, 84), (slower, 1, 56), (slower, 2, 42)):
        (planned,) = estimate(two, costs, [Room(cores)]).planned
        assert planned.seconds == pytest.approx(expected)
    assert Costs(device=DEVICE).seconds_alone(job) is None


def test_an_estimate_says_what_is_not_known(toy: Path) -> None:
    jobs, costs = jobs_in(toy), costs_of(toy, DEVICE)
    assert estimate(jobs, costs, []).unknown == []
    evaluation = next(job for job in jobs if job.kind == "evaluate")
    known = {name: cost for name, cost in costs.known.items() if name != evaluation.cost}
    found = estimate(jobs, costs.model_copy(update={"known": known}), [Room(2)])
    assert found.unknown == ["evaluate"]
    assert (found.sorts["evaluate"].unknown, found.sorts["evaluate"].seconds) == (4, 0)
    assert found.planned[0].seconds > 0


def test_the_estimate_of_a_new_study_is_kept_and_compared_with_its_records(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins where the other ended, on such a device; then its records come."""
    plan, new = load_plan(toy), toy.parent / "new"
    write_json(new / layout.PLAN, read_json(toy / layout.PLAN))
    monkeypatch.setattr("rgmp.study.estimate.device_here", lambda _: (DEVICE, 0))
    remember_estimate(plan, new, 2)
    (kept,) = (new / layout.FIRST).iterdir()
    before = kept.read_bytes()
    assert kept.name == f"estimate-{identity_of(reversed(jobs_in(toy)))}.json", "in any order"
    assert read_json(kept)["ran"] == 0
    assert what_came(plan, new, []) is None, "nothing has run"
    (toy / "records").rename(new / "records")
    remember_estimate(plan, new, 99)
    assert kept.read_bytes() == before
    records = [json.loads(path.read_text()) for path in (new / "records").rglob("*.json")]
    came = what_came(plan, new, records)
    assert came is not None
    assert [room.cores for room in came.estimate.planned] == [2]
    ran = ran_of(jobs_in(toy), records)
    assert came.seconds == max(one.wall for one in ran), "all began together"
    for name, (planned, taken) in came.sorts.items():
        assert planned == pytest.approx(came.estimate.sorts[name].seconds)
        assert taken == pytest.approx(planned), "they are the very records"
    kept.write_text("{}")
    with pytest.raises(UserError, match=r"estimate-.*remove it"):
        what_came(plan, new, records)


def test_nothing_is_kept_where_a_cost_is_not_known(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rgmp.study.estimate.device_here", lambda _: ("Epyc, 8 cores", 0))
    remember_estimate(load_plan(toy), toy.parent / "new", 2)
    assert not (toy.parent / "new").exists()
