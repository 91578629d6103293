"""Weights go to a file and come back; a file that is none says so."""

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch
from hypothesis import strategies as st
from safetensors.torch import save_file
from support.reference_rgmp import Weights
from support.videos import SMALL, random_network
from torch import Tensor, nn

from rgmp.config.method import Network
from rgmp.errors import UserError
from rgmp.model import weights as checkpoint
from rgmp.model.network import RGMP

DESCRIBED = {"rgmp": json.dumps({"network": SMALL.model_dump_json()})}


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
    ("change", "said"),
    [
        (lambda w: w.pop("decoder.head2.bias"), r"missing key decoder\.head2\.bias$"),
        (lambda w: w.update({"encoder.fc.bias": torch.ones(3)}), r"surplus key encoder\.fc\.bias$"),
        (
            lambda w: w.update({"decoder.head2.bias": torch.ones(3)}),
            r"misshapen key decoder\.head2\.bias$",
        ),
    ],
)
def test_wrong_key_of_ours_is_named(
    tmp_path: Path, change: Callable[[Weights], object], said: str
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
    with pytest.raises(UserError, match="not a weights file"):
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
    with pytest.raises(UserError, match=r"weights\.pth: not a weights file"):
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
    with pytest.raises(UserError, match=r"weights\.pth: not a weights file"):
        checkpoint.load(tmp_path / "weights.pth")


@pytest.mark.parametrize(
    "content",
    [[torch.zeros(1)], {"state_dict": {"a": torch.zeros(1)}}, {0: torch.zeros(1)}, {"epoch": 3}],
)
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(UserError, match="not a state_dict"):
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
        {"rgmp": json.dumps({"network": '{"width": "4"}'})},
        *({"rgmp": text} for text in ("1", "null", '"network"', '["network"]', "[" * 99_999)),
        {"rgmp": '{"network": null}'},
        {"rgmp": json.dumps({"network": SMALL.model_dump_json(), "identity": 7})},
        {"rgmp": json.dumps({"network": "[" * 99_999})},
        {"rgmp": json.dumps({"network": '{"width": 1' + "0" * 5000 + "}"})},
    ],
)
def test_safetensors_of_another_program_are_refused(
    tmp_path: Path, metadata: dict[str, str] | None
) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "w", metadata=metadata)
    with pytest.raises(UserError, match="settings") as caught:
        checkpoint.load(tmp_path / "w")
    assert str(tmp_path / "w") in str(caught.value)


@pytest.mark.parametrize(
    ("width", "refusal"),
    [
        (8192, "not RGMP weights: (misshapen|impossible width)"),
        (10**18, "network settings do not fit"),
    ],
)
@pytest.mark.parametrize("which", ["width", "decoder_width"])
def test_network_too_large_for_its_file_is_never_made(
    tmp_path: Path, width: int, refusal: str, which: str
) -> None:
    described = {"network": SMALL.model_copy(update={which: width}).model_dump_json()}
    metadata = {"rgmp": json.dumps(described)}
    save_file(random_network().state_dict(), tmp_path / "w", metadata=metadata)
    with pytest.raises(UserError, match=rf"^{tmp_path / 'w'}: .*{refusal}"):
        checkpoint.load(tmp_path / "w")


def broken_by(value: float) -> Callable[[Tensor], Tensor]:
    def put(tensor: Tensor) -> Tensor:
        tensor = tensor.clone()
        tensor.view(-1)[-1] = value
        return tensor

    return put


BROKEN: list[tuple[Callable[[Tensor], Tensor], str]] = [
    (broken_by(float("nan")), "is not finite everywhere"),
    (broken_by(float("inf")), "is not finite everywhere"),
    (lambda t: broken_by(1e300)(t.double()), "is not finite everywhere"),
    (lambda t: t.int(), "has dtype int32; allowed: float32, float64, float16, bfloat16"),
    (lambda t: t.to(torch.uint8), "has dtype uint8; allowed"),
    (lambda t: t > 0, "has dtype bool; allowed"),
    (lambda t: t.to(torch.float8_e4m3fn), "has dtype float8_e4m3fn; allowed"),
    (lambda t: t.to(torch.cfloat), "has dtype complex64; allowed"),
]


@pytest.mark.parametrize(("change", "said"), BROKEN)
def test_weights_that_are_no_numbers_for_us_are_refused(
    tmp_path: Path, change: Callable[[Tensor], Tensor], said: str
) -> None:
    key = "decoder.head2.bias"
    state = random_network().state_dict()
    state[key] = change(state[key])
    save_file(state, tmp_path / "ours", metadata=DESCRIBED)
    with pytest.raises(UserError, match=rf"ours: {key} {said}"):
        checkpoint.load(tmp_path / "ours")
    torch.save({"conv1.weight": change(torch.zeros(8, 3, 7, 7))}, tmp_path / "imagenet")
    with pytest.raises(UserError, match=rf"imagenet: conv1\.weight {said}"):
        checkpoint.load_imagenet(RGMP(SMALL), tmp_path / "imagenet")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_become_single(tmp_path: Path, dtype: torch.dtype) -> None:
    state = {
        key: value.to(dtype) if value.is_floating_point() else value
        for key, value in random_network().state_dict().items()
    }
    save_file(state, tmp_path / "w", metadata=DESCRIBED)
    found = checkpoint.load(tmp_path / "w")[0].state_dict()
    for key, value in state.items():
        assert torch.equal(found[key], value.to(found[key].dtype))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(3, device="meta"),
        torch.zeros(3, 3).to_sparse(),
        torch.zeros(1).expand(10**12),  # as large in memory as one number, until it is copied
    ],
)
def test_tensors_that_are_not_what_they_seem_are_refused(tmp_path: Path, tensor: Tensor) -> None:
    torch.save({"conv1.weight": tensor}, tmp_path / "w")
    for load in (checkpoint.load, lambda path: checkpoint.load_imagenet(RGMP(SMALL), path)):
        with pytest.raises(UserError, match=r"w: not |weight has shape \(1000"):
            load(tmp_path / "w")


def test_compressed_file_is_not_unpacked(tmp_path: Path) -> None:
    """A file of a megabyte could fill the memory."""
    with (
        zipfile.ZipFile(io.BytesIO(saved({"a": torch.zeros(10**6)}))) as plain,
        zipfile.ZipFile(tmp_path / "w", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    assert (tmp_path / "w").stat().st_size < 10**5
    torch.load(tmp_path / "w", weights_only=True)  # would do it
    with pytest.raises(UserError, match="not a weights file"):
        checkpoint.load(tmp_path / "w")


@pytest.mark.parametrize("kind", ["FIFO", "nowhere"])
def test_weights_that_are_no_file_are_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "w"
    os.mkfifo(path) if kind == "FIFO" else path.symlink_to(kind)
    for load in (checkpoint.load, checkpoint.read_state_dict):
        with pytest.raises(UserError, match=rf"^{path}: cannot be read \(.*{kind}"):
            load(path)


@hypothesis.given(
    start=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02"]), content=st.binary(max_size=200)
)
@hypothesis.settings(deadline=None)
def test_any_bytes_are_named(
    start: bytes, content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    for text in (start + content, len(content).to_bytes(8, "little") + content):
        path.write_bytes(text)
        with pytest.raises(UserError, match=rf"^{path}: ") as error:
            checkpoint.load(path)
        assert len(str(error.value).splitlines()) == 1


@hypothesis.given(
    dtype=st.sampled_from(["F32", "F4", "F8_E8M0", "C64", "BOOL", "U16", "X"]),
    shape=st.lists(st.integers(0, 2**64), max_size=3),
    ends=st.lists(st.integers(0, 99), min_size=2, max_size=2),
)
@hypothesis.example(dtype="F32", shape=[0, 3003, 3_071_385_959_658_601], ends=[0, 0])
@hypothesis.example(dtype="F32", shape=[0, 2**63], ends=[0, 0])
@hypothesis.settings(deadline=None)
def test_any_header_of_safetensors_is_named(
    dtype: str, shape: list[int], ends: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    tensor = {"dtype": dtype, "shape": shape, "data_offsets": ends}
    header = json.dumps({"__metadata__": DESCRIBED, "a": tensor}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(max(ends)))
    with pytest.raises(UserError, match=rf"^{path}: "):
        checkpoint.load(path)


def test_the_same_weights_are_the_same_bytes(tmp_path: Path) -> None:
    """Records name weights by the digest of their file."""
    network = RGMP(Network(backbone="resnet10", width=4, decoder_width=4))
    metadata = {"identity": "1a2b3c", "stage": "finetune", "seed": "0"}
    contents = set()
    for i in range(8):
        checkpoint.save(tmp_path / f"{i}.safetensors", network, metadata)
        contents.add((tmp_path / f"{i}.safetensors").read_bytes())
    assert len(contents) == 1


def test_a_variance_below_0_is_refused(tmp_path: Path) -> None:
    """It would give NaN."""
    network = random_network()
    next(m for m in network.modules() if isinstance(m, nn.BatchNorm2d)).running_var[0] = -1e-3  # type: ignore[index]
    checkpoint.save(tmp_path / "w", network, {})
    with pytest.raises(UserError, match="running_var has a negative variance"):
        checkpoint.load(tmp_path / "w")
