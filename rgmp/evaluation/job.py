"""The descriptions of scoring jobs, whether planned or from the command line."""

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field

from rgmp.config.base import AtOnce, Closed, Line, Seed
from rgmp.config.study import CrossCheck, Engine
from rgmp.data.videos import Videos
from rgmp.runtime.files import digest_of


class ScoringJob(Closed):
    """J and F of every frame: of masks, or adopted from someone's table.

    Attributes:
        videos: the ground truth.
        source: folder or zip of `<sequence>/00000.png`, ...; or a table of J and F of every frame.
        adopts: whether `source` is such a table.
        out: where the table goes; None: none is written. A study's job has it.
        engine: what measures.
        cross_check: whether the other engine measures too; no row depends on it.
        strict: whether a likely mistake in the masks is an error.
        processes: how many share the frames; the rows do not depend on it.
        variant, seed: names for the rows and the record.
        record: path of the record; None: none is written.
        reads: digests of the input data, if a plan knows them.
    """

    videos: Videos
    source: Path
    adopts: bool = False
    out: Path | None = None
    engine: Engine = "builtin"
    cross_check: CrossCheck = "off"
    strict: bool = False
    processes: AtOnce = 1
    variant: Line | None = None
    seed: Seed | None = None
    record: Path | None = None
    reads: dict[str, str] = Field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A digest of everything that can change the result; the paths of files cannot."""
        where = dict.fromkeys(
            ("source", "out", "record", "processes", "strict", "cross_check"), True
        )
        return digest_of(self.model_dump(mode="json", exclude={**where, "videos": {"davis"}}))


class SubmissionJob(Closed):
    """Masks of a split without public ground truth, packed as its server takes them.

    Attributes:
        videos: the split; of its annotations those of frame 0 alone are read.
        masks: folder or zip of `<sequence>/00000.png`, ...; of a study's run, its masks' record,
            which says where they lie.
        out: where the archive goes.
        record: path of the record; None: none is written.
    """

    videos: Videos
    masks: Path
    out: Path
    record: Path | None = None


class ConventionsJob(Closed):
    """The figures that the masks of a scoring job have by every convention.

    Attributes:
        conventions: where the table goes.
        other_davis: root of a DAVIS tree with annotations of DAVIS-2016 of the other kind, if any.
        subsets: lists of sequences that have rows of their own.
        match: a figure, in points, of which the conventions are asked that give it.
    """

    conventions: Path
    other_davis: Path | None = None
    subsets: tuple[Path, ...] = ()
    match: Annotated[float, Field(ge=0, le=100)] | None = None


Bound = Literal["floor", "ceiling"]
"""What gives J and F a scale (`rgmp.evaluation.bounds`); in score tables the variant."""
BOUNDS: tuple[Bound, ...] = get_args(Bound)


class BoundsJob(Closed):
    """J and F of the floor and of the ceiling in every frame.

    Attributes:
        videos: the ground truth.
        out: where the table of both goes.
        processes: how many share the frames; the rows do not depend on it.
        record: path of the record; None: none is written.
        reads: digests of the input data, if a plan knows them.
    """

    videos: Videos
    out: Path
    processes: AtOnce = 1
    record: Path | None = None
    reads: dict[str, str] = Field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A digest of everything that can change the result; the paths of files cannot."""
        where = dict.fromkeys(("out", "record", "processes"), True)
        return digest_of(self.model_dump(mode="json", exclude={**where, "videos": {"davis"}}))
