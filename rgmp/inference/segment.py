"""Segment sequences and splits, from frames on disk to masks on disk."""

import re
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from glob import escape
from pathlib import Path

import torch
from torch import Tensor

from rgmp.data import davis
from rgmp.data.images import Labels, read_frame
from rgmp.data.sequence import Sequence as Video
from rgmp.data.tree import ENDS_WITH_NUMBER
from rgmp.errors import UserError
from rgmp.inference.job import MARK
from rgmp.inference.propagator import Propagator, download
from rgmp.runtime.files import atomic_folder, read_json, write_json

_THREADS = 4
"""Threads that decode frames ahead, and as many that encode masks."""


_WAITING = 8
"""Most decoded frames waiting to be segmented, and most masks waiting to be written."""


@dataclass
class Waits:
    """Seconds that the thread which segments a sequence waited for those that read and write.

    Attributes:
        reading: for a frame to be decoded.
        writing: for a mask to be written, whose labels a GPU may still have to compute.
    """

    reading: float = 0.0
    writing: float = 0.0


def segment_sequence(propagator: Propagator, sequence: Video, out: Path) -> Waits:
    """Write a mask for every frame of a sequence into the folder `out`, all or none.

    The mask of frame 0 is its annotation. An object that appears later has its annotation in the
    frame that gives it; in frames before any object is given the mask is empty.

    Returns:
        How long it waited.

    Raises:
        UserError: a file cannot be read, or `out` exists or cannot be written.
    """
    given = {sequence.annotations[number].stem: number for number in sequence.giving}
    waits = Waits()
    with atomic_folder(out) as folder, _Writing(waits) as writing:
        folder.mkdir()
        tracking = _Tracking(propagator, sequence)
        for path, frame in _read_ahead(sequence.frames, waits):
            try:
                labels = tracking.step(frame, given.get(path.stem))
            except UserError as error:
                raise UserError(f"{path}: {error}") from error
            writing.submit(folder / f"{path.stem}.png", download(labels))
    return waits


class _Tracking:
    """A video that is segmented frame by frame, with its objects as they are given."""

    def __init__(self, propagator: Propagator, sequence: Video) -> None:
        self._propagator, self._sequence = propagator, sequence
        self._has_begun = False

    def step(self, frame: Labels, number: int | None) -> Tensor:
        """Segment the next frame: labels, uint8 (H, W), on the propagator's device.

        Args:
            frame: uint8 (H, W, 3).
            number: of its annotation, if that gives objects.
        """
        labels = self._propagator.step(frame) if self._has_begun else None
        if number is None:
            return torch.zeros(frame.shape[:2], dtype=torch.uint8) if labels is None else labels
        given, objects = self._sequence.read_given(number), self._sequence.given_at(number)
        self._has_begun = True
        if labels is None:
            self._propagator.start(frame, given, objects)
            return torch.from_numpy(given)
        return self._propagator.add(frame, given, objects, labels)


def _read_ahead(paths: Sequence[Path], waits: Waits) -> Iterator[tuple[Path, Labels]]:
    """Every path with its frame, decoded by other threads while the caller works."""
    with ThreadPoolExecutor(_THREADS) as readers:
        reading = deque(readers.submit(read_frame, path) for path in paths[:_WAITING])
        for number, path in enumerate(paths, start=_WAITING):
            begun = time.perf_counter()
            frame = reading.popleft().result()
            waits.reading += time.perf_counter() - begun
            yield path, frame
            if number < len(paths):
                reading.append(readers.submit(read_frame, paths[number]))


class _Writing:
    """Encodes and writes masks in other threads; all are written when the block ends."""

    def __init__(self, waits: Waits) -> None:
        self._waits = waits

    def __enter__(self) -> "_Writing":
        self._writers = ThreadPoolExecutor(_THREADS)
        self._pending: deque[Future[None]] = deque()
        return self

    def submit(self, path: Path, ready: Callable[[], Labels]) -> None:
        if len(self._pending) == _WAITING:
            with self._waiting():
                self._pending.popleft().result()
        self._pending.append(self._writers.submit(lambda: davis.write_mask(path, ready())))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._waiting():
            self._writers.shutdown()
        if kind is None:
            for pending in self._pending:
                pending.result()

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self._waits.writing += time.perf_counter() - begun


def _is_ours(folder: Path) -> bool:
    """Whether a folder contains nothing but complete or partial output of this package."""
    # masks are named as frames; scores are kept beside them (`rgmp.evaluation.sequence_scores`)
    mask = rf"{ENDS_WITH_NUMBER.pattern}\.png"
    ours = rf"{mask}|{re.escape(MARK)}|scores-[0-9a-f]+\.json"
    return (
        folder.is_dir()
        and not folder.is_symlink()
        and all(
            re.fullmatch(ours, path.name)
            for path in folder.rglob("*")
            if path.is_symlink() or not path.is_dir()
        )
    )


def take_folder(out: Path, maker: dict[str, str]) -> None:
    """Take a folder for the masks of one maker; those of another are removed.

    Args:
        out: the folder, which need not exist.
        maker: a digest of what can change every mask in it.

    Raises:
        UserError: `out` contains files that no run wrote and that would be lost.
    """
    mark = out / MARK
    if out.is_dir() and any(out.iterdir()):
        if not mark.is_file():
            raise UserError(f"{out}: contains other files; name an empty or new folder for masks")
        if read_json(mark) == maker:
            return
        old = sorted(set(out.iterdir()) - {mark})
        for path in old:
            if not _is_ours(path):
                raise UserError(
                    f"{path}: not a folder of masks, in a folder whose masks must be made "
                    "again; move it away, or name a new folder for masks"
                )
        for path in old:
            shutil.rmtree(path)
    write_json(mark, maker)


def segment_missing(
    propagator: Callable[[], Propagator],
    sequence: Video,
    out: Path,
) -> bool:
    """Write the masks of a sequence unless they are there; whether they were not.

    Raises:
        UserError: as `segment_sequence`.
    """
    if out.is_dir():
        return False
    for half in out.parent.glob(f".{escape(out.name)}.*"):  # left by a killed run
        shutil.rmtree(half)
    segment_sequence(propagator(), sequence, out)
    return True


def segment_split(
    propagator: Propagator,
    sequences: list[Video],
    out: Path,
    maker: dict[str, str],
    report: Callable[[int], None],
) -> None:
    """Write the masks of many sequences under `out`; keep what an earlier, killed run finished.

    Args:
        propagator: of the variant.
        sequences: what to segment.
        out: `out/<sequence>/00000.png`.
        maker: a digest of weights, settings and data; masks of another maker are removed first.
        report: called with the number of finished frames after each sequence.

    Raises:
        UserError: as `take_folder` and `segment_sequence`.
    """
    take_folder(out, maker)
    done = 0
    for sequence in sequences:
        segment_missing(lambda: propagator, sequence, out / sequence.name)
        done += len(sequence.frames)
        report(done)
