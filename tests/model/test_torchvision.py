"""What comes from torchvision: an encoder's ImageNet weights, its mathematics, and tints.

To import it takes as long as to import PyTorch: it is done here alone, in one worker of tests.
"""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from support.tiny_training import picture
from torch import Tensor, nn

from rgmp.config.method import Network
from rgmp.data.views import tinted
from rgmp.errors import UserError
from rgmp.model import weights as checkpoint
from rgmp.model.network import RGMP, Encoder

SMALL = Network(backbone="resnet10", width=8, decoder_width=8)


def resnet18(counted: bool = True) -> dict[str, Tensor]:
    import torchvision

    torch.manual_seed(7)
    network = torchvision.models.resnet18(weights=None)
    lively_norms = {
        k: torch.rand_like(v) + 0.5 if "running" in k else v
        for k, v in network.state_dict().items()
    }
    return {k: v for k, v in lively_norms.items() if counted or "num_batches" not in k}


@pytest.mark.parametrize("counted", [True, False])
def test_whole_imagenet_weights_lack_nothing_but_the_mask(tmp_path: Path, counted: bool) -> None:
    weights = resnet18(counted)
    torch.save(weights, tmp_path / "resnet18.pth")
    network = RGMP(Network(backbone="resnet18", decoder_width=8))
    mask = network.encoder.conv1_mask.weight.clone()
    norms, absent = checkpoint.load_imagenet(network, tmp_path / "resnet18.pth")
    assert norms == []
    assert absent == ["conv1_mask"]
    state = network.encoder.state_dict()
    assert all(torch.equal(state[k], v) for k, v in weights.items() if not k.startswith("fc."))
    assert torch.equal(network.encoder.conv1_mask.weight, mask)
    assert torch.equal(network.encoder.mean.flatten(), torch.tensor([0.485, 0.456, 0.406]))


def lacking_layer4(encoder: nn.Module) -> tuple[set[str], set[str]]:
    """Layer 4's modules that have weights, and the norms among them."""
    inner = {f"layer4.{n}": m for n, m in encoder.get_submodule("layer4").named_modules()}
    norms = {n for n, m in inner.items() if isinstance(m, nn.BatchNorm2d)}
    return norms | {n for n, m in inner.items() if isinstance(m, nn.Conv2d)}, norms


def test_partial_imagenet_weights_say_what_they_lack(tmp_path: Path) -> None:
    weights = {k: v for k, v in resnet18().items() if not k.startswith(("layer4", "fc"))}
    torch.save(weights, tmp_path / "partial.pth")
    network = RGMP(Network(backbone="resnet18", decoder_width=8))
    before = {k: v.clone() for k, v in network.encoder.layer4.state_dict().items()}
    norms, absent = checkpoint.load_imagenet(network, tmp_path / "partial.pth")
    modules, bare = lacking_layer4(network.encoder)
    assert set(absent) == modules | {"conv1_mask"}
    assert {n for n, m in network.encoder.named_modules() if m in norms} == bare
    after = network.encoder.layer4.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())


def test_shared_imagenet_weights_go_to_layer3(shared: Path) -> None:
    path = shared / "weights/resnet18_imagenet_partial.pth"
    network = RGMP(Network(backbone="resnet18", decoder_width=8))
    norms, absent = checkpoint.load_imagenet(network, path)
    modules, bare = lacking_layer4(network.encoder)
    assert set(absent) == modules | {"conv1_mask"}
    assert len(norms) == len(bare) == 5
    weights = checkpoint.read_state_dict(path)
    state = network.encoder.state_dict()
    assert all(torch.equal(state[k], v) for k, v in weights.items())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"backbone": "resnet18", "width": 8},
            r"conv1\.weight has shape \(64, 3, 7, 7\).*\(8, 3, 7, 7\)",
        ),
        (
            {"backbone": "resnet50"},
            r"layer1\.0\.conv1\.weight .*\(64, 64, 3, 3\).*\(64, 64, 1, 1\)",
        ),
    ],
)
def test_weights_of_another_backbone_are_refused(
    tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    torch.save(resnet18(), tmp_path / "resnet18.pth")
    network = RGMP(Network(decoder_width=8, **settings))
    with pytest.raises(UserError, match=said):
        checkpoint.load_imagenet(network, tmp_path / "resnet18.pth")


def test_weights_of_no_resnet_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"a\.pth: missing key conv1\.weight"):
        checkpoint.load_imagenet(RGMP(SMALL), tmp_path / "a.pth")


def test_weights_of_a_deeper_resnet_are_refused(tmp_path: Path) -> None:
    deeper = RGMP(SMALL.model_copy(update={"backbone": "resnet18"})).encoder.state_dict()
    torch.save(
        {k: v for k, v in deeper.items() if k.startswith(("layer", "conv1."))}, tmp_path / "a"
    )
    with pytest.raises(UserError, match=r"unexpected key layer1\.1\.conv1\.weight for resnet10"):
        checkpoint.load_imagenet(RGMP(SMALL), tmp_path / "a")


@pytest.mark.parametrize("backbone", ["resnet18", "resnet50"])
@torch.no_grad()
def test_without_a_mask_the_encoder_is_torchvisions(backbone: str) -> None:
    """In float64: fp32 rounds differently on each type of CPU, and a deep one adds it up."""
    import torchvision

    torch.manual_seed(1)
    theirs = torchvision.models.get_model(backbone, weights=None).double().eval()
    ours = Encoder(backbone, 64).double().eval()
    missing, surplus = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert set(missing) == {"mean", "std", "conv1_mask.weight", "conv1_mask.bias"}
    assert set(surplus) == {"fc.weight", "fc.bias"}
    nn.init.zeros_(cast(nn.Parameter, ours.conv1_mask.bias))
    frame = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0)).double()
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    x = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1((frame - mean) / std))))
    expected = []
    for layer in (theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4):
        x = layer(x)
        expected.append(x)
    no_mask = torch.zeros(1, 1, 64, 96, dtype=torch.float64)
    for got, wanted in zip(ours(frame, no_mask), expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-7, atol=1e-7)


def test_tints_are_torchvisions() -> None:
    from torchvision.transforms.v2 import functional as colour

    pictures = [torch.from_numpy(picture(seed).copy()) for seed in range(4)]
    images = torch.stack([pixels.permute(2, 0, 1).float() / 255 for pixels in pictures])
    tints = np.random.default_rng(0).uniform(0.3, 1.7, (4, 3))
    for image, changed, factors in zip(images, tinted(images, tints), tints.tolist(), strict=True):
        expected = colour.adjust_brightness(image, factors[0])
        expected = colour.adjust_contrast(expected, factors[1])
        expected = colour.adjust_saturation(expected, factors[2])
        torch.testing.assert_close(changed, expected, atol=1e-6, rtol=0)
