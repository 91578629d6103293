"""Snakemake where one core may be used, with the plugins in its folder."""

import os
import sys
from pathlib import Path

from snakemake import cli
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry


def main() -> None:
    """Run the command line of this process."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    sys.path.insert(0, str(Path("plugins").absolute()))
    ExecutorPluginRegistry().collect_plugins()
    cli.main()
