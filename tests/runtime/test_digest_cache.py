"""A digest is that of the bytes that are there now, whatever their name and time."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rgmp.errors import UserError
from rgmp.runtime import digest_cache, files
from rgmp.runtime.digest_cache import Digests
from rgmp.runtime.files import digest_of_all


def test_digest_of_a_value_is_that_of_what_it_says() -> None:
    assert files.digest_of({"a": 1, "b": [2]}) == files.digest_of({"b": (2,), "a": 1})
    assert len({files.digest_of(value) for value in ([1, 2], [2, 1], "[1,2]", [[1], 2])}) == 4


def test_digest_of_files_does_not_depend_on_where_they_lie(tmp_path: Path) -> None:
    for place in ("here", "there"):
        for name, text in (("a", "1"), ("b", "2")):
            path = tmp_path / place / "480p" / "bear" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    here, there = (sorted((tmp_path / p).rglob("?")) for p in ("here", "there"))
    assert digest_of_all(here) == digest_of_all(reversed(there))
    assert digest_of_all(here) != digest_of_all(here[:1])
    camel = tmp_path / "there" / "480p" / "camel"
    there[0].parent.rename(camel)
    assert digest_of_all(here) != digest_of_all(sorted(camel.iterdir()))
    camel.rename(there[0].parent)
    there[0].rename(there[0].with_name("c"))
    assert digest_of_all(here) != digest_of_all(sorted((tmp_path / "there").rglob("?")))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files whose bytes are read from now on."""
    read: list[Path] = []
    digest = files.digest_of_file

    def counting(path: Path) -> str:
        read.append(path)
        return digest(path)

    monkeypatch.setattr(files, "digest_of_file", counting)
    return read


@pytest.fixture
def aged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file counts as one that was written long ago."""
    monkeypatch.setattr(digest_cache, "_TICK_NS", -(10**15))


@pytest.mark.usefixtures("aged")
def test_unchanged_file_is_read_once(tmp_path: Path, counted: list[Path]) -> None:
    path, memory = tmp_path / "frame.jpg", tmp_path / "digests.json"
    path.write_text("1")
    first = Digests(memory)
    digest = first.of(path)
    first.save()
    second = Digests(memory)
    assert second.of(path) == digest
    assert counted == [path]
    stamp = memory.stat().st_mtime_ns
    second.save()
    assert memory.stat().st_mtime_ns == stamp


def test_file_as_young_as_its_clock_is_coarse_is_read_again(
    tmp_path: Path, counted: list[Path]
) -> None:
    """It may change once more with no other time, as in git's index."""
    path, memory = tmp_path / "frame.jpg", tmp_path / "digests.json"
    path.write_text("1")
    for _ in range(2):
        known = Digests(memory)
        known.of(path)
        known.save()
    assert counted == [path, path]
    os.utime(path, ns=(0, 0))  # the time of its change stays
    known = Digests(memory)
    known.of(path)
    known.save()
    assert len(counted) == 3
    assert not memory.exists()


@pytest.mark.usefixtures("aged")
def test_file_that_changes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, memory = tmp_path / "frame.jpg", tmp_path / "digests.json"
    path.write_text("before")
    digest = files.digest_of_file

    def growing(path: Path) -> str:
        found = digest(path)
        path.write_text(path.read_text() + "!")
        return found

    monkeypatch.setattr(files, "digest_of_file", growing)
    known = Digests(memory)
    known.of(path)
    known.save()
    assert not memory.exists()


@pytest.mark.usefixtures("aged")
def test_what_two_writers_found_is_kept(tmp_path: Path) -> None:
    memory, paths = tmp_path / "digests.json", [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text(path.name)
    writers = [Digests(memory) for _ in paths]
    for writer, path in zip(writers, paths, strict=True):
        writer.of(path)
    for writer in writers:
        writer.save()
    assert {*json.loads(memory.read_text())} == {str(path) for path in paths}
    paths[0].unlink()
    paths[1].write_text("changed")
    last = Digests(memory)
    last.of(paths[1])
    last.save()
    assert {*json.loads(memory.read_text())} == {str(path) for path in paths[1:]}


@pytest.mark.usefixtures("aged")
def test_many_writers_at_once_leave_a_whole_file_with_right_digests(tmp_path: Path) -> None:
    memory, paths = tmp_path / "digests.json", [tmp_path / f"{i}.jpg" for i in range(8)]
    for path in paths:
        path.write_text(path.name)

    def write(path: Path) -> None:
        for i in range(5):
            path.write_text(f"{path.name} {i}")
            known = Digests(memory)
            known.of(path)
            known.save()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, paths))
    assert {*json.loads(memory.read_text())} <= {str(path) for path in paths}
    known = Digests(memory)
    assert [known.of(path) for path in paths] == [files.digest_of_file(path) for path in paths]


@pytest.mark.usefixtures("aged")
def test_memory_that_cannot_be_written_is_none(tmp_path: Path) -> None:
    path = tmp_path / "frame.jpg"
    path.write_text("1")
    for memory in (path / "digests.json", tmp_path, None):
        known = Digests(memory)
        assert known.of(path) == files.digest_of_file(path)
        known.save()
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.usefixtures("aged")
def test_changed_file_is_noticed(tmp_path: Path) -> None:
    path, memory = tmp_path / "frame.jpg", tmp_path / "digests.json"
    digests = []
    for text in ("one", "other", "short"):
        path.write_text(text)
        known = Digests(memory)
        digests.append(known.of(path))
        known.save()
    assert len(set(digests)) == 3
    assert digests[-1] == files.digest_of_file(path)


@pytest.mark.usefixtures("aged")
def test_file_changed_behind_its_own_time_is_noticed(tmp_path: Path) -> None:
    path, memory = tmp_path / "frame.jpg", tmp_path / "digests.json"
    path.write_text("one")
    known = Digests(memory)
    before, times = known.of(path), path.stat()
    known.save()
    while path.stat().st_ctime_ns == times.st_ctime_ns:  # the clock of some file systems is coarse
        path.write_text("two")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_mtime_ns == times.st_mtime_ns
    assert Digests(memory).of(path) != before


GARBAGE = ["{", "[]", "7", "[" * 99_999, '{"PATH": 7}', '{"PATH": [1, 2]}', "\0"]
GARBAGE += ['{"PATH": [STAMP, "ab"]}', '{"PATH": [STAMP, 7]}', '{"PATH": [STAMP]}']
GARBAGE += ['{"PATH": ["1", 2, 3, 4, "DIGEST"]}', '{"\\u0000": [STAMP, "DIGEST"]}']


@pytest.mark.usefixtures("aged")
@pytest.mark.parametrize("text", GARBAGE)
def test_memory_that_is_damaged_is_made_again(tmp_path: Path, text: str) -> None:
    path, memory = tmp_path / "frame.jpg", tmp_path / "digests.json"
    path.write_text("1")
    status = path.stat()
    times = f"{status.st_mtime_ns}, {status.st_ctime_ns}"
    stamp = f"{status.st_size}, {times}, {status.st_ino}"
    for name, value in (("PATH", str(path)), ("STAMP", stamp), ("DIGEST", "0" * 64)):
        text = text.replace(name, value)
    memory.write_text(text)
    known = Digests(memory)
    assert known.of(path) == files.digest_of_file(path)
    known.save()
    assert list(json.loads(memory.read_text())) == [str(path)]


def test_file_to_digest_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "absent", tmp_path, tmp_path / "file" / "deeper"):
        with pytest.raises(UserError, match=rf"^{path}: cannot be read"):
            Digests(tmp_path / "digests.json").of(path)
