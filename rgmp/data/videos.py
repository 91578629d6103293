"""The videos of a DAVIS tree that a job reads."""

from pathlib import Path
from typing import Self

from rgmp.config.base import RESOLUTION, Benchmark, Closed, Name
from rgmp.data.davis import Sequence, open_sequence, read_split
from rgmp.data.roots import DataRoots
from rgmp.errors import nearest, refuse


class Videos(Closed):
    """The videos of a split, or some of them.

    Attributes:
        davis: root of a DAVIS tree.
        benchmark: what counts as an object.
        split: such as `val`.
        resolution: folder under JPEGImages and Annotations.
        sequences: subset of the split; None: all of it.
    """

    davis: Path
    benchmark: Benchmark
    split: Name = "val"
    resolution: Name = RESOLUTION
    sequences: tuple[Name, ...] | None = None

    @classmethod
    def of(cls, roots: DataRoots, benchmark: Benchmark, split: str) -> Self:
        """Those of a split of a study's data."""
        root = roots.davis_of(benchmark)
        return cls(davis=root, benchmark=benchmark, split=split, resolution=roots.resolution)

    def names(self) -> list[str]:
        """The names of the sequences, in the split's order.

        Raises:
            UserError: as `read_split`, or sequences are not in the split.
        """
        listed = read_split(self.davis, self.benchmark, self.split, self.resolution)
        if self.sequences is None:
            return listed
        refuse(
            f"{name}: unknown sequence; {self.split} has {', '.join(listed)}{nearest(name, listed)}"
            for name in self.sequences
            if name not in listed
        )
        return [name for name in listed if name in self.sequences]

    def open(self) -> list[Sequence]:
        """The sequences, in the split's order.

        Raises:
            UserError: as `names`, or files are missing.
        """
        return [open_sequence(self.davis, name, self.resolution) for name in self.names()]
