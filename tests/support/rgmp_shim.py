"""Stands for a program: asks the process of `support/forked_rgmp.py` to run it, and ends as that.

It imports little, since each job of a study waits for it.
"""

import json
import os
import socket
import sys


def main(address: str, module: str, arguments: list[str]) -> int:
    """Run a module's `main` with these arguments, in this folder, environment and open files."""
    here = os.getcwd()  # noqa: PTH109 - pathlib takes longer to import than all that is here
    asked = {
        "module": module,
        "arguments": arguments,
        "folder": here,
        "environment": dict(os.environ),
    }
    folder, name = os.path.split(address)
    os.chdir(folder)  # a socket's address is short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(name)
            socket.send_fds(server, [b"\n"], [0, 1, 2])
            server.sendall(json.dumps(asked).encode())
            server.shutdown(socket.SHUT_WR)
            answer = server.recv(16)
    except ConnectionError:
        answer = b""
    if not answer:
        sys.exit(f"the process that forks programs for tests has ended: {module} {arguments}")
    status = int(answer)
    return status if status >= 0 else 128 - status  # as a shell says that a signal ended it


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
