"""A forked program and what stands for it have one fate."""

import signal
import subprocess

import psutil
import pytest
from support import forked


@pytest.mark.parametrize("status", [0, 7, -signal.SIGTERM, -signal.SIGKILL, -signal.SIGALRM])
def test_its_status_is_that_of_the_program(status: int) -> None:
    done = forked.run("rgmp", "support.endings", [str(status)])
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_reaches_the_program(number: signal.Signals) -> None:
    command = forked.command("rgmp", "support.endings")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stand_in:
        assert stand_in.stdout
        program = psutil.Process(int(stand_in.stdout.readline()))
        stand_in.send_signal(number)
        assert psutil.wait_procs([program], timeout=60)[1] == []
    assert stand_in.returncode == -number
