"""The inputs of a data check."""

from pathlib import Path

from pydantic import Field

from rgmp.config.base import Closed
from rgmp.config.study import Stills
from rgmp.data.videos import Videos


class CheckJob(Closed):
    """The files to decode.

    Attributes:
        videos: splits of DAVIS trees.
        stills: sets of stills and their masks.
        weights: ImageNet weights files, each with its backbone.
        networks: trained networks: rgmp files or the authors' release.
        reads: digests of the parts' manifests, if a plan knows them.
        record: path of the record; None: no record is written.
    """

    videos: tuple[Videos, ...] = ()
    stills: tuple[Stills, ...] = ()
    weights: tuple[tuple[Path, str], ...] = ()
    networks: tuple[Path, ...] = ()
    reads: dict[str, str] = Field(default_factory=dict)
    record: Path | None = None
