"""Snakemake where one core may be used, with the plugins in its folder."""

import os
import sys
from pathlib import Path

from snakemake import cli


def main() -> None:
    """Run the command line of this process."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    sys.path.insert(0, str(Path("plugins").absolute()))
    cli.ExecutorPluginRegistry().collect_plugins()
    cli.main()
