"""One process at a time in a folder, and Snakemake's lock on it."""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread, Timer

import pytest

from rgmp.runtime import locks
from rgmp.runtime.locks import alone_in, record_lock_owner, remove_stale_lock

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


def renew_now_and_then(path: Path, times: int) -> Thread:
    """Renew the time of a lock's file as its holder on another machine does, and then no more."""

    def renew() -> None:
        for _ in range(times):
            time.sleep(0.05)
            os.utime(path)

    thread = Thread(target=renew)
    thread.start()
    return thread


@pytest.mark.parametrize("has_locks", [True, False])
def test_holder_on_another_machine_is_waited_for_while_it_renews_its_lock(
    has_locks: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A lock that holds on one machine alone says nothing of it; where there is none, nor here."""
    monkeypatch.setattr(locks, "_RENEWED", 0.05)
    monkeypatch.setattr(locks, "_LEASE", 2)
    host = "node7" if has_locks else socket.gethostname()
    if not has_locks:
        monkeypatch.setattr(fcntl, "flock", without_locks)
    path = tmp_path / ".masks.lock"
    named = f"process 12 of {host}, since 2026-01-01T00:00:00+00:00"
    path.write_text(named)
    holder = renew_now_and_then(path, times=10)
    with alone_in(tmp_path / "masks"):
        assert not holder.is_alive()
        assert path.read_text().startswith(f"process {os.getpid()} of {socket.gethostname()}, ")
    said = [line for line in capsys.readouterr().err.splitlines() if "warning" not in line]
    assert said == [
        f"{tmp_path}/masks: locked by {named}, unless that has died; waiting",
        f"{tmp_path}/masks: {named} has died; its lock is taken over",
    ]
    assert not path.exists()


def test_a_stale_lock_that_another_has_taken_over_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that wait, on machines that no kernel lock keeps apart, one goes on."""
    monkeypatch.setattr(locks, "_RENEWED", 0.05)
    monkeypatch.setattr(locks, "_LEASE", 0.2)
    path = tmp_path / ".masks.lock"
    path.write_text("process 12 of node7, since 2026-01-01T00:00:00+00:00")
    remove = locks._remove_stale
    others = "process 3 of node8, since 2026-01-01T00:01:00+00:00"
    found: list[str | None] = []

    def remove_after_another(stale: Path, name: str) -> None:
        if not found:
            stale.write_text(others)
        remove(stale, name)
        found.append(stale.read_text() if stale.exists() else None)

    monkeypatch.setattr(locks, "_remove_stale", remove_after_another)
    with alone_in(tmp_path / "masks"):
        assert found == [others, None]


def test_of_two_that_find_no_lock_one_creates_it(tmp_path: Path) -> None:
    path = tmp_path / ".masks.lock"
    assert locks._create(path) == path.read_text()
    assert locks._create(path) is None


def test_a_lock_that_was_taken_over_stays_its_new_holders(tmp_path: Path) -> None:
    path = tmp_path / ".masks.lock"
    with alone_in(tmp_path / "masks"):
        path.write_text("process 3 of node8, since 2026-01-01T00:01:00+00:00")
    assert path.exists()


def test_holder_on_another_machine_that_lets_go_is_not_waited_for_longer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_RENEWED", 0.05)
    path = tmp_path / ".masks.lock"
    path.write_text("process 12 of node7, since 2026-01-01T00:00:00+00:00")
    Timer(0.1, path.unlink).start()
    with alone_in(tmp_path / "masks"):
        assert capsys.readouterr().err.count("\n") == 1


def test_a_held_lock_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_RENEWED", 0.01)
    path = tmp_path / ".masks.lock"
    with alone_in(tmp_path / "masks"):
        os.utime(path, (0, 0))
        while path.stat().st_mtime == 0:
            time.sleep(0.01)


def test_a_block_that_raises_lets_go(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyError), alone_in(tmp_path / "masks"):
            raise KeyError


def without_locks(*_: object) -> None:
    raise OSError(errno.ENOLCK, "no locks")


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_file_system_without_locks_costs_a_line(
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def flock(*_: object) -> None:
        raise OSError(code, "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    for _ in range(2):
        with alone_in(tmp_path / "masks"):
            said = capsys.readouterr().err
        assert said.startswith(f"rgmp: warning: {tmp_path}/.masks.flock: its file system has no lo")
        assert said.count("\n") == 1
    assert remove_stale_lock(tmp_path / ".snakemake") is None


@pytest.fixture
def stale(tmp_path: Path) -> Path:
    """A lock that a Snakemake of this machine has left: its file, in `.snakemake/locks`."""
    with remove_stale_lock(tmp_path / ".snakemake") as alive:  # type: ignore[union-attr]
        record_lock_owner(alive)
    lock = tmp_path / ".snakemake/locks/0.input.lock"
    lock.parent.mkdir()
    lock.write_text("results/tiny/plan.json")
    return lock


def remove(stale: Path) -> None:
    alive = remove_stale_lock(stale.parents[1])
    assert alive is not None
    alive.close()


@pytest.mark.parametrize("boot", ["here", None])
def test_lock_that_a_dead_snakemake_of_this_machine_left_is_removed(
    boot: str | None,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    boot_file = tmp_path / "boot_id"
    if boot:
        boot_file.write_text(boot)
    monkeypatch.setattr(locks, "_BOOT", boot_file)
    stale = request.getfixturevalue("stale")
    remove(stale)
    assert not stale.exists()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("holder", "named"),
    [
        ("node7 0b2f-4c", "node7;"),
        ("node7", "node7;"),
        (f"{socket.gethostname()} 0b2f-4c", f"{socket.gethostname()} before it was restarted;"),
        ("", "an unknown machine;"),
    ],
)
def test_lock_that_may_be_of_another_machine_stays_and_is_named_each_time(
    holder: str, named: str, stale: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its Snakemake may live, though the kernel here knows nothing of its lock."""
    (stale.parents[1] / "alive").write_text(holder)
    for _ in range(2):
        remove(stale)
        said = capsys.readouterr().err
        assert said.startswith(f"rgmp: this folder is locked by a Snakemake on {named} ")
        assert "`snakemake --unlock`" in said
        assert said.count("\n") == 1
        assert stale.exists()


def test_lock_beside_a_living_snakemake_stays(stale: Path) -> None:
    living = remove_stale_lock(stale.parents[1])
    assert living is not None
    stale.write_text("its own, after the dead one's was removed")
    remove(stale)
    living.close()
    assert stale.exists()
