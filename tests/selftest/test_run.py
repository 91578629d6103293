"""Sections that fail, hang, die or find no time: the others go on, and what was found is kept.

The processes are real; what runs in them needs no torch, so that they start at once.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from rgmp.cli import main as cli
from rgmp.errors import UserError
from rgmp.runtime.files import write_json
from rgmp.selftest import run as running
from rgmp.selftest import sections as listed
from rgmp.selftest.results import FILE, Results
from rgmp.selftest.run import Asked, run
from rgmp.selftest.sections import Section

FAKE = """
import json, os, signal, sys, time
from rgmp.selftest.finding import Finding, at_least

def say(**answer):
    print(json.dumps(answer), flush=True)

def find(finding):
    say(finding=finding.as_json(), line=finding.line)

def serve():
    order = json.loads(sys.argv[1])
    if order["device"] == "cuda":
        return say(refused="device cuda: none", traceback="")
    say(machine={"device": "cpu", "gpu": None, "cpu": "toy", "driver": None, "cores": 1,
                 "torch": "0"})
    kind = (order["module"] or "probe").rpartition(".")[2]
    print("on the error stream", file=sys.stderr)
    if kind == "probe":
        return
    find(Finding("x", {"kind": kind}, 1.5, "s"))
    if kind == "low":
        find(at_least("y", {}, 0.5, 1.0))
    elif kind == "broken":
        return say(failed="ValueError: no", traceback="Traceback ...\\nValueError: no")
    elif kind == "mistaken":
        return say(refused="a mistake of the user's", traceback="Traceback ...")
    elif kind == "absent":
        return say(not_here="there are no tests")
    elif kind == "dying":
        print("last words", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    elif kind == "hanging":
        if not os.fork():
            time.sleep(600)  # what it started has to end with it
        time.sleep(600)
    say(ended=True)
    if kind == "lingering":
        time.sleep(600)
"""


@pytest.fixture(autouse=True)
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fake_worker.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setattr(running, "_WORKER", "from fake_worker import serve; serve()")
    monkeypatch.setattr(listed, "GRACE", 0.5)
    monkeypatch.setattr(listed, "STARTING", 0.5)


def asked(folder: Path, *kinds: str, seconds: float = 600, **changes: Any) -> Asked:
    sections = tuple(Section(kind, f"title of {kind}", 1, 1) for kind in kinds)
    given = {"device": "auto", "minutes": seconds / 60, "sections": sections, **changes}
    return Asked(folder=folder / "out", **given)


def kept(results: Results) -> dict[str, Any]:
    """What the file says, by the names of the sections."""
    value = json.loads((results.folder / FILE).read_text())
    return {section["name"]: section for section in value["sections"]}


def test_whatever_becomes_of_a_section_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = ("fine", "broken", "mistaken", "dying", "absent", "last")
    results = run(asked(tmp_path, *kinds))
    said, found = capsys.readouterr().out, kept(results)
    assert {name: section["status"] for name, section in found.items()} == {
        "fine": "done",
        "broken": "failed",
        "mistaken": "failed",
        "dying": "failed",
        "absent": "not here",
        "last": "done",
    }
    assert all(len(section["findings"]) == 1 for section in found.values())
    assert "ValueError: no" in found["broken"]["traceback"]
    assert found["mistaken"]["reason"] == "a mistake of the user's"
    assert "-11" in found["dying"]["reason"]
    assert "last words" in found["dying"]["traceback"]
    log = (tmp_path / "out" / running.LOG).read_text()
    assert "=== fine\non the error stream\n=== broken\non" in log
    assert {path.name for path in (tmp_path / "out").iterdir()} == {FILE, running.LOG}
    assert "x (kind fine): 1.5 s" in said
    assert "broken" in said.rpartition("last")[0]
    assert not results.all_hold


def test_all_is_well_where_limits_hold_and_nothing_is_lacking(tmp_path: Path) -> None:
    assert run(asked(tmp_path, "fine", "absent")).all_hold
    assert not run(asked(tmp_path, "fine", "low")).all_hold


def test_what_hangs_is_ended_with_all_it_started_so_that_others_have_their_time(
    tmp_path: Path,
) -> None:
    sections = tuple(
        Section(kind, kind, need, need) for kind, need in (("hanging", 2), ("fine", 6))
    )
    results = run(asked(tmp_path, seconds=14, sections=sections))
    found = kept(results)
    assert found["hanging"]["status"] == "cut short"
    assert found["hanging"]["findings"][0]["value"] == 1.5
    assert found["fine"]["status"] == "done"
    assert not [p for p in psutil.process_iter(["cmdline"]) if _is_fake(p, tmp_path)]


def _is_fake(process: psutil.Process, folder: Path) -> bool:
    return any(str(folder) in word for word in process.info["cmdline"] or ())


def test_without_time_a_section_does_not_begin_and_is_lacking(tmp_path: Path) -> None:
    long = Section("fine", "long", 1000, 1000)
    results = run(asked(tmp_path, seconds=60, sections=(long, Section("last", "short", 1, 1))))
    found = kept(results)
    assert found["fine"]["status"] == "no time"
    assert "takes about 1000 s" in found["fine"]["reason"]
    assert found["last"]["status"] == "done"
    assert not results.all_hold


def test_what_needs_a_gpu_is_no_fault_of_a_cpu(tmp_path: Path) -> None:
    results = run(asked(tmp_path, sections=(Section("fine", "on a GPU", 1, None),)))
    assert kept(results)["fine"]["reason"] == "it needs a GPU"
    assert results.all_hold


def test_a_device_that_is_not_there_is_a_mistake_of_the_users(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="device cuda: none"):
        run(asked(tmp_path, "fine", device="cuda"))


def test_a_file_of_another_kind_is_not_replaced(tmp_path: Path) -> None:
    write_json(tmp_path / "out" / FILE, {"mine": True})
    with pytest.raises(UserError, match="not a file of a selftest"):
        run(asked(tmp_path, "fine"))
    (tmp_path / "out" / FILE).unlink()
    run(asked(tmp_path, "fine"))


def findings_of(results: Results) -> dict[str, tuple[str, str]]:
    return {s.name: (s.status, s.started) for s in results.sections}


def test_a_further_run_goes_on_where_the_earlier_one_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter("abcdefghijklmnop")
    monkeypatch.setattr(running, "utc_now", lambda: next(times))
    first = findings_of(run(asked(tmp_path, "fine", "broken")))
    second = findings_of(run(asked(tmp_path, "fine", "broken", "last")))
    assert "kept from an earlier run: fine\n" in capsys.readouterr().out
    assert second["fine"] == first["fine"]
    assert second["broken"] != first["broken"], "what failed runs again"
    assert second["last"][0] == "done"
    third = findings_of(run(asked(tmp_path, "fine", renews=True)))
    assert third["fine"][0] == "done"
    assert third["fine"] != second["fine"]
    assert {name: third[name] for name in ("broken", "last")} == {
        name: second[name] for name in ("broken", "last")
    }


def test_what_was_found_is_kept_where_there_is_no_time_to_find_it_again(tmp_path: Path) -> None:
    first = run(asked(tmp_path, "broken"))
    long = Section("broken", "long", 1000, 1000)
    second = run(asked(tmp_path, seconds=60, sections=(long,)))
    assert findings_of(second) == findings_of(first)
    assert kept(second)["broken"]["findings"]


@pytest.mark.parametrize("what", ["machine", "versions", "code"])
def test_results_of_another_machine_or_code_are_replaced(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(asked(tmp_path, "fine"))
    file = tmp_path / "out" / FILE
    value = json.loads(file.read_text())
    value[what] |= {
        "machine": {"gpu": "H200"},
        "versions": {"torch": "1"},
        "code": {"commit": "x"},
    }[what]
    write_json(file, value)
    assert [*kept(run(asked(tmp_path, "last")))] == ["last"]
    assert "of another machine or code" in capsys.readouterr().out


def test_an_untracked_file_is_no_other_code(tmp_path: Path) -> None:
    run(asked(tmp_path, "fine"))
    file = tmp_path / "out" / FILE
    value = json.loads(file.read_text())
    value["code"]["dirty"] = not value["code"]["dirty"]
    write_json(file, value)
    assert [*kept(run(asked(tmp_path, "last")))] == ["fine", "last"]


def test_a_process_that_has_said_all_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_ENDING", 0.5)
    found = kept(run(asked(tmp_path, "lingering", "last")))
    assert [section["status"] for section in found.values()] == ["done", "done"]
    assert found["lingering"]["seconds"] < 300
    assert not [p for p in psutil.process_iter(["cmdline"]) if _is_fake(p, tmp_path)]


def test_a_process_that_cannot_be_ended_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As one is that waits in the driver, which no signal reaches."""
    stuck = subprocess.Popen(["sleep", "600"], stdin=subprocess.PIPE, start_new_session=True)
    monkeypatch.setattr(running, "_ENDING", 0.1)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "killpg", lambda *_: None)
            running._end(stuck)  # type: ignore[arg-type]
        assert f"process {stuck.pid} is stuck" in capsys.readouterr().out
    finally:
        stuck.kill()
        stuck.wait()


def test_an_interrupt_keeps_what_is_there(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from rgmp.selftest import run; from rgmp.selftest.sections import Section\n"
        "run._WORKER = 'from fake_worker import serve; serve()'\n"
        "sections = tuple(Section(k, k, 1, 1) for k in ('fine', 'hanging', 'last'))\n"
        "run.run(run.Asked('auto', Path(sys.argv[1]) / 'out', 9, sections))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE)
    file = tmp_path / "out" / FILE
    until = time.monotonic() + 60
    while '"kind": "hanging"' not in (file.read_text() if file.exists() else ""):
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert b"KeyboardInterrupt" in errors
    found = {s["name"]: s for s in json.loads(file.read_text())["sections"]}
    assert {name: s["status"] for name, s in found.items()} == {
        "fine": "done",
        "hanging": "interrupted",
    }


def test_the_command_says_what_it_ran_and_ends_with_its_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    assert cli.main(["selftest", "--out", out, "--only", "memory"]) == 0
    assert "memory by number of objects" in capsys.readouterr().out
    value = json.loads((tmp_path / "out" / FILE).read_text())
    assert value["asked"] == {"device": "auto", "minutes": 9, "sections": ["memory"]}
    assert {"code", "versions", "machine", "started", "seconds"} <= value.keys()
    monkeypatch.setattr("rgmp.cli.selftest.named", lambda _: (Section("low", "low", 1, 1),))
    assert cli.main(["selftest", "--out", out]) == 1
    assert cli.main(["selftest", "--out", out, "--only", "memry"]) == 2
    assert "did you mean memory?" in capsys.readouterr().err
