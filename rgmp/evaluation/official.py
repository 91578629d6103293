"""The official evaluator: davis2017-evaluation's own class, in processes of its own.

What the class does to its process is no more than a line here: it ends it with status 0 where a
mask is missing, and fills the memory with long sequences, 3.3 GB for 80 frames of 480p with five
objects. Each run gets few enough frames, in a folder of its own (`rgmp.evaluation.official_run`),
where there are no tables either, which the evaluator's script would print in place of scoring.
"""

import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.util import find_spec
from itertools import groupby, pairwise
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from PIL import Image

from rgmp.config.base import Benchmark
from rgmp.data.mask_source import MaskFile, open_masks
from rgmp.data.sequence import Sequence as Video
from rgmp.data.videos import Videos
from rgmp.errors import UserError
from rgmp.evaluation.measures import Score
from rgmp.evaluation.official_run import Answer, Run, evaluate, missing
from rgmp.runtime.processes import worker_pool

NAME = "davis2017-evaluation"
MEMORY = 2**29
"""Bytes, about, that one run may take for its arrays."""

_WITHOUT = "run `make evaluator`, or score with builtin and without cross-check"
_Result = TypeVar("_Result")


class EvaluatorError(UserError):
    """The official evaluator is not there, or gave no scores."""


class Masked(NamedTuple):
    """The masks of one sequence, which the built-in engine has measured.

    Attributes:
        sequence: with all of its annotations.
        benchmark: what counts as an object.
        masks: of each scored frame, by the frame's name.
        rows: what it measured: frames in order, each frame's objects by id.
    """

    sequence: Video
    benchmark: Benchmark
    masks: Mapping[str, MaskFile]
    rows: Sequence[Score]


def masked_in(videos: Videos, masks: Path, rows: Iterable[Score]) -> list[Masked]:
    """The sequences of a folder or zip of masks that `rgmp.evaluation.scoring.judge` has measured.

    Args:
        videos: those that the masks are of.
        masks: the folder or zip.
        rows: what it measured: sequences as in the split.
    """
    source = open_masks(masks, videos.names())
    by_sequence = groupby(rows, key=attrgetter("sequence"))
    measured = {name: [*each] for name, each in by_sequence}
    return [
        Masked(
            one,
            videos.benchmark,
            source.masks_of(one.name, one.names).masks,
            measured[one.name],
        )
        for one in videos.open()
    ]


def is_installed() -> bool:
    """Whether there is a davis2017-evaluation; it may still lack what it needs."""
    return find_spec("davis2017") is not None


def require_known(videos: Videos) -> None:
    """Check that the evaluator can score a data set.

    Raises:
        UserError: it is no year of DAVIS as published.
    """
    if not videos.is_official:
        raise UserError(
            f"engine official: {NAME} knows DAVIS alone, not {videos.davis} as it is described; "
            "score with builtin and without cross-check"
        )


class Official:
    """The evaluator at work; it starts when it is first needed.

    Args:
        processes: how many there are of it.
    """

    def __init__(self, processes: int = 1) -> None:
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None
        self._places = tempfile.TemporaryDirectory(prefix="rgmp-evaluator-")
        self._runs = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._places.cleanup()

    def require(self) -> None:
        """Check that it can be used.

        Raises:
            EvaluatorError: it, or a dependency of it, is not installed.
        """
        if not is_installed():
            raise EvaluatorError(f"engine official: {NAME} is not installed; {_WITHOUT}")
        lacking = self._result(self._started().submit(missing), "starting")
        if lacking:
            raise EvaluatorError(f"engine official: {NAME} is incomplete ({lacking}); {_WITHOUT}")

    def measure(self, masked: Iterable[Masked]) -> Iterator[list[Score]]:
        """Evaluate sequences; all are handed over before the first is waited for.

        Yields:
            The rows of each, with its figures in place of the built-in engine's.

        Raises:
            EvaluatorError: it cannot be used, failed, was killed, or gave other than one J and one
                F of each object in each frame.
        """
        self.require()
        pool = self._started()
        asked = [
            (one, [(run, pool.submit(evaluate, run)) for run in self._runs_of(one)])
            for one in masked
        ]
        for one, runs in asked:
            yield [row for run, answer in runs for row in self._rows(one, run, answer)]

    def _rows(self, one: Masked, run: Run, asked: "Future[Answer]") -> Iterator[Score]:
        """The rows of a run.

        Raises:
            EvaluatorError: it failed.
        """
        where = f"{run.sequence}, frames {run.frames[0]} to {run.frames[-1]}"
        answer = self._result(asked, f"evaluating {where}")
        if answer.fault:
            raise EvaluatorError(f"engine official: {where}: {NAME} {answer.fault}")
        at = {frame: number for number, frame in enumerate(run.frames)}
        for row in one.rows:
            if row.frame in at:
                place = row.object - 1, at[row.frame]
                yield row._replace(J=float(answer.J[place]), F=float(answer.F[place]))

    def _started(self) -> ProcessPoolExecutor:
        """Its processes."""
        if self._pool is None:
            self._pool = worker_pool(self._processes)
        return self._pool

    def _result(self, future: "Future[_Result]", when: str) -> _Result:
        """What a process returned.

        Raises:
            EvaluatorError: it ended instead.
        """
        try:
            return future.result()
        except BrokenProcessPool:
            also = f", or one of the {self._processes - 1} runs after it" * (self._processes > 1)
            raise EvaluatorError(
                f"engine official: {NAME} crashed or was killed {when}{also}; free some "
                "memory, or score with builtin"
            ) from None

    def _runs_of(self, one: Masked) -> Iterator[Run]:
        """The runs that evaluate a sequence: several where it would take too much memory."""
        first, *scored, last = one.sequence.annotations
        with Image.open(first) as image:
            pixels = image.width * image.height
        objects = max(row.object for row in one.rows)
        # annotations and masks are there whole, and twice for each object, as float64
        frame = 8 * pixels * (2 + 2 * objects)
        count = math.ceil(len(scored) / max(1, MEMORY // frame))
        ends = [len(scored) * number // count for number in range(count + 1)]
        for start, end in pairwise(ends):
            part = scored[start:end]
            self._runs += 1
            yield Run(
                place=Path(self._places.name) / str(self._runs),
                sequence=one.sequence.name,
                benchmark=one.benchmark,
                objects=objects,
                annotations=(first, *part, last),
                masks=tuple(one.masks[path.stem] for path in part),
            )


def stale_tables(masks: Path) -> list[Path]:
    """The tables beside masks that the evaluator's script prints in place of scoring them."""
    return sorted(masks.glob("global_results-*.csv")) if masks.is_dir() else []
