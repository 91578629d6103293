"""Processes that have imported what programs need, and fork these: it saves seconds each time.

There is one for each kind of program, that is for each `support/imports_of_KIND.py`. A program is
started by a stand-in (`support/forked_program.py`), which hands arguments, folder, environment and
open files to that process, and has the fate of what that forks. All workers of pytest-xdist share
them; each imports when it is first asked.
"""

import gc
import json
import os
import selectors
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from functools import cache, partial
from importlib import import_module
from multiprocessing import connection, get_context
from pathlib import Path
from signal import SIGKILL

from support.forked import command

TESTS = Path(__file__).parents[1]
KINDS = [path.stem.removeprefix("imports_of_") for path in TESTS.glob("support/imports_of_*.py")]


@contextmanager
def fork_servers() -> Iterator[str]:
    """A folder that `support.forked` finds them by, until the block or this process ends.

    A command `rgmp` in it is forked, too. The folder goes with them.
    """
    root = os.environ.get("PYTEST_DEBUG_TEMPROOT")
    folder = Path(tempfile.mkdtemp(prefix="rgmp-tests-", dir=root))
    rgmp = folder / "rgmp"
    words = command("rgmp", "rgmp.cli.main", folder)
    rgmp.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    rgmp.chmod(0o755)
    servers: list[subprocess.Popen[bytes]] = []
    try:
        servers += map(partial(_start_server, folder), KINDS)
        yield str(folder)
    finally:
        _end(servers)
        shutil.rmtree(folder, ignore_errors=True)


def _start_server(folder: Path, kind: str) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    with socket.socket(socket.AF_UNIX) as listening:
        with chdir(folder):
            listening.bind(f"{kind}.socket")
        listening.listen(64)  # from here on programs may be asked for: they wait
        number = str(listening.fileno())
        return subprocess.Popen(
            [sys.executable, "-m", "support.fork_server", kind, number, str(folder)],
            stdin=subprocess.PIPE,
            pass_fds=[listening.fileno()],
            # torch starts no other thread in it, which forked processes would lack
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is for pytest
        )


def _end(servers: list[subprocess.Popen[bytes]]) -> None:
    """End servers: by the end of their input; by a signal where what is forked here holds that."""
    for server in servers:
        assert server.stdin
        server.stdin.close()
    deadline = time.monotonic() + 10
    for server in servers:
        with suppress(subprocess.TimeoutExpired):
            server.wait(max(0, deadline - time.monotonic()))
        server.kill()
        server.wait()


def serve(kind: str, listening: socket.socket) -> None:
    """Run what is asked for, each in a process of its own, until standard input ends."""
    with selectors.DefaultSelector() as selector:
        for asking in (listening, sys.stdin):
            selector.register(asking, selectors.EVENT_READ)
        while all(key.fileobj is listening for key, _ in selector.select()):
            _import_what_programs_need(kind)
            asked, _ = listening.accept()
            with asked:
                if os.fork() == 0:
                    listening.close()  # what is forked must not keep the address of one that ended
                    try:
                        _answer(kind, asked)
                    finally:
                        os._exit(0)
            _forget_ended()
    _forget_ended()


@cache
def _import_what_programs_need(kind: str) -> None:
    gc.disable()
    import_module(f"support.imports_of_{kind}")
    gc.freeze()  # else a round of the garbage collector would copy all of it into each process
    gc.enable()


def _forget_ended() -> None:
    """Let go of the processes that have answered."""
    with suppress(ChildProcessError):  # there is none
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _answer(kind: str, asked: socket.socket) -> None:
    """Run one program as a process group of its own; say which, and with which status it has ended.

    What asked for it may be killed: then the program is, with all that it has started.
    """
    _, files, *_ = socket.recv_fds(asked, 1, 3)
    with asked.makefile("rb") as lines:
        request = json.loads(lines.readline())
    program = get_context("fork").Process(target=_run, args=(kind, asked, files), kwargs=request)
    program.start()
    assert program.pid
    os.setpgid(program.pid, program.pid)
    asked.sendall(f"{program.pid}\n".encode())
    if asked in connection.wait([program.sentinel, asked]):
        os.killpg(program.pid, SIGKILL)
    program.join()
    asked.sendall(f"{program.exitcode}\n".encode())


def _run(
    kind: str,
    asked: socket.socket,
    files: list[int],
    *,
    module: str,
    arguments: list[str],
    folder: str,
    environment: dict[str, str],
) -> None:
    os.setpgid(0, 0)  # here, too: who comes first
    asked.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = os.fdopen(0, closefd=False)  # else it is what multiprocessing puts there: nothing
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [kind, *arguments]
    sys.exit(import_module(module).main())


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[2])) as given:
        serve(sys.argv[1], given)
    shutil.rmtree(sys.argv[3], ignore_errors=True)  # pytest may have been killed
