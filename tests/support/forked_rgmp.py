"""`rgmp` for the jobs of a study, forked from a process that has imported what commands need.

Imports are most of what a job of the tiny study takes: four seconds where it needs torch. Here a
command `rgmp` that stands first in PATH hands its arguments, folder, environment and open files to
that process (`support/rgmp_shim.py`), which forks one that runs them as from a shell. There is one
for all workers of pytest-xdist; it imports when it is first asked. `run` has other programs that
import as much run there, too.
"""

import gc
import json
import os
import pkgutil
import selectors
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from functools import cache
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import NoReturn

import rgmp

TESTS = Path(__file__).parents[1]
FOLDER = "RGMP_TESTS_FORKED"
"""The variable with the folder of `forked_rgmp`, for whatever the tests start."""
NOT_PRELOADED = "rgmp.tracking.store"  # `rgmp track` starts a process of its own for MLflow


@contextmanager
def forked_rgmp() -> Iterator[str]:
    """A folder with an `rgmp` that is forked from a process, which ends with the block or this one.

    The folder goes with that process.
    """
    root = os.environ.get("PYTEST_DEBUG_TEMPROOT")
    folder = Path(tempfile.mkdtemp(prefix="rgmp-tests-", dir=root))
    command = folder / "rgmp"
    command.write_text(f'#!/bin/sh\nexec {shlex.join(_words(folder, "rgmp.cli.main"))} "$@"\n')
    command.chmod(0o755)
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    with socket.socket(socket.AF_UNIX) as listening:
        with chdir(folder):
            listening.bind("socket")
        listening.listen(64)  # from here on jobs may come: they wait
        server = subprocess.Popen(
            [sys.executable, "-m", "support.forked_rgmp", str(listening.fileno()), str(folder)],
            stdin=subprocess.PIPE,
            pass_fds=[listening.fileno()],
            # torch starts no other thread in it, which forked processes would lack
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is for pytest
        )
    try:
        yield str(folder)
    finally:
        with suppress(subprocess.TimeoutExpired):
            server.communicate(timeout=10)  # longer if a process forked here holds its input open
        server.kill()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the function `main` of a module in such a process, as `subprocess.run` runs a command."""
    command = [*_words(Path(os.environ[FOLDER]), module), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def _words(folder: Path, module: str) -> list[str]:
    shim = str(TESTS / "support/rgmp_shim.py")
    return [sys.executable, "-IS", shim, str(folder / "socket"), module]


def serve(listening: socket.socket) -> None:
    """Run what is asked for, each in a process of its own, until standard input ends."""
    with selectors.DefaultSelector() as selector:
        for asking in (listening, sys.stdin):
            selector.register(asking, selectors.EVENT_READ)
        while all(key.fileobj is listening for key, _ in selector.select()):
            _import_what_jobs_need()
            connection, _ = listening.accept()
            with connection:
                if os.fork() == 0:
                    _answer(connection)
            _forget_ended()
    _forget_ended()


@cache
def _import_what_jobs_need() -> None:
    for module in pkgutil.walk_packages(rgmp.__path__, "rgmp."):
        if module.name != NOT_PRELOADED:
            import_module(module.name)
    import_module("support.trains")
    gc.freeze()  # else a round of the garbage collector would copy all of it into each process


def _forget_ended() -> None:
    """Let go of the processes that have answered."""
    with suppress(ChildProcessError):  # there is none
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _answer(connection: socket.socket) -> NoReturn:
    """Run one command in a process of its own, and say with which status it has ended."""
    _, files, *_ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as asked:
        request = json.load(asked)
    program = get_context("fork").Process(target=_run, args=(files,), kwargs=request)
    program.start()
    program.join()
    connection.sendall(str(program.exitcode).encode())
    os._exit(0)


def _run(
    files: list[int], module: str, arguments: list[str], folder: str, environment: dict[str, str]
) -> None:
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [module.partition(".")[0], *arguments]
    sys.exit(import_module(module).main())


if __name__ == "__main__":
    try:
        with socket.socket(fileno=int(sys.argv[1])) as given:
            serve(given)
    finally:
        shutil.rmtree(sys.argv[2], ignore_errors=True)
