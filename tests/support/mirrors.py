"""Processes that write to MLflow, forked from one that has imported it: each saves 3 seconds."""

import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rgmp.tracking import track
from support.forked import command


def _start(_: list[str], **how: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command("mlflow", "support.mirrors"), **how)


FORKING_SUBPROCESS = SimpleNamespace(PIPE=subprocess.PIPE, Popen=_start)
"""Stands in for `subprocess` in `rgmp.tracking.track`."""


def start_writer(folder: Path) -> subprocess.Popen[str]:
    """A process that mirrors a study's folder, and says how much it has written."""
    pipe = subprocess.PIPE
    words = [*command("mlflow", "support.mirrors"), str(folder)]
    return subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True)


def main() -> None:
    """Mirror the folder that is named, or what `rgmp track` hands over."""
    with warnings.catch_warnings(action="error"):
        if sys.argv[1:]:
            from support.tracked_study import mirrored

            print("written:", mirrored(Path(sys.argv[1])).written)
        else:
            track._mirror()
