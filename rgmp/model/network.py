"""The network of RGMP: a Siamese encoder, a global convolution block, a refining decoder.

Source: facts/rgmp.md, "Network" (paper section 3.1 and the authors' inference code). With a
`resnet50` backbone of width 64 and a decoder of width 256 it has the authors' 51,518,920
parameters.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from rgmp.config.method import Network
from rgmp.model.resnet import BasicBlock, Bottleneck, group

STRIDE = 32
"""The network's input height and width must be multiples of this."""

_BACKBONES: dict[str, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, int, int, int]]] = {
    "resnet10": (BasicBlock, (1, 1, 1, 1)),
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
}


Reference = tuple[Tensor, Tensor] | None
"""The cached part of a reference: its share (B, C, h, w) of the global convolution's two branches.

None if the network has no reference stream.
"""


class Pyramid(NamedTuple):
    """The encoder's feature maps (B, C, H/s, W/s) at strides s = 4, 8, 16, 32."""

    r2: Tensor
    r3: Tensor
    r4: Tensor
    r5: Tensor


class Encoder(nn.Module):
    """A ResNet that takes a mask as a fourth channel; both streams share it.

    Modules have torchvision's names, so that its ImageNet weights load unchanged. Batch norm is
    frozen even in training: running statistics are used and the affine parameters are not learned.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: str, width: int) -> None:
        super().__init__()
        block, depths = _BACKBONES[backbone]
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.conv1_mask = nn.Conv2d(1, width, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(width)
        planes = [width, 2 * width, 4 * width, 8 * width]
        self.channels = [block.expansion * p for p in planes]
        inputs = [width, *self.channels[:3]]
        layers = [
            group(block, inputs[i], planes[i], depths[i], 1 if i == 0 else 2) for i in range(4)
        ]
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        for module in self.modules():
            # without content there is nothing to draw, and PyTorch would first import its compiler
            if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if isinstance(module, nn.BatchNorm2d):
                module.requires_grad_(False)

    def train(self, mode: bool = True) -> "Encoder":
        """Set the mode of everything but batch norm, which stays frozen."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, frame: Tensor, mask: Tensor) -> Pyramid:
        """Encode a frame with a mask.

        Args:
            frame: float (B, 3, H, W), RGB in [0, 1]; or B = 1, shared by all the masks.
            mask: float (B, 1, H, W), the probability of the object, in [0, 1].
        """
        dtype = self.conv1.weight.dtype
        normal = ((frame - self.mean) / self.std).to(dtype)
        stem = F.relu(self.bn1(self.conv1(normal) + self.conv1_mask(mask.to(dtype))))
        r2 = self.layer1(F.max_pool2d(stem, 3, stride=2, padding=1))
        r3 = self.layer2(r2)
        r4 = self.layer3(r3)
        return Pyramid(r2, r3, r4, self.layer4(r4))


def _conv3(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class Residual(nn.Module):
    """x + conv(relu(conv(relu(x))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = _conv3(width, width)
        self.conv2 = _conv3(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, C, H, W)."""
        inner: Tensor = self.conv2(F.relu(self.conv1(F.relu(x))))
        return x + inner


class GlobalConvolution(nn.Module):
    """Match target and reference over a 7x7 window by two separable branches (Peng et al. 2017).

    The first convolution of each branch is linear in concat(target, reference), so it is the sum of
    the target's and the reference's half of its kernel. The latter is computed once per video
    (`reference`).
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.inputs = inputs
        long, half = 7, 3
        self.column1 = nn.Conv2d(2 * inputs, width, (long, 1), padding=(half, 0))
        self.column2 = nn.Conv2d(width, width, (1, long), padding=(0, half))
        self.row1 = nn.Conv2d(2 * inputs, width, (1, long), padding=(0, half))
        self.row2 = nn.Conv2d(width, width, (long, 1), padding=(half, 0))
        self.residual = Residual(width)

    def reference(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The reference's share of both branches.

        Args:
            features: (B, inputs, h, w), the encoder's r5 of the reference.

        Returns:
            Two maps (B, width, h, w).
        """
        column, row = (
            F.conv2d(features, conv.weight[:, self.inputs :], padding=conv.padding)
            for conv in (self.column1, self.row1)
        )
        return column, row

    def forward(self, target: Tensor, reference: Reference) -> Tensor:
        """Combine target features (B, inputs, h, w) with the reference's share, if any."""
        column, row = (
            F.conv2d(target, conv.weight[:, : self.inputs], conv.bias, padding=conv.padding)
            for conv in (self.column1, self.row1)
        )
        if reference is not None:
            column, row = column + reference[0], row + reference[1]
        joined: Tensor = self.residual(self.column2(column) + self.row2(row))
        return joined


class Refine(nn.Module):
    """Add a finer map of the encoder to the decoder's map."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.skip = _conv3(inputs, width)
        self.skip_residual = Residual(width)
        self.residual = Residual(width)

    def forward(self, finer: Tensor, coarser: Tensor) -> Tensor:
        """Combine finer (B, inputs, 2h, 2w) and coarser (B, width, h, w): (B, width, 2h, 2w)."""
        joined: Tensor = self.skip_residual(self.skip(finer)) + upsample(coarser, 2)
        refined: Tensor = self.residual(joined)
        return refined


class Decoder(nn.Module):
    """Global convolution, three refinements, a two-channel head at each of four strides.

    Inference uses only the head at stride 4; training may have a loss on the others too.
    """

    def __init__(self, channels: list[int], width: int) -> None:
        super().__init__()
        self.global_convolution = GlobalConvolution(channels[3], width)
        self.refine4 = Refine(channels[2], width)
        self.refine3 = Refine(channels[1], width)
        self.refine2 = Refine(channels[0], width)
        self.head5, self.head4, self.head3, self.head2 = (_conv3(width, 2) for _ in range(4))

    def forward(self, target: Pyramid, reference: Reference, heads: int) -> list[Tensor]:
        """Logits (B, 2, H, W) of background and foreground, from `heads` heads, finest first."""
        m5 = self.global_convolution(target.r5, reference)
        m4 = self.refine4(target.r4, m5)
        m3 = self.refine3(target.r3, m4)
        m2 = self.refine2(target.r2, m3)
        maps = (self.head2, m2, 4), (self.head3, m3, 8), (self.head4, m4, 16), (self.head5, m5, 32)
        return [
            upsample(head(F.relu(m).to(head.weight.dtype)), stride)
            for head, m, stride in maps[:heads]
        ]


def upsample(x: Tensor, factor: int) -> Tensor:
    """Enlarge bilinearly; corners are aligned, as they were in the authors' PyTorch 0.3.1."""
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=True)


class RGMP(nn.Module):
    """The complete network described by `settings`."""

    def __init__(self, settings: Network) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = Encoder(settings.backbone, settings.width)
        self.decoder = Decoder(self.encoder.channels, settings.decoder_width)

    def reference(self, frame: Tensor, mask: Tensor) -> Reference:
        """The `Reference` of a frame (B, 3, H, W) and its mask (B, 1, H, W)."""
        if self.settings.reference == "none":
            return None
        return self.decoder.global_convolution.reference(self.encoder(frame, mask).r5)

    def forward(
        self, frame: Tensor, previous_mask: Tensor, reference: Reference
    ) -> tuple[Tensor, Reference]:
        """Logits (B, 2, H, W) of background and foreground, and the next frame's reference.

        That is the given one, unless the reference is `rolling`: then it is this frame as encoded,
        with its previous mask (facts/rgmp.md, "Training": the loop that the notes quote).

        Args:
            frame: float (B, 3, H, W), RGB in [0, 1], H and W multiples of 32; or B = 1.
            previous_mask: float (B, 1, H, W), the soft mask of the previous frame, in [0, 1].
            reference: from `self.reference` or from the previous frame, with the same B.
        """
        logits, reference = self.heads(frame, previous_mask, reference, 1)
        return logits[0], reference

    def heads(
        self, frame: Tensor, previous_mask: Tensor, reference: Reference, count: int
    ) -> tuple[list[Tensor], Reference]:
        """Like `forward`, with the logits of `count` heads, finest first."""
        if not self.settings.previous_mask:
            previous_mask = torch.zeros_like(previous_mask)
        target = self.encoder(frame, previous_mask)
        logits: list[Tensor] = self.decoder(target, reference, count)
        if self.settings.reference == "rolling":
            reference = self.decoder.global_convolution.reference(target.r5)
        return logits, reference


@torch.no_grad()
def folded(network: RGMP) -> RGMP:
    """A copy that computes the same with fewer operations, for inference only.

    A frozen batch norm is linear, so it is folded into the preceding convolution. This renames
    parameters: the copy's `state_dict` is not a checkpoint.
    """
    network = copy.deepcopy(network).eval()
    encoder, norm = network.encoder, network.encoder.bn1
    # their sum is normalised: the norm scales both, and shifts the sum by the bias of one
    gain = norm.weight / torch.sqrt(cast(Tensor, norm.running_var) + norm.eps)
    encoder.conv1.weight *= gain[:, None, None, None]
    encoder.conv1_mask = fuse_conv_bn_eval(encoder.conv1_mask, norm)
    encoder.bn1 = nn.Identity()  # type: ignore[assignment]
    for block in list(encoder.modules()):
        if isinstance(block, BasicBlock | Bottleneck):
            _fold_block(block)
    return network


def _fold_block(block: BasicBlock | Bottleneck) -> None:
    for name, convolution in list(block.named_children()):
        if isinstance(convolution, nn.Conv2d):
            its_norm = name.replace("conv", "bn")
            setattr(block, name, fuse_conv_bn_eval(convolution, getattr(block, its_norm)))
            setattr(block, its_norm, nn.Identity())
    if block.downsample is not None:
        projection, norm = cast("tuple[nn.Conv2d, nn.BatchNorm2d]", block.downsample)
        block.downsample = nn.Sequential(fuse_conv_bn_eval(projection, norm))


@contextmanager
def _averaging(norms: list[nn.BatchNorm2d]) -> Iterator[None]:
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches
        norm.train()
    yield
    for norm in norms:
        norm.momentum = 0.1
        norm.eval()


@torch.no_grad()
def calibrate(norms: list[nn.BatchNorm2d], forward: Callable[[], object]) -> None:
    """Set the statistics of frozen, not pretrained batch norms from the data that `forward` feeds.

    A batch norm frozen at its initial values is the identity, and the activations of a deep,
    randomly initialised encoder then grow from block to block. The paper starts from ImageNet and
    does not need this.
    """
    with _averaging(norms):
        forward()
