"""Jobs that compute on GPUs: how many of them Snakemake runs at once (`--resources gpu=N`).

Which GPU each of them then takes is in tests/runtime/test_device.py.
"""

from itertools import accumulate
from pathlib import Path

import pytest
from support.workflow import make_workspace, resolved, snakemake

from rgmp.runtime.cores import usable_cores
from rgmp.runtime.files import write_text
from rgmp.study import layout

STAND_IN = """#!/bin/sh
echo + >> runs
sleep 1.5
echo - >> runs
exit 1
"""


@pytest.mark.skipif(usable_cores() < 2, reason="jobs of one core each take turns as it is")
@pytest.mark.parametrize(("gpus", "at_once"), [(1, 1), (2, 2)])
def test_so_many_trainings_run_at_once_as_there_are_gpus(
    gpus: int, at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in of `rgmp` says when it runs."""
    make_workspace(tmp_path)
    plan = resolved(tmp_path, {"machine": {"device": "auto"}, "external": []})
    write_text(tmp_path / "bin/rgmp", STAND_IN)
    (tmp_path / "bin/rgmp").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    ready = [f"results/tiny/{layout.record(t.folder)}" for t in plan.trainings if t.parent is None]
    limits = ["--cores", "2", "--resources", f"gpu={gpus}"]
    done = snakemake(tmp_path, *ready, *limits, "--keep-going")
    assert done.returncode == 1, done.stderr
    events = (tmp_path / "runs").read_text().split()
    assert events.count("+") == len(ready) == 3
    assert max(accumulate({"+": 1, "-": -1}[event] for event in events)) == at_once
