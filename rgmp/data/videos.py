"""The videos of a DAVIS tree that a job reads."""

from pathlib import Path

from rgmp.config.base import RESOLUTION, Benchmark, Closed, Name
from rgmp.data.davis import Sequence, open_sequence, read_split, unknown_in
from rgmp.errors import refuse


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

    def open(self) -> list[Sequence]:
        """The sequences, in the split's order.

        Raises:
            UserError: sequences are not in the split, or files are missing.
        """
        split = read_split(self.davis, self.benchmark, self.split)
        refuse(unknown_in(self.split, split, self.sequences or ()))
        wanted = [name for name in split if self.sequences is None or name in self.sequences]
        return [open_sequence(self.davis, name, self.resolution) for name in wanted]
