"""A tiny training in a process of its own, whose folder is the argument."""

import sys
from pathlib import Path

import torch

from rgmp.training.job import TrainingJob
from rgmp.training.train import train


def main() -> None:
    """Train with one thread."""
    torch.set_num_threads(1)
    job = TrainingJob.model_validate_json((Path(sys.argv[1]) / "job.json").read_text())
    train(job, torch.device("cpu"))
