"""Weights go to a file and come back, ours and the authors'; a file that is none says so."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from plain_rgmp import Weights, encode, lively, logits, released
from safetensors.torch import save_file
from torch import Tensor, nn

from rgmp import checkpoint
from rgmp.config import Network
from rgmp.errors import UserError
from rgmp.network import RGMP

SMALL = Network(backbone="resnet10", width=8, decoder_width=8)
DESCRIBED = {"rgmp": json.dumps({"network": SMALL.model_dump_json()})}


def random_network(settings: Network = SMALL) -> RGMP:
    torch.manual_seed(0)
    network = RGMP(settings).eval()
    lively(network, 0)
    return network


@pytest.fixture(scope="module")
def authors() -> Weights:
    """A random network as the authors would have saved it: from DataParallel."""
    return {f"module.{key}": value for key, value in released(random_network(Network())).items()}


def same(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("reference", ["first", "none"])
def test_ours_comes_back_as_it_was(tmp_path: Path, reference: str) -> None:
    settings = Network.model_validate({**SMALL.model_dump(), "reference": reference})
    network = random_network(settings)
    checkpoint.save(tmp_path / "deep/weights.safetensors", network, {"identity": "1a2b"})
    loaded, metadata = checkpoint.load(tmp_path / "deep/weights.safetensors")
    assert same(loaded, network)
    assert loaded.settings == settings
    assert metadata == {"identity": "1a2b"}
    assert not loaded.training


def test_where_training_started_is_not_kept(tmp_path: Path) -> None:
    settings = {**SMALL.model_dump(), "initial_weights": "/somewhere/resnet.pth"}
    checkpoint.save(tmp_path / "w", RGMP(Network.model_validate(settings)), {})
    assert checkpoint.load(tmp_path / "w")[0].settings == SMALL
    assert b"somewhere" not in (tmp_path / "w").read_bytes()


@pytest.mark.parametrize(
    ("counted", "zipped"), [(True, True), (False, False)], ids=["today", "PyTorch 0.3.1"]
)
@torch.no_grad()
def test_the_authors_file_computes_what_the_facts_say(
    tmp_path: Path, authors: Weights, counted: bool, zipped: bool
) -> None:
    file = {k: v for k, v in authors.items() if counted or "num_batches" not in k}
    torch.save(file, tmp_path / "weights.pth", _use_new_zipfile_serialization=zipped)
    network, metadata = checkpoint.load(tmp_path / "weights.pth")
    assert metadata == {}
    assert network.settings == Network()
    assert not network.training
    first, second = torch.rand(2, 1, 3, 32, 64)
    mask, previous = torch.rand(2, 1, 1, 32, 64)
    got = network(second, previous, network.reference(first, mask))[0]
    w = {k.removeprefix("module."): v.double() for k, v in authors.items()}
    r5 = encode(w, first.double(), mask.double())[3]
    wanted = logits(w, second.double(), previous.double(), r5)
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
    tmp_path: Path, authors: Weights, change: Callable[[Weights], None], said: str
) -> None:
    file = dict(authors)
    change(file)
    torch.save(file, tmp_path / "weights.pth")
    with pytest.raises(UserError, match=said) as caught:
        checkpoint.load(tmp_path / "weights.pth")
    assert "weights.pth" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("decoder.head2.bias"), r"missing key decoder\.head2\.bias$"),
        (beside("encoder.fc.bias", torch.ones(3)), r"surplus key encoder\.fc\.bias$"),
        (beside("decoder.head2.bias", torch.ones(3)), r"misshapen key decoder\.head2\.bias$"),
    ],
)
def test_wrong_key_of_ours_is_named(
    tmp_path: Path, change: Callable[[Weights], None], said: str
) -> None:
    file = random_network().state_dict()
    change(file)
    save_file(file, tmp_path / "w", metadata=DESCRIBED)
    with pytest.raises(UserError, match=said):
        checkpoint.load(tmp_path / "w")


class Trap:
    """What a pickle can do to whoever opens it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_code_in_a_file_is_not_run(tmp_path: Path, zipped: bool, wrapped: bool) -> None:
    trap = Trap(tmp_path / "sprung")
    content = {"module.Encoder.mean": trap} if wrapped else trap
    torch.save(content, tmp_path / "weights.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match="is no weights file"):
        checkpoint.load(tmp_path / "weights.pth")
    assert not (tmp_path / "sprung").exists()


def saved(content: object, zipped: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def ours() -> bytes:
    from safetensors.torch import save

    return save(random_network().state_dict(), metadata=DESCRIBED)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.9999])
@pytest.mark.parametrize("kind", ["zip", "legacy", "ours"])
def test_truncated_file_is_refused(tmp_path: Path, kind: str, share: float) -> None:
    state = {"a": torch.zeros(999), "b": torch.zeros(9, 9)}
    whole = ours() if kind == "ours" else saved(state, zipped=kind == "zip")
    path = tmp_path / "weights.pth"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UserError, match=r"weights\.pth: is no weights file"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    "content",
    [
        b"no weights\n",
        b"\x89PNG\r\n\x1a\n" + bytes(99),
        bytes(99),
        b"\x80\x02K\x01.",
        b"\x80\x02j\xff\xff\x00\x00.",
        b"PK\x03\x04" + bytes(99),
    ],
)
def test_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(UserError, match=r"weights\.pth: is no weights file"):
        checkpoint.load(tmp_path / "weights.pth")


@pytest.mark.parametrize(
    "content",
    [[torch.zeros(1)], {"state_dict": {"a": torch.zeros(1)}}, {0: torch.zeros(1)}, {"epoch": 3}],
)
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(UserError, match="is no state_dict"):
        checkpoint.load(tmp_path / "weights.pth")


@pytest.mark.parametrize("load", [checkpoint.load, checkpoint.read_state_dict])
def test_missing_file_and_folder_are_named(tmp_path: Path, load: Callable[[Path], object]) -> None:
    for path in (tmp_path / "absent.pth", tmp_path):
        with pytest.raises(UserError, match=path.name):
            load(path)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"by": "another"},
        {"rgmp": "{"},
        {"rgmp": '{"network": "{"}'},
        {"rgmp": json.dumps({"network": '{"backbone": "vgg"}'})},
    ],
)
def test_safetensors_of_another_program_are_refused(
    tmp_path: Path, metadata: dict[str, str] | None
) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "w", metadata=metadata)
    with pytest.raises(UserError, match="settings") as caught:
        checkpoint.load(tmp_path / "w")
    assert str(tmp_path / "w") in str(caught.value)


# ImageNet


def resnet18(counted: bool = True) -> dict[str, Tensor]:
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
        ({"backbone": "resnet18", "width": 8}, r"conv1\.weight is 64x3x7x7.*8x3x7x7"),
        ({"backbone": "resnet50"}, r"layer1\.0\.conv1\.weight is 64x64x3x3.*64x64x1x1"),
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
    with pytest.raises(UserError, match=r"a\.pth: has no conv1\.weight"):
        checkpoint.load_imagenet(RGMP(SMALL), tmp_path / "a.pth")


def test_weights_of_a_deeper_resnet_are_refused(tmp_path: Path) -> None:
    deeper = RGMP(SMALL.model_copy(update={"backbone": "resnet18"})).encoder.state_dict()
    torch.save(
        {k: v for k, v in deeper.items() if k.startswith(("layer", "conv1."))}, tmp_path / "a"
    )
    with pytest.raises(UserError, match=r"has layer1\.1\.conv1\.weight, a resnet10 has not"):
        checkpoint.load_imagenet(RGMP(SMALL), tmp_path / "a")


def test_the_same_weights_are_the_same_bytes(tmp_path: Path) -> None:
    """Records name weights by the digest of their file."""
    network = RGMP(Network(backbone="resnet10", width=4, decoder_width=4))
    metadata = {"identity": "1a2b3c", "stage": "finetune", "seed": "0"}
    contents = set()
    for i in range(8):
        checkpoint.save(tmp_path / f"{i}.safetensors", network, metadata)
        contents.add((tmp_path / f"{i}.safetensors").read_bytes())
    assert len(contents) == 1
