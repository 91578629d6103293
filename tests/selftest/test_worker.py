"""What a section's own process answers."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

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
    order = {"module": name, "device": "cpu", "folder": "out", "work": str(folder)}
    said = io.StringIO()
    main({**order, "seconds": 100.0, "davis": None}, said)
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
def test_the_machine_each_finding_and_how_it_ended(
    then: str, key: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, finding, last = answers(tmp_path, then, monkeypatch)
    assert machine["machine"]["device"] == "cpu"
    assert machine["machine"]["determinism"]["threads"] >= 1
    assert 50 < finding["finding"]["value"] <= 100
    assert finding["line"].startswith("left (davis None): ")
    assert last[key] is True if value is True else str(value) in last[key]
    if key in {"failed", "refused"}:
        assert "Traceback" in last["traceback"]
        assert "section(bench)" in last["traceback"]
