"""The masks that one set of weights makes, each sequence's once for all who need them."""

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

from rgmp.config.method import Inference
from rgmp.data.sequence import Sequence
from rgmp.inference.identity import identity_of
from rgmp.inference.propagator import Propagator
from rgmp.inference.segment import segment_missing, take_folder
from rgmp.model.network import RGMP
from rgmp.runtime.files import digest_of, digest_of_file


class Segmented(NamedTuple):
    """The masks of some sequences.

    Attributes:
        places: the folder of each sequence's masks, by its name.
        new: how many of them had to be made.
    """

    places: dict[str, Path]
    new: int


class MaskFolder:
    """A folder with masks of one network at `<sequence>-<identity>/00000.png`, ...

    Masks of the same identity (`identity_of`) are made once, whichever benchmark or setting asks
    for them first, and found again by a later process.
    """

    def __init__(
        self,
        folder: Path,
        network: RGMP,
        device: torch.device,
        threads: int | None,
        maker: dict[str, str],
        digest: Callable[[Path], str] = digest_of_file,
    ) -> None:
        """Take the folder; masks of another maker are removed.

        Args:
            folder: need not exist; no other process may work in it.
            network: in eval mode; it is not modified.
            device: where it runs.
            threads: CPU threads of this process.
            maker: a digest of what can change all masks: weights, code, type of processor.
            digest: of a file's bytes.

        Raises:
            UserError: the folder contains files that no run wrote and that would be lost.
        """
        take_folder(folder, maker)
        self._folder, self._threads, self._digest = folder, threads, digest
        self._propagator = cache(lambda settings: Propagator(network, settings, device))

    def segment(
        self,
        sequences: Iterable[Sequence],
        settings: Inference,
        report: Callable[[int], None],
    ) -> Segmented:
        """Make the masks of some sequences that are not there yet.

        Args:
            sequences: what to segment.
            settings: with the precision that `auto` stands for.
            report: called after each sequence with the number of frames finished.

        Raises:
            UserError: as `rgmp.inference.segment.segment_sequence`.
        """
        places: dict[str, Path] = {}
        new = done = 0
        for sequence in sequences:
            identity = self._identity(sequence, settings)
            place = self._folder / f"{sequence.name}-{identity}"
            new += segment_missing(lambda: self._propagator(settings), sequence, place)
            places[sequence.name] = place
            done += len(sequence.frames)
            report(done)
        return Segmented(places, new)

    def _identity(self, sequence: Sequence, settings: Inference) -> str:
        frames = digest_of([self._digest(path) for path in sequence.frames])
        names, annotated = sequence.names, sequence.annotated
        given = [(names.index(annotated[n]), sequence.read_given(n)) for n in sequence.giving]
        return identity_of(settings, self._threads, frames, len(sequence.objects), given)
