"""Processes that share the work of one, and end with it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered(
    work: Callable[[Item], Result], items: Sequence[Item], processes: int, chunk: int = 1
) -> Iterator[Result]:
    """Do a piece of work for every item, here or in several processes; close it if not used up.

    Args:
        work: a function, and its items, that can be sent to another process.
        items: in order.
        processes: how many share them; 1: this one alone.
        chunk: how many are sent at a time.

    Yields:
        The results, in the order of the items.
    """
    if processes == 1:
        yield from map(work, items)
        return
    with workers(processes) as pool:
        yield from pool.map(work, items, chunksize=chunk)


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
