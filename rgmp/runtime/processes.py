"""Worker processes that end with the process that started them."""

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Item = TypeVar("Item")
Result = TypeVar("Result")


def worker_pool(processes: int) -> ProcessPoolExecutor:
    """A pool of fresh interpreters, none of which outlives a killed parent.

    The standard library's own would: they wait for work on a pipe whose other end they hold too.
    """
    return ProcessPoolExecutor(processes, get_context("spawn"), initializer=_end_with_parent)


def ordered(
    work: Callable[[Item], Result], items: Sequence[Item], processes: int, chunk: int = 1
) -> Generator[Result, None, None]:
    """Do a piece of work for every item, here or in several processes.

    Whoever may not take all results closes the iterator, which drops the work that has not begun.

    Args:
        work: a function that can be sent to another process, as its items and results can.
        items: in order.
        processes: how many share them; 1: this one alone.
        chunk: how many items are sent at a time.

    Yields:
        The results, in the order of the items; a worker that is killed raises, rather than hangs.
    """
    if processes == 1:
        yield from map(work, items)
        return
    pool = worker_pool(processes)
    try:
        with _interrupts_held():
            results = pool.map(work, items, chunksize=chunk)
        yield from results
    finally:  # `results` drops what has not begun only once something was taken from it
        pool.shutdown(cancel_futures=True)


def side_by_side(work: Callable[[], Result], count: int) -> list[Result]:
    """Do the same piece of work in several fresh processes at once: also if it is one.

    Args:
        work: a function that can be sent to another process, as its result can.
        count: how many do it.
    """
    pool = worker_pool(count)
    try:
        with _interrupts_held():
            doing = [pool.submit(work) for _ in range(count)]
        return [each.result() for each in doing]
    finally:
        pool.shutdown(cancel_futures=True)


def apart(work: Callable[[], Iterable[Result]], seconds: float) -> Iterator[Result]:
    """Do a piece of work in a fresh process that is ended, with all it started, when time is up.

    Args:
        work: a function that can be sent to another process, as its results can.
        seconds: how long it may take.

    Yields:
        Its results, as they come.

    Raises:
        TimeoutError: it took longer; what came before was yielded.
        RuntimeError: it raised, and a note has its traceback; or it was killed.
    """
    context, end = get_context("spawn"), time.monotonic() + seconds
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_all, args=(work, sender))
    process.start()
    sender.close()
    try:
        while True:
            if not receiver.poll(max(end - time.monotonic(), 0)):
                raise TimeoutError(f"not done after {seconds:.0f} s")
            try:
                kind, value = receiver.recv()
            except EOFError:
                raise RuntimeError("its process was killed") from None
            if kind == "done":
                return
            if kind == "failed":
                error = RuntimeError(value[0])
                error.add_note(value[1])
                raise error
            yield value
    finally:
        receiver.close()
        if process.pid is not None:
            with suppress(ProcessLookupError):  # it has ended, or has no group yet
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()


def _send_all(work: Callable[[], Iterable[Result]], sender: "Connection[Any, Any]") -> None:
    """Send every result, then that it is done, or why it failed."""
    os.setpgid(0, 0)
    _end_with_parent(with_group=True)
    try:
        for result in work():
            sender.send(("result", result))
        sender.send(("done", None))
    except Exception as error:
        sender.send(("failed", (f"{type(error).__name__}: {error}", traceback.format_exc())))


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold back SIGINT, also from what is started meanwhile, for good: Ctrl-C is for the parent.

    It reaches every process of a terminal, and would end workers with a traceback, or half-started.
    They inherit what is blocked. That is not enough here: another thread may receive the signal,
    and the main thread would raise all the same, between a worker's start and what it is sent.
    """
    noted: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    handler = signal.signal(signal.SIGINT, lambda number, _: noted.append(number)) if is_main else 0
    try:
        yield
    finally:
        if is_main:
            signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if noted:
            signal.raise_signal(signal.SIGINT)


def _end_with_parent(with_group: bool = False) -> None:
    """End this process, whatever it is doing, when its parent has ended; and all of its group."""
    parent = parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        if with_group:
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
