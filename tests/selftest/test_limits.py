"""A large matrix product, and which of a step's convolutions take longest."""

import time
from pathlib import Path

import pytest
import torch
from support.small_workload import SMALL
from support.videos import CPU

from rgmp.inference import speed
from rgmp.selftest import limits, workload
from rgmp.selftest.bench import Bench


class Millisecond:
    """Convolutions that take a millisecond each."""

    def __init__(self, _: object, wanted: list[object], __: object) -> None:
        self.count = len(wanted)

    def times(self) -> list[float]:
        return [self.count * 2e-3, self.count * 1e-3]


def test_shares_are_of_all_convolutions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(workload, "of", lambda _: SMALL)
    monkeypatch.setattr(limits, "Alone", Millisecond)
    monkeypatch.setattr(limits, "_SLOWEST", 1000)
    monkeypatch.setattr(speed, "matrix_products", lambda *_: 5e9)
    bench = Bench(CPU, tmp_path, tmp_path, time.monotonic() + 100)
    found = [*limits.section(bench)]
    named = {finding.quantity: finding for finding in found}
    assert named["operations a second of a large matrix product"].value == pytest.approx(0.005)
    repeated = named["operations a second of the step's convolutions, each repeated by itself"]
    step = float(named["operations of a step"].value) * 1e9
    seconds = int(repeated.conditions["convolutions"]) * 1e-3
    assert repeated.value == pytest.approx(step / seconds / 1e12)
    shares = [f for f in found if f.quantity == "share of the time of a step's convolutions"]
    assert len(shares) == repeated.conditions["shapes"]
    assert sum(float(f.value) for f in shares) == pytest.approx(1)
    assert sum(int(f.conditions["times a step"]) for f in shares) == int(
        repeated.conditions["convolutions"]
    )


def test_a_precision_that_fails_is_said_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def products(_: torch.device, precision: str) -> float:
        if precision == "bf16":
            raise RuntimeError("no such kernel\nlong story")
        return 1e9

    work = SMALL._replace(precisions=("bf16", "fp32"))
    monkeypatch.setattr(workload, "of", lambda _: work)
    monkeypatch.setattr(limits, "Alone", Millisecond)
    monkeypatch.setattr(speed, "matrix_products", products)
    bench = Bench(CPU, tmp_path, tmp_path, time.monotonic() + 100)
    of_products = [f for f in limits.section(bench) if "matrix product" in f.quantity]
    failed, other = of_products
    assert failed.value == "RuntimeError: no such kernel"
    assert failed.holds is False
    assert other.value == pytest.approx(0.001)
