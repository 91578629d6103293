"""What torchrun starts in a test: one process of a tiny training."""

import sys
from pathlib import Path

import torch

from rgmp.runtime import device, distributed
from rgmp.training.job import TrainingJob
from rgmp.training.train import train

job = TrainingJob.model_validate_json((Path(sys.argv[1]) / "job.json").read_text())
with distributed.process_group() as processes:
    chosen = device.choose("cpu", 1, team=processes)
    torch.set_num_threads(1)
    assert processes.all_of(processes.rank) == [*range(processes.size)]
    train(job, chosen, processes)
