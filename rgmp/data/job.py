"""What a check of data needs, whoever asks for it."""

from pathlib import Path

from rgmp.config.base import Closed
from rgmp.config.study import Stills
from rgmp.data.videos import Videos


class CheckJob(Closed):
    """Files that are to be decoded, every one.

    Attributes:
        videos: splits of DAVIS trees.
        stills: sets of stills and their masks.
        weights: ImageNet weights, each with the backbone that they are for.
        networks: trained networks, ours or the authors' released one.
        record: where the record goes; None: there is none.
    """

    videos: tuple[Videos, ...] = ()
    stills: tuple[Stills, ...] = ()
    weights: tuple[tuple[Path, str], ...] = ()
    networks: tuple[Path, ...] = ()
    record: Path | None = None
