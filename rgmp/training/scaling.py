"""The speed of one training run by several processes, and how it grows with their number."""

import logging
from collections.abc import Iterator
from typing import NamedTuple

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from rgmp.errors import UserError
from rgmp.runtime import cores, device, distributed
from rgmp.training import speed
from rgmp.training.job import TrainingJob


class Scaled(NamedTuple):
    """The speed with a number of processes.

    Attributes:
        processes: that share each batch.
        threads: CPU threads of each.
        samples_per_second: of all together.
        waiting: the share of the time that they wait for data, their mean.
        memory_bytes: the most that one takes of its device.
        others_share: the share of the machine's cores that others used meanwhile.
    """

    processes: int
    threads: int
    samples_per_second: float
    waiting: float
    memory_bytes: float
    others_share: float


def counts_up_to(most: int, job: TrainingJob) -> list[int]:
    """The numbers of processes, up to `most`, that can share a batch evenly.

    Raises:
        UserError: `most` cannot.
    """
    batch, parts = job.settings.batch, job.compute.accumulate
    counts = [count for count in range(1, most + 1) if batch % (count * parts) == 0]
    if most not in counts:
        raise UserError(
            f"{most} processes: a batch of {batch} samples ({job.stage}.batch) in {parts} parts "
            "(compute.accumulate) cannot be shared evenly by so many; try "
            f"{', '.join(map(str, counts))}"
        )
    return counts


def measure(
    job: TrainingJob, steps: int, counts: list[int], *, last: bool = True
) -> Iterator[Scaled]:
    """Time some steps of a training run by each number of processes, all on this machine.

    Also one process is started anew, as several are.

    Args:
        job: what would be trained; none of its files is written.
        steps: how many to time, after a warm-up.
        counts: the numbers of processes.
        last: whether to time the last steps of the training run; else the first.

    Raises:
        UserError: as `rgmp.training.speed.measure` and `rgmp.runtime.device.choose`.
    """
    for count in counts:
        watch = cores.Watch()  # of all of them: to each, the others would be strangers
        threads = cores.threads(job.compute.threads, processes=count)
        measured = _launch(job, steps, threads, count, last=last)
        yield Scaled(
            processes=count,
            threads=threads,
            samples_per_second=min(each["samples_per_second"] for each in measured),
            waiting=sum(each["waiting"] for each in measured) / count,
            memory_bytes=max(each["device_memory_bytes"] for each in measured),
            others_share=watch.others_share(),
        )


def _measure(job: TrainingJob, steps: int, threads: int, last: bool) -> dict[str, float]:
    """One process of a measurement."""
    with distributed.process_group() as team:
        chosen = device.choose(job.machine.device, threads, team=team)
        return speed.measure(job, chosen, steps, last=last, team=team)


def _launch(
    job: TrainingJob, steps: int, threads: int, count: int, *, last: bool
) -> list[dict[str, float]]:
    """Measure in processes that are started as torchrun does; one that fails ends all."""
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    launch = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id="train-speed",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        return list(elastic_launch(launch, _measure)(job, steps, threads, last).values())
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        told = failure.error_file_data["message"]  # a text, if it was killed
        kind, _, message = (told if isinstance(told, str) else told["message"]).partition(": ")
        if kind != UserError.__name__:
            raise
        raise UserError(message) from None
