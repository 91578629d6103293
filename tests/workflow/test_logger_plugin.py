"""What Snakemake's logger prints of a run, from messages as Snakemake sends them."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry
from snakemake_interface_logger_plugins.tests import TestLogHandlerBase

from snakemake_logger_plugin_rgmp import LogHandler


class TestAsAnyPlugin(TestLogHandlerBase):
    """The checks that Snakemake has for every such plugin."""

    __test__ = True

    def get_log_handler_cls(self) -> type[LogHandler]:
        return LogHandler

    def get_log_handler_settings(self) -> None:  # type: ignore[override]
        return None


def test_snakemake_finds_it() -> None:
    assert "rgmp" in LoggerPluginRegistry().get_registered_plugins()


class Run:
    """Stands for `rgmp.reporting.run_log.RunLog`."""

    failed = False

    def begin(self, number: int, message: str, now: float) -> None:
        assert (number, message) == (7, "make it")
        assert now >= 0

    def end(self, number: int, logs: list[str], now: float) -> list[str]:
        assert now >= 0
        return [f"job {number} is done: {', '.join(logs)}"]

    def fail(self, number: int, message: str, logs: list[str], now: float) -> list[str]:
        assert now >= 0
        self.failed = True
        return [f"FAILED {number} {message}", f"log: {', '.join(logs)}"]

    def status(self, now: float) -> str:
        return f"running{now * 0:.0f}"

    def closing(self) -> list[str]:
        return ["one failed"] if self.failed else []


def handler(**settings: Any) -> LogHandler:
    names = ("printshellcmds", "nocolor", "debug_dag", "verbose", "show_failed_logs", "stdout")
    given = dict.fromkeys((*names, "dryrun"), False) | {"quiet": None} | settings
    return LogHandler(SimpleNamespace(**given), None)  # type: ignore[arg-type]


def send(to: LogHandler, message: str | None, level: int = logging.INFO, **extra: Any) -> None:
    record = logging.LogRecord("snakemake", level, "", 0, message, (), None)
    vars(record).update(extra)
    to.handle(record)


def start(to: LogHandler) -> None:
    send(to, "Building DAG of jobs...")
    send(to, "what is due", run_log=Run())
    job: dict[str, Any] = {"jobid": 7, "rule_name": "make", "rule_msg": "make it", "log": ["a.log"]}
    send(to, None, event=LogEvent.JOB_INFO, **job)
    send(to, "Select jobs to execute...")


ERROR: dict[str, Any] = {"jobid": 7, "rule_name": "make", "log": ["a.log"]}


def test_a_run_is_what_is_due_a_line_for_each_job_and_what_came(
    capsys: pytest.CaptureFixture[str],
) -> None:
    to = handler()
    start(to)
    send(to, "Finished jobid: 7", event=LogEvent.JOB_FINISHED, job_id=7)
    send(to, None, event=LogEvent.PROGRESS, done=1, total=1)
    send(to, "a table", outcome=lambda screen: [f"a table of {screen.width} columns"])
    to.close()
    assert capsys.readouterr() == (
        "",
        "what is due\njob 7 is done: a.log\na table of 100 columns\n",
    )


def test_a_failed_job_is_said_once_and_other_errors_as_snakemake_has_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    to = handler()
    start(to)
    failed: dict[str, Any] = {"event": LogEvent.ERROR, "exception": "RuleException"}
    send(to, "Command 'rgmp ...' failed", logging.ERROR, **failed)
    send(to, "Error in rule make", logging.ERROR, event=LogEvent.JOB_ERROR, **ERROR)
    send(to, "Something else", logging.ERROR, event=LogEvent.ERROR, exception="OSError")
    send(to, "Terminating", logging.WARNING)
    to.close()
    assert capsys.readouterr().err.splitlines() == [
        "what is due", "FAILED 7 make", "log: a.log", "Something else", "Terminating", "one failed",
    ]  # fmt: skip


def test_a_failed_command_without_a_job_is_not_lost(capsys: pytest.CaptureFixture[str]) -> None:
    to = handler()
    start(to)
    failed: dict[str, Any] = {"event": LogEvent.ERROR, "exception": "RuleException"}
    send(to, "Command 'rgmp ...' failed", logging.ERROR, **failed)
    to.close()
    assert "Command 'rgmp ...' failed" in capsys.readouterr().err


def test_every_job_of_a_group_that_failed_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    to = handler()
    start(to)
    group: dict[str, Any] = {"aux_logs": [], "job_error_info": [ERROR, ERROR | {"jobid": 8}]}
    send(to, "Error in group", logging.ERROR, event=LogEvent.GROUP_ERROR, **group)
    said = capsys.readouterr().err
    assert "FAILED 7 make" in said
    assert "FAILED 8 make" in said


@pytest.mark.parametrize("quiet", [{Quietness.ALL}, {Quietness.PROGRESS, Quietness.RULES}])
def test_a_quiet_run_says_what_failed_alone(
    quiet: set[Quietness], capsys: pytest.CaptureFixture[str]
) -> None:
    to = handler(quiet=quiet)
    start(to)
    send(to, "Finished jobid: 7", event=LogEvent.JOB_FINISHED, job_id=7)
    send(to, "a table", outcome=lambda _: ["a table"])
    assert capsys.readouterr().err == ""
    send(to, "Error in rule make", logging.ERROR, event=LogEvent.JOB_ERROR, **ERROR)
    assert capsys.readouterr().err == "FAILED 7 make\nlog: a.log\n"


@pytest.mark.parametrize("more", ["dryrun", "verbose", "printshellcmds", "debug_dag"])
def test_whoever_asks_for_more_gets_what_snakemake_says(
    more: str, capsys: pytest.CaptureFixture[str]
) -> None:
    to = handler(**{more: True}, stdout=more == "dryrun")
    send(to, "Building DAG of jobs...")
    said = capsys.readouterr()
    assert (said.out if more == "dryrun" else said.err) == "Building DAG of jobs...\n"


def test_without_a_study_messages_come_at_the_end_and_errors_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    to = handler()
    send(to, "SNAKEMAKE ...", event=LogEvent.WORKFLOW_STARTED)
    send(to, "Nothing to be done")
    assert capsys.readouterr().err == ""
    to.close()
    assert capsys.readouterr().err == "Nothing to be done\n"
    to = handler()
    send(to, "Building DAG of jobs...")
    send(to, "No such rule", logging.ERROR, event=LogEvent.ERROR, exception="WorkflowError")
    to.close()
    assert capsys.readouterr().err == "No such rule\n"


def test_on_a_terminal_what_runs_is_the_last_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    to = handler()
    start(to)
    send(to, "Finished jobid: 7", event=LogEvent.JOB_FINISHED, job_id=7)
    to.close()
    said = capsys.readouterr().err
    assert said == "what is due\nrunning0\r\x1b[Kjob 7 is done: a.log\nrunning0\r\x1b[K"
