"""Progress on standard error: a line updated in place, or one at intervals in a log."""

import sys
import time

_LOG_SECONDS = 30


class Progress:
    """Counts towards a total and estimates the time left."""

    def __init__(self, label: str, unit: str, total: int, done: int = 0) -> None:
        """Start the clock; `done` of `total` units were finished before."""
        self._label, self._unit, self._total = label, unit, total
        self._first = done
        self._start = self._said = time.monotonic()
        self._live = sys.stderr.isatty()

    def at(self, done: int, note: str = "") -> None:
        """Report progress, at most once per interval."""
        now = time.monotonic()
        over = done >= self._total
        if not over and now - self._said < (0.1 if self._live else _LOG_SECONDS):
            return
        self._said = now
        elapsed = now - self._start
        rate = (done - self._first) / elapsed if elapsed > 0 else 0.0
        left = f"{(self._total - done) / rate:.0f} s left" if rate > 0 and not over else ""
        ended = f"took {elapsed:.0f} s" if over else left
        line = f"{self._label}: {done}/{self._total} {self._unit}, {rate:.3g}/s, {ended} {note}"
        end = "\n" if over or not self._live else "\r"
        print(line.rstrip(), end=end, file=sys.stderr, flush=True)
