"""What every test of inference may ask for."""

from collections.abc import Iterator

import pytest
import torch
from support.videos import random_network

from rgmp.model.network import RGMP


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Maps this small are quicker without threads that wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def network() -> RGMP:
    return random_network()
