"""One process at a time in a folder."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rgmp.runtime.locks import alone_in

HOLDER = """
import sys
from pathlib import Path
from rgmp.runtime.locks import alone_in
with alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    """Start a process that wants the folder for itself until its standard input ends."""
    command = [sys.executable, "-c", HOLDER, str(folder)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_the_second_waits_and_says_for_whom(tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    with hold(folder) as first:
        assert first.stdout
        assert first.stdout.readline() == "held\n"
        with hold(folder) as second:
            assert second.stderr
            said = second.stderr.readline()
            assert said.startswith(f"{folder}: locked by process {first.pid} of ")
            assert said.endswith("; waiting\n")
            first.communicate(timeout=60)
            out, more = second.communicate(timeout=60)
    assert (out, more) == ("held\n", "")
    assert not list(tmp_path.iterdir())


def test_a_killed_holder_holds_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with hold(tmp_path / "masks") as first:
        assert first.stdout
        first.stdout.readline()
        first.send_signal(signal.SIGKILL)
        first.wait(timeout=60)
    with alone_in(tmp_path / "masks"):
        assert capsys.readouterr().err == ""


def test_a_block_that_raises_lets_go(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyError), alone_in(tmp_path / "masks"):
            raise KeyError
