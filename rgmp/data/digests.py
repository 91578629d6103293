"""Digests of labels and of masks, wherever files lie and however they encode them."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from rgmp.data.davis import masks_in
from rgmp.data.images import Labels
from rgmp.runtime.files import digest_of, digest_of_all, digest_of_file


def digest_of_labels(labels: Labels) -> str:
    """SHA-256, in hexadecimal, of labels, uint8 (H, W), whatever file they come from."""
    shape = digest_of(labels.shape).encode()
    return hashlib.sha256(shape + np.ascontiguousarray(labels).tobytes()).hexdigest()


def digest_of_masks(
    folders: Mapping[str, Path], digest: Callable[[Path], str] = digest_of_file
) -> str:
    """SHA-256, in hexadecimal, of the files of masks, wherever they lie.

    Args:
        folders: of each sequence's masks, by its name.
        digest: of a file's bytes.
    """
    return digest_of(
        {name: digest_of_all(masks_in(folder), digest, names=1) for name, folder in folders.items()}
    )
