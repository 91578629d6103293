"""A digest is that of the bytes that are there now, whatever their name and time."""

import json
import os
from pathlib import Path

import pytest

from rgmp.errors import UserError
from rgmp.runtime import files
from rgmp.runtime.files import Digests, digest_of_all


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


@pytest.mark.parametrize("text", ["{", "[]", "7", "[" * 99_999, '{"PATH": 7}', '{"PATH": [1, 2]}'])
def test_memory_that_is_damaged_is_made_again(tmp_path: Path, text: str) -> None:
    path, memory = tmp_path / "frame.jpg", tmp_path / "digests.json"
    path.write_text("1")
    memory.write_text(text.replace("PATH", str(path)))
    known = Digests(memory)
    assert known.of(path) == files.digest_of_file(path)
    known.save()
    assert list(json.loads(memory.read_text())) == [str(path)]


def test_file_to_digest_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "absent", tmp_path, tmp_path / "file" / "deeper"):
        with pytest.raises(UserError, match=rf"^{path}: cannot be read"):
            Digests(tmp_path / "digests.json").of(path)
