"""torchrun, but that it forks the processes of a script from itself: they import nothing."""

import runpy
import sys
from typing import Any
from unittest.mock import patch

import torch
from torch.distributed import run
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

import rgmp.training.train  # noqa: F401 - what the scripts import

torch.optim.SGD([torch.zeros(1)])  # imports half of torch: here, not in every process


def _run(*command: str) -> None:
    """Run the script that stands in a command of Python's."""
    sys.argv = [word for word in command if word != "-u"]
    runpy.run_path(sys.argv[0], run_name="__main__")


def _launch(config: LaunchConfig, entrypoint: str) -> Any:
    assert entrypoint == sys.executable
    config.start_method = "fork"
    return elastic_launch(config, _run)


if __name__ == "__main__":
    with patch.object(run, "elastic_launch", _launch):
        run.main()
