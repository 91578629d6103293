"""A tiny training that is killed at random moments, as often as the second argument says."""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from rgmp.training.train import train
from support.tiny_training import read_job


def main() -> None:
    """A third of the moments is while it starts, the others after it has saved; workers 0, 1, 2.

    Raises:
        AssertionError: it ended before it was killed.
    """
    torch.set_num_threads(1)
    job = read_job(Path(sys.argv[1]))
    kills, moments = int(sys.argv[2]), random.Random(0)
    for number in range(kills):
        machine = job.machine.model_copy(update={"workers": number // 4})
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            train(job.model_copy(update={"machine": machine}), torch.device("cpu"))
            os._exit(0)
        before = {p.name for p in job.states.glob("[0-9]*.pt")}
        while number % 3 and {p.name for p in job.states.glob("[0-9]*.pt")} <= before:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.2))
        os.killpg(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "it ended before it was killed"
