"""How jobs find `rgmp`, how the processes of a training run are started, what they are allotted."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from rgmp.config.study import Machine
from rgmp.study.launch import allotment, launcher, let_jobs_find_rgmp


def words(machine: Machine) -> list[str]:
    """What a shell on node head, in job 123456 of 8 threads, makes of it."""
    environment = {"SLURM_JOB_ID": "123456"}  # its plugin for Snakemake removes most others
    script = f"hostname() {{ echo head; }}; printf '%s\\n' {launcher(machine, threads=8)}"
    said = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, check=True)
    return said.stdout.decode().splitlines()


BESIDE = str(Path(sys.executable).parent)


@pytest.mark.parametrize(
    ("interpreter", "path", "expected"),
    [
        (sys.executable, "/nowhere", f"{BESIDE}:/nowhere"),
        (sys.executable, "", f"{BESIDE}:{os.defpath}"),
        ("/nowhere/python", "/nowhere", "/nowhere"),
        ("/nowhere/python", BESIDE, BESIDE),
    ],
)
def test_jobs_find_rgmp_beside_the_interpreter_if_nowhere_else(
    interpreter: str, path: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", interpreter)
    monkeypatch.setenv("PATH", path)
    let_jobs_find_rgmp()
    assert os.environ["PATH"] == expected


def test_an_rgmp_that_is_found_is_left_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rgmp").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    let_jobs_find_rgmp()
    assert os.environ["PATH"] == str(tmp_path)


def test_one_process_is_started_by_itself() -> None:
    assert launcher(Machine(), threads=8) == ""


def test_processes_of_one_machine_are_started_by_torchrun() -> None:
    expected = "torchrun --standalone --nproc-per-node 3 --no-python"
    assert words(Machine(processes=3)) == expected.split()


def test_each_node_has_one_torchrun_and_they_meet_on_the_first() -> None:
    expected = (
        "srun --wait 600 --nodes 2 --ntasks 2 --ntasks-per-node 1 --cpus-per-task 4 "
        "env PET_SIGNALS_TO_HANDLE=SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1 "
        """sh -c 'exec torchrun --node-rank "$SLURM_NODEID" "$@"' torchrun """
        "--nnodes 2 --nproc-per-node 3 --rdzv-backend static --rdzv-id 123456 "
        "--rdzv-endpoint head:23456 --no-python"
    )
    assert words(Machine(processes=6, nodes=2)) == shlex.split(expected)


def test_slurm_is_asked_for_a_task_on_each_node_and_for_none_on_each_gpu() -> None:
    asked = allotment(Machine(processes=6, nodes=2))
    shared = asked.pop("cpus_per_task")
    assert callable(shared)
    assert shared({}, threads=24) == 12
    assert asked == {"mpi": "srun", "nodes": 2, "tasks": 2, "tasks_per_gpu": 0}


def test_slurm_is_asked_for_one_node_where_several_gpus_are_to_be_on_it() -> None:
    assert allotment(Machine()) == {}
    assert allotment(Machine(processes=6)) == {"nodes": 1}


def test_processes_are_spread_evenly() -> None:
    with pytest.raises(ValueError, match=r"processes \(=3\) is not a multiple of nodes \(=2\)"):
        Machine(processes=3, nodes=2)
