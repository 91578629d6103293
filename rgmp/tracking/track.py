"""`rgmp track`: a study mirrored in MLflow, in so many seconds or not at all this time.

The work is done by `rgmp.tracking.store` in a process of its own, which the kernel ends when its
time is over. Nothing else bounds it: a server may send a byte now and then, a driver wait in C, a
library try again. Nor does anything else let go of all that it holds: locks, files, connections.
"""

import os
import pickle
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rgmp.errors import UserError
from rgmp.runtime.files import read_json, write_json
from rgmp.study.layout import RUNS
from rgmp.tracking.runs import Mirrored

SECONDS_TO_TRACK = 30
"""How long a store may take, unless the user says otherwise."""


WEIGHTS_MEGABYTES = 64
"""Weights above this size are logged by hash, not copied, unless the user says otherwise."""


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
        runs: how many mirror the study.
        written: how many of them had to be.
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
    """Bring an MLflow store to what the files of a study say.

    The ids of the runs are left in `RUNS` beside the plan, for the report's links.

    Args:
        folder: the study's, `results/<study>`.
        uri: the store; None: `MLFLOW_TRACKING_URI`, else a SQLite file beside the study's folder.
        weights_megabytes: larger weights are named in the store, with their hash, not copied.
        timeout: seconds for all of it; a store that needs more is away. What it has by then stays,
            and the next call goes on from there.

    Returns:
        What was done, or None where the store is away: that costs one line on standard error and
        nothing else; a later call completes it.

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
            write_json(folder / RUNS, {"uri": shown, "experiment": None, "runs": {}})
        return None
    tracked = {"uri": shown, "experiment": mirrored.experiment, "runs": mirrored.ids}
    if not (folder / RUNS).is_file() or read_json(folder / RUNS) != tracked:
        write_json(folder / RUNS, tracked)
    return Tracked(_without_password(uri), len(mirrored.ids), mirrored.written, mirrored.whole)


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)


def _in_time(folder: Path, uri: str, weights_megabytes: float, timeout: float) -> Mirrored:
    """Call `store.mirror` in a process of its own.

    Raises:
        UserError: as `store.mirror`.
        ConnectionError: as `store.mirror`.
        TimeoutError: it is not done in time.
        ChildProcessError: the process was killed.
        RuntimeError: it failed by a fault of ours, and has said how.
    """
    # A new interpreter, not a fork: what is forked has locks of threads that it has not. -P: what
    # lies in the working folder is no module of ours.
    command = [sys.executable, "-P", "-c", f"from {__name__} import _mirror; _mirror()"]
    call = pickle.dumps((folder.absolute(), uri, weights_megabytes, timeout))
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment()) as process:
        try:
            said, _ = process.communicate(call)
        finally:
            process.kill()
    if process.returncode == -signal.SIGALRM:
        raise TimeoutError(f"not done in {timeout:g} s, see --timeout")
    if process.returncode < 0:
        raise ChildProcessError(f"killed by signal {-process.returncode}")
    if process.returncode:
        raise RuntimeError("rgmp.tracking.store failed, see above")
    result: Mirrored | UserError | ConnectionError = pickle.loads(said)  # noqa: S301 - our own
    if isinstance(result, Exception):
        raise result
    return result


def _mirror() -> None:
    """Be that process: read a call, write what `store.mirror` returns or raises; end in time."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the process that waits says that it was asked to
    outcome = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no result
    folder, uri, weights_megabytes, timeout = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own
    from rgmp.tracking import store  # noqa: PLC0415 - seconds that are not the store's

    signal.setitimer(signal.ITIMER_REAL, timeout)
    result: Mirrored | UserError | ConnectionError
    try:
        result = store.mirror(folder, uri, weights_megabytes, 0.9 * timeout)
    except (UserError, ConnectionError) as error:
        result = error
    signal.setitimer(signal.ITIMER_REAL, 0)
    with outcome:
        pickle.dump(result, outcome)
