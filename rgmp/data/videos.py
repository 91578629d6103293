"""The videos of a data set that a job reads."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from rgmp.config.base import BENCHMARKS, RESOLUTION, Benchmark, Closed, Name
from rgmp.config.dataset import DAVIS, Dataset
from rgmp.data.roots import DataRoots
from rgmp.data.sequence import Sequence
from rgmp.data.tree import Tree
from rgmp.errors import nearest, refuse


class Videos(Closed):
    """The videos of a split, or some of them.

    Attributes:
        davis: root of the data set, such as a DAVIS tree.
        benchmark: its name; of DAVIS it also says what counts as an object.
        dataset: how it lies there and what it means; of DAVIS it goes without saying.
        split: such as `val`.
        resolution: folder under JPEGImages and Annotations.
        sequences: subset of the split; None: all of it.
    """

    davis: Path
    benchmark: Benchmark
    dataset: Dataset = DAVIS["davis2017"]
    split: Name = "val"
    resolution: Name = RESOLUTION
    sequences: tuple[Name, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _described(cls, given: Any) -> Any:
        """Take a year of DAVIS by its name."""
        if not isinstance(given, dict) or "dataset" in given or "benchmark" not in given:
            return given
        if (known := DAVIS.get(given["benchmark"])) is None:
            raise ValueError(
                f"benchmark (={given['benchmark']}): no year of DAVIS, and no data set describes "
                f"it; allowed without one: {', '.join(BENCHMARKS)}"
            )
        return {**given, "dataset": known}

    @model_serializer(mode="wrap")
    def _by_name(self, serialized: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what the name says."""
        values: dict[str, Any] = serialized(self)
        if self.is_official:
            values.pop("dataset", None)
        return values

    @classmethod
    def of(cls, roots: DataRoots, benchmark: Benchmark, split: str) -> Self:
        """Those of a split of a study's data.

        Raises:
            UserError: the study has no such data set.
        """
        described = roots.described(benchmark)
        return cls(
            davis=described.root,
            benchmark=benchmark,
            dataset=described.dataset,
            split=split,
            resolution=roots.resolution,
        )

    @property
    def tree(self) -> Tree:
        """The split on disk."""
        return Tree(self.davis, self.benchmark, self.dataset, self.split, self.resolution)

    @property
    def meaning(self) -> dict[str, object]:
        """What the name leaves open of how annotations are read: of DAVIS nothing."""
        return {} if self.is_official else self.dataset.meaning

    @property
    def is_official(self) -> bool:
        """Whether it is a year of DAVIS as published, as the official evaluator knows it."""
        return self.dataset == DAVIS.get(self.benchmark)

    def names(self) -> list[str]:
        """The names of the sequences, in the split's order.

        Raises:
            UserError: as `Tree.list_split`, or an entry is not a plain name or is a duplicate.
            ProblemsError: sequences are not in the split.
        """
        listed = self.tree.list_split().required()
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
        return [self.tree.open_sequence(name) for name in self.names()]

    def files(self) -> Iterator[Path]:
        """Every file of the data set, as far as its description goes."""
        return self.tree.files()
