"""A tiny training in a process of its own, whose folder is the argument."""

import sys
from pathlib import Path

import torch

from rgmp.training.train import train
from support.tiny_training import read_job


def main() -> None:
    """Train with one thread."""
    torch.set_num_threads(1)
    job = read_job(Path(sys.argv[1]))
    train(job, torch.device("cpu"))
