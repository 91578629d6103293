"""Stands for a Python program: has a process of `support/fork_server.py` run it, and ends like it.

It imports little, since each job of a study waits for it.
"""

import json
import os
import signal
import socket
import sys
from contextlib import suppress


def main(server: str, module: str, arguments: list[str]) -> int:
    """Run the `main` of a module in this folder and environment, and with these open files."""
    here = os.getcwd()  # noqa: PTH109 - pathlib takes longer to import than all that is here
    asked = {"module": module, "arguments": arguments, "folder": here}
    folder, name = os.path.split(server)
    try:
        os.chdir(folder)  # a socket's address is short
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(name)
            socket.send_fds(asking, [b"\n"], [0, 1, 2])
            line = json.dumps(asked | {"environment": dict(os.environ)}) + "\n"
            asking.sendall(line.encode())
            with asking.makefile() as answers:
                _hand_on_signals(group=int(answers.readline()))
                status = int(answers.readline())
    except (OSError, ValueError):
        sys.exit(f"the process that forks programs for tests has ended: {module} {arguments}")
    if status < 0:  # a signal ended it
        with suppress(OSError):  # SIGKILL has no other
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


def _hand_on_signals(group: int) -> None:
    def hand_on(number: int, _: object) -> None:
        with suppress(ProcessLookupError):  # it has ended
            os.killpg(group, number)

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, hand_on)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
