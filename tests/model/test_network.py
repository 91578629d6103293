"""The network is that of the facts: its sizes, its frozen norms, its shared work."""

import subprocess
import sys

import pytest
import torch
from support.reference_rgmp import bilinear, doubles, encode, lively, logits
from torch import Tensor, nn

from rgmp.config.method import Network
from rgmp.model.network import RGMP, Encoder, GlobalConvolution, calibrate, upsample

SMALL = Network(backbone="resnet10", width=8, decoder_width=8)


@pytest.fixture
def network() -> RGMP:
    torch.manual_seed(0)
    network = RGMP(SMALL).eval()
    lively(network, 0)
    return network


def inputs(objects: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    frame = torch.rand(1, 3, 64, 96, generator=generator)
    return frame, torch.rand(objects, 1, 64, 96, generator=generator)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parameters_are_as_many_as_the_authors() -> None:
    with torch.device("meta"):
        network = RGMP(Network())
    assert count(network.encoder) == 23_511_232
    assert count(network.decoder) == 28_007_688
    assert count(network) == 51_518_920


@pytest.mark.parametrize(
    ("backbone", "channels"),
    [
        ("resnet10", [8, 16, 32, 64]),
        ("resnet18", [8, 16, 32, 64]),
        ("resnet50", [32, 64, 128, 256]),
    ],
)
@torch.no_grad()
def test_maps_are_of_strides_4_to_32(backbone: str, channels: list[int]) -> None:
    encoder = Encoder(backbone, 8).eval()
    frame, mask = inputs(2)
    shapes = [tuple(m.shape) for m in encoder(frame, mask)]
    sizes = [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert shapes == [(2, c, *size) for c, size in zip(channels, sizes, strict=True)]


@torch.no_grad()
def test_logits_are_of_the_frames_size(network: RGMP) -> None:
    frame, masks = inputs(3)
    out = network(frame, masks, network.reference(frame, masks))[0]
    assert out.shape == (3, 2, 64, 96)
    assert out.dtype == torch.float32


def test_inference_does_not_wait_for_torchvision() -> None:
    """Its import takes as long as PyTorch's own, in each of a study's many jobs."""
    code = "import sys, rgmp.inference.segment, rgmp.inference.speed; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert not {"torchvision", "torch._dynamo"} & set(done.stdout.split())


@pytest.mark.parametrize("backbone", ["resnet10", "resnet50"])
@torch.no_grad()
def test_network_equals_the_facts_written_out(backbone: str) -> None:
    torch.manual_seed(2)
    settings = {**SMALL.model_dump(), "backbone": backbone}
    network = RGMP(Network.model_validate(settings)).eval()
    lively(network, 2)
    first, masks = inputs(2, seed=3)
    second, previous = inputs(2, seed=4)
    got = network(second, previous, network.reference(first, masks))[0]
    w = doubles(network)
    for i in range(2):
        r5 = encode(w, first.double(), masks[i : i + 1].double())[3]
        wanted = logits(w, second.double(), previous[i : i + 1].double(), r5)
        torch.testing.assert_close(got[i : i + 1].double(), wanted, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_one_frame_over_many_masks_is_the_batch_written_out(network: RGMP) -> None:
    frame, masks = inputs(3)
    batch = frame.expand(3, -1, -1, -1).contiguous()
    shared = network(frame, masks, network.reference(frame, masks))[0]
    explicit = network(batch, masks, network.reference(batch, masks))[0]
    torch.testing.assert_close(shared, explicit)
    assert not torch.allclose(shared[0], shared[1])


@torch.no_grad()
def test_halves_of_the_global_convolution_are_the_convolution_of_both() -> None:
    torch.manual_seed(5)
    module = GlobalConvolution(6, 4).double()
    target, reference = torch.rand(2, 2, 6, 5, 9, dtype=torch.float64)
    both = torch.cat([target, reference], dim=1)
    column = module.column2(module.column1(both))
    row = module.row2(module.row1(both))
    assert module.column1.kernel_size == module.row2.kernel_size == (7, 1)
    assert module.row1.kernel_size == module.column2.kernel_size == (1, 7)
    torch.testing.assert_close(
        module(target, module.reference(reference)), module.residual(column + row)
    )


@torch.no_grad()
def test_the_reference_matters_unless_the_variant_has_none(network: RGMP) -> None:
    first, one = inputs(1, seed=1)
    other, another = inputs(1, seed=2)
    frame, previous = inputs(1, seed=3)
    outs = [
        network(frame, previous, network.reference(*r))[0] for r in ((first, one), (other, another))
    ]
    assert not torch.allclose(*outs)
    alone = RGMP(Network.model_validate({**SMALL.model_dump(), "reference": "none"})).eval()
    assert alone.reference(first, one) is None
    assert alone(frame, previous, None)[0].shape == (1, 2, 64, 96)
    assert count(alone) == count(network)


@torch.no_grad()
def test_both_the_mask_and_the_frame_matter(network: RGMP) -> None:
    frame, mask = inputs(1)
    reference = network.reference(frame, mask)
    out = network(frame, mask, reference)[0]
    assert not torch.allclose(out, network(frame, 1 - mask, reference)[0])
    assert not torch.allclose(out, network(1 - frame, mask, reference)[0])


@torch.no_grad()
def test_a_rolling_reference_is_the_frame_before_as_the_encoder_saw_it() -> None:
    torch.manual_seed(0)
    network = RGMP(Network.model_validate({**SMALL.model_dump(), "reference": "rolling"})).eval()
    lively(network, 2)
    first, mask = inputs(1)
    second, previous = inputs(1, seed=2)
    _, rolled = network(second, previous, network.reference(first, mask))
    torch.testing.assert_close(rolled, network.reference(second, previous))


@torch.no_grad()
def test_without_the_previous_mask_only_the_reference_stream_sees_a_mask() -> None:
    torch.manual_seed(0)
    network = RGMP(Network.model_validate({**SMALL.model_dump(), "previous_mask": False})).eval()
    lively(network, 2)
    frame, mask = inputs(1)
    reference = network.reference(frame, mask)
    assert torch.equal(network(frame, mask, reference)[0], network(frame, 1 - mask, reference)[0])
    other = network.reference(frame, 1 - mask)
    assert not torch.allclose(network(frame, mask, reference)[0], network(frame, mask, other)[0])


def test_batch_norm_stays_frozen_in_training(network: RGMP) -> None:
    frame, mask = inputs(2)
    calm = network(frame, mask, network.reference(frame, mask))[0]
    network.train()
    norms = {n: m for n, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)}
    before = {k: v.clone() for k, v in network.state_dict().items()}
    out = network(frame, mask, network.reference(frame, mask))[0]
    torch.testing.assert_close(out, calm)
    out.square().sum().backward()
    assert network.training
    assert network.encoder.training
    assert all(n.startswith("encoder.") and not m.training for n, m in norms.items())
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    unused = ("decoder.head5.", "decoder.head4.", "decoder.head3.")
    for name, parameter in network.named_parameters():
        frozen = name.rpartition(".")[0] in norms
        assert parameter.requires_grad != frozen
        assert (parameter.grad is None) == (frozen or name.startswith(unused)), name


def test_upsampling_aligns_corners() -> None:
    ramp = torch.tensor([[[[0.0, 3.0]]]])
    assert upsample(ramp, 2)[0, 0, 0].tolist() == pytest.approx([0, 1, 2, 3])
    x = torch.rand(1, 2, 3, 5)
    wanted = bilinear(3, 12, True) @ x.double() @ bilinear(5, 20, True).T
    torch.testing.assert_close(upsample(x, 4).double(), wanted, rtol=1e-5, atol=1e-5)
    assert torch.equal(upsample(x, 4)[..., -1, -1], x[..., -1, -1])


@torch.no_grad()
def test_calibrated_norms_have_the_plain_average_of_the_batches() -> None:
    norm = nn.BatchNorm2d(3).eval()
    batches = [torch.randn(4, 3, 5, 5) * s + s for s in (1.0, 2.0, 5.0)]
    calibrate([norm], lambda: [norm(b) for b in batches])
    means = torch.stack([b.mean(dim=(0, 2, 3)) for b in batches]).mean(0)
    variances = torch.stack([b.transpose(0, 1).flatten(1).var(dim=1) for b in batches]).mean(0)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    torch.testing.assert_close(norm.running_mean, means)
    torch.testing.assert_close(norm.running_var, variances)
    assert not norm.training


@torch.no_grad()
def test_calibrated_encoder_keeps_its_maps_in_bounds() -> None:
    torch.manual_seed(0)
    encoder = Encoder("resnet50", 8).eval()
    frame, mask = inputs(4)
    wild = float(encoder(frame, mask).r5.std())
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    calibrate(norms, lambda: encoder(frame, mask))
    assert float(encoder(frame, mask).r5.std()) < min(10.0, wild)
