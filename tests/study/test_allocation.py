"""What jobs ask a cluster for: by costs of the right machines, with room."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.fake_study import build

from rgmp.runtime.files import write_json
from rgmp.study import layout
from rgmp.study.allocation import allocations
from rgmp.study.costs import Cost, Costs
from rgmp.study.jobs import jobs_of
from rgmp.study.plan import load_plan

HOURS = 7200.0


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A finished study whose stage 1 took two hours and 700 MB, with a worker."""
    folder = build(tmp_path / "results/toy", variants=2, benchmarks=("davis2017",), frames=5)
    for path in (folder / "records/weights/pretrain").iterdir():
        record = json.loads(path.read_text())
        record.update(wall_seconds=HOURS, peak_memory_bytes=700_000_000)
        record["results"]["seconds"] = HOURS
        write_json(path, record)
    return folder


def on(device: str, folder: Path, **change: Any) -> dict[str, dict[str, int]]:
    """What the trainings of stage 1 ask for on a device."""
    plan = load_plan(folder)
    machine = plan.machine.model_copy(update={"device": device, **change})
    asked = allocations(plan.model_copy(update={"machine": machine}), folder)
    return {name: one for name, one in asked.items() if name.startswith("train pretrain/")}


def test_limits_have_room_for_slower_nodes_and_for_workers(toy: Path) -> None:
    asked = [*on("cpu", toy).values()]
    assert asked
    workers = load_plan(toy).machine.workers
    for one in asked:
        assert one["runtime"] == pytest.approx(3 * HOURS / 60, abs=5)
        assert one["mem_mb"] == 700 * (1 + workers) + 1000


def test_records_of_cpus_say_nothing_of_gpus(toy: Path) -> None:
    assert {*map(len, on("cuda", toy).values())} == {0}


def test_memory_of_a_gpu_is_not_main_memory(toy: Path) -> None:
    """Of jobs that were measured on a GPU, time is known alone."""
    plan = load_plan(toy)
    cost = Cost(fixed=60, each=0, memory_bytes=10**10, source="measured")
    known = dict.fromkeys((job.cost for job in jobs_of(plan, {})), cost)
    costs = Costs(device="H200", known=known)
    write_json(toy / layout.COSTS, costs.model_dump(mode="json"))
    assert [*on("auto", toy).values()] == [{"runtime": 10}] * len(on("auto", toy))


def test_memory_is_that_of_each_node(toy: Path) -> None:
    plan = load_plan(toy)
    change = {"processes": 4, "nodes": 2, "workers": 2}
    machine = plan.machine.model_copy(update={"device": "cuda", **change})
    jobs = jobs_of(plan.model_copy(update={"machine": machine}), {})
    cost = Cost(fixed=60, each=0, process_bytes=10**9, source="measured")
    costs = Costs(device="H200", known=dict.fromkeys((job.cost for job in jobs), cost))
    write_json(toy / layout.COSTS, costs.model_dump(mode="json"))
    asked = [*on("cuda", toy, **change).values()]
    assert asked
    assert {one["mem_mb"] for one in asked} == {2 * (1 + 2) * 1000 + 1000}
