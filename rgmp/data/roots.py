"""Paths of a study's data."""

from pathlib import Path

from rgmp.config.base import RESOLUTION, Benchmark, Closed
from rgmp.config.study import Stills


class DataRoots(Closed):
    """Paths of the data for training and scoring.

    Attributes:
        davis: root of a DAVIS tree.
        davis2016: root of the tree for `davis2016`; None: it is `davis`.
        stills: sets of stills for stage 1, in the order in which samples are drawn.
        resolution: folder under JPEGImages and Annotations.
    """

    davis: Path
    davis2016: Path | None = None
    stills: tuple[Stills, ...] = ()
    resolution: str = RESOLUTION

    def davis_of(self, benchmark: Benchmark) -> Path:
        """The root of the tree of a benchmark."""
        return (self.davis2016 if benchmark == "davis2016" else None) or self.davis
