"""How the processes that share a training run are started: torchrun, on several nodes by srun."""

from collections.abc import Callable

from rgmp.config.study import Machine


def launcher(machine: Machine) -> str:
    """The words of a shell before the command of a training run; none for a single process."""
    each = machine.processes // machine.nodes
    if machine.processes == 1:
        return ""
    if machine.nodes == 1:
        return f"torchrun --standalone --nproc-per-node {each} --no-python "
    # this shell runs on the first of the nodes; two trainings there must not meet at one port
    meeting = "$(hostname):$((20000 + SLURM_JOB_ID % 10000))"
    return (
        f"srun --nodes {machine.nodes} --ntasks {machine.nodes} --ntasks-per-node 1 "
        '--cpus-per-task "${SLURM_CPUS_PER_TASK:-1}" '
        f"torchrun --nnodes {machine.nodes} --nproc-per-node {each} --rdzv-backend c10d "
        f'--rdzv-id "$SLURM_JOB_ID" --rdzv-endpoint "{meeting}" --no-python '
    )


def allotment(machine: Machine) -> dict[str, str | int | Callable[..., int]]:
    """What a rule that trains asks of Snakemake's Slurm plugin to be allotted several nodes.

    The nodes of a training run share its threads. `mpi` has the plugin leave srun to the rule, and
    with `tasks_per_gpu` at 0 it asks for no task on each GPU: torchrun starts those processes.
    """
    if machine.nodes == 1:
        return {}
    return {
        "mpi": "srun",
        "nodes": machine.nodes,
        "tasks": machine.nodes,
        "tasks_per_gpu": 0,
        "cpus_per_task": lambda wildcards, threads: threads // machine.nodes,  # noqa: ARG005
    }
