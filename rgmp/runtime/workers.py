"""Processes that share the work of one, and end with it."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process


@contextmanager
def workers(count: int) -> Iterator[ProcessPoolExecutor]:
    """Start `count` processes, as tasks are submitted; they end with the block, or with this one.

    A block that raises drops the tasks that have not begun. A worker that is killed makes the tasks
    raise, rather than hang. An interrupt from the keyboard, which reaches all, is left to this
    process.
    """
    pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=_attend)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _attend() -> None:
    """In a worker: leave interrupts to the parent, and end when it has gone, even if killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the end of a pipe that only the parent holds open."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)  # whatever the main thread does: nobody waits for it
