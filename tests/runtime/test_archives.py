"""Archives whose bytes follow from what is in them."""

import os
import zipfile
from pathlib import Path

import pytest

from rgmp.errors import UserError
from rgmp.runtime.archives import Content, write_zip


def contents(folder: Path) -> list[Content]:
    folder.mkdir(exist_ok=True)
    (folder / "scores.csv").write_text("J,F\n" * 1000)
    (folder / "mask.png").write_bytes(b"png" * 1000)
    files = [Content.of_file(f"in/{path.name}", path) for path in folder.iterdir()]
    return [*files, Content.of_bytes("list.json", b"{}\n")]


def test_the_same_content_is_the_same_archive(tmp_path: Path) -> None:
    first, second = (tmp_path / name for name in ("a.zip", "b.zip"))
    write_zip(first, contents(tmp_path / "one"))
    again = contents(tmp_path / "two")
    os.utime(tmp_path / "two/mask.png", (1, 1))
    (tmp_path / "two/mask.png").chmod(0o600)
    write_zip(second, reversed(again))
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert archive.testzip() is None
        packed = {info.filename: info.compress_type for info in archive.infolist()}
    stored, deflated = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
    assert packed == {"in/mask.png": stored, "in/scores.csv": deflated, "list.json": deflated}


def test_a_file_that_changes_meanwhile_leaves_no_archive(tmp_path: Path) -> None:
    found = contents(tmp_path / "in")
    (tmp_path / "in/scores.csv").write_text("F,J\n" * 1000)
    with pytest.raises(UserError, match=r"in/scores.csv: changed while it was packed"):
        write_zip(tmp_path / "a.zip", found)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    left, others = tmp_path / ".a.zip.abcd_123", tmp_path / ".a.zip.kept"
    for folder in (left, others):
        folder.mkdir()
    (left / "a.zip").write_bytes(b"half")
    write_zip(tmp_path / "a.zip", [Content.of_bytes("x", b"")])
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.zip.kept", "a.zip"]
