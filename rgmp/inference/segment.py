"""From frames on the disk to masks on the disk: whole sequences, whole splits."""

import re
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from glob import escape
from pathlib import Path

import numpy as np
import torch

from rgmp.config.base import Benchmark
from rgmp.data import davis
from rgmp.errors import UserError
from rgmp.inference.propagator import Propagator, download
from rgmp.runtime.files import atomic_folder, read_json, write_json

_THREADS = 4
"""Threads that decode frames ahead, and as many that encode masks behind."""


_WAITING = 8
"""Frames at most that wait to be segmented, and as many masks to be written."""


_MARK = ".made-by.json"
"""The file that says what made a folder of masks."""


def segment_sequence(
    propagator: Propagator, sequence: davis.Sequence, benchmark: Benchmark, out: Path
) -> None:
    """Write a mask for every frame of a sequence into the folder `out`, all of them or none.

    Frame 0's is its annotation.

    Raises:
        UserError: a file cannot be read or `out` cannot be written, or is there.
    """
    first = davis.read_annotation(sequence.annotations[0], benchmark)
    with atomic_folder(out) as folder, _Writing() as writing:
        folder.mkdir()
        for number, (path, frame) in enumerate(_read_ahead(sequence.frames)):
            try:
                if number == 0:
                    propagator.start(frame, first)
                    known = torch.from_numpy(np.where(first == davis.VOID, 0, first))
                    ready = download(known)
                else:
                    ready = download(propagator.step(frame))
            except UserError as error:
                raise UserError(f"{path}: {error}") from error
            writing.submit(folder / f"{path.stem}.png", ready)


def _read_ahead(paths: Sequence[Path]) -> Iterator[tuple[Path, davis.Labels]]:
    """Every path with its frame, decoded by other threads while the caller is at work."""
    with ThreadPoolExecutor(_THREADS) as readers:
        reading = deque(readers.submit(davis.read_frame, path) for path in paths[:_WAITING])
        for number, path in enumerate(paths, start=_WAITING):
            yield path, reading.popleft().result()
            if number < len(paths):
                reading.append(readers.submit(davis.read_frame, paths[number]))


class _Writing:
    """Masks that other threads wait for, encode and write; all are there when it is left."""

    def __enter__(self) -> "_Writing":
        self._writers = ThreadPoolExecutor(_THREADS)
        self._pending: deque[Future[None]] = deque()
        return self

    def submit(self, path: Path, ready: Callable[[], davis.Labels]) -> None:
        if len(self._pending) == _WAITING:
            self._pending.popleft().result()
        self._pending.append(self._writers.submit(lambda: davis.write_mask(path, ready())))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._writers.shutdown()
        if kind is None:
            for pending in self._pending:
                pending.result()


def _is_ours(folder: Path) -> bool:
    """Whether there is nothing in a folder that `segment_split` does not write, whole or half."""
    return (
        folder.is_dir()
        and not folder.is_symlink()
        and all(
            re.fullmatch(rf"\d+\.png|{re.escape(_MARK)}", path.name)
            for path in folder.rglob("*")
            if path.is_symlink() or not path.is_dir()
        )
    )


def segment_split(
    propagator: Propagator,
    sequences: list[davis.Sequence],
    benchmark: Benchmark,
    out: Path,
    maker: dict[str, str],
    report: Callable[[int], None],
) -> None:
    """Write the masks of many sequences under `out`; what a killed run finished is kept.

    Args:
        propagator: does the work.
        sequences: what to segment.
        benchmark: as what their annotations are read.
        out: `out/<sequence>/00000.png`.
        maker: stands for weights, settings and data; what another maker left is removed first.
        report: told how many frames are done, after each sequence.

    Raises:
        UserError: `out` holds something that would be lost and that no run made; or as
            `segment_sequence`.
    """
    mark = out / _MARK
    if out.is_dir() and any(out.iterdir()):
        if not mark.is_file():
            raise UserError(
                f"{out}: holds other files; name an empty folder or a new one for masks"
            )
        if read_json(mark) != maker:
            old = sorted(set(out.iterdir()) - {mark})
            for path in old:
                if not _is_ours(path):
                    raise UserError(
                        f"{path}: is no folder of masks, in a folder whose masks are to be made "
                        "again; move it away, or name a new folder for masks"
                    )
            for path in old:
                shutil.rmtree(path)
    write_json(mark, maker)
    done = 0
    for sequence in sequences:
        if not (out / sequence.name).is_dir():
            for half in out.glob(f".{escape(sequence.name)}.*"):  # of a run that was killed
                shutil.rmtree(half)
            segment_sequence(propagator, sequence, benchmark, out / sequence.name)
        done += len(sequence.frames)
        report(done)
