"""Importing this imports what a training run does, so that those forked from here need not."""

import torch

import rgmp.training.train  # noqa: F401

torch.optim.SGD([torch.zeros(1)])  # imports half of torch
