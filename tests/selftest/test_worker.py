"""What a section's own process answers."""

import io
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
import torch
from support.documents import PROJECT

from rgmp.selftest.worker import main

SECTION = """
from rgmp.errors import UserError
from rgmp.selftest.bench import NotHereError
from rgmp.selftest.finding import Finding


def section(bench):
    yield Finding("left", {{"davis": str(bench.davis)}}, bench.seconds_left(), "s")
    {then}
"""


def answers(folder: Path, then: str, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    name = f"section_{abs(hash(then))}"
    (folder / f"{name}.py").write_text(SECTION.format(then=then))
    monkeypatch.syspath_prepend(folder)
    said = io.StringIO()
    main(order_of(folder, module=name), said)
    return [json.loads(line) for line in said.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("then", "key", "value"),
    [
        ("", "ended", True),
        ("raise ValueError('of ours')", "failed", "ValueError: of ours"),
        ("raise UserError('of theirs')", "refused", "of theirs"),
        ("raise NotHereError('no tests')", "not_here", "no tests"),
        ("import no_such_package", "failed", "ModuleNotFoundError: No module named"),
    ],
)
def test_each_finding_and_how_it_ended(
    then: str, key: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding, last = answers(tmp_path, then, monkeypatch)
    assert 50 < finding["finding"]["value"] <= 100
    assert finding["line"].startswith("left (davis None): ")
    assert last[key] is True if value is True else str(value) in last[key]
    if key in {"failed", "refused"}:
        assert "Traceback" in last["traceback"]
        assert "section(bench)" in last["traceback"]


def order_of(folder: Path, **changes: Any) -> dict[str, Any]:
    given = {"module": None, "device": "cpu", "reserves": True, "folder": str(folder)}
    return {
        **given,
        "work": str(folder),
        "searches": True,
        "davis": None,
        "deadline": time.monotonic() + 100,
        **changes,
    }


def test_without_a_section_it_describes_the_machine(tmp_path: Path) -> None:
    said = io.StringIO()
    main(order_of(tmp_path), said)
    machine, last = (json.loads(line) for line in said.getvalue().splitlines())
    assert machine["machine"]["device"] == "cpu"
    assert machine["machine"]["determinism"]["threads"] >= 1
    assert last == {"ended": True}


def test_a_section_that_starts_jobs_leaves_them_the_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "starting.py").write_text(SECTION.format(then=""))
    monkeypatch.syspath_prepend(tmp_path)
    taken: list[str] = []

    def choose(name: str) -> torch.device:
        taken.append(name)
        return torch.device("cpu")

    monkeypatch.setattr("rgmp.runtime.device.choose", choose)
    for reserves, wanted in ((False, []), (True, ["cuda"])):
        said = io.StringIO()
        main(order_of(tmp_path, module="starting", device="cuda", reserves=reserves), said)
        assert "finding" in said.getvalue()
        assert taken == wanted


def test_cudnn_searches_only_where_a_section_lets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "asking.py").write_text(SECTION.format(then=""))
    monkeypatch.syspath_prepend(tmp_path)
    for searches in (True, False):
        monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
        main(order_of(tmp_path, module="asking", searches=searches), io.StringIO())
        assert torch.backends.cudnn.benchmark is searches


@pytest.mark.slow
def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    order = json.dumps(order_of(tmp_path, module="sleeping"))
    (tmp_path / "sleeping.py").write_text(
        "import subprocess, time\n\ndef section(bench):\n"
        "    started = subprocess.Popen(['sleep', '600'], stdin=subprocess.DEVNULL)\n"
        "    yield type('Pid', (), {'line': '', 'as_json': lambda _: started.pid})()\n"
        "    time.sleep(600)\n"
    )
    command = [sys.executable, "-c", "from rgmp.selftest.worker import serve; serve()", order]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{PROJECT}"},
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        started = psutil.Process(json.loads(process.stdout.readline())["finding"])
        process.stdin.close()
        assert process.wait(60) == -signal.SIGKILL
    psutil.wait_procs([started], timeout=60)
    assert not started.is_running() or started.status() == psutil.STATUS_ZOMBIE
