"""A program that ends with the status in its argument; by a signal where that is below 0."""

import os
import sys
import time


def main() -> int:
    """End so; with no argument, not before it is killed: it says its number, and waits."""
    if not sys.argv[1:]:
        print(os.getpid(), flush=True)
        time.sleep(600)
    status = int(sys.argv[1])
    if status < 0:
        os.kill(os.getpid(), -status)
    return status
