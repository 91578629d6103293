"""Weights: rgmp files, the authors' released file, and an encoder's ImageNet initialisation.

An rgmp file is a self-contained safetensors file whose metadata hold the network's settings.
Nothing here unpickles code: `torch.load` is called with `weights_only=True`. Weights in half,
bfloat16 and double precision are converted to single.
"""

import json
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import safetensors.torch
import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from rgmp.config.method import Network
from rgmp.errors import UserError
from rgmp.model.network import RGMP
from rgmp.runtime.files import atomic_path, require_regular

_METADATA = "rgmp"
_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)

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
"""Our names and the authors' (facts/rgmp.md, "Released checkpoint"); the first match counts."""


def save(path: Path, network: RGMP, metadata: Mapping[str, str]) -> None:
    """Write the network's weights and settings to `path` atomically."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    settings = json.dumps(network.settings.architecture, separators=(",", ":"))
    # one key: safetensors writes several in an order that changes from run to run
    described = json.dumps({**metadata, "network": settings}, sort_keys=True)
    content = safetensors.torch.save(tensors, metadata={_METADATA: described})
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def load(path: Path) -> tuple[RGMP, dict[str, str]]:
    """Read a network from an rgmp file or the authors' release, on the CPU, in eval mode.

    Returns:
        The network, and the metadata saved with it; empty for the authors' file.

    Raises:
        UserError: the file is missing or neither, a key is missing, unexpected or of the wrong
            shape, or a weight is not finite.
    """
    require_regular(path, "train first, or name other weights")
    ours = _read_ours(path)
    metadata: dict[str, str] = {}
    if ours is None:
        state = read_state_dict(path)
        released = {key.removeprefix("module."): value for key, value in state.items()}
        if len(released) < len(state):
            raise UserError(
                f"{path}: not RGMP weights: a key appears both with and without the prefix module."
            )
        network = _filled(Network(), released, path, _released_name)
    else:
        metadata, tensors = ours
        network = _filled(_settings(metadata.pop("network"), path), tensors, path)
    return network.eval(), metadata


def load_imagenet(network: RGMP, path: Path) -> tuple[list[nn.BatchNorm2d], list[str]]:
    """Initialise the encoder from a torchvision ResNet's `state_dict`, possibly a partial one.

    Returns:
        The encoder's batch norms whose statistics are missing from the file, and the names of the
        missing modules, for the log.

    Raises:
        UserError: the file is missing, not a `state_dict`, another network's, or empty; or a weight
            is not finite.
    """
    tensors = read_state_dict(path)
    encoder = network.encoder
    own = encoder.state_dict()
    found = {key: value for key, value in tensors.items() if key in own}
    if "conv1.weight" not in found:
        raise UserError(f"{path}: missing key conv1.weight; name a torchvision ResNet's state_dict")
    surplus = [key for key in tensors if key not in own and not key.startswith("fc.")]
    if surplus:
        raise UserError(
            f"{path}: unexpected key {surplus[0]} for {network.settings.backbone}; name weights of "
            "that backbone"
        )
    for key, value in found.items():
        if value.shape != own[key].shape:
            raise UserError(
                f"{path}: {key} has shape {_shape(value)}, {network.settings.backbone} of width "
                f"{network.settings.width} needs {_shape(own[key])}; name weights of that backbone"
            )
    _require_finite(found, path)
    encoder.load_state_dict(found, strict=False)
    norms = [
        module
        for name, module in encoder.named_modules()
        if isinstance(module, nn.BatchNorm2d) and f"{name}.running_mean" not in found
    ]
    lacking = [key for key in set(own) - set(found) if not _is_count(key)]
    absent = sorted({key.rpartition(".")[0] for key in lacking} - {""})
    return norms, absent


def problems_of(path: Path) -> Iterator[str]:
    """Load a trained network and yield the problems of its file."""
    try:
        load(path)
    except UserError as error:
        yield str(error)


def problems_of_imagenet(path: Path, settings: Network) -> Iterator[str]:
    """Initialise the encoder of such a network and yield the problems of the file."""
    try:
        load_imagenet(RGMP(settings), path)
    except UserError as error:
        yield str(error)


def _read_ours(path: Path) -> tuple[dict[str, str], dict[str, Tensor]] | None:
    """Metadata and tensors of an rgmp file; None if the file is not safetensors."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, RuntimeError, TypeError):  # the last two: impossible shapes
        return None
    try:
        described = json.loads(metadata[_METADATA])
    except (KeyError, ValueError, RecursionError):
        described = None
    known = isinstance(described, dict) and all(isinstance(v, str) for v in described.values())
    if not known or "network" not in described:
        raise UserError(
            f"{path}: a safetensors file without network settings; allowed: one written by rgmp"
        )
    return described, tensors


def _settings(text: str, path: Path) -> Network:
    try:
        return Network.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise UserError(
            f"{path}: its network settings do not fit this version; train again"
        ) from error


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a pickled PyTorch `state_dict` that contains only plain tensors.

    Raises:
        UserError: the file is missing or not a `state_dict`.
    """
    size = require_regular(path, "name a PyTorch state_dict").st_size
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as content:
                if sum(entry.file_size for entry in content.infolist()) > size:
                    raise ValueError("it is compressed, which PyTorch never does")
        with warnings.catch_warnings():  # errors are reported once, below
            warnings.simplefilter("ignore")
            value = torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); name a readable weights file"
        ) from error
    except Exception as error:  # on corrupt data an unpickler may raise nearly anything
        raise UserError(
            f"{path}: not a weights file; allowed: rgmp's .safetensors or a PyTorch state_dict"
        ) from error
    if not isinstance(value, dict) or not all(
        isinstance(k, str) and isinstance(v, Tensor) and _is_plain(v) for k, v in value.items()
    ):
        raise UserError(f"{path}: not a state_dict; allowed: a mapping of names to plain tensors")
    return value


def _is_plain(tensor: Tensor) -> bool:
    """Whether it is dense, strided and holds data."""
    return tensor.layout == torch.strided and not tensor.is_nested and not tensor.is_meta


def _released_name(key: str) -> str:
    """The authors' name of one of our tensors."""
    for pattern, replacement in _RELEASED_NAMES:
        key, found = re.subn(pattern, replacement, key)
        if found:
            return key
    raise KeyError(key)


def _filled(
    settings: Network, tensors: Mapping[str, Tensor], path: Path, name: Callable[[str], str] = str
) -> RGMP:
    """Build a network from a file's tensors, which must match its keys and shapes exactly.

    Args:
        settings: of the network.
        tensors: of the file.
        path: of the file, for error messages.
        name: maps a tensor's name in the network to that in the file.

    Raises:
        UserError: they do not match, or a weight is not finite.
    """
    try:
        with torch.device("meta"):  # settings may ask for more memory than exists
            expected = {name(key): value for key, value in RGMP(settings).state_dict().items()}
    except (RuntimeError, TypeError) as error:  # too large to represent
        raise UserError(f"{path}: not RGMP weights: impossible width; train again") from error
    # before 0.4.1 PyTorch did not count batches, and a frozen norm does not use the count
    missing = [k for k in expected if k not in tensors and not _is_count(k)]
    surplus = [k for k in tensors if k not in expected]
    misshapen = [k for k, v in expected.items() if k in tensors and tensors[k].shape != v.shape]
    for what, keys in (("missing", missing), ("surplus", surplus), ("misshapen", misshapen)):
        if keys:
            more = f" (and {len(keys) - 1} more)" if len(keys) > 1 else ""
            raise UserError(f"{path}: not RGMP weights: {what} key {keys[0]}{more}")
    _require_finite(tensors, path)
    network = RGMP(settings)
    own = {name(key): value for key, value in network.state_dict().items()}
    for key, value in tensors.items():
        own[key].copy_(value)
    return network


def _require_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Reject weights that would silently give meaningless results.

    Raises:
        UserError: a tensor other than a count is not a float of at least 16 bits, or a value is not
            finite in single precision.
    """
    for key, value in tensors.items():
        if _is_count(key):
            continue
        if value.dtype not in _FLOATS:
            allowed = ", ".join(_bare(dtype) for dtype in _FLOATS)
            raise UserError(f"{path}: {key} has dtype {_bare(value.dtype)}; allowed: {allowed}")
        if key.endswith("running_var") and (value < 0).any():
            raise UserError(f"{path}: {key} has a negative variance; name other weights")
        ends = torch.stack(
            value.aminmax()
        )  # NaN propagates to both; far faster than testing every value
        if not ends.float().isfinite().all():
            raise UserError(
                f"{path}: {key} is not finite everywhere (NaN or infinity); name other weights"
            )


def _bare(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _is_count(key: str) -> bool:
    return key.endswith("num_batches_tracked")


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))
