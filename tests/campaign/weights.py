"""Weights that are none, or not of a network that can run."""

import json
import random
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from campaign.case import Case, Expected
from campaign.paths import INFER
from campaign.weight_files import Content, bad_containers, no_weights, pickled
from campaign.workspace import PLANNED, VARIANTS, replace, write_yaml
from rgmp.config.method import Network
from rgmp.model import network

FILE = "given.bin"
COMMANDS: dict[str, tuple[str, ...]] = {
    "check": ("check", "--network", FILE),
    "infer": ("infer", "--weights", FILE, *INFER[3:], "--masks", "out"),
    "encoder": ("check", "--weights", FILE, "resnet10"),
}
SETTINGS = {"backbone": "resnet10", "width": 4, "decoder_width": 4}
Tensors = dict[str, Tensor]


def weights_cases(rng: random.Random) -> Iterator[Case]:
    """Networks of ours, state_dicts, and what is neither."""
    for name, content in [
        *_bad_tensors(_network()),
        *bad_containers(_ours(_network())),
        *_bad_metadata(),
    ]:
        yield _case("check", name, content, Expected.REFUSED)
    some = rng.sample([*_bad_tensors(_network()), *_bad_metadata()], 14)
    for name, content in [*some, *no_weights()]:
        yield _case("infer", name, content, Expected.REFUSED)
    for name, content in no_weights():
        yield _case("check", name, content, Expected.REFUSED)
        yield _case("encoder", name, content, Expected.REFUSED)
    for name, content in _bad_encoders():
        yield _case("encoder", name, content, Expected.REFUSED)
    for name, content, expected in _good():
        for command in ("check", "infer"):
            yield _case(command, name, content, expected)
    for name, content in _good_encoders():
        yield _case("encoder", name, content, Expected.ACCEPTED)
    for name, content in rng.sample([*no_weights()], 3):
        given = {**VARIANTS["hard"], "overrides": {"weights": FILE, "stages": []}}
        yield Case(
            family="weights",
            name=f"plan, a variant's weights: {name}",
            arguments=("plan", "tiny.yaml"),
            # a plan reads bytes alone: the job that checks the networks decodes them
            expected=Expected.EITHER,
            prepare=partial(_write_variant, given, content),
            makes=PLANNED,
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
    return network.RGMP(Network.model_validate(SETTINGS)).state_dict()


@cache
def _encoder() -> Tensors:
    torch.manual_seed(0)
    settings = Network(backbone="resnet10", decoder_width=4)
    state = network.RGMP(settings).encoder.state_dict()
    return {key: value for key, value in state.items() if not key.startswith("conv1_mask")}


def _ours(tensors: Tensors, described: object = None, **metadata: str) -> bytes:
    """A file as `checkpoint.save` writes it, with another description where one is given."""
    if described is None:
        described = {"identity": "0" * 12, "network": json.dumps(SETTINGS)}
    text = described if isinstance(described, str) else json.dumps(described)
    return safetensors.torch.save(tensors, {"rgmp": text, **metadata})


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


def _bad_encoders() -> Iterator[tuple[str, Content]]:
    encoder = _encoder()
    for name, changed in _changed(encoder):
        yield f"an encoder with {name}", partial(pickled, changed)
    lacking = {k: v for k, v in encoder.items() if k != "conv1.weight"}
    yield "an encoder without its first layer", partial(pickled, lacking)
    yield "an encoder with a surplus key", partial(pickled, {**encoder, "surplus": torch.ones(1)})
    deeper = {**encoder, "layer1.9.conv1.weight": torch.ones(64, 64, 3, 3)}
    yield "an encoder of more blocks", partial(pickled, deeper)


def _good_encoders() -> Iterator[tuple[str, Content]]:
    encoder = _encoder()
    yield "an encoder", partial(pickled, encoder)
    head = {"fc.weight": torch.ones(1000, 512), "fc.bias": torch.ones(1000)}
    yield "an encoder with its classes", partial(pickled, {**encoder, **head})
    old = partial(pickled, encoder, _use_new_zipfile_serialization=False)
    yield "an encoder in an old PyTorch file", old
    first = {"conv1.weight": encoder["conv1.weight"]}
    yield "the first layer of an encoder", partial(pickled, first)


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
