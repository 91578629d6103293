"""Run a study by hand over the two nodes of a Slurm on this machine; say when, where and how long.

    python tests/study_on_slurm.py
    python tests/study_on_slurm.py all --configfile seconds.yaml

The arguments are targets and options of Snakemake, without any the default study. It runs in the
current folder by the profile for Slurm, as on a cluster. As root the Slurm is installed if need be
(packages slurm-wlm and munge). At the end there is a line for each job that left a record, in the
order in which they started.
"""

import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from support.slurm import missing, running

from rgmp.provenance import record as provenance
from rgmp.provenance.record import RECORDS, Record
from rgmp.runtime.clock import in_minutes
from rgmp.runtime.files import files_below

PROJECT = Path(__file__).parents[1]
COMMAND = (sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile"))
PROFILE = ("--workflow-profile", str(PROJECT / "workflow/profiles/slurm"))


def run(arguments: list[str]) -> int:
    """Run Snakemake over a Slurm that is started for it; its exit status."""
    with tempfile.TemporaryDirectory(prefix="slurm") as folder, running(Path(folder)) as slurm:
        started = subprocess.Popen([*COMMAND, *arguments, *PROFILE], env=slurm.environment)
        try:
            return started.wait()
        except KeyboardInterrupt:  # which Snakemake has got, too: it cancels its jobs
            return started.wait(timeout=60)


def records_since(moment: float) -> list[Record]:
    """What jobs have recorded in the studies of this folder since a time, by their start."""
    found = [
        provenance.read(path)
        for study in Path("results").iterdir()
        if (study / RECORDS).is_dir()
        for path in files_below(study / RECORDS, "*.json")
        if path.stat().st_mtime >= moment
    ]
    return sorted(found, key=lambda record: record["started"])


def table(records: list[Record]) -> list[str]:
    """A line for each job, with its start, time and node, and one for each node."""
    lines = []
    took: dict[str, list[float]] = defaultdict(list)
    for record in records:
        host, seconds = record["machine"].get("host", "unknown"), record["wall_seconds"]
        took[host].append(seconds)
        lines.append(f"{record['started']}  {seconds:8.1f} s  {host:12}  {record['name']}")
    for host, times in sorted(took.items()):
        lines.append(f"{host}: {in_minutes(sum(times))} in all, jobs: {len(times)}")
    return lines


def main() -> int:
    """Run the study and print the table; Snakemake's exit status."""
    why = missing()
    if why is not None:
        print(f"no Slurm: {why}", file=sys.stderr)
        return 2
    begun, clock = time.time(), time.monotonic()
    status = run(sys.argv[1:] or ["all"])
    print(*table(records_since(begun)), sep="\n")
    print(f"the whole run took {in_minutes(time.monotonic() - clock)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
