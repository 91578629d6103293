"""`rgmp track`: mirror a study in MLflow within a time limit.

The work is done by `rgmp.tracking.store` in a process of its own, which the kernel ends when the
time is over. Only that enforces a limit (a slow server, a driver that waits in C or a library that
retries would exceed any other) and releases all that the process holds: locks, files, connections.
The time begins when the study has been read, and anew with every run that the store gives or takes:
a large study has thousands.
"""

import os
import pickle
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rgmp.errors import UserError
from rgmp.study import mlflow_links
from rgmp.study.layout import RUNS
from rgmp.tracking.mirror import Mirrored

SECONDS_TO_TRACK = 30
"""The default time limit of `rgmp track`, for each run."""


WEIGHTS_MEGABYTES = 64
"""By default, weights above this size are logged by hash, not copied."""


def environment() -> dict[str, str]:
    """The environment for MLflow, which reads it when it is imported or called."""
    return {
        "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # `rgmp track` reports errors
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # two lines per run
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # fail in seconds if a server refuses
        **os.environ,  # the user's settings for the store are kept
        "MLFLOW_DISABLE_TELEMETRY": "true",  # no network access except to the store
    }


@dataclass(frozen=True)
class Tracked:
    """What `track` did.

    Attributes:
        uri: the store.
        runs: the number of runs that mirror the study.
        written: how many of them were not up to date and have been written.
        whole: whether every variant and seed of the study is trained and scored.
    """

    uri: str
    runs: int
    written: int
    whole: bool


def track(
    folder: Path,
    uri: str | None = None,
    weights_megabytes: float = WEIGHTS_MEGABYTES,
    timeout: float = SECONDS_TO_TRACK,
) -> Tracked | None:
    """Synchronise an MLflow store with the files of a study.

    The ids of the runs are written to `RUNS` beside the plan, for the report's links.

    Args:
        folder: the study's, `results/<study>`.
        uri: the store; None: `MLFLOW_TRACKING_URI`, else a SQLite file beside the study's folder.
        weights_megabytes: larger weights are logged by hash, not copied.
        timeout: seconds until the first run is read or written, and then for each; a store that
            needs more counts as unavailable. What has been written by then is kept, and the next
            call continues there.

    Returns:
        What was done, or None if the store is unavailable: then a warning is printed, and a later
        call completes the mirror.

    Raises:
        UserError: it is not a study folder, or one of its files is broken.
    """
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI")
    shown = _without_password(uri) if uri else f"sqlite:///{folder.parent}/mlflow.db"
    uri = uri or f"sqlite:///{folder.absolute().parent}/mlflow.db"
    try:
        mirrored = _in_time(folder, uri, weights_megabytes, timeout)
    except OSError as error:
        reason = str(error).partition("\n")[0]
        print(
            _without_password(
                f"rgmp: warning: MLflow at {uri} cannot be written ({reason}); nothing is lost: "
                f"`rgmp track {folder}` completes it later"
            ),
            file=sys.stderr,
        )
        if not (folder / RUNS).is_file():
            mlflow_links.write(folder, mlflow_links.Runs(shown, None, {}))
        return None
    mlflow_links.write(folder, mlflow_links.Runs(shown, mirrored.experiment, mirrored.ids))
    return Tracked(_without_password(uri), len(mirrored.ids), mirrored.written, mirrored.whole)


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)


def _in_time(folder: Path, uri: str, weights_megabytes: float, timeout: float) -> Mirrored:
    """Call `store.mirror` in a process of its own.

    Raises:
        UserError: as `store.mirror`.
        ConnectionError: as `store.mirror`.
        TimeoutError: it did not finish in time.
        ChildProcessError: the process was killed.
        RuntimeError: it failed by an error in this package, whose traceback it has printed.
    """
    # A new interpreter, not a fork, which would inherit locks of threads that it does not have. -P:
    # files in the working folder must not shadow modules.
    command = [sys.executable, "-P", "-c", f"from {__name__} import _mirror; _mirror()"]
    call = pickle.dumps((folder.absolute(), uri, weights_megabytes, timeout))
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment()) as process:
        try:
            said, _ = process.communicate(call)
        finally:
            process.kill()
    if process.returncode == -signal.SIGALRM:
        raise TimeoutError(f"not done within the time limit of {timeout:g} s")
    if process.returncode < 0:
        raise ChildProcessError(f"killed by signal {-process.returncode}")
    if process.returncode:
        raise RuntimeError("rgmp.tracking.store failed, see above")
    result: Mirrored | UserError | ConnectionError = pickle.loads(said)  # noqa: S301 - our own
    if isinstance(result, Exception):
        raise result
    return result


def _mirror() -> None:
    """Run in that process: read a call, write what `store.mirror` returns or raises, in time."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the waiting process reports the interrupt
    outcome = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output of libraries must not mix with the result
    folder, uri, weights_megabytes, timeout = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own
    from rgmp.tracking import store  # noqa: PLC0415 - takes seconds, which do not count

    begin = partial(signal.setitimer, signal.ITIMER_REAL, timeout)
    result: Mirrored | UserError | ConnectionError
    try:
        result = store.mirror(folder, uri, weights_megabytes, 0.9 * timeout, begin)
    except (UserError, ConnectionError) as error:
        result = error
    signal.setitimer(signal.ITIMER_REAL, 0)
    with outcome:
        pickle.dump(result, outcome)
