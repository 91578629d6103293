"""What is asked of a propagator beside its speed."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rgmp.config.method import Inference, Network
from rgmp.inference import probes
from rgmp.inference.propagator import Propagator
from rgmp.model.network import RGMP

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
FRAMES = [RNG.integers(0, 256, (40, 72, 3), dtype=np.uint8) for _ in range(3)]


def labels(objects: int) -> NDArray[np.uint8]:
    found = np.zeros((40, 72), np.uint8)
    for number in range(1, objects + 1):
        found[5:35, 20 * number - 15 : 20 * number] = number
    return found


def propagator(precision: str = "fp32") -> Propagator:
    torch.manual_seed(0)
    network = RGMP(Network(backbone="resnet10", width=4, decoder_width=4)).eval()
    settings = Inference.model_validate({"scales": [1.0], "precision": precision})
    return Propagator(network, settings, CPU)


class Alike:
    """A propagator that labels a share of the pixels 1 and the others 0."""

    def __init__(self, share: float) -> None:
        self.share = share

    def start(self, *_: object) -> None:
        pass

    def step(self, frame: NDArray[np.uint8]) -> torch.Tensor:
        found = torch.zeros(frame.shape[:2], dtype=torch.uint8)
        found.view(-1)[: int(self.share * found.numel())] = 1
        return found


@pytest.mark.parametrize(("share", "agreement"), [(0.25, 0.75), (0.0, 1.0), (1.0, 0.0)])
def test_agreement_is_the_share_of_pixels_with_equal_labels(share: float, agreement: float) -> None:
    one: Any = Alike(share)
    other: Any = Alike(0.0)
    assert probes.share_labelled_alike(one, other, [(FRAMES, labels(1))] * 2) == agreement


def test_a_network_agrees_with_itself_and_nearly_in_bf16() -> None:
    videos = [(FRAMES, labels(3))]
    assert probes.share_labelled_alike(propagator(), propagator(), videos) == 1
    assert 0.9 < probes.share_labelled_alike(propagator("bf16"), propagator(), videos) <= 1


def test_memory_of_a_longer_video_is_no_larger() -> None:
    """Within 4 MB, the allocator's arenas, of what 240 frames with their soft masks would take."""
    frames = [RNG.integers(0, 256, (96, 160, 3), dtype=np.uint8) for _ in range(80)]
    mask = np.ones((96, 160), np.uint8)
    _, memory = probes.memory_by_length(propagator, frames, mask)
    assert (memory.short_frames, memory.long_frames) == (80, 320)
    kept = 240 * (frames[0].nbytes + 4 * mask.size)
    assert kept > 24e6
    assert memory.long_bytes - memory.short_bytes < 4e6


class Gpu:
    """What PyTorch says of a GPU's memory: bytes allocated now and at most, and reserved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.allocated = self.peak = 0
        self.reserved = self.reserved_peak = 0
        for name, said in {
            "empty_cache": lambda: None,
            "reset_peak_memory_stats": self.reset,
            "max_memory_allocated": lambda _: self.peak,
            "memory_reserved": lambda: self.reserved,
            "max_memory_reserved": lambda _: self.reserved_peak,
        }.items():
            monkeypatch.setattr(torch.cuda, name, said)

    def reset(self, _: object) -> None:
        self.peak, self.reserved_peak = self.allocated, self.reserved

    def take(self, allocated: int, reserved: int) -> None:
        self.allocated, self.reserved = self.allocated + allocated, self.reserved + reserved
        self.peak = max(self.peak, self.allocated)
        self.reserved_peak = max(self.reserved_peak, self.reserved)


class OnGpu(Alike):
    """A propagator there: its first step searches and keeps a graph; each may keep some bytes."""

    device = torch.device("cuda")

    def __init__(self, gpu: Gpu, kept: int) -> None:
        super().__init__(1.0)
        self.gpu, self.kept, self.is_new = gpu, kept, True

    def start(self, *_: object) -> None:
        self.gpu.allocated = 1000

    def step(self, frame: NDArray[np.uint8]) -> torch.Tensor:
        if self.is_new:
            self.gpu.take(50_000, 90_000)  # of the search
            self.gpu.take(-50_000, -70_000)  # the graph's stays reserved, but not allocated
            self.is_new = False
        self.gpu.take(self.kept, 0)
        return super().step(frame)


def test_memory_of_a_gpu_has_that_of_the_graph_but_not_of_the_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu = Gpu(monkeypatch)
    gpu.take(0, 7_000)  # somebody else's
    made: Any = lambda: OnGpu(gpu, 0)  # noqa: E731
    _, memory = probes.memory_by_length(made, FRAMES, labels(1))
    assert (memory.short_bytes, memory.long_bytes) == (20_000, 20_000)


@pytest.mark.parametrize("kept", [0, 40 * 72])
def test_what_a_frame_leaves_in_memory_is_found(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a clip that took more than all the frames."""
    gpu = Gpu(monkeypatch)
    made: Any = OnGpu(gpu, kept)
    made.step(FRAMES[0])
    assert probes.growth_of_frames(made, FRAMES, labels(1)) == kept
