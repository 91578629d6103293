"""A signal to Snakemake alone, as most clusters send it, reaches the job that it waits for."""

import os
import signal
import subprocess
import sys

import pytest
from support.process_group import process_group

# as Snakemake: it starts a shell, which starts the job
WAITING = """
import subprocess, sys
from rgmp.runtime.signals import pass_signals_on
pass_signals_on()
sys.exit(subprocess.run(["bash", "-c", "set -e; " + sys.argv[1] + "; exit 7"]).returncode)
"""
JOB = """
import signal, sys, time
from rgmp.runtime.signals import receive_signals
asked = []
signal.signal(int(sys.argv[1]), lambda number, _: asked.append(number))
receive_signals()
print("at work", flush=True)
while not asked:
    time.sleep(0.01)  # signal.pause would miss one that has come by now
print("asked to stop", flush=True)
time.sleep(1)  # as a step that is finished first; the signal may come twice
sys.exit(3)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("to_all", [False, True], ids=["to the first process", "to all"])
def test_a_job_is_asked_to_stop_and_waited_for(number: signal.Signals, to_all: bool) -> None:
    """Neither Snakemake nor the shell ends before the job, whose status they pass on."""
    command = f"{sys.executable} -c '{JOB}' {int(number)}"
    pipe = subprocess.PIPE
    shell = [sys.executable, "-c", WAITING, command]
    with process_group(shell, stdout=pipe, stderr=pipe) as waiting:
        assert waiting.stdout
        assert waiting.stdout.readline() == "at work\n"
        if to_all:
            os.killpg(waiting.pid, number)
        else:
            waiting.send_signal(number)
        said, complaints = waiting.communicate(timeout=60)
    assert waiting.returncode == 3
    assert said == "asked to stop\n"
    assert complaints == ""
