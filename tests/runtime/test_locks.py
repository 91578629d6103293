"""One process at a time in a folder."""

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
from types import SimpleNamespace

import pytest

from rgmp.errors import UserError
from rgmp.runtime import locks
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


def renew_now_and_then(path: Path, times: int, ahead: float = 0) -> Thread:
    """Renew the time of a lock's file as its holder on another machine does, and then no more."""

    def renew() -> None:
        for _ in range(times):
            time.sleep(0.05)
            now = time.time() + ahead
            os.utime(path, (now, now))

    thread = Thread(target=renew)
    thread.start()
    return thread


def be_quick(monkeypatch: pytest.MonkeyPatch, lease: float = 0.2) -> None:
    for name, seconds in (("_RENEWED", 0.05), ("_LOOKED_AT", 0.01), ("_LEASE", lease)):
        monkeypatch.setattr(locks, name, seconds)


OTHERS = "process 12 of {}, since 2026-01-01T00:00:00+00:00\nan-other-kernel/1 0123456789abcdef\n"


@pytest.mark.parametrize("ahead", [0, 1e5, -1e5])
@pytest.mark.parametrize("has_locks", [True, False])
def test_holder_on_another_machine_is_waited_for_while_it_renews_its_lock(
    has_locks: bool,
    ahead: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A lock that holds on one machine alone says nothing of it; where there is none, nor here.

    Its clock may be a day ahead or behind.
    """
    be_quick(monkeypatch, lease=2)
    host = "node7" if has_locks else socket.gethostname()
    if not has_locks:
        monkeypatch.setattr(fcntl, "flock", without_locks)
    path = tmp_path / ".masks.lock"
    path.write_text(OTHERS.format(host))
    named = OTHERS.format(host).partition("\n")[0]
    holder = renew_now_and_then(path, times=10, ahead=ahead)
    with alone_in(tmp_path / "masks"):
        assert not holder.is_alive()
        assert holders(path)[-1].startswith(f"process {os.getpid()} of {socket.gethostname()}, ")
    said = [line for line in capsys.readouterr().err.splitlines() if "warning" not in line]
    assert said == [
        f"{tmp_path}/masks: locked by {named}, unless that has died; waiting",
        f"{tmp_path}/masks: {named} has died; its lock is taken over",
    ]
    assert not list(tmp_path.iterdir())


def holders(path: Path) -> list[str]:
    """The holders that a lock's files name, the dead ones first."""
    return [seen.holder for seen in locks._look(path)]


def test_of_two_that_find_one_holder_dead_the_slower_takes_nothing(tmp_path: Path) -> None:
    """However slow it is: while the faster works, when it is done, and when a third one works."""
    path = tmp_path / ".masks.lock"
    path.write_text(OTHERS.format("node7"))
    stale = locks._look(path)
    faster = locks._succeed(stale, path)
    assert faster is not None
    assert locks._succeed(stale, path) is None
    locks._let_go(faster)
    assert locks._succeed(stale, path) is None
    assert not list(tmp_path.iterdir())
    third = locks._succeed([], path)
    assert third is not None
    assert locks._succeed(stale, path) is None
    assert locks._look(path) == third.chain
    locks._let_go(third)
    assert not list(tmp_path.iterdir())


def test_a_holder_that_wakes_up_in_the_last_moment_keeps_its_lock(tmp_path: Path) -> None:
    path = tmp_path / ".masks.lock"
    path.write_text(OTHERS.format("node7"))
    stale = locks._look(path)
    os.utime(path)
    assert locks._succeed(stale, path) is None
    assert [*tmp_path.iterdir()] == [path]


def test_a_holder_that_wakes_up_too_late_says_so_and_leaves_the_lock_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(locks, "_RENEWED", 0.01)
    path = tmp_path / ".masks.lock"
    with alone_in(tmp_path / "masks"):
        monkeypatch.setattr(locks, "utc_now", lambda: "2026-01-01T00:01:00Z")
        while (next_one := locks._succeed(locks._look(path), path)) is None:
            pass  # it has been renewed in that moment
        said = ""
        while "\n" not in said:
            said += capsys.readouterr().err
            time.sleep(0.01)
    assert said == (
        f"rgmp: warning: {tmp_path}/masks: this process stood still for so long that process "
        f"{os.getpid()} of {socket.gethostname()}, since 2026-01-01T00:01:00Z took it for dead; "
        "both work here now, and on processors of one type they write the same\n"
    )
    assert [seen.text for seen in locks._look(path)] == [seen.text for seen in next_one.chain]
    locks._let_go(next_one)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("renewed_at", [1, 2])
def test_one_who_waits_and_is_stopped_for_longer_than_a_lease_looks_again(
    renewed_at: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Alone or together with the holder, which then needs a moment."""
    path = tmp_path / ".masks.lock"
    path.write_text(OTHERS.format("node7"))
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(1000 if len(slept) == 1 else seconds)
        if len(slept) == 1 + renewed_at:
            os.utime(path)
        if len(slept) == 10:
            path.unlink()

    clock = SimpleNamespace(sleep=sleep, monotonic=lambda: sum(slept))
    monkeypatch.setattr(locks, "time", clock)
    with alone_in(tmp_path / "masks"):
        assert len(slept) == 10
    assert "taken over" not in capsys.readouterr().err


ELSEWHERE = """
import fcntl
import sys
from pathlib import Path
from rgmp.runtime import kernel_locks, locks
fcntl.flock = lambda *_: None
kernel_locks._BOOT = Path(sys.argv[2])
locks._RENEWED = 0.1
with locks.alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_machine_of_the_same_name_is_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as `localhost`; its kernel's locks do not show here."""
    be_quick(monkeypatch, lease=30)
    boot = tmp_path / "boot_id"
    boot.write_text("an-other-kernel")
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path / "masks"), str(boot)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        Timer(1, other.communicate).start()
        with alone_in(tmp_path / "masks"):
            assert other.wait(timeout=60) == 0
    assert ", unless that has died; waiting\n" in capsys.readouterr().err


def test_the_next_one_comes_while_the_holder_lets_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the holder still removes is not the next one's."""
    others: list[subprocess.Popen[str]] = []
    unlink = Path.unlink

    def and_let_the_next_one_come(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok)
        if not others and path.suffix != ".life":
            others.append(hold(tmp_path / "masks"))
            assert others[0].stdout
            assert others[0].stdout.readline() == "held\n"

    with alone_in(tmp_path / "masks"):
        monkeypatch.setattr(Path, "unlink", and_let_the_next_one_come)
    with others[0] as other:
        said = (tmp_path / ".masks.lock").read_text()
        other.communicate(timeout=60)
    assert said.startswith(f"process {other.pid} of ")
    assert not list(tmp_path.iterdir())


def test_two_locks_of_one_process_in_one_second_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "utc_now", lambda: "2026-01-01T00:01:00Z")
    texts = set()
    for _ in range(2):
        with alone_in(tmp_path / "masks"):
            texts.add((tmp_path / ".masks.lock").read_text())
    assert len(texts) == 2


def without_links(source: Path, _: Path) -> None:
    raise OSError(errno.EPERM, "no links", source)


@pytest.mark.parametrize("has_links", [True, False])
def test_of_two_that_find_no_lock_one_creates_it(
    has_links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_links:
        monkeypatch.setattr(os, "link", without_links)
    path = tmp_path / ".masks.lock"
    held = locks._succeed([], path)
    assert held is not None
    assert locks._succeed([], path) is None
    assert locks._look(path) == held.chain
    assert holders(path)[0].startswith(f"process {os.getpid()} of ")
    assert locks._lives(held.chain[0])
    locks._let_go(held)
    assert not list(tmp_path.iterdir())


def test_a_lock_that_is_let_go_when_another_wants_to_create_it_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link
    failed: list[Path] = []

    def too_late(source: Path, target: Path) -> None:
        if not failed:
            failed.append(target)
            raise FileExistsError
        link(source, target)

    monkeypatch.setattr(os, "link", too_late)
    with alone_in(tmp_path / "masks"):
        assert len(holders(tmp_path / ".masks.lock")) == 1
    assert not list(tmp_path.iterdir())


def test_a_link_that_was_made_though_its_answer_was_lost_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS asks again, and the file is there."""
    link = os.link

    def twice(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", twice)
    with alone_in(tmp_path / "masks"):
        assert len(holders(tmp_path / ".masks.lock")) == 1
    assert not list(tmp_path.iterdir())


def test_full_disk_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with alone_in(tmp_path / "full_while_it_works"):
        monkeypatch.setattr(os, "fsync", fsync)
    with (
        pytest.raises(UserError, match=r"\.masks\.lock: cannot be written \(No space left"),
        alone_in(tmp_path / "masks"),
    ):
        pass
    left = sorted(path.name.partition(".lock")[0] for path in tmp_path.iterdir())
    assert left == 2 * [".full_while_it_works"]
    monkeypatch.undo()
    with alone_in(tmp_path / "full_while_it_works"):
        assert len(holders(tmp_path / ".full_while_it_works.lock")) == 2
    assert not list(tmp_path.iterdir())


def test_a_lock_that_another_has_renamed_its_own_to_is_neither_renewed_nor_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As nothing of this project does any more."""
    monkeypatch.setattr(locks, "_RENEWED", 0.01)
    path = tmp_path / ".masks.lock"
    with alone_in(tmp_path / "masks"):
        (tmp_path / "others").write_text(OTHERS.format("node8"))
        (tmp_path / "others").replace(path)
        os.utime(path, (0, 0))
        time.sleep(0.1)
        assert path.stat().st_mtime == 0
    assert path.read_text() == OTHERS.format("node8")


def test_holder_on_another_machine_that_lets_go_is_not_waited_for_longer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_LOOKED_AT", 0.01)
    path = tmp_path / ".masks.lock"
    path.write_text(OTHERS.format("node7"))
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
        assert said.startswith(f"rgmp: warning: {tmp_path}/.masks.lock: its file system has no loc")
        assert said.count("\n") == 1
