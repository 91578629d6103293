"""Progress on standard error: a bar with the time left, or lines at intervals in a log."""

import sys
import time
from typing import ClassVar

from rgmp.runtime.clock import in_minutes
from rgmp.runtime.terminal import screen_of

_LOG_SECONDS = 30
_LIVE_SECONDS = 0.1
_BAR = 20
"""Columns of the bar, where the screen has room for it."""


class Progress:
    """Counts towards a total and estimates the time left.

    Attributes:
        silent: whether nothing is shown in this process.
    """

    silent: ClassVar[bool] = False

    def __init__(self, label: str, unit: str, total: int, done: int = 0) -> None:
        """Start the clock; `done` of `total` units were finished before."""
        self._label, self._unit, self._total = label, unit, total
        self._first = done
        self._start = self._said = time.monotonic()
        self._screen = screen_of(sys.stderr)

    def at(self, done: int, note: str = "") -> None:
        """Report progress, at most once per interval."""
        now = time.monotonic()
        over = done >= self._total
        every = _LIVE_SECONDS if self._screen.live else _LOG_SECONDS
        if self.silent or (not over and now - self._said < every):
            return
        self._said = now
        elapsed = now - self._start
        rate = (done - self._first) / elapsed if elapsed > 0 else 0.0
        left = f"{in_minutes((self._total - done) / rate)} left" if rate > 0 and not over else ""
        ended = f"took {in_minutes(elapsed)}" if over else left
        told = f"{done}/{self._total} {self._unit}, {rate:.3g}/s, {ended} {note}".rstrip()
        if self._screen.live:
            print(self._moved(done, told, over=over), end="", file=sys.stderr, flush=True)
        else:
            print(f"{self._label}: {told}", file=sys.stderr, flush=True)

    def _moved(self, done: int, told: str, *, over: bool) -> str:
        """What replaces the line on a terminal: with a bar, if there is room, until it is over."""
        full = round(_BAR * min(done, self._total) / self._total) if self._total else _BAR
        bar = f"[{'#' * full}{'.' * (_BAR - full)}] "
        line = f"{self._label}: {told}"
        if over:
            return f"\r\x1b[K{line}\n"
        if len(line) + len(bar) < self._screen.width:
            line = f"{self._label}: {bar}{told}"
        return f"\r\x1b[K{line[: self._screen.width - 1]}"
