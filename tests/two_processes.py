"""What torchrun starts in a test: one process of the tiny study's last training."""

import sys
from pathlib import Path

import torch

from rgmp.runtime import device, distributed
from rgmp.study.plan import load_plan
from rgmp.training.train import train

study = Path(sys.argv[1]) / "study"
plan = load_plan(study)
with distributed.joined() as processes:
    chosen = device.choose("cpu", 1, team=processes)
    torch.set_num_threads(1)
    train(plan, plan.trainings[-1], study, chosen, processes)
