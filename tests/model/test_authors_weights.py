"""The authors' weights load under their names, and compute what the facts say."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.reference_rgmp import Weights, encode, logits, released
from support.videos import random_network
from torch import Tensor

from rgmp.config.method import Network
from rgmp.errors import UserError
from rgmp.model import weights as checkpoint


@pytest.fixture(scope="module")
def authors() -> Weights:
    """A random network as the authors would have saved it: from DataParallel."""
    return {f"module.{key}": value for key, value in released(random_network(Network())).items()}


@pytest.fixture(scope="module")
def named_as_authors(authors: Weights) -> Weights:
    """The authors' names and shapes over the same few numbers: a file of an eighth of the size."""
    numbers = torch.zeros(max(value.numel() for value in authors.values()))
    return {k: numbers[: v.numel()].view(v.shape) for k, v in authors.items()}


@pytest.fixture(scope="module")
@torch.no_grad()
def step(authors: Weights) -> tuple[list[Tensor], Tensor]:
    """A frame and its mask, the next and the mask before it; the next's logits by the facts."""
    first, second = torch.rand(2, 1, 3, 32, 64)
    mask, previous = torch.rand(2, 1, 1, 32, 64)
    w = {k.removeprefix("module."): v.double() for k, v in authors.items()}
    r5 = encode(w, first.double(), mask.double())[3]
    return [first, mask, second, previous], logits(w, second.double(), previous.double(), r5)


@pytest.mark.parametrize(
    ("counted", "zipped"), [(True, True), (False, False)], ids=["today", "PyTorch 0.3.1"]
)
@torch.no_grad()
def test_the_authors_file_computes_what_the_facts_say(
    tmp_path: Path,
    authors: Weights,
    step: tuple[list[Tensor], Tensor],
    counted: bool,
    zipped: bool,
) -> None:
    file = {k: v for k, v in authors.items() if counted or "num_batches" not in k}
    torch.save(file, tmp_path / "weights.pth", _use_new_zipfile_serialization=zipped)
    network, metadata = checkpoint.load(tmp_path / "weights.pth")
    assert metadata == {}
    assert network.settings == Network()
    assert not network.training
    (first, mask, second, previous), wanted = step
    got = network(second, previous, network.reference(first, mask))[0]
    torch.testing.assert_close(got.double(), wanted, rtol=1e-3, atol=1e-3)


def test_the_authors_names_are_those_of_the_facts(authors: Weights) -> None:
    shapes = {k.removeprefix("module."): tuple(v.shape) for k, v in authors.items()}
    for key, shape in {
        "Encoder.conv1_p.weight": (64, 1, 7, 7),
        "Encoder.conv1_p.bias": (64,),
        "Encoder.conv1.weight": (64, 3, 7, 7),
        "Encoder.bn1.running_var": (64,),
        "Encoder.res2.0.downsample.0.weight": (256, 64, 1, 1),
        "Encoder.res5.2.conv3.weight": (2048, 512, 1, 1),
        "Encoder.mean": (1, 3, 1, 1),
        "Encoder.std": (1, 3, 1, 1),
        "Decoder.GC.conv_l1.weight": (256, 4096, 7, 1),
        "Decoder.GC.conv_l2.weight": (256, 256, 1, 7),
        "Decoder.GC.conv_r1.weight": (256, 4096, 1, 7),
        "Decoder.GC.conv_r2.weight": (256, 256, 7, 1),
        "Decoder.convG2.weight": (256, 256, 3, 3),
        "Decoder.RF4.convFS1.weight": (256, 1024, 3, 3),
        "Decoder.RF2.convMM2.bias": (256,),
        "Decoder.pred5.weight": (2, 256, 3, 3),
        "Decoder.pred2.bias": (2,),
    }.items():
        assert shapes[key] == shape


def without(key: str) -> Callable[[Weights], None]:
    def remove(weights: Weights) -> None:
        del weights[key]

    return remove


def beside(key: str, value: Tensor) -> Callable[[Weights], None]:
    return lambda weights: weights.update({key: value})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("module.Decoder.RF3.convFS2.bias"), r"missing key Decoder\.RF3\.convFS2\.bias$"),
        (without("module.Encoder.conv1_p.bias"), r"missing key Encoder\.conv1_p\.bias$"),
        (without("module.Encoder.res5.1.bn2.bias"), r"missing key Encoder\.res5\.1\.bn2\.bias$"),
        (beside("module.Encoder.fc.bias", torch.ones(3)), r"surplus key Encoder\.fc\.bias$"),
        (beside("module.Decoder.pred2.bias", torch.ones(3)), r"misshapen key Decoder\.pred2\.bias"),
    ],
)
def test_wrong_key_of_the_authors_file_is_named(
    tmp_path: Path, named_as_authors: Weights, change: Callable[[Weights], None], said: str
) -> None:
    file = dict(named_as_authors)
    change(file)
    torch.save(file, tmp_path / "weights.pth")
    with pytest.raises(UserError, match=said) as caught:
        checkpoint.load(tmp_path / "weights.pth")
    assert "weights.pth" in str(caught.value)


def test_authors_weights_that_are_no_numbers_are_refused(
    tmp_path: Path, named_as_authors: Weights
) -> None:
    key = "module.Decoder.pred2.bias"
    torch.save({**named_as_authors, key: named_as_authors[key] / 0}, tmp_path / "w")
    with pytest.raises(UserError, match=r"w: Decoder\.pred2\.bias is not finite everywhere"):
        checkpoint.load(tmp_path / "w")


def test_key_with_and_without_its_prefix_is_refused(
    tmp_path: Path, named_as_authors: Weights
) -> None:
    key = "Decoder.pred2.bias"
    torch.save({**named_as_authors, key: named_as_authors[f"module.{key}"]}, tmp_path / "w")
    with pytest.raises(UserError, match=r"both with and without the prefix module\."):
        checkpoint.load(tmp_path / "w")
