"""Run the selftest: section after section, each in a process of its own, within a time."""

import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from typing import IO, Any

from rgmp.errors import UserError, visible
from rgmp.provenance.code import package_versions, running_code
from rgmp.runtime.clock import in_minutes, utc_now
from rgmp.runtime.files import Kind, require_target
from rgmp.selftest import sections
from rgmp.selftest.results import FILE, Results, SectionResult, comparable, read
from rgmp.selftest.sections import Section, fitting

_ENDING = 5.0
"""Seconds that a process has to end by itself after its last answer, and after it was killed."""
_PROBE_SECONDS = 120.0
LOG = "selftest.log"
"""What the sections print, and their libraries: one file, after a line with the section's name."""
_LAST_ANSWERS = frozenset({"ended", "not_here", "failed", "refused"})
_LAST = 4000
"""Characters of it that stand for the traceback of a process that left none."""
_WORKER = "from rgmp.selftest.worker import serve; serve()"


@dataclass(frozen=True)
class Asked:
    """What the selftest is asked to do.

    Attributes:
        device: `auto`, `cpu` or `cuda`.
        folder: where results go.
        minutes: how long it may take in all.
        sections: which to run, in order.
        davis: root of a DAVIS tree with real frames, if one is given.
        renews: whether the sections run again that an earlier run in the folder has finished.
    """

    device: str
    folder: Path
    minutes: float
    sections: tuple[Section, ...]
    davis: Path | None = None
    renews: bool = False


def run(asked: Asked) -> Results:
    """Run the sections and print what they find; `selftest.json` is whole after every finding.

    If the same code ran earlier in the folder on the same machine, what was found then is kept
    until its section runs again; a finished one runs only if it is to be renewed.

    Raises:
        UserError: the folder cannot be written, or the device is not there.
        KeyboardInterrupt: it was interrupted; what was found until then is written.
    """
    began, started = time.monotonic(), utc_now()
    require_target(asked.folder / FILE, Kind("file of a selftest", read))
    asked.folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="rgmp-selftest-") as scratch:
        running = _Running(asked, began + 60 * asked.minutes, Path(scratch))
        machine = running.machine()
        results = Results(asked.folder, {**_described(asked, started), "machine": machine})
        print(_heading(machine), flush=True)
        waiting = _kept(asked, results)
        try:
            for number, section in enumerate(waiting):
                running.section(section, waiting[number + 1 :], results)
        finally:
            results.run["seconds"] = round(time.monotonic() - began, 1)
            results.write()
            for line in summary(results):
                print(visible(line), flush=True)
    return results


def _kept(asked: Asked, results: Results) -> tuple[Section, ...]:
    """Keep what an earlier run in the folder found; returns the sections that are to run."""
    file = asked.folder / FILE
    if not file.exists():
        return asked.sections
    earlier = read(file)
    there = comparable(earlier, results.run)
    if not there and earlier["sections"]:
        print("the earlier run here was of another machine or code: its results are replaced")
    results.sections.extend(s for s in there if s.findings or s.status == "done")
    done = {s.name for s in there if s.status == "done"}
    if asked.renews:
        done -= {section.name for section in asked.sections}
    if done:
        print(f"kept from an earlier run: {', '.join(s.name for s in there if s.name in done)}")
    return tuple(section for section in asked.sections if section.name not in done)


def summary(results: Results) -> Iterator[str]:
    """What came of a run: the sections that are not done, and every limit that does not hold."""
    yield ""
    for section in results.sections:
        limits = [f for f in section.findings if f["limit"]]
        kept = len(limits) - len(section.broken)
        told = f"{kept} of {len(limits)} limits hold" if limits else "no limit"
        if section.status != "done":
            told = f"{section.status}: {section.reason}" + (f"; {told}" if section.findings else "")
        yield f"{section.name:14} {in_minutes(section.seconds):>12}   {told}"
        for finding in section.broken:
            conditions = ", ".join(f"{k} {v}" for k, v in finding["conditions"].items())
            yield (
                f"    {finding['quantity']} ({conditions}): {finding['value']}, not "
                f"{finding['limit']}"
            )
    yield f"{results.folder / FILE}: {'all limits hold' if results.all_hold else 'NOT all is well'}"


def _described(asked: Asked, started: str) -> dict[str, Any]:
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "asked": {
            "device": asked.device,
            "minutes": asked.minutes,
            "sections": [section.name for section in asked.sections],
        },
        "started": started,
        "code": running_code(),
        "versions": {**dict(_versions_of(_COMPUTING)), **package_versions()},
    }


_COMPUTING = ("torch", "triton", "numpy", "scipy", "pandas", "pillow", "pydantic")
"""Packages whose versions are noted also where this one is run from its sources, not installed."""


def _versions_of(packages: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for package in packages:
        with suppress(importlib.metadata.PackageNotFoundError):
            yield package, importlib.metadata.version(package)


def _heading(machine: dict[str, Any]) -> str:
    where = machine["gpu"] or machine["cpu"]
    driver = f", driver {machine['driver']}" if machine["driver"] else ""
    cuda = f", CUDA {machine['cuda']}, cuDNN {machine['cudnn']}" if machine["gpu"] else ""
    return visible(f"{where}{driver}, {machine['cores']} cores; torch {machine['torch']}{cuda}")


class _Running:
    """The run of a selftest."""

    def __init__(self, asked: Asked, deadline: float, scratch: Path) -> None:
        self._asked, self._deadline, self._scratch = asked, deadline, scratch
        self._device = asked.device

    def machine(self) -> dict[str, Any]:
        """The machine and its device, as a process sees them that computes there.

        Raises:
            UserError: the device is not there.
        """
        failed = ""
        for answer in self._answers(None, _PROBE_SECONDS):
            if "machine" in answer:
                machine: dict[str, Any] = answer["machine"]
                self._device = machine["device"]
                return machine
            if "refused" in answer:
                raise UserError(answer["refused"])
            failed = answer.get("traceback", "")
        raise RuntimeError(f"the machine could not be described: {failed}")

    def section(self, section: Section, later: tuple[Section, ...], results: Results) -> None:
        """Run a section, unless it cannot run here or there is no time for it."""
        result = SectionResult(section.name, section.title, started=utc_now())
        earlier = [s for s in results.sections if s.name == section.name]
        results.sections = [s for s in results.sections if s.name != section.name] + [result]
        left, needed = self._deadline - time.monotonic(), section.needs(self._device)
        print(f"\n{section.name}: {section.title}", flush=True)
        if needed is None:
            result.status, result.reason = "not here", "it needs a GPU"
        elif left < section.allotment(self._device) - sections.GRACE:
            result.status = "no time"
            result.reason = f"{max(left, 0):.0f} s are left, and it takes about {needed:.0f} s"
        else:
            spare = left - section.allotment(self._device)
            others = fitting(later, spare, self._device)
            reserved = sum(other.allotment(self._device) for other in others)
            self._carry_out(section, left - reserved, results)
        if result.status != "done":
            print(visible(f"    {result.status}: {result.reason}"), flush=True)
        if result.status in {"no time", "not here"} and not result.findings and earlier:
            results.sections[-1:] = earlier
        results.write()

    def _carry_out(self, section: Section, seconds: float, results: Results) -> None:
        """Run a section for so many seconds at most; its findings are written as they come."""
        result, began = results.sections[-1], time.monotonic()
        try:
            for answer in self._answers(section, seconds):
                result.seconds = round(time.monotonic() - began, 1)
                self._take(answer, result)
                results.write()
        except BaseException as error:
            result.status, result.reason = "interrupted", type(error).__name__
            raise
        finally:
            result.seconds = round(time.monotonic() - began, 1)

    def _take(self, answer: dict[str, Any], result: SectionResult) -> None:
        """Note what a section said."""
        if "finding" in answer:
            result.findings.append(answer["finding"])
            print(visible(f"    {answer['line']}"), flush=True)
        elif "ended" in answer:
            result.status = "done"
        elif "not_here" in answer:
            result.status, result.reason = "not here", answer["not_here"]
        elif "killed" in answer:
            result.status, result.reason = "cut short", answer["killed"]
        elif "failed" in answer or "refused" in answer:
            result.status = "failed"
            result.reason = answer.get("failed") or answer["refused"]
            result.traceback = answer["traceback"]

    def _answers(self, section: Section | None, seconds: float) -> Iterator[dict[str, Any]]:
        """What a process says that carries out a section; without one it describes the machine."""
        order = {
            "module": section and section.module,
            "device": self._device,
            "reserves": section is None or section.reserves,
            "searches": section is None or section.searches,
            "folder": str(self._asked.folder.absolute()),
            "work": str(self._scratch),
            "deadline": time.monotonic() + seconds - sections.GRACE,
            "davis": self._asked.davis and str(self._asked.davis.absolute()),
        }
        # not by -m: processes that it spawns would import the module again, and torch with it
        command = [sys.executable, "-c", _WORKER, json.dumps(order)]
        environment = {**os.environ, "PYTHONFAULTHANDLER": "1"}
        log = self._asked.folder / LOG
        with log.open("ab") as errors:
            errors.write(f"=== {section.name if section else 'machine'}\n".encode())
            errors.flush()
            process = _started(command, environment, errors)
        try:
            yield from _ending(process, seconds, log)
        finally:
            _end(process)


def _started(
    command: list[str], environment: dict[str, str], errors: Any
) -> "subprocess.Popen[str]":
    # a session of its own: its workers are killed with it, and Ctrl-C is for this process alone;
    # it ends when its input does, which nobody else holds
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env=environment,
        start_new_session=True,
    )


def _ending(
    process: "subprocess.Popen[str]", seconds: float, log: Path
) -> Iterator[dict[str, Any]]:
    """The answers of a process, and how it ended, unless it said so itself."""
    answer: dict[str, Any] = {}
    until = time.monotonic() + seconds
    lines: SimpleQueue[str | None] = SimpleQueue()
    assert process.stdout is not None  # noqa: S101 - it was asked for
    # apart, for neither a process that hangs nor one stuck in the driver may hold up this one
    threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
    while not answer.keys() & _LAST_ANSWERS:
        try:
            line = lines.get(timeout=max(until - time.monotonic(), 0))
        except Empty:
            yield {"killed": f"it was ended after {seconds:.0f} s: there was no more time for it"}
            return
        if line is None:
            break
        answer = json.loads(line)
        yield answer
    status = _status(process)
    if status or not answer.keys() & _LAST_ANSWERS:
        said = log.read_text(encoding="utf-8", errors="replace").rpartition("=== ")[2]
        yield {"failed": f"its process ended with status {status}", "traceback": said[-_LAST:]}


def _read(stream: IO[str], lines: "SimpleQueue[str | None]") -> None:
    """Pass on the lines of a stream, then None."""
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(None)


def _status(process: "subprocess.Popen[str]") -> int | None:
    """The exit status of a process; None: it does not end."""
    try:
        return process.wait(_ENDING)
    except subprocess.TimeoutExpired:
        return None


def _end(process: "subprocess.Popen[str]") -> None:
    """End a process, and all that it started; one that is stuck in the driver is left behind."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    assert process.stdin is not None  # noqa: S101 - it was asked for
    process.stdin.close()
    if _status(process) is None:
        print(f"    process {process.pid} is stuck and cannot be ended", flush=True)
