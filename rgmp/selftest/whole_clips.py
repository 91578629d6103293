"""A whole clip, from its JPEGs to its PNGs: how long it takes, and what the device waits for.

The device's own clock is read between its pieces of work, which costs microseconds a frame, so the
time that it has nothing to compute is measured, not inferred.
"""

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from rgmp.data import davis
from rgmp.data.images import Labels, read_frame
from rgmp.data.sequence import Sequence as Video
from rgmp.inference.propagator import Propagator
from rgmp.inference.segment import segment_sequence
from rgmp.inference.speed import TimedClip
from rgmp.runtime.timers import Moments
from rgmp.selftest.finding import Finding

COMPUTING = "computing"
FIRST, NEXT, LAST = "the first frame", "the next frame", "the last masks to be written"
UPLOAD = "the upload of a frame"
WAITING = (FIRST, NEXT, UPLOAD, LAST)
"""What a device waits for. The way of labels down to main memory is part of waiting for the next
frame: nothing is computed meanwhile."""


class WatchedPropagator(Propagator):
    """A propagator that can note when its device begins and ends the work of each frame."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._moments: Moments | None = None
        self._ended: list[str] = []

    def watch(self) -> None:
        """Note from now on what the device does; it has nothing to do now."""
        self._moments, self._ended = Moments(self.device), []
        self._moments.note()

    def noted(self) -> dict[str, float]:
        """Seconds that the device spent computing and waiting for each thing, since `watch`."""
        self._note(LAST)
        assert self._moments is not None  # noqa: S101 - it was watched
        seconds: dict[str, float] = defaultdict(float)
        for what, took in zip(self._ended, self._moments.seconds(), strict=True):
            seconds[what] += took
        self._moments = None
        return seconds

    def _note(self, ended: str) -> None:
        """Note what ends now on the device."""
        if self._moments is not None:
            self._moments.note()
            self._ended.append(ended)

    def upload(self, frame: Labels) -> Tensor:
        """As `Propagator.upload`."""
        self._note(NEXT if self._ended else FIRST)
        whole = super().upload(frame)
        self._note(UPLOAD)
        return whole

    def start(self, *arguments: Any, **settings: Any) -> None:
        """As `Propagator.start`."""
        super().start(*arguments, **settings)
        self._note(COMPUTING)

    def segment(self, whole: Tensor) -> Tensor:
        """As `Propagator.segment`."""
        labels = super().segment(whole)
        self._note(COMPUTING)
        return labels


def segmented(propagator: WatchedPropagator, sequence: Video, work: Path) -> dict[str, float]:
    """Segment a sequence from its files to masks on a disk, which are then removed.

    Args:
        propagator: warmed up on the sequence's shape.
        sequence: what is segmented.
        work: a folder for the masks.

    Returns:
        Seconds of the whole `clip`; shares of it, 0 to 1, that the device spent `COMPUTING` and
        waiting for each of `WAITING`; and that the thread which segments waited for `reading` and
        `writing`, as `rgmp.inference.segment.Waits` has them.
    """
    with tempfile.TemporaryDirectory(dir=work) as folder:
        propagator.watch()
        begun = time.perf_counter()
        waits = segment_sequence(propagator, sequence, Path(folder) / "masks")
        took = time.perf_counter() - begun
        noted = propagator.noted()
    total = sum(noted.values())
    shares = {what: noted[what] / total for what in (COMPUTING, *WAITING)}
    waited = {"reading": waits.reading / took, "writing": waits.writing / took}
    return {"clip": took, **shares, **waited}


def of_one_thread(clip: TimedClip, work: Path) -> Iterator[Finding]:
    """What one thread decodes and encodes in a second, alone."""
    paths = clip.sequence.frames
    begun = time.perf_counter()
    for path in paths:
        read_frame(path)
    rate = len(paths) / (time.perf_counter() - begun)
    yield Finding("frames that one thread decodes in a second", {}, rate, "frames/s")
    with tempfile.TemporaryDirectory(dir=work) as folder:
        begun = time.perf_counter()
        for number in range(len(paths)):
            davis.write_mask(Path(folder) / f"{number}.png", clip.labels)
        rate = len(paths) / (time.perf_counter() - begun)
    yield Finding("masks that one thread writes in a second", {}, rate, "masks/s")
    size = sum(path.stat().st_size for path in paths) / len(paths)
    yield Finding("size of a frame's JPEG", {}, size / 1e3, "kB")
