"""Files where weights are asked for, whatever is in them: broken, of another kind, with code."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

Content = Callable[[], bytes]


class Runs:
    """Pickled, it asks whoever loads it to make a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("owned"),)


def pickled(value: object, **how: Any) -> bytes:
    content = io.BytesIO()
    torch.save(value, content, **how)
    return content.getvalue()


def _safetensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def bad_containers(whole: bytes) -> Iterator[tuple[str, Content]]:
    """What is nearly a safetensors file; `whole` is one of ours."""
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


def no_weights() -> Iterator[tuple[str, Content]]:
    """What is no safetensors file, and no `state_dict` of any network of ours."""
    plain = {"conv1.weight": torch.ones(64, 3, 7, 7)}
    yield "no bytes", bytes
    yield "zeros", partial(bytes, 100_000)
    yield "text", partial(bytes, b"<html>404 not found</html>\n")
    yield "an escape", partial(bytes, b"\x1b[31m")
    for protocol in (0, 2, 4):
        yield f"a pickle with code, protocol {protocol}", partial(pickle.dumps, Runs(), protocol)
    yield "a PyTorch file with code", partial(pickled, Runs())
    yield "a PyTorch file with code among tensors", partial(pickled, {**plain, "a": Runs()})
    old = partial(pickled, {**plain, "a": Runs()}, _use_new_zipfile_serialization=False)
    yield "an old PyTorch file with code", old
    yield "a module", partial(pickled, torch.nn.Conv2d(3, 4, 1))
    yield "a list of tensors", partial(pickled, [torch.ones(1)])
    yield "a tensor", partial(pickled, torch.ones(1))
    yield "a number", partial(pickled, 7)
    yield "an empty state_dict", partial(pickled, {})
    yield "numbers for names", partial(pickled, {1: torch.ones(1)})
    yield "texts for tensors", partial(pickled, {"conv1.weight": "text"})
    yield "a state_dict in a mapping", partial(pickled, {"state_dict": plain})
    yield "a surplus name with an escape", partial(pickled, {**plain, "\x1b[31m\n": torch.ones(1)})
    whole = pickled(plain)
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
    yield "a sparse tensor", partial(pickled, {"conv1.weight": torch.eye(3).to_sparse()})
    yield (
        "a tensor without content",
        partial(pickled, {"conv1.weight": torch.ones(64, 3, 7, 7, device="meta")}),
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
