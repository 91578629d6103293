"""The residual blocks of the encoder, with the names and the mathematics of torchvision's.

So its ImageNet weights load as they are, and the tests hold the two against each other. Importing
torchvision's own loads its operators and PyTorch's compiler, which takes as long as PyTorch itself;
a job that only infers would pay that for two small classes.

Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, figure 5; the stride of
a bottleneck lies in its 3x3 convolution, as in torchvision.
"""

import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor, nn


class Projection(nn.Conv2d):
    """A strided 1x1 convolution, computed with stride 1 on the subsampled pixels.

    Results and `state_dict` are the same. With channels last, oneDNN's own strided kernel writes
    beyond its workspace in the backward pass if there are fewer input channels than fit in the
    CPU's vectors (8 with AVX2, 16 with AVX-512): it crashes, or silently gives wrong gradients
    (uxlfoundation/oneDNN issue 6035).
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that nn.Conv2d gives it
        """Map (B, inputs, H, W) to (B, outputs, ceil(H / stride), ceil(W / stride))."""
        down, right = self.stride
        return F.conv2d(input[..., ::down, ::right], self.weight, self.bias)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    expansion = 1

    def __init__(
        self, inputs: int, planes: int, stride: int = 1, downsample: nn.Sequential | None = None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, planes, H / stride, W / stride)."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return F.relu(out, inplace=True)


class Bottleneck(nn.Module):
    """A 3x3 convolution between two of 1x1, beside a shortcut."""

    expansion = 4

    def __init__(
        self, inputs: int, planes: int, stride: int = 1, downsample: nn.Sequential | None = None
    ) -> None:
        super().__init__()
        outputs = self.expansion * planes
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, 4 planes, H / stride, W / stride)."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = F.relu(self.bn2(self.conv2(out)), inplace=True)
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return F.relu(out, inplace=True)


def group(
    block: type[BasicBlock] | type[Bottleneck], inputs: int, planes: int, depth: int, stride: int
) -> nn.Sequential:
    """One of the four groups of residual blocks; the first block has the stride."""
    outputs = planes * block.expansion
    shortcut = None
    if stride != 1 or inputs != outputs:
        convolution = Projection(inputs, outputs, 1, stride=stride, bias=False)
        shortcut = nn.Sequential(convolution, nn.BatchNorm2d(outputs))
    first = block(inputs, planes, stride, shortcut)
    return nn.Sequential(first, *(block(outputs, planes) for _ in range(depth - 1)))
