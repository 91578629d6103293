"""What torchrun starts in a test: one process of a tiny training."""

import sys
from pathlib import Path

import torch

from rgmp.runtime import device, distributed
from rgmp.training.train import train
from support.tiny_training import read_job

job = read_job(Path(sys.argv[1]))
with distributed.process_group() as processes:
    chosen = device.choose("cpu", 1, team=processes)
    torch.set_num_threads(1)
    assert processes.all_of(processes.rank) == [*range(processes.size)]
    train(job, chosen, processes)
