"""How jobs find `rgmp`, and how the processes that share a training run are started.

They are started by torchrun, on several nodes by srun.
"""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from rgmp.config.study import Machine
from rgmp.runtime.signals import OUT_OF_TIME

_HANDLED = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", OUT_OF_TIME.name)
"""What torchrun passes on to its processes: by default all but the notice, which would end it.

On one node Snakemake starts it with signals blocked; the tasks of srun get them from Slurm itself.

It is told by the variable of its option --signals-to-handle, which older torchruns refuse.
"""

_WAIT = 600
"""Seconds after which srun ends the other tasks once one has ended; by default it waits for ever.

A task that died together with the daemons that look after it never reports its end. This is longer
than the 300 s (`SlurmdTimeout`) after which Slurm takes a node for down and starts the job again.
"""


def let_jobs_find_rgmp() -> None:
    """Let jobs find `rgmp` where `snakemake` is called by its path, its environment not active.

    Then the folder of this interpreter comes first in PATH, as where it is active: `torchrun` is to
    be of the same environment. An `rgmp` that is found is left to whoever put it there.
    """
    beside = str(Path(sys.executable).parent)
    if shutil.which("rgmp") is None and shutil.which("rgmp", path=beside):
        os.environ["PATH"] = os.pathsep.join([beside, os.environ.get("PATH") or os.defpath])


def launcher(machine: Machine, threads: int) -> str:
    """The words of a shell before the command of a training run; none for a single process.

    Args:
        machine: says how many processes and nodes share the training run.
        threads: of the whole training run. Its job on a cluster may use all of these cores, but
            srun gives each task only one unless told otherwise, and Snakemake's Slurm plugin keeps
            Slurm's own variables (`SLURM_CPUS_PER_TASK`) from the job.
    """
    each = machine.processes // machine.nodes
    if machine.processes == 1:
        return ""
    if machine.nodes == 1:
        return f"torchrun --standalone --nproc-per-node {each} --no-python "
    # this shell runs on the first of the nodes; two trainings there must not meet at one port. The
    # node that a task is on decides its rank: torchrun's dynamic rendezvous (c10d) fails to end it
    # on the other nodes, with pages of warnings, whenever the first is done before them.
    meeting = "$(hostname):$((20000 + SLURM_JOB_ID % 10000))"
    return (
        f"srun --wait {_WAIT} --nodes {machine.nodes} --ntasks {machine.nodes} --ntasks-per-node 1 "
        f"--cpus-per-task {_threads_of_node(machine, threads)} "
        f"env PET_SIGNALS_TO_HANDLE={','.join(_HANDLED)} "
        """sh -c 'exec torchrun --node-rank "$SLURM_NODEID" "$@"' torchrun """
        f"--nnodes {machine.nodes} --nproc-per-node {each} --rdzv-backend static "
        f'--rdzv-id "$SLURM_JOB_ID" --rdzv-endpoint "{meeting}" --no-python '
    )


def allotment(machine: Machine) -> dict[str, str | int | Callable[..., int]]:
    """What a rule that trains asks of Snakemake's Slurm plugin to be allotted its nodes.

    Processes of one node say so: Slurm may spread the GPUs of one task over several, which the step
    that it is to run in cannot. The nodes of a training run share its threads. `mpi` has the plugin
    leave srun to the rule, and with `tasks_per_gpu` at 0 it asks for no task on each GPU: torchrun
    starts those processes.
    """
    if machine.processes == 1:
        return {}
    if machine.nodes == 1:
        return {"nodes": 1}
    return {
        "mpi": "srun",
        "nodes": machine.nodes,
        "tasks": machine.nodes,
        "tasks_per_gpu": 0,
        "cpus_per_task": lambda wildcards, threads: _threads_of_node(machine, threads),  # noqa: ARG005
    }


def _threads_of_node(machine: Machine, threads: int) -> int:
    """The nodes of a training run share its threads."""
    return max(threads // machine.nodes, 1)
