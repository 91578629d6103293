"""RGMP as the facts describe it, slow and plain: one object, one scale, one frame at a time.

Nothing here is shared with the package. Weights have the authors' names, and their precision is
that of the arithmetic: float64, but where speed is compared. The reference is joined by
concatenation, images are resized by explicit bilinear matrices.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor, nn

Weights = dict[str, Tensor]
Image = npt.NDArray[np.uint8]
Soft = npt.NDArray[np.floating]

NAMES = {
    "encoder.mean": "Encoder.mean",
    "encoder.std": "Encoder.std",
    "encoder.conv1.": "Encoder.conv1.",
    "encoder.conv1_mask.": "Encoder.conv1_p.",
    "encoder.bn1.": "Encoder.bn1.",
    "encoder.layer1.": "Encoder.res2.",
    "encoder.layer2.": "Encoder.res3.",
    "encoder.layer3.": "Encoder.res4.",
    "encoder.layer4.": "Encoder.res5.",
    "decoder.global_convolution.column1.": "Decoder.GC.conv_l1.",
    "decoder.global_convolution.column2.": "Decoder.GC.conv_l2.",
    "decoder.global_convolution.row1.": "Decoder.GC.conv_r1.",
    "decoder.global_convolution.row2.": "Decoder.GC.conv_r2.",
    "decoder.global_convolution.residual.conv1.": "Decoder.convG1.",
    "decoder.global_convolution.residual.conv2.": "Decoder.convG2.",
    **{
        f"decoder.refine{n}.{ours}.": f"Decoder.RF{n}.{theirs}."
        for n in (4, 3, 2)
        for ours, theirs in {
            "skip": "convFS1",
            "skip_residual.conv1": "convFS2",
            "skip_residual.conv2": "convFS3",
            "residual.conv1": "convMM1",
            "residual.conv2": "convMM2",
        }.items()
    },
    **{f"decoder.head{n}.": f"Decoder.pred{n}." for n in (5, 4, 3, 2)},
}
"""The package's names, or how they begin, and the authors'."""


def released(network: nn.Module) -> Weights:
    """A network's weights under the authors' names, without `module.`."""
    weights = {}
    for key, value in network.state_dict().items():
        (ours,) = (name for name in NAMES if key.startswith(name))
        weights[NAMES[ours] + key.removeprefix(ours)] = value.clone()
    return weights


def doubles(network: nn.Module) -> Weights:
    """As `released`, in float64."""
    return {key: value.double() for key, value in released(network).items()}


@cache
def bilinear(source: int, target: int, corners: bool) -> Tensor:
    """The matrix (target, source) that resizes a line of pixels."""
    matrix = torch.zeros(target, source, dtype=torch.float64)
    for i in range(target):
        at = i * (source - 1) / (target - 1) if corners else (i + 0.5) * source / target - 0.5
        at = min(max(at, 0), source - 1)
        low = int(at)
        matrix[i, low] += 1 - (at - low)
        matrix[i, min(low + 1, source - 1)] += at - low
    return matrix


def resize(x: Tensor, height: int, width: int, corners: bool = False) -> Tensor:
    """Resize (B, C, H, W) to (B, C, height, width)."""
    down = bilinear(x.shape[2], height, corners).to(x.dtype)
    across = bilinear(x.shape[3], width, corners).to(x.dtype)
    return down @ x @ across.T


def conv(x: Tensor, w: Weights, name: str, stride: int = 1) -> Tensor:
    kernel = w[f"{name}.weight"]
    padding = (kernel.shape[2] // 2, kernel.shape[3] // 2)
    return F.conv2d(x, kernel, w.get(f"{name}.bias"), stride, padding)


def norm(x: Tensor, w: Weights, name: str) -> Tensor:
    mean, variance, gain, shift = (
        w[f"{name}.{part}"].view(1, -1, 1, 1)
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / torch.sqrt(variance + 1e-5) * gain + shift


def block(x: Tensor, w: Weights, name: str, stride: int) -> Tensor:
    """A residual block: two 3x3 convolutions, or 1x1, 3x3 (which strides), 1x1."""
    if f"{name}.conv3.weight" in w:
        y = F.relu(norm(conv(x, w, f"{name}.conv1"), w, f"{name}.bn1"))
        y = F.relu(norm(conv(y, w, f"{name}.conv2", stride), w, f"{name}.bn2"))
        y = norm(conv(y, w, f"{name}.conv3"), w, f"{name}.bn3")
    else:
        y = F.relu(norm(conv(x, w, f"{name}.conv1", stride), w, f"{name}.bn1"))
        y = norm(conv(y, w, f"{name}.conv2"), w, f"{name}.bn2")
    if f"{name}.downsample.0.weight" in w:
        x = norm(conv(x, w, f"{name}.downsample.0", stride), w, f"{name}.downsample.1")
    return F.relu(x + y)


def encode(w: Weights, frame: Tensor, mask: Tensor) -> list[Tensor]:
    """r2, r3, r4 and r5 of one frame (1, 3, H, W) and one mask (1, 1, H, W)."""
    normal = (frame - w["Encoder.mean"]) / w["Encoder.std"]
    x = conv(normal, w, "Encoder.conv1", 2) + conv(mask, w, "Encoder.conv1_p", 2)
    x = F.max_pool2d(F.relu(norm(x, w, "Encoder.bn1")), 3, 2, 1)
    maps = []
    for stage in (2, 3, 4, 5):
        number = 0
        while f"Encoder.res{stage}.{number}.conv1.weight" in w:
            stride = 2 if number == 0 and stage > 2 else 1
            x = block(x, w, f"Encoder.res{stage}.{number}", stride)
            number += 1
        maps.append(x)
    return maps


def residual(x: Tensor, w: Weights, first: str, second: str) -> Tensor:
    return x + conv(F.relu(conv(F.relu(x), w, first)), w, second)


def logits(w: Weights, frame: Tensor, mask: Tensor, reference: Tensor) -> Tensor:
    """(1, 2, H, W) from a frame, its previous mask and the reference's r5."""
    *finer, r5 = encode(w, frame, mask)
    x = torch.cat([r5, reference], dim=1)
    left = conv(conv(x, w, "Decoder.GC.conv_l1"), w, "Decoder.GC.conv_l2")
    right = conv(conv(x, w, "Decoder.GC.conv_r1"), w, "Decoder.GC.conv_r2")
    m = residual(left + right, w, "Decoder.convG1", "Decoder.convG2")
    for stage, skip in zip((4, 3, 2), reversed(finer), strict=True):
        name = f"Decoder.RF{stage}"
        s = conv(skip, w, f"{name}.convFS1")
        s = residual(s, w, f"{name}.convFS2", f"{name}.convFS3")
        m = s + resize(m, 2 * m.shape[2], 2 * m.shape[3], corners=True)
        m = residual(m, w, f"{name}.convMM1", f"{name}.convMM2")
    p2 = conv(F.relu(m), w, "Decoder.pred2")
    return resize(p2, 4 * p2.shape[2], 4 * p2.shape[3], corners=True)


def grown(n: int) -> int:
    return n + 32 - n % 32


def propagate(
    w: Weights,
    frames: list[Image],
    labels: Image,
    scales: tuple[float, ...] = (0.5, 0.75, 1.0),
    aggregation: str = "softmax",
) -> list[tuple[Image, Soft]]:
    """Labels (H, W) and soft results (M, H, W) of the frames after frame 0."""
    height, width = labels.shape
    padded = (grown(height), grown(width))
    top, left = (padded[0] - height) // 2, (padded[1] - width) // 2
    inside = (slice(top, top + height), slice(left, left + width))
    dtype = w["Encoder.mean"].dtype

    def pad(image: Tensor) -> Tensor:
        canvas = torch.zeros(1, len(image), *padded, dtype=dtype)
        canvas[0, :, *inside] = image
        return canvas

    def at(scale: float, image: Tensor) -> Tensor:
        if scale == 1:
            return image
        tall, wide = (grown(int(n * scale)) for n in padded)
        return resize(image, tall, wide)

    def foreground(frame: Tensor, mask: Tensor, references: list[Tensor]) -> Tensor:
        total = torch.zeros(padded, dtype=dtype)
        for scale, reference in zip(scales, references, strict=True):
            out = logits(w, at(scale, frame), at(scale, mask), reference)
            total += resize(torch.softmax(out, dim=1)[:, 1:], *padded)[0, 0]
        return total / len(scales)

    video = [pad(torch.from_numpy(f.copy()).permute(2, 0, 1).to(dtype) / 255) for f in frames]
    count = max(int(i) for i in np.unique(labels) if i != 255)
    truth = torch.from_numpy(labels.copy())
    masks = [pad((truth == i + 1).to(dtype)[None]) for i in range(count)]
    with_union = aggregation == "softmax" and count > 1
    passes = [*masks, torch.stack(masks).sum(0)] if with_union else masks
    kept = [[encode(w, at(s, video[0]), at(s, m))[3] for s in scales] for m in passes]
    results = []
    for frame in video[1:]:
        passes = [*masks, torch.stack(masks).sum(0)] if with_union else masks
        p = [foreground(frame, m, k) for m, k in zip(passes, kept, strict=True)]
        soft, answer = JOIN[aggregation if count > 1 else "independent"](torch.stack(p))
        masks = [m[None, None] for m in soft]
        results.append((answer[inside].numpy().astype(np.uint8), soft[:, *inside].numpy()))
    return results


def _softmax(p: Tensor) -> tuple[Tensor, Tensor]:
    """The last of `p` is the union's."""
    q = torch.cat([1 - p[-1:], p[:-1]]).clamp(1e-7, 1 - 1e-7)
    odds = q / (1 - q)
    shares = odds / odds.sum(dim=0)
    return shares[1:], shares.argmax(dim=0)


def _independent(p: Tensor) -> tuple[Tensor, Tensor]:
    best, which = p.max(dim=0)
    return p, (which + 1) * (best > 0.5)


def _winner_take_all(p: Tensor) -> tuple[Tensor, Tensor]:
    answer = _independent(p)[1]
    best = p.argmax(dim=0)
    kept = [torch.where(best == i, one, torch.zeros_like(one)) for i, one in enumerate(p)]
    return torch.stack(kept), answer


JOIN: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = {
    "softmax": _softmax,
    "independent": _independent,
    "winner_take_all": _winner_take_all,
}


def lively(network: nn.Module, seed: int) -> None:
    """Give a fresh network statistics, and heads that neither saturate nor say one thing.

    Otherwise batch norm is the identity and a random decoder's maps tell nothing about an error.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(like: Tensor, low: float, high: float) -> Tensor:
        return torch.rand(like.shape, generator=generator) * (high - low) + low

    state = network.state_dict()
    for key, value in state.items():
        if key.endswith("running_var"):
            value.copy_(uniform(value, 1.0, 3.0))
        elif key.endswith("running_mean") or ("bn" in key and key.endswith("bias")):
            value.copy_(uniform(value, -0.3, 0.3))
        elif value.dim() == 1 and "bn" in key:
            value.copy_(uniform(value, 0.5, 1.0))
    frame, mask = torch.rand(1, 3, 64, 96, generator=generator), torch.zeros(1, 1, 64, 96)
    mask[..., 20:50, 30:70] = 1
    w = doubles(network)
    frame, mask = resize(frame.double(), 8, 12), mask.double()
    frame = resize(frame, 64, 96)
    out = logits(w, frame, mask, encode(w, frame, mask)[3])
    out = out[:, 1] - out[:, 0]
    state["decoder.head2.weight"].div_(float(out.std()))
    state["decoder.head2.bias"].div_(float(out.std()))
    state["decoder.head2.bias"][1] -= float(out.mean() / out.std())
