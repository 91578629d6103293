"""A file is there whole or not at all, and what else lies in its place is left alone."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from rgmp.errors import UserError
from rgmp.runtime import files
from rgmp.runtime.digest_cache import Digests
from rgmp.runtime.files import (
    Kind,
    atomic_folder,
    atomic_path,
    renewed_folder,
    require_regular,
    require_target,
    require_writable,
    write_json,
    write_text,
)

ANY = Kind("file", str)


def everything(folder: Path) -> dict[str, str | None]:
    """Every path under a folder, hidden ones too, with the text of those that are files."""
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else None
        for path in folder.rglob("*")
    }


def write_file(path: Path, text: str) -> None:
    path.write_text(text)


def write_folder(path: Path, text: str) -> None:
    path.mkdir()
    (path / "a.txt").write_text(text)


def fail_halfway(path: Path) -> None:
    with atomic_path(path) as temporary:
        write_file(temporary, "half")
        raise RuntimeError


def fail_halfway_in_a_folder(path: Path) -> None:
    with atomic_folder(path) as temporary:
        write_folder(temporary, "half")
        raise RuntimeError


def fill_the_disk(path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_text("half")


def test_appearing_makes_its_parents_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "newer" / "a.txt"
    with atomic_path(path) as temporary:
        write_file(temporary, "1")
        assert not path.exists()
    with atomic_path(path) as temporary:
        write_file(temporary, "2")
        assert path.read_text() == "1"
    assert everything(path.parent) == {"a.txt": "2"}


@pytest.mark.parametrize("there", [False, True])
def test_folder_appears_where_there_is_none_or_an_empty_one(tmp_path: Path, there: bool) -> None:
    path = tmp_path / "new" / "a"
    if there:
        path.mkdir(parents=True)
    with atomic_folder(path) as temporary:
        write_folder(temporary, "1")
        assert not path.exists()
    assert everything(path.parent) == {"a": None, "a/a.txt": "1"}


def test_file_has_the_rights_that_any_new_file_has(tmp_path: Path) -> None:
    write_text(tmp_path / "ours", "")
    (tmp_path / "plain").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_block_that_raises_leaves_what_was_there(tmp_path: Path) -> None:
    write_file(tmp_path / "a", "before")
    with pytest.raises(RuntimeError):
        fail_halfway(tmp_path / "a")
    with pytest.raises(RuntimeError):
        fail_halfway_in_a_folder(tmp_path / "b")
    assert everything(tmp_path) == {"a": "before"}


def test_block_that_makes_nothing_costs_nothing_and_is_our_fault(tmp_path: Path) -> None:
    write_file(tmp_path / "a", "before")
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a"):
        pass
    with pytest.raises(FileNotFoundError), atomic_folder(tmp_path / "b"):
        pass
    assert everything(tmp_path) == {"a": "before"}


def put_folder(path: Path) -> None:
    write_folder(path, "precious")


def put_link_to_folder(path: Path) -> None:
    write_folder(path.with_name("precious"), "precious")
    path.symlink_to("precious")


def put_link_to_empty_folder(path: Path) -> None:
    path.with_name("precious").mkdir()
    path.symlink_to("precious")


def put_fifo(path: Path) -> None:
    os.mkfifo(path)


def put_link_to_device(path: Path) -> None:
    path.symlink_to("/dev/null")


def put_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def put_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def nothing(_: Path) -> None: ...


def put_file(path: Path) -> None:
    write_file(path, "precious")


def seen(folder: Path) -> dict[str, tuple[int, str | None]]:
    """Every path under a folder: what it is, and the text or the link's target."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            str(path.readlink())
            if path.is_symlink()
            else path.read_text()
            if path.is_file()
            else None,
        )
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize(
    ("put", "kind"),
    [
        (put_folder, "a folder"),
        (put_link_to_folder, "a folder"),
        (put_link_to_empty_folder, "a folder"),
        (put_fifo, "a FIFO"),
        (put_link_to_device, "a device"),
    ],
)
def test_file_replaces_nothing_but_a_file(
    tmp_path: Path, put: Callable[[Path], None], kind: str
) -> None:
    path = tmp_path / "a"
    put(path)
    there = seen(tmp_path)
    for refused in (partial(write_text, path, "new"), partial(require_target, path, ANY)):
        with pytest.raises(UserError, match=rf"^{path}: is {kind}; name a new file") as error:
            refused()
        assert "\n" not in str(error.value)
    assert seen(tmp_path) == there


def test_standard_output_is_no_file_even_where_it_leads_to_one(tmp_path: Path) -> None:
    look = (
        "from pathlib import Path; from rgmp.runtime.files import Kind, require_target\n"
        "require_target(Path('/dev/stdout'), Kind('file', str))\n"
    )
    with (tmp_path / "out.txt").open("w") as out:
        done = subprocess.run(
            [sys.executable, "-c", look], stdout=out, stderr=subprocess.PIPE, text=True, check=False
        )
    assert "UserError: /dev/stdout: is a device" in done.stderr


def test_link_is_replaced_and_not_what_it_leads_to(tmp_path: Path) -> None:
    put_dangling_link(tmp_path / "a")
    require_target(tmp_path / "a", ANY)
    write_text(tmp_path / "a", "new")
    assert everything(tmp_path) == {"a": "new"}


def test_link_to_itself_is_refused(tmp_path: Path) -> None:
    put_link_to_itself(tmp_path / "a")
    with pytest.raises(UserError, match="a: is a link to itself; remove it"):
        require_target(tmp_path / "a", ANY)


def test_link_to_a_file_is_replaced_and_the_file_is_not(tmp_path: Path) -> None:
    put_file(tmp_path / "precious")
    (tmp_path / "a").symlink_to("precious")
    write_text(tmp_path / "a", "new")
    assert everything(tmp_path) == {"a": "new", "precious": "precious"}


@pytest.mark.parametrize(
    "put",
    [
        put_folder,
        put_file,
        put_link_to_folder,
        put_link_to_empty_folder,
        put_fifo,
        put_dangling_link,
        put_link_to_itself,
    ],
)
def test_folder_replaces_nothing(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / "a")
    there = seen(tmp_path)
    with (
        pytest.raises(UserError, match=rf"^{tmp_path / 'a'}: already exists .* a new folder"),
        atomic_folder(tmp_path / "a"),
    ):
        pytest.fail("the work began")
    assert seen(tmp_path) == there


@pytest.mark.parametrize("there", [False, True])
def test_renewed_folder_has_the_new_files_and_whatever_else_was_there(
    tmp_path: Path, there: bool
) -> None:
    out = tmp_path / "out"
    if there:
        for name in ("a.txt", "below/old.txt", "below/mine.txt"):
            write_text(out / name, "old")
    before = everything(tmp_path)

    def renew(*names: str) -> None:
        with renewed_folder(out, ["a.txt", "below/old.txt", "gone.txt"]) as temporary:
            for name in names:
                write_text(temporary / name, "new")
            if not names:
                raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - the block's own
        renew()
    assert everything(tmp_path) == before
    renew("a.txt", "new/b.txt")
    kept = {"below": None, "below/mine.txt": "old"} if there else {}
    assert everything(out) == {"a.txt": "new", "new": None, "new/b.txt": "new", **kept}
    assert [*tmp_path.iterdir()] == [out]


def test_renewed_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("absent")
    for name in ("file", "link"):
        with pytest.raises(UserError, match="is no folder"), renewed_folder(tmp_path / name):
            pytest.fail("the block is not reached")


def test_working_folder_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="already exists"), atomic_folder(Path()):
        pytest.fail("the work began")


def test_what_is_read_is_not_replaced_by_whatever_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    read = [tmp_path / "absent", tmp_path / "deep/data.csv"]
    write_text(read[1], "precious")
    Path("soft").symlink_to("deep/data.csv")
    Path("hard").hardlink_to("deep/data.csv")
    for name in ("deep/data.csv", "deep/../deep/data.csv", "soft", "hard"):
        with pytest.raises(
            UserError, match=rf"^{name}: is the same file as the input {read[1]}; name another"
        ):
            require_target(Path(name), ANY, read)
    write_text(Path("other"), "")
    require_target(Path("other"), ANY, read)
    require_target(Path("absent"), ANY, read)


def test_file_replaces_only_one_of_its_kind_or_an_empty_one(tmp_path: Path) -> None:
    path, kind = tmp_path / "a", Kind("list", files.read_json)
    require_target(path, kind)
    for text in ("", "[]"):
        path.write_text(text)
        require_target(path, kind)
    path.write_text("precious")
    refusal = rf"^{path}: already exists and is not a list; name another file, or remove it"
    with pytest.raises(UserError, match=refusal):
        require_target(path, kind)


def test_files_that_may_not_be_looked_at_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A superuser may look at any: the system's answer is feigned."""

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    put_file(tmp_path / "a")
    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(UserError, match=rf"^{tmp_path}: cannot be read \(Permission denied: .*a\)"):
        files.files_below(tmp_path)


def test_name_that_is_too_long_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        write_text(tmp_path / ("a" * 256), "")


@pytest.mark.parametrize(
    ("put", "why"),
    [
        (put_folder, "is a folder, not a file"),
        (put_fifo, "is a FIFO, not a file"),
        (put_link_to_device, "is a device, not a file"),
        (put_dangling_link, "broken link to nowhere"),
        (put_link_to_itself, "Too many levels of symbolic links"),
        (nothing, "No such file or directory"),
    ],
)
def test_what_is_no_file_is_named_and_not_opened(
    tmp_path: Path, put: Callable[[Path], None], why: str
) -> None:
    path = tmp_path / "a"
    put(path)
    for refused in (
        partial(require_regular, path, "look"),
        partial(Digests(tmp_path / "digests.json").of, path),
        partial(files.read_json, path),
    ):
        with pytest.raises(UserError) as error:
            refused()
        assert str(error.value).startswith(f"{path}: cannot be read ({why}); ")


@pytest.mark.parametrize(
    ("put", "why"),
    [
        (put_file, "is a file, not a folder"),
        (put_fifo, "is a FIFO, not a folder"),
        (put_link_to_device, "is a device, not a folder"),
        (put_dangling_link, "is a broken link to nowhere, not a folder"),
        (put_link_to_itself, "is a link to itself, not a folder"),
        (nothing, "no such folder"),
    ],
)
def test_what_is_no_folder_is_named(tmp_path: Path, put: Callable[[Path], None], why: str) -> None:
    put(tmp_path / "a")
    assert files.no_such("folder", tmp_path / "a") == why


def test_a_name_that_is_too_long_or_none_is_no_folder(tmp_path: Path) -> None:
    for name in ("a" * 5000, "\0"):
        assert files.no_such("folder", tmp_path / name) == "no such folder"


@pytest.mark.parametrize(
    ("put", "why"),
    [(put_fifo, "is a FIFO, not a folder"), (put_dangling_link, "broken link to nowhere")],
)
def test_what_is_no_folder_is_named_where_one_is_listed(
    tmp_path: Path, put: Callable[[Path], None], why: str
) -> None:
    put(tmp_path / "a")
    with pytest.raises(UserError) as error:
        files.visible_files(tmp_path / "a", ".png", "look")
    assert str(error.value).startswith(f"{tmp_path / 'a'}: cannot be read ({why}")


def test_nested_blocks_appear_with_the_outer_one(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "folder") as outer:
        write_text(outer / "deep" / "a.txt", "a")
        assert (outer / "deep" / "a.txt").is_file()
        with pytest.raises(RuntimeError):
            fail_halfway(outer / "b.txt")
        assert not (tmp_path / "folder").exists()
    assert everything(tmp_path) == {"folder": None, "folder/deep": None, "folder/deep/a.txt": "a"}


@pytest.mark.parametrize("there", [False, True])
def test_killed_process_leaves_what_was_there(tmp_path: Path, there: bool) -> None:
    path = tmp_path / "a.txt"
    if there:
        path.write_text("before")
    killed = (
        "import os, signal, sys; from pathlib import Path\n"
        "from rgmp.runtime.files import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", killed, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    visible = {name: text for name, text in everything(tmp_path).items() if name[0] != "."}
    assert visible == ({"a.txt": "before"} if there else {})
    write_text(path, "after")
    assert path.read_text() == "after"


@pytest.mark.parametrize("deep", ["", "b", "b/c"])
def test_place_that_no_file_can_have_is_named_in_one_line(tmp_path: Path, deep: str) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / deep / "a.txt"
    for refused in (partial(write_text, path, ""), partial(require_writable, path.parent)):
        with pytest.raises(UserError, match=r"cannot be written.*a writable folder") as error:
            refused()
        assert str(tmp_path / "file") in str(error.value)
        assert "\n" not in str(error.value)
    assert everything(tmp_path) == {"file": ""}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_is_read_only_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    for refused in (
        partial(require_writable, folder),
        partial(require_writable, folder / "new"),
        partial(write_text, folder / "a.txt", ""),
    ):
        with pytest.raises(UserError, match=str(folder)):
            refused()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux's /proc")
def test_folder_where_the_system_lets_nobody_write_is_refused() -> None:
    for refused in (
        partial(require_writable, Path("/proc/new")),
        partial(write_text, Path("/proc/new/a.txt"), ""),
    ):
        with pytest.raises(UserError, match=r"^/proc/new"):
            refused()


def test_proof_that_a_folder_can_be_written_leaves_nothing(tmp_path: Path) -> None:
    require_writable(tmp_path)
    require_writable(tmp_path / "new" / "newer")
    assert everything(tmp_path) == {}


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs Linux's /dev/full")
def test_full_disk_is_named_and_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(UserError, match=r"a\.txt: cannot be written.*free some space"):
        fill_the_disk(path)
    assert everything(tmp_path) == {"a.txt": "before"}


def test_disk_that_fails_is_no_mistake_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Input/output"), atomic_path(tmp_path / "a.txt"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_json_is_written_in_one_form_and_read_again(tmp_path: Path) -> None:
    value = {"b": [1, 2.5, None], "a": {"é": "\n"}}
    write_json(tmp_path / "a.json", value)
    write_json(tmp_path / "b.json", dict(reversed(value.items())))
    assert files.read_json(tmp_path / "a.json") == value
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert files.read_json(tmp_path / "a.json") == value


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe", b"[" * 99999, None])
def test_json_that_is_none_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"^{path}: .*run the job"):
        files.read_json(path)
    with pytest.raises(UserError, match=str(tmp_path)):
        files.read_json(tmp_path)
