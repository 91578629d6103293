"""The speed of a tiny training by two processes, whose folder is the argument: what is measured.

They are forked from this one, where they would be new interpreters.
"""

import json
import sys
from functools import partial
from pathlib import Path
from unittest.mock import patch

from torch.distributed.launcher.api import LaunchConfig

from rgmp.training import scaling
from support.tiny_training import read_job


def main() -> None:
    """Print the fields of `rgmp.training.scaling.Scaled` as JSON."""
    job = read_job(Path(sys.argv[1]))
    with patch.object(scaling, "LaunchConfig", partial(LaunchConfig, start_method="fork")):
        (scaled,) = scaling.measure(job, 3, [2], last=False)
    print(json.dumps(scaled._asdict()))
