"""The videos of a DAVIS tree that a job reads."""

from collections.abc import Iterator
from pathlib import Path

from rgmp.config.base import RESOLUTION, Benchmark, Closed, Name
from rgmp.data.davis import Sequence, open_sequence, problems_of, read_split
from rgmp.errors import UserError, refuse


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

    def names(self) -> list[str]:
        """The names of the sequences, in the split's order.

        Raises:
            UserError: as `read_split`, or sequences are not in the split.
        """
        listed = read_split(self.davis, self.benchmark, self.split, self.resolution)
        if self.sequences is None:
            return listed
        refuse(
            f"{name}: unknown sequence; {self.split} has {', '.join(listed)}"
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

    def problems(self) -> Iterator[str]:
        """Decode every file and yield the problems, one line each.

        Only DAVIS's test splits may withhold the ground truth of later frames: any other split is
        trained on or scored.
        """
        try:
            names = self.names()
        except UserError as error:
            yield str(error)
            return
        for name in names:
            try:
                sequence = open_sequence(self.davis, name, self.resolution)
            except UserError as error:
                yield str(error)
                continue
            if not self.split.startswith("test"):
                try:
                    sequence.require_annotated(1, f"{self.benchmark}/{self.split}")
                except UserError as error:
                    yield str(error)
            yield from problems_of(sequence, self.benchmark)
