"""Runs cases, each in a child of a process that has imported torch already, and judges them."""

import faulthandler
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NoReturn

import torch

from campaign.case import MEMORY, Base, Case, Ending, Verdict, judge
from campaign.workspace import look, make_bases
from rgmp.cli import main as cli
from rgmp.data import pairs, preview
from rgmp.download import obtain
from rgmp.evaluation import scoring
from rgmp.inference import speed
from rgmp.reporting import report, tables
from rgmp.reporting.figures import write as figures
from rgmp.tracking import track
from rgmp.training import train

LOADED = (figures, obtain, preview, report, scoring, speed, pairs, tables, track, train)
"""Imported here, once, for every case."""
NOBODY = 65534
COMMAND = """#!{}
import sys
from rgmp.cli.main import main
if __name__ == "__main__":
    sys.exit(main())
"""
"""What pip installs as `rgmp`."""

_cases: Sequence[Case] = ()
_bases: dict[Base, Path] = {}


def run(cases: Sequence[Case], at_once: int = 2) -> Iterator[Verdict]:
    """Run the cases, so many at once, and yield their verdicts in order."""
    global _cases  # noqa: PLW0603 - the workers are forked, so that no case has to be pickled
    torch.set_num_threads(1)  # no pool of threads, which a forked child would wait for in vain
    with tempfile.TemporaryDirectory(prefix="rgmp-campaign-") as scratch:
        root = Path(scratch)
        root.chmod(0o755)
        _bases.update(make_bases(root / "bases"))
        (root / "bin").mkdir()
        (root / "bin/rgmp").write_text(COMMAND.format(sys.executable))
        (root / "bin/rgmp").chmod(0o755)
        os.environ["PATH"] = f"{root}/bin:{os.environ['PATH']}"
        os.environ["MPLCONFIGDIR"] = str(root / "matplotlib")
        _cases = cases
        with ProcessPoolExecutor(at_once, get_context("fork")) as pool:
            for case, (ending, fault) in zip(
                cases, pool.map(_run, range(len(cases)), [root] * len(cases)), strict=True
            ):
                if ending is None:
                    yield Verdict(case, False, (f"the campaign's own fault: {fault}",), "", 0.0)
                else:
                    yield judge(case, ending)


def _run(number: int, root: Path) -> tuple[Ending | None, str]:
    """What came of one case, or how preparing it failed."""
    torch.set_num_threads(1)
    place = root / f"case{number}"
    try:
        return _ending(_cases[number], place), ""
    except Exception:  # one case must not end the campaign
        return None, traceback.format_exc()
    finally:
        _remove(place)


def _remove(place: Path) -> None:
    """Remove the files of a case; processes that were killed with it may still end a write."""
    deadline = time.monotonic() + 30
    while place.exists():
        removed = subprocess.run(["rm", "-rf", place], check=False, stderr=subprocess.DEVNULL)
        assert removed.returncode == 0 or time.monotonic() < deadline, f"{place} cannot be removed"


def _ending(case: Case, place: Path) -> Ending:
    watched = place / "watched"
    for name in ("outside", "tmp"):
        (watched / name).mkdir(parents=True)
    (watched / "outside/kept.txt").write_text("nobody may touch this\n")
    work = watched / "work"
    shutil.copytree(_bases[case.base], work)
    case.prepare(work)
    as_nobody = case.as_nobody and os.getuid() == 0  # who is not root may not read all as it is
    if as_nobody:
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", watched], check=True)
    before = look(watched)
    started, base = time.monotonic(), _resident()
    child = os.fork()
    if child == 0:
        _become(case, place, as_nobody)
    status, memory = _wait(child, started + case.limit)
    seconds = time.monotonic() - started
    return Ending(
        status=status,
        out=_read(place / "out"),
        err=_read(place / "err"),
        seconds=seconds,
        memory=max(0, memory - base),
        where=_innermost(_read(place / "stack")) if status is None else "",
        before=before,
        after=look(watched),
    )


def _become(case: Case, place: Path, as_nobody: bool) -> NoReturn:
    """Be the command, in the forked child, and end."""
    status = 70
    try:
        os.setsid()
        for name, number in (("out", 1), ("err", 2)):
            os.dup2(os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(  # noqa: SIM115
            2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
        )
        stack = (place / "stack").open("w")
        faulthandler.register(signal.SIGUSR1, stack)
        os.chdir(place / "watched/work")
        os.environ["TMPDIR"] = tempfile.tempdir = str(place / "watched/tmp")
        os.environ["HOME"] = str(place)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        room = _mapped() + MEMORY + 2**30  # what is mapped and what is used are not the same
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
        if as_nobody:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        if case.shell:
            os.execvp("bash", ["bash", "-c", case.shell])  # noqa: S606 - a real shell is meant
        status = _status(case)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # whatever it is, this process must not go on as the worker
        traceback.print_exc()
    finally:
        os._exit(status)


def _status(case: Case) -> int:
    """The status with which the interpreter would end."""
    try:
        return cli.main(case.arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1


def _wait(child: int, until: float) -> tuple[int | None, int]:
    """The status of a child, None where it had to be killed, and its largest memory in bytes."""
    hung = False
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > until:
            hung = True
            os.kill(child, signal.SIGUSR1)  # says where it is
            time.sleep(0.3)
            _kill(child)
            _, status, usage = os.wait4(child, 0)
            break
        time.sleep(0.005)
    _kill(child)
    return None if hung else os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024


def _kill(group: int) -> None:
    """End what a command has started, if any of that is left."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _read(path: Path) -> str:
    if not path.exists():
        return ""
    return path.read_bytes().decode(errors="backslashreplace")


def _innermost(stack: str) -> str:
    """The last frames of ours and of others, innermost first, from what faulthandler wrote."""
    frames = [line.strip() for line in stack.splitlines() if line.startswith("  File")]
    ours = next((frame for frame in frames if "/rgmp/" in frame), "")
    return " < ".join(filter(None, [*frames[:1], ours])) or "a part that was not seen"


def _resident() -> int:
    return _pages(1)


def _mapped() -> int:
    return _pages(0)


def _pages(field: int) -> int:
    return int(Path("/proc/self/statm").read_text().split()[field]) * resource.getpagesize()
