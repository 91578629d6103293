"""Weights: ours, the authors' released file, and an encoder's ImageNet initialisation.

Ours is one safetensors file whose metadata carry the network's settings, so that it runs alone.
Nothing here unpickles code: `torch.load` is called with `weights_only=True`.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import safetensors.torch
import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from rgmp.config import Network
from rgmp.errors import UserError
from rgmp.files import appearing
from rgmp.network import RGMP

_METADATA = "rgmp"

_RELEASED_NAMES: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    (r"^encoder\.conv1_mask\.", "Encoder.conv1_p."),
    (r"^encoder\.layer(\d)\.", lambda m: f"Encoder.res{int(m[1]) + 1}."),
    (r"^encoder\.", "Encoder."),
    (r"^decoder\.global_convolution\.column(\d)\.", r"Decoder.GC.conv_l\1."),
    (r"^decoder\.global_convolution\.row(\d)\.", r"Decoder.GC.conv_r\1."),
    (r"^decoder\.global_convolution\.residual\.conv(\d)\.", r"Decoder.convG\1."),
    (r"^decoder\.refine(\d)\.skip\.", r"Decoder.RF\1.convFS1."),
    (r"^decoder\.refine(\d)\.skip_residual\.conv1\.", r"Decoder.RF\1.convFS2."),
    (r"^decoder\.refine(\d)\.skip_residual\.conv2\.", r"Decoder.RF\1.convFS3."),
    (r"^decoder\.refine(\d)\.residual\.conv(\d)\.", r"Decoder.RF\1.convMM\2."),
    (r"^decoder\.head(\d)\.", r"Decoder.pred\1."),
]
"""Our names and the authors' (facts/rgmp.md, "Released checkpoint"); the first that fits counts."""


def save(path: Path, network: RGMP, metadata: Mapping[str, str]) -> None:
    """Write the network's weights and settings to `path`, whole or not at all."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    settings = network.settings.model_dump_json(exclude={"initial_weights"})
    # one key: safetensors writes several in an order that changes from run to run
    described = json.dumps({**metadata, "network": settings}, sort_keys=True)
    content = safetensors.torch.save(tensors, metadata={_METADATA: described})
    with appearing(path) as temporary:
        temporary.write_bytes(content)


def load(path: Path) -> tuple[RGMP, dict[str, str]]:
    """Read a network from our file or from the authors' released one, on the CPU, in eval mode.

    Returns:
        The network, and the metadata that were saved with it; none with the authors'.

    Raises:
        UserError: the file is missing or is neither, or a key is missing, surplus or misshapen.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such weights file; train first, or name another")
    ours = _read_ours(path)
    metadata: dict[str, str] = {}
    if ours is None:
        released = {k.removeprefix("module."): v for k, v in read_state_dict(path).items()}
        network = RGMP(Network())
        _fill(network, released, path, _released_name)
    else:
        metadata, tensors = ours
        network = RGMP(_settings(metadata.pop("network"), path))
        _fill(network, tensors, path)
    return network.eval(), metadata


def load_imagenet(network: RGMP, path: Path) -> tuple[list[nn.BatchNorm2d], list[str]]:
    """Initialise the encoder from a torchvision ResNet's `state_dict`, as far as the file goes.

    Returns:
        The encoder's batch norms whose statistics the file does not have, and the names of the
        modules that it does not have, for the log.

    Raises:
        UserError: the file is missing, is no `state_dict`, is another network's, or has nothing.
    """
    tensors = read_state_dict(path)
    encoder = network.encoder
    own = encoder.state_dict()
    found = {key: value for key, value in tensors.items() if key in own}
    if "conv1.weight" not in found:
        raise UserError(f"{path}: has no conv1.weight; name a torchvision ResNet's state_dict")
    surplus = [key for key in tensors if key not in own and not key.startswith("fc.")]
    if surplus:
        raise UserError(
            f"{path}: has {surplus[0]}, a {network.settings.backbone} has not; name weights of "
            "that backbone"
        )
    for key, value in found.items():
        if value.shape != own[key].shape:
            raise UserError(
                f"{path}: {key} is {_shape(value)}, a {network.settings.backbone} of width "
                f"{network.settings.width} has {_shape(own[key])}; name weights of that backbone"
            )
    encoder.load_state_dict(found, strict=False)
    norms = [
        module
        for name, module in encoder.named_modules()
        if isinstance(module, nn.BatchNorm2d) and f"{name}.running_mean" not in found
    ]
    lacking = [key for key in set(own) - set(found) if not _is_count(key)]
    absent = sorted({key.rpartition(".")[0] for key in lacking} - {""})
    return norms, absent


def _read_ours(path: Path) -> tuple[dict[str, str], dict[str, Tensor]] | None:
    """Our metadata and tensors; None where the file is no safetensors at all."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError):
        return None
    try:
        described = json.loads(metadata[_METADATA])
    except (KeyError, ValueError):
        described = {}
    if "network" not in described:
        raise UserError(f"{path}: a safetensors file without a network's settings; not one of ours")
    return described, tensors


def _settings(text: str, path: Path) -> Network:
    try:
        return Network.model_validate_json(text)
    except ValidationError as error:
        raise UserError(
            f"{path}: the network's settings in it are not those of this version; train again"
        ) from error


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a `state_dict` as PyTorch pickles it, nothing but tensors in it.

    Raises:
        UserError: the file is missing or is none.
    """
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise UserError(f"{path}: no weights file to be read ({error.strerror})") from error
    except Exception as error:  # broken bytes lead an unpickler to raise nearly anything
        raise UserError(
            f"{path}: is no weights file; allowed: our .safetensors or a PyTorch state_dict"
        ) from error
    if not isinstance(value, dict) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items()
    ):
        raise UserError(f"{path}: is no state_dict (names to tensors)")
    return value


def _released_name(key: str) -> str:
    """What the authors call one of our tensors."""
    for pattern, replacement in _RELEASED_NAMES:
        key, found = re.subn(pattern, replacement, key)
        if found:
            return key
    raise KeyError(key)


def _fill(
    network: RGMP, tensors: Mapping[str, Tensor], path: Path, name: Callable[[str], str] = str
) -> None:
    """Copy every tensor into the network, refusing a key that is missing, surplus or misshapen.

    Args:
        network: filled in place.
        tensors: of the file.
        path: of the file, for the refusal.
        name: what the file calls one of the network's tensors.
    """
    own = {name(key): value for key, value in network.state_dict().items()}
    # PyTorch counted no batches before 0.4.1, and a frozen norm has no use for the count
    missing = [k for k in own if k not in tensors and not _is_count(k)]
    surplus = [k for k in tensors if k not in own]
    misshapen = [k for k in own if k in tensors and tensors[k].shape != own[k].shape]
    for what, keys in (("missing", missing), ("surplus", surplus), ("misshapen", misshapen)):
        if keys:
            more = f" (and {len(keys) - 1} more)" if len(keys) > 1 else ""
            raise UserError(f"{path}: is no RGMP: {what} key {keys[0]}{more}")
    for key, value in tensors.items():
        own[key].copy_(value)


def _is_count(key: str) -> bool:
    return key.endswith("num_batches_tracked")


def _shape(tensor: Tensor) -> str:
    return "x".join(str(n) for n in tensor.shape)
