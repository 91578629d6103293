"""The signals that ask a job to stop, and how they reach it through the processes that wait for it.

Slurm sends SIGTERM when a job is cancelled, preempted or out of time, and kills it some time later;
a signal with lead time (`sbatch --signal`) comes earlier. Most clusters send them to the first
process of a step alone (`proctrack/cgroup`): to Snakemake, which waits for the job and tells it
nothing. Others send them to every process, and the shell between the two would end before the job.
"""

import signal
import threading
from contextlib import suppress

import psutil

OUT_OF_TIME = signal.SIGUSR1
"""What a training takes as notice that its time ends, and it is to be started again."""
STOPPING = (signal.SIGTERM, signal.SIGINT, OUT_OF_TIME)
_SENT = {signal.SIGTERM, OUT_OF_TIME}


def pass_signals_on() -> None:
    """Pass signals to this process on to those that it starts, and let none end it or shells.

    They are blocked here, and so in what is started from now on; `receive_signals` undoes it in the
    job itself. It is called in the main thread, before other threads start.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SENT)
    threading.Thread(target=_pass_on, daemon=True).start()


def receive_signals() -> None:
    """Receive signals that this process was started without, such as by `pass_signals_on`."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SENT)


def _pass_on() -> None:
    while True:
        number = signal.sigwait(_SENT)
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
