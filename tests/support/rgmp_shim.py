"""Stands for `rgmp`: asks the process of `support/forked_rgmp.py` to run it, and ends as that does.

It imports little, since each job of a study waits for it.
"""

import json
import os
import socket
import sys


def main(address: str, arguments: list[str]) -> int:
    """Run `rgmp` with these arguments in this folder and environment, and with these open files."""
    here = os.getcwd()  # noqa: PTH109 - pathlib takes longer to import than all that is here
    asked = {"arguments": arguments, "folder": here, "environment": dict(os.environ)}
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
        sys.exit(f"the process that runs `rgmp` for tests has ended: rgmp {arguments}")
    status = int(answer)
    return status if status >= 0 else 128 - status  # as a shell says that a signal ended it


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
