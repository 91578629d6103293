"""What is found of every case, and aims of the cards that they are for, at the paper's sizes."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import small_workload
from support.videos import CPU

from rgmp.selftest import cases, inference, rounds, workload
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Finding
from rgmp.selftest.rounds import Rounds
from rgmp.selftest.whole_clips import WatchedPropagator

GPU = torch.device("cuda")
SMALL = small_workload.SMALL._replace(
    objects=(1, 2), precisions=("bf16", "fp32"), frames=2, clip=12
)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workload, "of", lambda _: SMALL)
    monkeypatch.setattr(cases, "_product", lambda *_: {cases.RATE: 1e12})
    monkeypatch.setattr(rounds, "MOST", 3)


def found_in(folder: Path, seconds: float) -> Iterator[Finding]:
    return inference.section(Bench(CPU, folder, folder, time.monotonic() + seconds))


@pytest.mark.usefixtures("small")
def test_every_case_has_every_timing_in_every_precision(tmp_path: Path) -> None:
    found = [*found_in(tmp_path, 100.0)]
    assert not [f for f in found if f.holds is not None]
    fps = [f for f in found if f.quantity.startswith("frames a second")]
    of_cases = {tuple(f.conditions[key] for key in ("precision", "objects", "scales")) for f in fps}
    assert of_cases == {(p, n, s) for p in ("bf16", "fp32") for n in (1, 2) for s in (1, 3)}
    assert len(fps) == len(of_cases) * 5, "three timings, the convolutions, and without waiting"
    first = [(f.conditions["objects"], f.conditions["scales"]) for f in fps[:: len(fps) // 4]]
    assert first == [(1, 3), (2, 3), (1, 1), (2, 1)], "what matters most comes first"
    estimates = [f for f in found if f.low is not None]
    assert len(estimates) > 80
    assert all(f.low <= float(f.value) <= (f.high or 0) for f in estimates if f.low is not None)
    against = [f for f in found if f.quantity == "speed relative to fp32"]
    assert {f.conditions["precision"] for f in against} == {"bf16"}
    assert {f.conditions["timing"] for f in against} == {*cases.TIMINGS}
    batches = [f.conditions for f in found if "in one batch" in f.quantity]
    assert batches == [{"precision": "bf16", "objects": 2, "scales": 3}]


@pytest.mark.usefixtures("small")
def test_a_precision_that_fails_is_said_and_the_others_are_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def make(network: Any, settings: Any, *more: Any, **others: Any) -> Any:
        if settings.precision == "bf16":
            raise RuntimeError("no engine")
        return WatchedPropagator(network, settings, *more, **others)

    monkeypatch.setattr(cases, "WatchedPropagator", make)
    monkeypatch.setattr(workload, "of", lambda _: SMALL._replace(objects=(1,)))
    found = [*found_in(tmp_path, 100.0)]
    failures = [f for f in found if f.holds is False]
    assert {f.value for f in failures} == {"RuntimeError: no engine"}
    assert {f.conditions["precision"] for f in failures} == {"bf16"}
    timed = [f for f in found if f.quantity == "frames a second, network only"]
    assert [f.conditions["precision"] for f in timed] == ["fp32", "fp32"]


@pytest.mark.usefixtures("small")
def test_a_case_without_time_is_said(tmp_path: Path) -> None:
    found = [*found_in(tmp_path, 0.0)]
    assert [f.quantity for f in found] == ["not measured for lack of time"] * 4


def test_the_first_cases_have_twice_the_time_of_the_others() -> None:
    """Of 100 s nothing is left over but what the rounds in progress may take."""
    left, given = 100.0, []
    for number in range(6):
        given.append(inference._share(number, 6) * left)
        left -= given[-1]
    assert given[0] == pytest.approx(100 * 0.8 * 2 / 8)
    assert min(given[:2]) > 1.5 * max(given[2:4])
    assert 0 < left < 20


def case(objects: int, card: str, monkeypatch: pytest.MonkeyPatch) -> cases.Case:
    """One on a GPU, of which nothing is made."""
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: card)
    bench, work = Bench(GPU, Path(), Path(), time.monotonic() + 1), workload.of(GPU)
    nothing: Any = None
    return cases.Case(bench, work, nothing, nothing, objects, work.scales[0])


def measured(found: Rounds[cases.Name]) -> cases.Measured:
    return cases.Measured(cases.Plan(frames=12, clip=70), 6 * 10**11, found, 1.0)


def test_figures_are_those_of_the_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """400 frames a second in the network, so the first aim holds and the second does not."""
    of_h200 = case(1, "NVIDIA H200", monkeypatch)
    three = np.array([1.0, 1.0, 1.0])
    found: Rounds[cases.Name] = Rounds(
        {
            ("step", "bf16"): {
                cases.NETWORK: three / 400,
                cases.END_TO_END: three / 300,
                cases.CLIP: three / 200,
            }
        }
    )
    first, second, end_to_end, clip = inference._speeds(of_h200, measured(found), "bf16")
    assert first.value == pytest.approx(400)
    assert (first.limit, first.holds) == (">= 350", True)
    assert (second.limit, second.holds) == (">= 650", False)
    assert [end_to_end.value, clip.value] == pytest.approx([300, 200])
    assert clip.conditions["frames"] == 70


def test_five_objects_have_to_be_four_times_as_fast_in_one_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: Rounds[cases.Name] = Rounds(
        {
            (name, "bf16"): {cases.NETWORK: np.array([seconds] * 3)}
            for name, seconds in (
                ("step", 0.01),
                ("one by one", 0.03),
                ("one by one, without CUDA graph", 0.05),
            )
        }
    )
    of_h200 = case(5, "NVIDIA H200", monkeypatch)
    graph, eager = inference._one_by_one(of_h200, measured(found))
    assert [graph.value, eager.value] == pytest.approx([3, 5])
    assert (graph.limit, graph.holds) == (">= 4", False)
    assert eager.limit == ""
    other = case(5, "NVIDIA GeForce RTX 3060", monkeypatch)
    assert [each.limit for each in inference._one_by_one(other, measured(found))] == ["", ""]


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
