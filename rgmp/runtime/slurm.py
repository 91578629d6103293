"""The Slurm job that this process is a part of, if it is."""

import os
import subprocess
import sys


def requeue() -> None:
    """Have Slurm end this job and start it again, under the same number, once it is its turn.

    A job that Slurm does not start again (`sbatch --no-requeue`) stays as it is: a line says so.
    Outside Slurm nothing happens.
    """
    number = os.environ.get("SLURM_JOB_ID")
    if number is None:
        return
    try:
        done = subprocess.run(
            ["scontrol", "requeue", number], capture_output=True, text=True, check=False
        )
        refusal = done.stderr.strip() if done.returncode else ""
    except OSError as error:
        refusal = f"scontrol: {error.strerror}"
    if refusal:
        print(f"job {number} is not started again by Slurm: {refusal}", file=sys.stderr)
    else:
        print(f"job {number} is to be started again by Slurm", file=sys.stderr)
