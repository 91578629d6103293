"""Weights: ours, the authors' released file, and an encoder's ImageNet initialisation.

Ours is one safetensors file whose metadata carry the network's settings, so that it runs alone.
Nothing here unpickles code: `torch.load` is called with `weights_only=True`.
"""

import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from zipfile import BadZipFile

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from rgmp.config import Network
from rgmp.errors import UserError
from rgmp.files import appearing
from rgmp.network import RGMP

_RELEASED_NAMES: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    (r"^module\.", ""),
    (r"^Encoder\.conv1_p\.", "encoder.conv1_mask."),
    (r"^Encoder\.res(\d)\.", lambda m: f"encoder.layer{int(m[1]) - 1}."),
    (r"^Encoder\.", "encoder."),
    (r"^Decoder\.GC\.conv_l(\d)\.", r"decoder.global_convolution.column\1."),
    (r"^Decoder\.GC\.conv_r(\d)\.", r"decoder.global_convolution.row\1."),
    (r"^Decoder\.convG(\d)\.", r"decoder.global_convolution.residual.conv\1."),
    (r"^Decoder\.RF(\d)\.convFS1\.", r"decoder.refine\1.skip."),
    (r"^Decoder\.RF(\d)\.convFS2\.", r"decoder.refine\1.skip_residual.conv1."),
    (r"^Decoder\.RF(\d)\.convFS3\.", r"decoder.refine\1.skip_residual.conv2."),
    (r"^Decoder\.RF(\d)\.convMM(\d)\.", r"decoder.refine\1.residual.conv\2."),
    (r"^Decoder\.pred(\d)\.", r"decoder.head\1."),
]
"""The authors' names (facts/rgmp.md, "Released checkpoint") and ours, tried in order."""


def save(path: Path, network: RGMP, metadata: Mapping[str, str]) -> None:
    """Write the network's weights and settings to `path`, whole or not at all."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    settings = network.settings.model_dump_json(exclude={"initial_weights"})
    with appearing(path) as temporary:
        save_file(tensors, temporary, metadata={**metadata, "network": settings})


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
    if ours is None:
        metadata: dict[str, str] = {}
        settings, tensors = Network(), _from_released(path, read_state_dict(path))
    else:
        metadata, tensors = ours
        settings = Network.model_validate_json(metadata.pop("network"))
    network = RGMP(settings)
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
    for key, value in found.items():
        if value.shape != own[key].shape:
            raise UserError(
                f"{path}: {key} is {_shape(value)}, a {network.settings.backbone} of width "
                f"{network.settings.width} has {_shape(own[key])}; name weights of that backbone"
            )
    if "conv1.weight" not in found:
        raise UserError(f"{path}: has no conv1.weight; name a torchvision ResNet's state_dict")
    encoder.load_state_dict(found, strict=False)
    norms = [
        module
        for name, module in encoder.named_modules()
        if isinstance(module, nn.BatchNorm2d) and f"{name}.running_mean" not in found
    ]
    absent = sorted({key.rpartition(".")[0] for key in set(own) - set(found)} - {""})
    return norms, absent


def _read_ours(path: Path) -> tuple[dict[str, str], dict[str, Tensor]] | None:
    """Our metadata and tensors; None where the file is no safetensors at all."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError):
        return None
    if "network" not in metadata:
        raise UserError(f"{path}: a safetensors file without a network's settings; not one of ours")
    return metadata, tensors


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a `state_dict` as PyTorch pickles it, nothing but tensors in it.

    Raises:
        UserError: the file is missing or is none.
    """
    broken = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, BadZipFile)
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no such weights file") from None
    except broken as error:
        raise UserError(
            f"{path}: is no weights file; allowed: our .safetensors or a PyTorch state_dict"
        ) from error
    if not isinstance(value, dict) or not all(isinstance(v, Tensor) for v in value.values()):
        raise UserError(f"{path}: is no state_dict (names to tensors)")
    return value


def _from_released(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the authors' keys to ours."""
    renamed = {}
    for key, value in tensors.items():
        name = key
        for pattern, replacement in _RELEASED_NAMES:
            name = re.sub(pattern, replacement, name)
        if name in renamed:
            raise UserError(f"{path}: {key} stands twice under its two names")
        renamed[name] = value
    return renamed


def _fill(network: RGMP, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load every tensor, refusing a key that is missing, surplus or misshapen."""
    own = network.state_dict()
    # PyTorch counted no batches before 0.4.1, and a frozen norm has no use for the count
    missing = [k for k in own if k not in tensors and not k.endswith("num_batches_tracked")]
    surplus = [k for k in tensors if k not in own]
    misshapen = [k for k in own if k in tensors and tensors[k].shape != own[k].shape]
    for what, keys in (("missing", missing), ("surplus", surplus), ("misshapen", misshapen)):
        if keys:
            more = f" (and {len(keys) - 1} more)" if len(keys) > 1 else ""
            raise UserError(f"{path}: is no RGMP: {what} key {keys[0]}{more}")
    network.load_state_dict(dict(tensors), strict=False)


def _shape(tensor: Tensor) -> str:
    return "x".join(str(n) for n in tensor.shape)
