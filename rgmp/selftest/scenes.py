"""Frames, objects and networks for sections that need no accuracy, drawn from a seed."""

import copy
from functools import cache

import numpy as np
import torch
from PIL import Image

from rgmp.config.method import Network
from rgmp.data.images import Labels
from rgmp.model.network import RGMP, calibrate

_DRIFT = 3
"""Pixels that a video moves by in a frame, in both directions."""


def video(frames: int, height: int, width: int, seed: int = 0) -> list[Labels]:
    """A smooth random texture that drifts, under noise: so many frames, uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    size = width + _DRIFT * frames, height + _DRIFT * frames
    wide = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
    starts = (_DRIFT * number for number in range(frames))
    drawn = (wide[at : at + height, at : at + width] for at in starts)
    return [np.clip(f + rng.integers(-6, 7, f.shape), 0, 255).astype(np.uint8) for f in drawn]


def discs(count: int, height: int, width: int) -> Labels:
    """Objects 1, 2, ... as discs side by side, on background: uint8 (H, W)."""
    rows, columns = np.mgrid[:height, :width]
    number = columns * count // width
    across = columns - (number + 0.5) * width / count
    down = rows - height * (0.4 + 0.2 * (number % 2))
    radius = 0.4 * min(width / count, height / 2)
    inside = down**2 + across**2 < radius**2
    labels: Labels = np.where(inside, number + 1, 0).astype(np.uint8)
    return labels


def random_network(settings: Network, seed: int = 0) -> RGMP:
    """An untrained network, on the CPU and in eval mode, whose labels are not all alike.

    Each is the caller's own, a copy of one that is made once: making it takes seconds.

    Its batch norms have the statistics of a frame, else activations would grow from block to block.
    Its head has a spread of 3 there, and calls half of the pixels foreground: masks with one label
    say nothing about an error.
    """
    return copy.deepcopy(_made(settings.model_dump_json(), seed))


@cache
@torch.no_grad()
def _made(settings: str, seed: int) -> RGMP:
    """The network of settings, as JSON."""
    torch.manual_seed(seed)
    network = RGMP(Network.model_validate_json(settings)).eval()
    (shown,) = video(1, 96, 192, seed)
    frame = torch.from_numpy(shown).permute(2, 0, 1)[None] / 255
    mask = torch.from_numpy(discs(1, 96, 192))[None, None].float()
    norms = [m for m in network.encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    calibrate(norms, lambda: network.encoder(frame, mask))
    logits, _ = network(frame, mask, network.reference(frame, mask))
    between, head = logits[:, 1] - logits[:, 0], network.decoder.head2
    gain = 3 / between.std()
    head.weight *= gain
    head.bias *= gain
    head.bias[1] -= gain * between.median()
    return network
