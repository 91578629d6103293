"""Where a real Slurm puts the GPUs of a training run that several processes share.

Its GPUs are files: Slurm counts them and names them to a job, and no process computes on one.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.slurm import NODES, Slurm, missing, running
from support.slurm_study import SECONDS, SlurmStudy
from support.workflow import STUDY, make_workspace, resolved

from rgmp.runtime.files import write_text
from rgmp.study import layout

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
GPUS = 4
"""Of each node: one could give all that a training run on two nodes needs."""
PROCESS = """#!/bin/sh
echo "$SLURMD_NODENAME $LOCAL_RANK $SLURM_GPUS_ON_NODE" >> processes
until [ "$(wc -l < processes)" -ge "$WORLD_SIZE" ]; do sleep 0.1; done
exit 1
"""
"""In place of `rgmp train`, as torchrun starts it: says where it is, and fails with the others."""


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    why = missing()
    if why is not None:
        pytest.skip(why)
    with (
        tempfile.TemporaryDirectory(prefix="slurm") as folder,
        running(Path(folder), cpus=8, gpus=GPUS) as started,
    ):
        yield started


@pytest.mark.parametrize(("processes", "nodes"), [(2, 1), (4, 2)])
def test_each_node_of_a_training_has_as_many_gpus_as_processes(
    slurm: Slurm, processes: int, nodes: int, tmp_path: Path
) -> None:
    workspace = make_workspace(tmp_path)
    machine = {"device": "cuda", "processes": processes, "nodes": nodes}
    batches = {stage: STUDY[stage] | {"batch": processes} for stage in ("pretrain", "finetune")}
    plan = resolved(workspace, batches | {"machine": machine})
    write_text(workspace / "bin/rgmp", PROCESS)
    (workspace / "bin/rgmp").chmod(0o755)
    training = next(t for t in plan.trainings if t.parent is None)
    options = ["--default-resources", "runtime=5", "mem_mb=1000"]
    target = f"results/tiny/{layout.record(training.folder)}"
    with SlurmStudy(slurm, workspace, target, *options, programs=workspace / "bin") as study:
        assert study.process.wait(timeout=SECONDS) == 1
    lines = (workspace / "processes").read_text().splitlines()
    each = processes // nodes
    expected = [f"{node} {rank} {each}" for node in NODES[:nodes] for rank in range(each)]
    assert sorted(lines) == expected
