"""Worker processes that end with the process that started them."""

import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process


def worker_pool(processes: int) -> ProcessPoolExecutor:
    """A pool of fresh interpreters, none of which outlives a killed parent.

    The standard library's own would: they wait for work on a pipe whose other end they hold too.
    """
    return ProcessPoolExecutor(processes, get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    """End this process, whatever it is doing, when its parent has ended."""
    parent = parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
