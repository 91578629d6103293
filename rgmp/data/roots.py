"""Paths of a study's data."""

from pathlib import Path
from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from rgmp.config.base import RESOLUTION, Benchmark, Closed
from rgmp.config.dataset import DAVIS, Dataset
from rgmp.config.study import Stills
from rgmp.errors import UserError


class Described(Closed):
    """A data set: its folder, and how it lies there."""

    root: Path
    dataset: Dataset


class DataRoots(Closed):
    """Paths of the data for training and scoring.

    Attributes:
        davis: root of a DAVIS tree; None: the study has none.
        davis2016: root of the tree for `davis2016`; None: it is `davis`.
        sets: other sets of videos, by the names of their benchmarks.
        stills: sets of stills for stage 1, in the order in which samples are drawn.
        resolution: folder under JPEGImages and Annotations.
    """

    davis: Path | None = None
    davis2016: Path | None = None
    sets: dict[Benchmark, Described] = Field(default_factory=dict)
    stills: tuple[Stills, ...] = ()
    resolution: str = RESOLUTION

    @model_serializer(mode="wrap")
    def _without_none(self, serialized: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out sets where there are none, as in plans from before there were."""
        values: dict[str, Any] = serialized(self)
        if not self.sets:
            values.pop("sets", None)
        return values

    @property
    def of_videos(self) -> set[Path]:
        """The folders of all sets of videos."""
        others = {described.root for described in self.sets.values()}
        return {root for root in (self.davis, self.davis2016) if root} | others

    def has_several(self, benchmark: Benchmark) -> bool:
        """Whether the sequences of a benchmark may have several objects."""
        known = self.sets[benchmark].dataset if benchmark in self.sets else DAVIS[benchmark]
        return known.has_several

    def described(self, benchmark: Benchmark) -> Described:
        """The data set of a benchmark.

        Raises:
            UserError: there is none.
        """
        if benchmark in self.sets:
            return self.sets[benchmark]
        root = (self.davis2016 if benchmark == "davis2016" else None) or self.davis
        if root is None or benchmark not in DAVIS:
            known = ", ".join([*(DAVIS if self.davis else ()), *self.sets])
            raise UserError(f"{benchmark}: no data set of that name; allowed: {known}")
        return Described(root=root, dataset=DAVIS[benchmark])
