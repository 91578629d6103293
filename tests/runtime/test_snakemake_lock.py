"""Snakemake's lock on its working folder, which a killed one leaves behind."""

import errno
import fcntl
import socket
from pathlib import Path

import pytest

from rgmp.runtime import kernel_locks
from rgmp.runtime.snakemake_lock import record_lock_owner, remove_stale_lock


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
    monkeypatch.setattr(kernel_locks, "_BOOT", boot_file)
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
        ("node7\nnode8 1d-88", "node7 or node8;"),
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


def test_lock_beside_one_that_this_machine_left_stays_as_it_may_be_of_another(
    stale: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three starts: the first, on node7, lives and does not show; the second, here, was killed."""
    (stale.parents[1] / "alive").write_text("node7 0b2f-4c")
    with remove_stale_lock(stale.parents[1]) as second:  # type: ignore[union-attr]
        record_lock_owner(second)
    own = stale.with_name("1.input.lock")
    own.write_text("results/other/plan.json")
    capsys.readouterr()
    remove(stale)
    assert "by a Snakemake on node7; if" in capsys.readouterr().err
    assert stale.exists()
    assert own.exists()


def test_who_locked_a_folder_is_forgotten_once_it_has_no_lock(
    stale: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else locks of this machine would stay for ever after one on another."""
    (stale.parents[1] / "alive").write_text("node7 0b2f-4c")
    stale.unlink()
    with remove_stale_lock(stale.parents[1]) as here:  # type: ignore[union-attr]
        record_lock_owner(here)
        record_lock_owner(here)
    assert (stale.parents[1] / "alive").read_text().split() == [*kernel_locks.machine()]
    stale.write_text("results/tiny/plan.json")
    remove(stale)
    assert not stale.exists()
    assert capsys.readouterr().err == ""


def test_lock_beside_a_living_snakemake_stays(stale: Path) -> None:
    living = remove_stale_lock(stale.parents[1])
    assert living is not None
    stale.write_text("its own, after the dead one's was removed")
    remove(stale)
    living.close()
    assert stale.exists()


def test_without_kernel_locks_nothing_is_removed(
    stale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    assert remove_stale_lock(stale.parents[1]) is None
    assert stale.exists()
