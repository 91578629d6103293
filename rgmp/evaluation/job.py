"""What a table of scores is made from, whoever asks for it."""

from pathlib import Path

from pydantic import Field

from rgmp.config.base import AtOnce, Closed, Seed
from rgmp.config.study import Evaluation
from rgmp.data.videos import Videos
from rgmp.runtime.files import digest_of


class ScoringJob(Closed):
    """J and F of every frame: of masks, or taken over from someone's table.

    Attributes:
        videos: what is scored against.
        source: folder of `<sequence>/00000.png`, ...; or a table of J and F of every frame.
        adopts: whether `source` is such a table.
        out: where the table goes.
        evaluation: by which engine, and whether with the other too.
        processes: that share the frames; the rows are the same.
        variant, seed: what the rows and the record name.
        record: where that goes; None: there is none.
        reads: what stands for the bytes that are read, where a plan knows it.
    """

    videos: Videos
    source: Path
    adopts: bool = False
    out: Path
    evaluation: Evaluation = Evaluation()
    processes: AtOnce = 1
    variant: str | None = None
    seed: Seed | None = None
    record: Path | None = None
    reads: dict[str, str] = Field(default_factory=dict)

    @property
    def digest(self) -> str:
        """What tells this job of a plan from one with another result: not where files lie."""
        where = dict.fromkeys(("source", "out", "record", "processes"), True)
        return digest_of(self.model_dump(mode="json", exclude={**where, "videos": {"davis"}}))
