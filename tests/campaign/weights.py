"""Weights that are none, or not of a network that can run."""

import io
import json
import pickle
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from campaign.case import Case, Expected
from campaign.paths import INFER
from campaign.workspace import VARIANTS, replace, write_yaml
from rgmp import config, network

FILE = "given.bin"
COMMANDS: dict[str, tuple[str, ...]] = {
    "check": ("check", "--network", FILE),
    "infer": ("infer", "--weights", FILE, *INFER[3:], "--masks", "out"),
    "encoder": ("check", "--weights", FILE, "resnet10"),
}
SETTINGS = {"backbone": "resnet10", "width": 4, "decoder_width": 4}
Tensors = dict[str, Tensor]
Content = Callable[[], bytes]


class Runs:
    """Pickled, it asks whoever loads it to make a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("owned"),)


def weights_cases(rng: random.Random) -> Iterator[Case]:
    """Networks of ours, state_dicts, and what is neither."""
    for name, content in [*_bad_tensors(_network()), *_bad_containers(), *_bad_metadata()]:
        yield _case("check", name, content, Expected.REFUSED)
    some = rng.sample([*_bad_tensors(_network()), *_bad_metadata()], 14)
    for name, content in [*some, *_neither()]:
        yield _case("infer", name, content, Expected.REFUSED)
    for name, content in _neither():
        yield _case("check", name, content, Expected.REFUSED)
        yield _case("encoder", name, content, Expected.REFUSED)
    for name, content in _bad_encoders():
        yield _case("encoder", name, content, Expected.REFUSED)
    for name, content, expected in _good():
        for command in ("check", "infer"):
            yield _case(command, name, content, expected)
    for name, content in _good_encoders():
        yield _case("encoder", name, content, Expected.ACCEPTED)
    for name, content in rng.sample([*_neither()], 3):
        given = {**VARIANTS["hard"], "overrides": {"weights": FILE, "stages": []}}
        yield Case(
            family="weights",
            name=f"plan, a variant's weights: {name}",
            arguments=("plan", "tiny.yaml"),
            # a plan reads bytes alone: the job that checks the networks decodes them
            expected=Expected.EITHER,
            prepare=partial(_write_variant, given, content),
            makes=("results/tiny/plan.json", "results/tiny/digests.json"),
        )


def _write_variant(given: dict[str, Any], content: Content, work: Path) -> None:
    write_yaml(work / "ablations/hard.yaml", given)
    replace(work / FILE, content())


def _case(command: str, name: str, content: Content, expected: Expected) -> Case:
    return Case(
        family="weights",
        name=f"{command}: {name}",
        arguments=COMMANDS[command],
        expected=expected,
        prepare=lambda work: replace(work / FILE, content()),
        says=FILE if expected is Expected.REFUSED else "",
        makes=("out", "out/*") if command == "infer" and expected is not Expected.REFUSED else (),
    )


@cache
def _network() -> Tensors:
    torch.manual_seed(0)
    return network.RGMP(config.Network.model_validate(SETTINGS)).state_dict()


@cache
def _encoder() -> Tensors:
    torch.manual_seed(0)
    settings = config.Network(backbone="resnet10", decoder_width=4)
    state = network.RGMP(settings).encoder.state_dict()
    return {key: value for key, value in state.items() if not key.startswith("conv1_mask")}


def _ours(tensors: Tensors, described: object = None, **metadata: str) -> bytes:
    """A file as `checkpoint.save` writes it, with another description where one is given."""
    if described is None:
        described = {"identity": "0" * 12, "network": json.dumps(SETTINGS)}
    text = described if isinstance(described, str) else json.dumps(described)
    return safetensors.torch.save(tensors, {"rgmp": text, **metadata})


def _pickled(value: object, **how: Any) -> bytes:
    content = io.BytesIO()
    torch.save(value, content, **how)
    return content.getvalue()


def _with(tensors: Tensors, value: Callable[[Tensor], Tensor], first: str = "conv1") -> Tensors:
    """The tensors with another one for the first weight whose name has `first`."""
    key = next(key for key in tensors if first in key and key.endswith("weight"))
    return {**tensors, key: value(tensors[key])}


def _changed(tensors: Tensors) -> Iterator[tuple[str, Tensors]]:
    def first(tensor: Tensor, value: float) -> Tensor:
        changed = tensor.clone()
        changed.view(-1)[0] = value
        return changed

    yield "a NaN", _with(tensors, lambda t: first(t, float("nan")))
    yield "an infinity", _with(tensors, lambda t: first(t, float("inf")))
    yield (
        "NaN in all",
        {k: v * float("nan") if v.is_floating_point() else v for k, v in tensors.items()},
    )
    yield "integers", _with(tensors, lambda t: t.to(torch.int64))
    yield "bytes", _with(tensors, lambda t: t.to(torch.uint8))
    yield "truth values", _with(tensors, lambda t: t > 0)
    yield "complex numbers", _with(tensors, lambda t: t.to(torch.complex64))
    yield "a float8", _with(tensors, lambda t: t.to(torch.float8_e4m3fn))
    yield "one more axis", _with(tensors, lambda t: t[None].contiguous())
    yield "one row less", _with(tensors, lambda t: t[1:].contiguous())
    yield "a number alone", _with(tensors, lambda t: t.view(-1)[0].clone())
    yield "an empty tensor", _with(tensors, lambda t: t[:0].clone())
    variance = next(key for key in tensors if key.endswith("running_var"))
    yield "a variance below 0", {**tensors, variance: -1 - tensors[variance].abs()}


def _bad_tensors(tensors: Tensors) -> Iterator[tuple[str, Content]]:
    for name, changed in _changed(tensors):
        yield f"ours with {name}", partial(_ours, changed)
    kept = {k: v for k, v in tensors.items() if k != "encoder.conv1.weight"}
    yield "ours without a key", partial(_ours, kept)
    yield "ours with a surplus key", partial(_ours, {**tensors, "surplus": torch.ones(1)})
    yield "ours with a key of escapes", partial(_ours, {**tensors, "\x1b[31m\n": torch.ones(1)})
    yield "ours without tensors", partial(_ours, {})


def _bad_metadata() -> Iterator[tuple[str, Content]]:
    deep = "[" * 200_000
    for name, described in (
        ("empty", ""),
        ("no JSON", "{network:"),
        ("null", "null"),
        ("a number", "7"),
        ("a list", "[]"),
        ("a list with the word", '["network"]'),
        ("a text with the word", '"network"'),
        ("deep", deep),
        ("without a network", "{}"),
        *(
            (f"with a network that is {what}", {"network": value})
            for what, value in (
                ("null", None),
                ("a number", 7),
                ("a list", [1]),
                ("a mapping", SETTINGS),
                ("no JSON", "{backbone"),
                ("a JSON list", "[]"),
                ("deep", deep),
                ("of an unknown backbone", json.dumps({**SETTINGS, "backbone": "vgg"})),
                ("of width 0", json.dumps({**SETTINGS, "width": 0})),
                ("of a width below 0", json.dumps({**SETTINGS, "width": -4})),
                ("of another width", json.dumps({**SETTINGS, "width": 8})),
                ("of a width that fills memory", json.dumps({**SETTINGS, "width": 2**20})),
                ("of a width beyond all", json.dumps({**SETTINGS, "width": 10**30})),
                (
                    "of a decoder that fills memory",
                    json.dumps({**SETTINGS, "decoder_width": 10**6}),
                ),
                ("with a surplus key", json.dumps({**SETTINGS, "surplus": 1})),
                ("with an escape", json.dumps({**SETTINGS, "\x1b[31m": "\x1b"})),
            )
        ),
    ):
        yield f"a description that is {name}", partial(_ours, _network(), described)
    for name, identity in (("list", [1]), ("mapping", {"a": 1}), ("number", 7)):
        value = {"identity": identity, "network": json.dumps(SETTINGS)}
        yield f"an identity that is a {name}", partial(_ours, _network(), value)
    yield "no metadata", partial(safetensors.torch.save, _network())
    yield "metadata of others", partial(safetensors.torch.save, _network(), {"format": "pt"})


def _safetensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _bad_containers() -> Iterator[tuple[str, Content]]:
    whole = _ours(_network())
    for tenth in range(1, 10):
        yield f"ours cut at {tenth} tenths", partial(bytes, whole[: len(whole) * tenth // 10])
    one = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    for name, content in (
        ("a header beyond all", _safetensors({}, length=2**63)),
        ("a header longer than the file", _safetensors({}, length=10_000)),
        ("a header that is no JSON", _safetensors(b"{nothing")),
        ("a header that is a list", _safetensors([])),
        ("a deep header", _safetensors(b"[" * 100_000)),
        (
            "a header that is deep further in",
            _safetensors(b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
        ),
        ("an unknown type", _safetensors({"a": {**one, "dtype": "Q99"}}, bytes(4))),
        ("offsets beyond the file", _safetensors({"a": {**one, "data_offsets": [0, 2**40]}})),
        ("offsets that fall", _safetensors({"a": {**one, "data_offsets": [4, 0]}}, bytes(4))),
        ("a shape beyond all", _safetensors({"a": {**one, "shape": [2**40, 2**40]}}, bytes(4))),
        ("a shape below 0", _safetensors({"a": {**one, "shape": [-1]}}, bytes(4))),
        ("metadata that are a number", _safetensors({"__metadata__": 7})),
        ("metadata of numbers", _safetensors({"__metadata__": {"rgmp": 7}})),
    ):
        yield f"safetensors with {name}", partial(bytes, content)
    yield "ours with more behind", partial(bytes, whole + b"more")


def _neither() -> Iterator[tuple[str, Content]]:
    plain = {"conv1.weight": torch.ones(64, 3, 7, 7)}
    yield "no bytes", bytes
    yield "zeros", partial(bytes, 100_000)
    yield "text", partial(bytes, b"<html>404 not found</html>\n")
    yield "an escape", partial(bytes, b"\x1b[31m")
    for protocol in (0, 2, 4):
        yield f"a pickle with code, protocol {protocol}", partial(pickle.dumps, Runs(), protocol)
    yield "a PyTorch file with code", partial(_pickled, Runs())
    yield "a PyTorch file with code among tensors", partial(_pickled, {**plain, "a": Runs()})
    old = partial(_pickled, {**plain, "a": Runs()}, _use_new_zipfile_serialization=False)
    yield "an old PyTorch file with code", old
    yield "a module", partial(_pickled, torch.nn.Conv2d(3, 4, 1))
    yield "a list of tensors", partial(_pickled, [torch.ones(1)])
    yield "a tensor", partial(_pickled, torch.ones(1))
    yield "a number", partial(_pickled, 7)
    yield "an empty state_dict", partial(_pickled, {})
    yield "numbers for names", partial(_pickled, {1: torch.ones(1)})
    yield "texts for tensors", partial(_pickled, {"conv1.weight": "text"})
    yield "a state_dict in a mapping", partial(_pickled, {"state_dict": plain})
    yield "a surplus name with an escape", partial(_pickled, {**plain, "\x1b[31m\n": torch.ones(1)})
    whole = _pickled(plain)
    for tenth in (1, 5, 9):
        yield (
            f"a PyTorch file cut at {tenth} tenths",
            partial(bytes, whole[: len(whole) * tenth // 10]),
        )
    yield "a zip of another sort", partial(_zipped, {"readme.txt": b"hello"})
    yield "a zip of zeros that fills memory", _zip_bomb
    yield "a deep pickle", partial(bytes, b"\x80\x02" + b"(" * 500_000 + b".")
    yield (
        "a pickle of a size beyond all",
        partial(bytes, b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f" + b"a."),
    )
    yield "a sparse tensor", partial(_pickled, {"conv1.weight": torch.eye(3).to_sparse()})
    yield (
        "a tensor without content",
        partial(_pickled, {"conv1.weight": torch.ones(64, 3, 7, 7, device="meta")}),
    )


def _zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in files.items():
            zipped.writestr(name, data)
    return content.getvalue()


@cache
def _zip_bomb() -> bytes:
    """Four gigabytes of zeros where a PyTorch file has its pickle."""
    content = io.BytesIO()
    with (
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as zipped,
        zipped.open("archive/data.pkl", "w", force_zip64=True) as file,
    ):
        for _ in range(512):
            file.write(bytes(2**23))
    return content.getvalue()


def _bad_encoders() -> Iterator[tuple[str, Content]]:
    encoder = _encoder()
    for name, changed in _changed(encoder):
        yield f"an encoder with {name}", partial(_pickled, changed)
    lacking = {k: v for k, v in encoder.items() if k != "conv1.weight"}
    yield "an encoder without its first layer", partial(_pickled, lacking)
    yield "an encoder with a surplus key", partial(_pickled, {**encoder, "surplus": torch.ones(1)})
    deeper = {**encoder, "layer1.9.conv1.weight": torch.ones(64, 64, 3, 3)}
    yield "an encoder of more blocks", partial(_pickled, deeper)


def _good_encoders() -> Iterator[tuple[str, Content]]:
    encoder = _encoder()
    yield "an encoder", partial(_pickled, encoder)
    head = {"fc.weight": torch.ones(1000, 512), "fc.bias": torch.ones(1000)}
    yield "an encoder with its classes", partial(_pickled, {**encoder, **head})
    old = partial(_pickled, encoder, _use_new_zipfile_serialization=False)
    yield "an encoder in an old PyTorch file", old
    first = {"conv1.weight": encoder["conv1.weight"]}
    yield "the first layer of an encoder", partial(_pickled, first)


def _good() -> Iterator[tuple[str, Content, Expected]]:
    tensors = _network()
    good, either = Expected.ACCEPTED, Expected.EITHER
    yield "ours", partial(_ours, tensors), good
    uncounted = {k: v for k, v in tensors.items() if not k.endswith("num_batches_tracked")}
    yield "ours without counts of batches", partial(_ours, uncounted), good
    plain = {"network": json.dumps(SETTINGS)}
    yield "ours without an identity", partial(_ours, tensors, plain), good
    for kind in (torch.float16, torch.bfloat16, torch.float64):
        cast = {k: v.to(kind) if v.is_floating_point() else v for k, v in tensors.items()}
        yield f"ours in {kind}", partial(_ours, cast), either
    yield "ours with metadata of others", partial(_ours, tensors, None, format="pt"), good
