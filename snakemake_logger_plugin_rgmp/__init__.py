"""What `snakemake` prints of a study's run: what is due, a line for each job, what came of it.

Snakemake finds a package of this name by itself; `profiles/default` chooses it. It prints what the
workflow hands it (`rgmp.reporting.run_log`, in `workflow/rules/common.smk`), warnings and errors,
and leaves out the rest, which Snakemake writes to `.snakemake/log` as ever. A dry run prints what
Snakemake does, and so does a run of which more is asked (`--verbose`, `--printshellcmds`,
`--debug-dag`).
"""

import logging
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter, show_logs
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from rgmp.runtime.terminal import screen_of

if TYPE_CHECKING:
    from rgmp.reporting.run_log import RunLog

_OURS = {Quietness.ALL, Quietness.PROGRESS, Quietness.RULES}
"""Of what `--quiet` may name, that of which there is nothing else here."""


class LogHandler(LogHandlerBase):
    """Prints the run of a study on standard error.

    Until the workflow says what it is going to do, messages wait: if it never does, since there is
    nothing to do or something else was asked for, they are printed at the end.
    """

    def __post_init__(self) -> None:
        """Take Snakemake's own output as what is printed where this has nothing to say."""
        given = self.common_settings
        self._stream = stream = sys.stdout if given.stdout else sys.stderr
        screen = screen_of(stream)
        self._screen = replace(screen, coloured=screen.coloured and not given.nocolor)
        self._plain: logging.Handler = ColorizingTextHandler(
            nocolor=not self._screen.coloured,
            stream=stream,
            formatter=DefaultFormatter(given.quiet, given.show_failed_logs),
            filter=DefaultFilter(
                given.quiet, given.debug_dag, given.verbose, given.dryrun, given.printshellcmds
            ),
        )
        self._passes_on = given.dryrun or given.verbose or given.printshellcmds or given.debug_dag
        self._quiet = not _OURS.isdisjoint(given.quiet or ())
        self._waiting: list[logging.LogRecord] = []
        self._run: RunLog | None = None
        self._logs: dict[int, list[str]] = {}
        # of commands that failed, until their jobs say it better
        self._held: list[logging.LogRecord] = []
        self._start = 0.0
        self._moving = ""

    @property
    def writes_to_stream(self) -> bool:
        """It does."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Snakemake itself does."""
        return False

    @property
    def has_filter(self) -> bool:
        """It decides by itself what it prints."""
        return True

    @property
    def has_formatter(self) -> bool:
        """And how."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """It knows the jobs by the study."""
        return False

    def emit(self, record: logging.LogRecord) -> None:
        """Print what a message of Snakemake's means to whoever runs the study."""
        try:
            self._take(record)
        except BrokenPipeError:
            pass  # nobody reads it
        except Exception:  # as every handler: what cannot be said ends no run
            self.handleError(record)

    def close(self) -> None:
        """Print what waited, or what failed; the last line that moved goes."""
        for record in (*self._waiting, *self._held):
            self._plain.handle(record)
        self._waiting, self._held = [], []
        if run := self._run:
            self._run = None  # nothing is running
            self._print(run.closing())
        super().close()

    def _take(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        if self._passes_on:
            self._plain.handle(record)
        elif begun := getattr(record, "run_log", None):
            self._run, self._start, self._waiting = begun, time.monotonic(), []
            self._print([] if self._quiet else record.getMessage().splitlines())
        elif self._run is None:
            self._wait(record, event)
        else:
            self._print(self._said(self._run, record, event))

    def _wait(self, record: logging.LogRecord, event: LogEvent | None) -> None:
        """Keep a message until the run is known: it may be one of which there is a better word.

        Where jobs start nevertheless, all is printed as Snakemake has it. An error is the last
        word, and a warning is printed now.
        """
        if record.levelno >= logging.WARNING:
            self._waiting = [] if record.levelno >= logging.ERROR else self._waiting
            self._plain.handle(record)
        elif event is not LogEvent.WORKFLOW_STARTED:  # versions and paths, which the log has
            self._waiting.append(record)
        if event in {LogEvent.JOB_INFO, LogEvent.GROUP_INFO}:
            self._passes_on = True
            for waiting in self._waiting:
                self._plain.handle(waiting)
            self._waiting = []

    def _said(
        self, run: "RunLog", record: logging.LogRecord, event: LogEvent | None
    ) -> Iterable[str]:
        """The lines for a message, once the run is known."""
        given, now = vars(record), time.monotonic() - self._start
        match event:
            case LogEvent.JOB_INFO:
                self._logs[given["jobid"]] = given["log"]
                run.begin(given["jobid"], given["rule_msg"] or given["rule_name"], now)
            case LogEvent.JOB_FINISHED:
                number = given["job_id"]
                lines = run.end(number, self._logs.get(number, []), now)
                return [] if self._quiet else lines
            case LogEvent.JOB_ERROR:
                lines = self._failed(run, given, now)
                if self.common_settings.show_failed_logs:
                    lines += show_logs(given["log"])
                return lines
            case LogEvent.GROUP_ERROR:
                jobs = given["job_error_info"]
                return [line for job in jobs for line in self._failed(run, job, now)]
            case LogEvent.ERROR if given["exception"] == "RuleException":
                self._held.append(record)
            case _ if "outcome" in given:
                return [] if self._quiet else given["outcome"](self._screen)
            case _ if record.levelno >= logging.WARNING:
                self._clear()
                self._plain.handle(record)
        return []

    def _failed(self, run: "RunLog", job: Mapping[str, Any], now: float) -> list[str]:
        del self._held[:1]
        lines = run.fail(job["jobid"], job["rule_name"], job["log"], now)
        return [self._screen.paint(lines[0], "red"), *lines[1:]]

    def _print(self, lines: Iterable[str]) -> None:
        """Print lines, and below them, on a terminal, the one that moves."""
        above, moving = [*lines], ""
        if self._screen.live and self._run and not self._quiet:
            moving = self._run.status(time.monotonic() - self._start)[: self._screen.width - 1]
        if not above and moving == self._moving:
            return
        self._clear()
        for line in above:
            print(line, file=self._stream)
        print(self._screen.paint(moving, "faint"), end="", file=self._stream, flush=True)
        self._moving = moving

    def _clear(self) -> None:
        """Take away the line that moves."""
        if self._moving:
            print("\r\x1b[K", end="", file=self._stream)
        self._moving = ""
