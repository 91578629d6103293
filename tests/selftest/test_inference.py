"""Aims are those of the cards that they are for, at the paper's sizes."""

import time
from pathlib import Path

import pytest
import torch
from support.videos import CPU

from rgmp.selftest import inference, workload
from rgmp.selftest.bench import Bench

GPU = torch.device("cuda")


@pytest.mark.parametrize(
    ("device", "card", "wanted"),
    [
        (GPU, "NVIDIA H100 80GB HBM3", True),
        (GPU, "NVIDIA H200", True),
        (GPU, "NVIDIA GeForce RTX 3060", False),
        (CPU, "NVIDIA H200", False),
    ],
)
def test_only_the_cards_of_the_aims_have_them(
    device: torch.device, card: str, wanted: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: card)
    bench = Bench(device, tmp_path, tmp_path, time.monotonic() + 1)
    assert inference.has_aims(bench, workload.of(GPU)) is wanted
    assert not inference.has_aims(bench, workload.of(CPU))
