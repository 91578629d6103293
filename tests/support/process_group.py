"""A command as a process group of its own, so that a test leaves nothing of it behind."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


@contextmanager
def process_group(command: list[str], **how: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a command, as `subprocess.Popen` does; all that it has started ends with the block."""
    with subprocess.Popen(command, text=True, start_new_session=True, **how) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
