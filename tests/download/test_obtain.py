"""A data set gets into its folder whole, or not at all, and is then left alone."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.damaged_zips import damaged_zips
from support.davis_tree import read_split
from support.documents import PROJECT
from support.file_server import Site, page, serving, whole

from rgmp.cli import main as cli
from rgmp.config import base
from rgmp.download import catalogue
from rgmp.download.catalogue import Archive, DataSet
from rgmp.download.obtain import Job, Obtained, obtain
from rgmp.download.transfer import RETRIES, UnavailableError
from rgmp.errors import UserError
from rgmp.runtime.files import files_below

AT_ONCE = RETRIES.new(backoff_factor=0)


def zipped(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as opened:
        for name, data in members.items():
            opened.writestr(zipfile.ZipInfo(name), data)
    return made.getvalue()


IMAGES = zipped({f"SET/images/{n}.jpg": b"image %d" % n for n in range(3)})
MASKS = zipped({f"SET/masks/{n}.png": b"mask %d" % n for n in range(3)})
FILES = {
    **{f"images/{n}.jpg": b"image %d" % n for n in range(3)},
    **{f"masks/{n}.png": b"mask %d" % n for n in range(3)},
}


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def git_blob(data: bytes) -> str:
    digest = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False)
    return f"gitblob:{digest.hexdigest()}"


def described(url: str, **change: Any) -> dict[str, Any]:
    """A set of two archives, as in the catalogue."""
    images = {"file": "images.zip", "size": len(IMAGES), "digest": sha256(IMAGES), "strip": "SET"}
    masks = {"file": "masks.zip", "about": 9, "digest": git_blob(MASKS), "strip": "SET"}
    return {
        "title": "A set",
        "licence": "for research",
        "citation": "Somebody et al.",
        "layout": "images and masks",
        "addresses": [{"url": url, "verified": False}],
        "archives": [
            {**images, "counts": {"images/*.jpg": 3}},
            {**masks, "counts": {"masks/*.png": 3}},
        ],
        "pairs": [["images/*.jpg", "masks/*.png"]],
        **change,
    }


def without_digest(url: str, **change: Any) -> dict[str, Any]:
    """A set of one archive of which nothing is known."""
    archive = {"file": "images.zip", "about": 9, "strip": "SET", "counts": {"images/*.jpg": 3}}
    return described(url, archives=[archive], pairs=[], **change)


def accept(_: Sequence[Archive]) -> None:
    """No objection."""


def make(description: dict[str, Any], root: Path, *given: Path) -> Obtained:
    job = Job("toy", DataSet(**description), root, given, plain_http=True, retries=AT_ONCE)
    return obtain(job, accept)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files_below(folder)}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "*")
    with serving() as made:
        made.put("images.zip", whole(IMAGES))
        made.put("masks.zip", whole(MASKS))
        yield made


def test_a_set_is_made_once(site: Site, tmp_path: Path) -> None:
    description = described(site.url)
    assert make(description, tmp_path).files == 6
    assert contents(tmp_path / "toy") == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]
    receipt = json.loads((tmp_path / "toy/.download.json").read_text())
    assert [each["sha256"] for each in receipt["archives"]] == [sha256(IMAGES), sha256(MASKS)]
    assert receipt["archives"][1]["address"] == site.url + "masks.zip"
    site.answers.clear()
    assert make(description, tmp_path).files == 0
    assert len(site.asked) == 2


def test_what_is_there_otherwise_is_left_alone(site: Site, tmp_path: Path) -> None:
    description = described(site.url)
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/mine").touch()
    with pytest.raises(UserError, match="was not made by `rgmp download`"):
        make(description, tmp_path)
    (tmp_path / "toy/mine").unlink()
    make(description, tmp_path)
    (tmp_path / "toy/mine").touch()
    assert make(description, tmp_path).files == 0
    (tmp_path / "toy/images/1.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"1 files are missing .*, such as images/1\.jpg; move it"):
        make(description, tmp_path)
    description["archives"][0]["digest"] = sha256(b"new")
    with pytest.raises(UserError, match="is another version of this data set"):
        make(description, tmp_path)


def test_an_archive_that_cannot_be_fetched_is_told_with_the_way_out(
    site: Site, tmp_path: Path
) -> None:
    site.put("masks.zip", page(403, "Forbidden"))
    description = described(site.url, by_hand=["https://example.org/page"])
    with pytest.raises(UnavailableError) as refused:
        make(description, tmp_path)
    first, last = refused.value.problems
    assert first == f'{site.url}masks.zip: answered 403 Forbidden, a web page "Forbidden"'
    assert last.endswith(
        "with a browser (such as from https://example.org/page) and run this with it"
    )
    assert not refused.value.http_refused
    assert not (tmp_path / "toy").exists()
    site.answers.clear()
    (tmp_path / "got (1).zip").write_bytes(MASKS)
    asked = len(site.asked)
    assert make(description, tmp_path, tmp_path / "got (1).zip").files == 6
    assert len(site.asked) == asked  # the other archive was there
    assert (tmp_path / "got (1).zip").read_bytes() == MASKS


def test_archives_that_are_given_are_known_by_their_bytes(tmp_path: Path) -> None:
    for name, data in {"a": MASKS, "b": IMAGES, "c": b"<title>Log in</title>"}.items():
        (tmp_path / name).write_bytes(data)
    description = described("https://nowhere.invalid/")
    with pytest.raises(
        UserError, match=r'c: not an archive of toy \(images.zip: is a web page "Log'
    ):
        make(description, tmp_path, tmp_path / "a", tmp_path / "c")
    assert make(description, tmp_path, tmp_path / "a", tmp_path / "b").files == 6
    assert contents(tmp_path / "toy") == FILES


def test_without_a_digest_the_first_download_decides(site: Site, tmp_path: Path) -> None:
    description = without_digest(site.url)
    made = make(description, tmp_path)
    assert [pinned.sha256 for pinned in made.pinned] == [sha256(IMAGES)]
    (tmp_path / "toy").rename(tmp_path / "old")
    other = zipped({f"SET/images/{n}.jpg": b"other %d" % n for n in range(3)})
    site.put("images.zip", whole(other))
    with pytest.raises(UserError, match=r"digest mismatch: sha256:\w+ instead of sha256:"):
        make(description, tmp_path)
    site.put("images.zip", whole(IMAGES))
    assert make(description, tmp_path).pinned == ()
    assert contents(tmp_path / "toy") == contents(tmp_path / "old")


def test_what_does_not_have_what_it_should_is_no_first_download(site: Site, tmp_path: Path) -> None:
    site.put("images.zip", whole(zipped({"SET/images/0.jpg": b"image"})))
    with pytest.raises(UserError, match=r"images.zip: has 1 files images/\*.jpg instead of 3"):
        make(without_digest(site.url), tmp_path)
    assert not (tmp_path / "download-lock.json").exists()
    site.put("images.zip", whole(IMAGES))
    unpaired = {**without_digest(site.url), "pairs": [["images/*.jpg", "images/*.png"]]}
    with pytest.raises(UserError, match=r"^0: in only one of images/\*.jpg and images/\*.png"):
        make(unpaired, tmp_path)
    assert make(without_digest(site.url), tmp_path).files == 3
    assert len(site.asked) == 3


@pytest.mark.parametrize("damage", damaged_zips(FILES))
def test_a_damaged_archive_that_no_digest_tells_is_fetched_again(
    site: Site, tmp_path: Path, damage: str
) -> None:
    site.put("images.zip", whole(damaged_zips(FILES)[damage]))
    with pytest.raises(UserError, match=r"images\.zip: is damaged \(.*\); fetch it again"):
        make(without_digest(site.url), tmp_path)
    site.put("images.zip", whole(IMAGES))
    assert make(without_digest(site.url), tmp_path).files == 3


def test_images_without_masks_are_named(site: Site, tmp_path: Path) -> None:
    odd = zipped({f"SET/masks/{n}.png": b"mask" for n in (0, 1, 7)})
    site.put("masks.zip", whole(odd))
    description = described(site.url)
    description["archives"][1]["digest"] = git_blob(odd)
    with pytest.raises(UserError, match=r"^2: in only one of .*; 7: in only one of"):
        make(description, tmp_path)
    assert not (tmp_path / "toy").exists()


def test_an_archive_of_an_older_catalogue_is_fetched_anew(site: Site, tmp_path: Path) -> None:
    (tmp_path / ".toy.download").mkdir()
    (tmp_path / ".toy.download/images.zip").write_bytes(MASKS)
    make(described(site.url), tmp_path)
    assert contents(tmp_path / "toy") == FILES


def test_davis_gets_the_lists_that_its_archive_lacks(site: Site, tmp_path: Path) -> None:
    make(described(site.url, splits=["davis2016"]), tmp_path)
    val = read_split(tmp_path / "toy", "davis2016", "val")
    assert (len(val), val[0]) == (20, "blackswan")
    assert len(read_split(tmp_path / "toy", "davis2016", "train")) == 30


def apart(url: str) -> dict[str, Any]:
    """A set whose archives are of use without each other."""
    description = described(url, pairs=[], apart=True)
    for archive, into in zip(description["archives"], ("of/images", "of/masks"), strict=True):
        archive["into"] = into
    return description


APART = {f"of/{name}": data for name, data in FILES.items()}


def test_archives_that_stand_apart_are_made_whatever_becomes_of_the_others(
    site: Site, tmp_path: Path
) -> None:
    description = apart(site.url)
    for archive in description["archives"]:
        archive["strip"] = f"SET/{archive['into'][3:]}"
        archive["counts"] = {"*.*": 3}
    site.put("images.zip", page(404, "Gone"))
    with pytest.raises(UnavailableError) as refused:
        make(description, tmp_path)
    first, second = refused.value.problems
    assert (
        first == f"{tmp_path}/toy: 1 of 2 archives are in their folders; run this again for the "
        "others"
    )
    assert second.startswith(f"{site.url}images.zip: answered 404 Not Found, a web page")
    assert contents(tmp_path / "toy") == {n: d for n, d in APART.items() if "masks" in n}
    site.put("images.zip", whole(IMAGES))
    site.asked.clear()
    assert make(description, tmp_path).files == 3
    assert contents(tmp_path / "toy") == APART
    assert [path for path, _ in site.asked] == ["/images.zip"]
    assert make(description, tmp_path).files == 0
    (tmp_path / "toy/of/masks/1.png").unlink()
    (tmp_path / "toy/of/images").rename(tmp_path / "old")
    with pytest.raises(UserError, match=r"1 of 2 archives .*; .*of/masks: 1 files are missing"):
        make(description, tmp_path)
    assert len(contents(tmp_path / "toy")) == 5


def test_a_network_that_is_down_is_waited_for_once(site: Site, tmp_path: Path) -> None:
    for name in ("images.zip", "masks.zip"):
        site.put(name, page(503, "Busy"))
    with pytest.raises(UnavailableError, match="0 of 2 archives are in their folders"):
        make(apart(site.url), tmp_path)
    asked = [path for path, _ in site.asked]
    assert [asked.count(f"/{name}.zip") for name in ("images", "masks")] == [6, 1]


def test_a_broken_archive_that_stands_apart_is_told_at_the_end(site: Site, tmp_path: Path) -> None:
    description = apart(site.url)
    broken = damaged_zips(FILES)["a version to come"]
    description["archives"][0].update(size=len(broken), digest=sha256(broken))
    (tmp_path / "a.zip").write_bytes(broken)
    with pytest.raises(UserError, match=r"1 of 2 archives .*; .*a\.zip: is damaged"):
        make(description, tmp_path, tmp_path / "a.zip")
    assert len(contents(tmp_path / "toy/of/masks")) == 3
    assert not (tmp_path / "toy/of/images").exists()


KILLED = """
import os, sys
from pathlib import Path
from rgmp.download import catalogue, obtain, transfer

def run():
    dataset = catalogue.find("toy", Path("catalogue.yaml"))
    retries = transfer.RETRIES.new(backoff_factor=0)
    job = obtain.Job("toy", dataset, Path("data"), plain_http=True, retries=retries)
    obtain.obtain(job, lambda missing: None)

def dies_after(lines):
    left = lines
    def trace(frame, event, argument):
        nonlocal left
        if "rgmp" not in frame.f_code.co_filename:
            return None
        left -= event == "line"
        if left < 0:
            os._exit(9)
        return trace
    return trace

for lines in range(0, 10_000, int(sys.argv[1])):
    child = os.fork()
    if not child:
        sys.settrace(dies_after(lines))
        run()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for lock in Path("data").glob(".*.lock*"):  # locks have tests of their own, and would pile up
        lock.unlink()
    print(status, Path("data/toy").exists(), flush=True)
    if status == 0 or Path("data/toy").exists():
        break
"""


def test_killed_anywhere_and_run_again(site: Site, tmp_path: Path) -> None:
    """Each process starts where the one before was killed, some lines later than that."""
    toy = yaml.safe_dump({"sets": {"toy": described(site.url)}})
    (tmp_path / "catalogue.yaml").write_text(toy)
    command = [sys.executable, "-c", KILLED, "29"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=True
    )
    states = [line.split() for line in done.stdout.splitlines()]
    assert len(states) > 10
    assert {tuple(state) for state in states[:-1]} == {("9", "False")}
    make(described(site.url), tmp_path / "data")
    assert contents(tmp_path / "data/toy") == FILES
    assert {p.name for p in (tmp_path / "data").iterdir()} - {".toy.lock"} == {"toy"}


# ---- the command ----


@pytest.fixture
def toy(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command that fetches a set of the server's."""
    path = tmp_path / "catalogue.yaml"
    path.write_text(yaml.safe_dump({"sets": {"toy": described(site.url)}}))
    monkeypatch.setattr(catalogue.find, "__defaults__", (path,))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return ["download", "toy", "--to", str(tmp_path / "data")]


def test_terms_and_size_are_shown_and_have_to_be_accepted(
    site: Site, toy: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(toy) == 2
    said = capsys.readouterr()
    assert "licence: for research\ncitation: Somebody et al.\nto fetch: 2 files" in said.out
    assert f"from: {site.url} (unverified" in said.out
    assert said.err.endswith("add --accept-licence\n")
    assert not site.asked
    assert not (tmp_path / "data").exists()
    assert cli.main([*toy, "--accept-licence"]) == 0
    assert "licence: for research" in capsys.readouterr().out
    assert contents(tmp_path / "data/toy") == FILES
    assert cli.main(toy) == 0
    assert capsys.readouterr().out == f"{tmp_path}/data/toy: already exists; nothing to do\n"


def test_what_cannot_be_fetched_comes_with_the_flags_that_help(
    site: Site, toy: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    site.put("images.zip", page(403, "Forbidden"))
    assert cli.main([*toy, "--accept-licence"]) == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last == "rgmp: --from FILE gives an archive that you have downloaded (3 problems in all)"


def test_plain_http_that_is_refused_comes_with_the_flag_that_allows_it(
    site: Site, toy: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = {"sets": {"toy": without_digest(site.url)}}
    (tmp_path / "catalogue.yaml").write_text(yaml.safe_dump(sets))
    assert cli.main([*toy, "--accept-licence"]) == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith(
        "rgmp: --plain-http allows http also for archives without a known digest"
    )
    assert cli.main([*toy, "--accept-licence", "--plain-http"]) == 0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("answer", "code"), [("y\n", 0), ("Yes\n", 0), ("\n", 2), ("n\n", 2), ("", 2)]
)
def test_on_a_terminal_it_asks(
    toy: list[str], monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert cli.main(toy) == code


def test_an_archive_that_is_already_downloaded_needs_no_acceptance(
    site: Site, toy: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, data in {"a.zip": IMAGES, "b.zip": MASKS}.items():
        (tmp_path / name).write_bytes(data)
    assert cli.main([*toy, "--from", str(tmp_path / "b.zip"), str(tmp_path / "a.zip")]) == 0
    assert capsys.readouterr().out.startswith("title: A set\nlicence: for research\n")
    assert not site.asked


def test_a_set_that_there_is_not(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["download", "davis2018", "--to", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("rgmp: 'davis2018': no such data set; there are davis2016, davis2017, ")


# ---- the catalogue ----


def test_the_catalogue_has_the_sets_of_the_papers_study() -> None:
    sets = catalogue.load()
    assert set(sets) == {
        "davis2016", "davis2017", "davis2017-test-dev", "voc2012", "ecssd", "msra10k", "resnet50",
        "published-masks",
    }  # fmt: skip
    unknown = {name for name, s in sets.items() for a in s.archives if a.digest is None}
    assert unknown == {"davis2017-test-dev", "msra10k"}
    for name, dataset in sets.items():
        urls = [address.url for address in dataset.addresses]
        assert len(set(urls)) == len(urls)
        assert urls[0].startswith("https://"), name
        folders = [archive.into for archive in dataset.archives if archive.into]
        assert len(set(folders)) == len(folders)
    assert base.BENCHMARKS == ("davis2016", "davis2017")


def test_what_the_papers_study_reads_is_counted() -> None:
    """Of every folder of stills in `davis.yaml` that `rgmp download` makes."""
    study = yaml.safe_load((PROJECT / "workflow/config/davis.yaml").read_text())
    sets = catalogue.load()
    for stills in study["data"]["stills"]:
        for folder in (stills["images"], stills["masks"]):
            _, name, below = folder.split("/", 2)
            counted = [p for archive in sets[name].archives for p in archive.counts]
            assert any(pattern.startswith(f"{below}/*.") for pattern in counted), folder
            assert f"{below}/" in sets[name].layout


def test_a_size_that_sources_disagree_on_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(MASKS)
    job = Job("ecssd", catalogue.find("ecssd"), tmp_path, (tmp_path / "a.zip",))
    with pytest.raises(UserError) as refused:
        obtain(job, accept)
    said = str(refused.value)
    assert "instead of 67766979 (size and digest have one source alone: this may be" in said
    assert "instead of 1571109 (size and digest have one source alone, and a listing" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"addresses": []}, "addresses"),
        ({"addresses": [{"url": "ftp://x/", "verified": False}]}, "addresses.0.url"),
        ({"addresses": [{"url": "https://x/y", "verified": False}]}, "addresses.0.url"),
        ({"addresses": [{"url": "https://x/"}]}, "addresses.0.verified is missing"),
        ({"addresses": [{"url": "https://x/", "verified": True}]}, "addresses.0.verified"),
        ({"archives": [{"file": "../a.zip", "size": 1}]}, "archives.0.file"),
        ({"archives": [{"file": "/a.zip", "size": 1}]}, "archives.0.file"),
        ({"archives": [{"file": "a.zip"}]}, "give either size or about"),
        ({"archives": [{"file": "a.zip", "size": 1}] * 2}, "duplicate a.zip"),
        ({"archives": [{"file": "a.zip", "size": 1, "digest": "md5:0"}]}, "archives.0.digest"),
        ({"apart": True}, "apart: give into of every archive"),
        ({"mirror": "x"}, "unknown key"),
        ({"licence": ""}, "licence"),
    ],
)
def test_a_catalogue_with_a_mistake(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text(yaml.safe_dump({"sets": {"toy": described("https://x/", **change)}}))
    with pytest.raises(UserError) as refused:
        catalogue.load(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert said in str(refused.value)
