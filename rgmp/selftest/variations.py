"""Other ways to compute the step that `rgmp.inference.propagator` takes, to be compared with it.

Each is the same mathematics; what differs is rounding at most. The three scales padded into one
batch are not among them: a convolution would read what the layer before it made of the padding
(biases, means, other pixels' edges) in place of zeros, and the decoder's upsampling aligns the
corners of each scale's own size, so labels would differ in earnest; 512x864 three times is also
1.6 times as many operations as the three sizes.
"""

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor, nn

from rgmp.config.method import Inference
from rgmp.inference.multiscale import Passes, cast_to_bf16
from rgmp.model.network import RGMP, Reference, Residual
from rgmp.model.resnet import BasicBlock, Bottleneck


class StreamedPasses(Passes):
    """Passes whose scales run beside each other, each on a stream of its own."""

    def __init__(self, network: RGMP, settings: Inference, device: torch.device) -> None:
        super().__init__(network, settings, device)
        self._streams: list[Any] = [None for _ in self._scales]
        if device.type == "cuda":
            self._streams = [torch.cuda.Stream(device) for _ in self._scales]  # type: ignore[no-untyped-call]

    def foreground(
        self, frame: Tensor, masks: Tensor, references: Sequence[Reference]
    ) -> tuple[Tensor, list[Reference]]:
        """As `Passes.foreground`; the scales are added in the same order.

        Memory of one stream is used on another between two waits only, so none is reused too early.
        """
        torch.backends.cudnn.allow_tf32 = self._tf32
        begun = torch.cuda.current_stream() if frame.is_cuda else None
        found = []
        for stream, scale, reference in zip(self._streams, self._scales, references, strict=True):
            if stream is not None:
                stream.wait_stream(begun)
            with torch.cuda.stream(stream):  # of None: nothing
                found.append(self._pass(scale, frame, masks, reference, slice(len(masks))))
        for stream in self._streams:
            if stream is not None and begun is not None:
                begun.wait_stream(stream)
        total = torch.zeros_like(masks[:, 0])
        for part, _ in found:
            total += part
        return total / len(self._scales), [following for _, following in found]


class ChannelsFirstPasses(Passes):
    """Passes in memory as PyTorch has it by default."""

    def __init__(self, network: RGMP, settings: Inference, device: torch.device) -> None:
        super().__init__(network, settings, device)
        for parameter in self.network.parameters():
            parameter.data = parameter.data.contiguous()

    def foreground(
        self, frame: Tensor, masks: Tensor, references: Sequence[Reference]
    ) -> tuple[Tensor, list[Reference]]:
        """As `Passes.foreground`: a frame with its channels last would make all that follows so."""
        return super().foreground(frame.contiguous(), masks.contiguous(), references)


def unfolded(network: RGMP, settings: Inference, device: torch.device) -> Passes:
    """Passes with the batch norms as they were trained."""
    passes = Passes(network, settings, device)
    whole = copy.deepcopy(network).eval().to(device).to(memory_format=torch.channels_last)
    if settings.precision == "bf16":
        cast_to_bf16(whole)
    passes.network = whole
    return passes


def compiled(mode: str | None, network: RGMP, settings: Inference, device: torch.device) -> Passes:
    """Passes through a network that `torch.compile` has compiled, for each shape anew."""
    passes = Passes(network, settings, device)
    passes.network = torch.compile(passes.network, mode=mode, dynamic=False)  # type: ignore[assignment]
    return passes


def fused(network: RGMP, settings: Inference, device: torch.device) -> Passes:
    """Passes in which a ReLU and a shortcut are the end of a convolution, not kernels of their own.

    So cuDNN computes them; on a CPU, where oneDNN's convolutions have no such end here, they are
    computed one after the other. Convolutions without a ReLU behind them stay as they are.
    """
    passes = Passes(network, settings, device)
    for module in list(passes.network.modules()):
        if isinstance(module, Bottleneck):
            module.forward = partial(_fused_bottleneck, module)  # type: ignore[method-assign]
        elif isinstance(module, BasicBlock):
            module.forward = partial(_fused_basic, module)  # type: ignore[method-assign]
        elif isinstance(module, Residual):
            module.forward = partial(_fused_residual, module)  # type: ignore[method-assign]
    return passes


def _fused_bottleneck(block: Bottleneck, x: Tensor) -> Tensor:
    out = _with_relu(block.conv2, _with_relu(block.conv1, x))
    return _with_relu(block.conv3, out, _shortcut(block, x))


def _fused_basic(block: BasicBlock, x: Tensor) -> Tensor:
    return _with_relu(block.conv2, _with_relu(block.conv1, x), _shortcut(block, x))


def _fused_residual(block: Residual, x: Tensor) -> Tensor:
    inner: Tensor = block.conv2(_with_relu(block.conv1, F.relu(x)))
    return x + inner


def _shortcut(block: BasicBlock | Bottleneck, x: Tensor) -> Tensor:
    if block.downsample is None:
        return x
    shortcut: Tensor = block.downsample(x)
    return shortcut


def _with_relu(convolution: nn.Conv2d, x: Tensor, shortcut: Tensor | None = None) -> Tensor:
    """ReLU of a convolution, plus the shortcut if there is one."""
    stride, dilation = convolution.stride, convolution.dilation
    padding = cast("tuple[int, ...]", convolution.padding)
    weight, bias, groups = convolution.weight, convolution.bias, convolution.groups
    if not x.is_cuda:
        out = convolution(x)
        return F.relu(out if shortcut is None else out + shortcut)
    if shortcut is None:
        return torch.cudnn_convolution_relu(x, weight, bias, stride, padding, dilation, groups)
    return torch.cudnn_convolution_add_relu(
        x, weight, shortcut, 1.0, bias, stride, padding, dilation, groups
    )
