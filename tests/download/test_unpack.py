"""Archives that would write elsewhere, fill the disk, or are damaged."""

import errno
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.damaged_zips import damaged_zips, zipped

from rgmp.download import unpack as module
from rgmp.download.catalogue import Archive
from rgmp.download.unpack import ArchiveError, unpack
from rgmp.errors import UserError
from rgmp.runtime.files import files_below


def write_zip(path: Path, members: dict[str, bytes], mode: int = 0) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in members.items():
            info = zipfile.ZipInfo("placeholder")
            info.filename = name  # as it is: the constructor would change some
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = mode << 16
            opened.writestr(info, data)


def write_tar(path: Path, members: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> None:
    with tarfile.open(path, "w") as opened:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "../../outside"
            info.size = len(data) if kind == tarfile.REGTYPE else 0
            opened.addfile(info, io.BytesIO(data))


Writer = Callable[[Path, dict[str, bytes]], None]
WRITERS: dict[str, Writer] = {"set.zip": write_zip, "set.tar": write_tar}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "in/out"
    made.mkdir(parents=True)
    return made


def unpacked(file: Path, folder: Path, strip: str | None = None) -> dict[str, bytes]:
    unpack(file, Archive(file=file.name, about=1, strip=strip), folder)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files_below(folder)}


def refusal(file: Path, folder: Path) -> str:
    with pytest.raises(UserError) as refused:
        unpacked(file, folder)
    return str(refused.value).removeprefix(f"{file}: ")


@pytest.mark.parametrize("name", WRITERS)
def test_top_folders_are_left_out_and_so_is_what_a_mac_adds(
    tmp_path: Path, folder: Path, name: str
) -> None:
    members = {
        "./DAVIS/480p/a/0.jpg": b"a", "DAVIS/480p/b.txt": b"b", "Readme.txt": b"read",
        "DAVIS": b"d", "DAVIS/.DS_Store": b"x",
        "__MACOSX/DAVIS/._b.txt": b"x", "DAVIS/480p/._b.txt": b"x",
    }  # fmt: skip
    WRITERS[name](tmp_path / name, members)
    assert unpacked(tmp_path / name, folder, "DAVIS/480p") == {
        "a/0.jpg": b"a", "b.txt": b"b", "Readme.txt": b"read", "DAVIS": b"d",
    }  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    "member",
    ["/etc/passwd", "//x", "../x", "a/../../x", "a/..", "..", "C:/x", "C:x", "a\\..\\x"],
)
def test_names_that_lead_out(tmp_path: Path, folder: Path, name: str, member: str) -> None:
    WRITERS[name](tmp_path / name, {"good": b"1", member: b"2"})
    assert "member" in refusal(tmp_path / name, folder)
    assert not list(folder.iterdir())
    assert sorted(p.name for p in tmp_path.rglob("*")) == sorted(["in", "out", name])


def test_a_name_with_a_zero_byte(tmp_path: Path, folder: Path) -> None:
    write_zip(tmp_path / "set.zip", {"a\0b": b"1"})
    assert "has an absolute path or one that is not portable" in refusal(
        tmp_path / "set.zip", folder
    )


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_zips_with_links_and_devices(tmp_path: Path, folder: Path, kind: int) -> None:
    write_zip(tmp_path / "set.zip", {"a": b"../../outside"}, kind | 0o777)
    said = refusal(tmp_path / "set.zip", folder)
    assert said == "member 'a' is neither a file nor a folder; not unpacked"


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_tars_with_links_and_devices(tmp_path: Path, folder: Path, kind: bytes) -> None:
    write_tar(tmp_path / "set.tar", {"a": b""}, kind)
    said = refusal(tmp_path / "set.tar", folder)
    assert said == "member 'a' is neither a file nor a folder; not unpacked"


def test_a_bomb_is_seen_before_it_is_unpacked(tmp_path: Path, folder: Path) -> None:
    write_zip(tmp_path / "set.zip", {"a": bytes(30_000_000)})
    said = refusal(tmp_path / "set.zip", folder)
    assert said.startswith("would unpack to 1 files of 30.0 MB; allowed: 200000 files of 10.0 MB")
    assert not list(folder.iterdir())


def test_too_many_files(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_FILES", 2)
    write_tar(tmp_path / "set.tar", {"a": b"", "b": b"", "c": b""})
    assert refusal(tmp_path / "set.tar", folder).startswith("would unpack to 3 files")


def test_a_size_that_is_a_lie(tmp_path: Path, folder: Path) -> None:
    write_zip(tmp_path / "set.zip", {"a": bytes(5_000_000)})
    data = (tmp_path / "set.zip").read_bytes()
    size = (5_000_000).to_bytes(4, "little")
    (tmp_path / "set.zip").write_bytes(data.replace(size, (1000).to_bytes(4, "little")))
    assert refusal(tmp_path / "set.zip", folder).startswith("is damaged (")
    assert sum(path.stat().st_size for path in files_below(folder)) <= 1000


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("members", [("a", "./a"), ("a", "a/b"), ("a/b", "a")])
def test_members_in_each_others_way(
    tmp_path: Path, folder: Path, name: str, members: tuple[str, str]
) -> None:
    WRITERS[name](tmp_path / name, dict.fromkeys(members, b"1"))
    assert refusal(tmp_path / name, folder).startswith("has duplicate members at ")


@pytest.mark.parametrize("name", WRITERS)
def test_a_damaged_archive(tmp_path: Path, folder: Path, name: str) -> None:
    WRITERS[name](tmp_path / name, {"a": bytes(range(256)) * 100})
    data = (tmp_path / name).read_bytes()
    for damaged in (data[: len(data) // 3], b"", data[:20] + bytes(20) + data[40:]):
        (tmp_path / name).write_bytes(damaged)
        if name == "set.zip" or len(damaged) != len(data):
            said = refusal(tmp_path / name, folder)
            assert said.startswith("is damaged (")
            assert said.endswith("; fetch it again")


MEMBERS = {"a/1.png": bytes(range(200)), "a/2.png": b"2"}


@pytest.mark.parametrize("damage", damaged_zips(MEMBERS))
def test_damage_that_the_library_names_in_other_ways(
    tmp_path: Path, folder: Path, damage: str
) -> None:
    (tmp_path / "set.zip").write_bytes(damaged_zips(MEMBERS)[damage])
    with pytest.raises(ArchiveError, match=r"set\.zip: is damaged \(.+\); fetch it again$"):
        unpacked(tmp_path / "set.zip", folder)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 10**4), st.integers(1, 255)), min_size=1, max_size=4))
def test_flipped_bytes_are_refused_or_harmless(flips: list[tuple[int, int]]) -> None:
    content = bytearray(zipped(MEMBERS))
    for place, change in flips:
        content[place % len(content)] ^= change
    with TemporaryDirectory() as temporary:
        file, folder = Path(temporary) / "set.zip", Path(temporary) / "out"
        file.write_bytes(content)
        folder.mkdir()
        with suppress(ArchiveError):
            unpacked(file, folder)
        assert {path.name for path in Path(temporary).iterdir()} == {"set.zip", "out"}


def test_a_file_that_may_not_be_read_is_not_damaged(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(zipfile, "ZipFile", forbidden)
    said = refusal(tmp_path / "set.zip", folder)
    assert said == "cannot be read (Permission denied); name a readable archive"


def test_an_encrypted_or_unusual_zip(tmp_path: Path, folder: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_LZMA) as opened:
        opened.writestr("a", b"1")
    assert "is compressed by a method other than deflate" in refusal(tmp_path / "set.zip", folder)
    write_zip(tmp_path / "set.zip", {"a": b"1"})
    data = bytearray((tmp_path / "set.zip").read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "set.zip").write_bytes(data)
    assert "is encrypted" in refusal(tmp_path / "set.zip", folder)


def test_no_room(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 10

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    write_tar(tmp_path / "set.tar", {"a": bytes(2_000_000)})
    with pytest.raises(UserError, match=r"needs 2\.0 MB of disk, and 0\.0 MB are free"):
        unpacked(tmp_path / "set.tar", folder)
    assert not list(folder.iterdir())


def test_what_is_no_archive_is_copied(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"weights")
    assert unpacked(tmp_path / "weights.pth", folder) == {"weights.pth": b"weights"}
