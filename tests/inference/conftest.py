"""What every test of inference may ask for."""

import pytest
import torch
from support.videos import random_network

from rgmp.model.network import RGMP


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Maps this small are quicker without threads that wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def network() -> RGMP:
    return random_network()
