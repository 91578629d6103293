"""Python programs that are forked, and so import nothing (`support/fork_server.py`)."""

import os
import subprocess
import sys
from pathlib import Path

VARIABLE = "RGMP_TESTS_FORKED"
"""Of the environment: the folder with the sockets of those processes, and with an `rgmp`."""


def command(kind: str, module: str, servers: Path | None = None) -> list[str]:
    """What starts the function `main` of a module, before its arguments.

    The program has the signals that this process gets; with it, or a moment later, it is killed.

    Args:
        kind: of what the process has imported that it is forked from.
        module: its name.
        servers: the folder of these processes; without it, that of `VARIABLE`.
    """
    stand_in = str(Path(__file__).with_name("forked_program.py"))
    folder = servers or Path(os.environ[VARIABLE])
    return [sys.executable, "-IS", stand_in, str(folder / f"{kind}.socket"), module]


def run(
    kind: str, module: str, arguments: list[str], folder: Path = Path(), timeout: float = 600
) -> subprocess.CompletedProcess[str]:
    """Run such a program in a folder, and return what it has said and its exit status.

    Raises:
        TimeoutExpired: it took so many seconds; it has been killed.
    """
    words = [*command(kind, module), *arguments]
    return subprocess.run(
        words, cwd=folder, timeout=timeout, capture_output=True, text=True, check=False
    )
