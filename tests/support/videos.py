"""Random videos, objects and networks for tests of inference."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from rgmp.config.method import Network
from rgmp.inference.propagator import Propagator
from rgmp.model.network import RGMP
from support.reference_rgmp import lively

Labels = NDArray[np.uint8]
CPU = torch.device("cpu")
SMALL = Network(backbone="resnet10", width=8, decoder_width=8)


def random_network(settings: Network = SMALL, seed: int = 0) -> RGMP:
    torch.manual_seed(seed)
    network = RGMP(settings).eval()
    lively(network, seed)
    return network


def video(frames: int, height: int, width: int, seed: int = 0) -> list[Labels]:
    """A smooth random texture that drifts and flickers, as no writable array: so files are read."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    wide = np.asarray(
        coarse.resize((width + 4 * frames, height + 4 * frames), Image.Resampling.BICUBIC)
    )
    drift = [wide[3 * t : 3 * t + height, 2 * t : 2 * t + width] for t in range(frames)]
    noisy = [np.clip(f + rng.integers(-9, 10, f.shape), 0, 255).astype(np.uint8) for f in drift]
    for frame in noisy:
        frame.flags.writeable = False
    return noisy


def boxes(height: int, width: int, *corners: tuple[int, int, int, int]) -> Labels:
    """Objects 1, 2, ... as boxes (top, left, bottom, right); a later one lies over an earlier."""
    labels = np.zeros((height, width), np.uint8)
    for i, (top, left, bottom, right) in enumerate(corners):
        labels[top:bottom, left:right] = i + 1
    return labels


def ten(height: int, width: int) -> Labels:
    rows, columns = np.mgrid[:height, :width]
    labels: Labels = (1 + 5 * (rows * 2 // height) + columns * 5 // width).astype(np.uint8)
    return labels


def labels_of(propagator: Propagator, frames: list[Labels], labels: Labels) -> list[Labels]:
    propagator.start(frames[0], labels)
    return [propagator.step(frame).numpy() for frame in frames[1:]]


def tensors_of(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for v in value for t in tensors_of(v)] if isinstance(value, list | tuple) else []
