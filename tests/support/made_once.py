"""What is made once for all workers of pytest-xdist: the first that needs it makes it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that all workers share: it is not to be changed, unless under its `.lock`.

    Args:
        factory: of temporary folders.
        name: of this one; each is made in one way.
        make: fills it.
    """
    folder = factory.getbasetemp()
    root = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / name
    ended = root.with_suffix(".ended")
    with FileLock(root.with_suffix(".lock")):
        if not root.exists():
            root.mkdir()
            make(root)
            ended.touch()
        assert ended.exists(), f"{name} could not be made, see the first error"
    return root
