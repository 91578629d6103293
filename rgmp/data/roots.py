"""Paths of a study's data."""

from pathlib import Path

from rgmp.config.base import RESOLUTION, Closed
from rgmp.config.study import Stills


class DataRoots(Closed):
    """Paths of the data for training and scoring.

    Attributes:
        davis: root of a DAVIS tree.
        stills: sets of stills for stage 1, in the order in which samples are drawn.
        resolution: folder under JPEGImages and Annotations.
    """

    davis: Path
    stills: tuple[Stills, ...] = ()
    resolution: str = RESOLUTION
