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
