"""Fetching from servers that misbehave in every way that has been reported of real ones."""

import hashlib
import shutil
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.file_server import Request, Site, no_ranges, page, serving, status, whole

from rgmp.download import transfer
from rgmp.download.catalogue import Archive
from rgmp.download.transfer import RETRIES, fetch, state_path
from rgmp.download.verify import Wanted
from rgmp.errors import ProblemsError, UserError

DATA = b"PK\3\4" + bytes(range(256)) * 12_000  # 3 MB
OTHER = DATA[:-1] + b"!"
AT_ONCE = RETRIES.new(backoff_factor=0)
SHA256 = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
PINNED = Wanted("zip", len(DATA), SHA256)
UNKNOWN = Wanted("zip")


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "*")
    with serving() as made:
        yield made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "set.zip"


def get(target: Path, *addresses: str, wanted: Wanted = PINNED, plain: bool = False) -> None:
    """Fetch into `target` and see that it is right, and that no part is left."""
    fetch(addresses, target, wanted, plain_http=plain, retries=AT_ONCE)
    assert target.read_bytes() == DATA
    assert {path.name for path in target.parent.iterdir()} == {"set.zip", "set.zip.json"}


def refused(
    target: Path, *addresses: str, wanted: Wanted = PINNED, plain: bool = False
) -> tuple[str, ...]:
    """What is said of each address, of which none has the file."""
    with pytest.raises(ProblemsError) as refusal:
        fetch(addresses, target, wanted, plain_http=plain, retries=AT_ONCE)
    assert not target.exists()
    said = refusal.value.problems
    assert [line.split(": ")[0] for line in said] == list(addresses)
    return tuple(line.split(": ", 1)[1] for line in said)


def part_of(target: Path) -> Path:
    return target.with_name("set.zip.part")


def leave_part(site: Site, target: Path, size: int = 2_000_000, wanted: Wanted = PINNED) -> str:
    """Lose the connection for good after some bytes; return the address."""
    url = site.put("set.zip", whole(DATA, cut=size), status(404))
    plain = wanted.digest is None
    with pytest.raises(ProblemsError):
        fetch([url], target, wanted, plain_http=plain, retries=AT_ONCE)
    assert part_of(target).read_bytes() == DATA[:size]
    site.asked.clear()
    return url


def test_a_good_server(site: Site, target: Path) -> None:
    get(target, site.put("set.zip", whole(DATA)))
    ((_, headers),) = site.asked
    assert headers["User-Agent"].startswith("rgmp/")
    assert headers["Accept-Encoding"] == "identity"
    assert "Range" not in headers


def test_lost_connections_go_on_where_they_stopped(site: Site, target: Path) -> None:
    url = site.put("set.zip", *[whole(DATA, cut=1_000_000)] * 3, whole(DATA))
    get(target, url)
    assert site.ranges() == [None, "bytes=1000000-", "bytes=2000000-", "bytes=3000000-"]
    assert {headers.get("If-Range") for _, headers in site.asked[1:]} == {'"v1"'}


def test_retries_are_counted_anew_while_bytes_come(
    site: Site, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_PROGRESS", 100_000)
    get(target, site.put("set.zip", whole(DATA, cut=200_000)))
    assert len(site.asked) == 16


def test_the_next_process_goes_on(site: Site, target: Path) -> None:
    url = leave_part(site, target)
    site.put("set.zip", whole(DATA))
    get(target, url)
    assert site.ranges() == ["bytes=2000000-"]


def test_a_file_that_changed_meanwhile_is_fetched_anew(site: Site, target: Path) -> None:
    url = leave_part(site, target, wanted=UNKNOWN)
    part_of(target).write_bytes(b"old".ljust(2_000_000))
    site.put("set.zip", whole(DATA, tag='"v2"'))
    get(target, url, wanted=UNKNOWN, plain=True)
    assert len(site.asked) == 1


def test_a_server_that_ignores_ranges_starts_over(site: Site, target: Path) -> None:
    url = leave_part(site, target)
    site.put("set.zip", no_ranges(DATA))
    get(target, url)


def test_without_a_tag_a_part_is_continued_only_if_a_digest_will_tell(
    site: Site, target: Path
) -> None:
    url = site.put("set.zip", whole(DATA, tag=None, cut=2_000_000), whole(DATA, tag=None))
    get(target, url)
    assert site.ranges() == [None, "bytes=2000000-"]
    site.asked.clear()
    target.unlink()
    url = site.put("set.zip", whole(DATA, tag=None, cut=2_000_000), whole(DATA, tag=None))
    get(target, url, wanted=UNKNOWN, plain=True)
    assert site.ranges() == [None, None]


def test_another_address_continues_the_part_if_a_digest_will_tell(site: Site, target: Path) -> None:
    leave_part(site, target)
    get(target, site.put("mirror/set.zip", whole(DATA, tag='"another"')))
    ((_, headers),) = site.asked
    assert headers["Range"] == "bytes=2000000-"
    assert "If-Range" not in headers


def test_wrong_bytes_in_a_part_are_fetched_once_more(site: Site, target: Path) -> None:
    url = leave_part(site, target)
    part_of(target).write_bytes(OTHER[::-1][:2_000_000])
    site.put("set.zip", whole(DATA))
    get(target, url)
    assert site.ranges() == ["bytes=2000000-", None]


def test_a_part_that_is_whole_is_not_asked_for(site: Site, target: Path) -> None:
    url = leave_part(site, target)
    part_of(target).write_bytes(DATA)
    get(target, url)
    assert not site.asked


def test_416_says_that_the_part_was_whole(site: Site, target: Path) -> None:
    url = leave_part(site, target, wanted=UNKNOWN)
    part_of(target).write_bytes(DATA)
    state = state_path(target)
    state.write_text(state.read_text().replace(str(len(DATA)), "null"))
    site.put("set.zip", whole(DATA))
    get(target, url, wanted=UNKNOWN, plain=True)
    assert site.ranges() == [f"bytes={len(DATA)}-"]


def test_416_of_a_smaller_file_starts_over(site: Site, target: Path) -> None:
    url = leave_part(site, target)
    site.put("set.zip", status(416, Content_Range="bytes */5"), whole(DATA))
    get(target, url)
    assert site.ranges() == ["bytes=2000000-", None]


@pytest.mark.parametrize("sent", ["bytes 7-99/100", "bytes 2000000-3000000/4000000", "nonsense"])
def test_a_part_that_was_not_asked_for_is_not_taken(site: Site, target: Path, sent: str) -> None:
    url = leave_part(site, target)
    site.put("set.zip", status(206, DATA[7:100], Content_Range=sent), whole(DATA))
    get(target, url)
    assert site.ranges() == ["bytes=2000000-", None]


def test_wrong_bytes_are_left_for_the_next_address(site: Site, target: Path) -> None:
    bad = site.put("bad/set.zip", whole(OTHER))
    (said,) = refused(target, bad)
    assert said.startswith("digest mismatch: sha256:")
    assert said.endswith(f" instead of {SHA256}")
    assert not part_of(target).exists()
    get(target, bad, site.put("set.zip", whole(DATA)))


def test_a_file_of_another_size_is_not_even_begun(site: Site, target: Path) -> None:
    (said,) = refused(target, site.put("set.zip", whole(DATA + b"more")))
    assert said == f"has {len(DATA) + 4} bytes instead of {len(DATA)}"
    assert not part_of(target).exists()


@pytest.mark.parametrize("data", [DATA + b"more", OTHER])
def test_a_fault_of_size_or_digest_comes_with_what_is_known_of_them(
    site: Site, target: Path, data: bytes
) -> None:
    archive = Archive(file="set.zip", size=len(DATA), digest=SHA256, note="one source alone")
    (said,) = refused(target, site.put("set.zip", whole(data)), wanted=Wanted.of(archive))
    assert said.endswith(" (one source alone)")


def test_a_short_file_of_unannounced_length_is_never_taken(site: Site, target: Path) -> None:
    (said,) = refused(target, site.put("set.zip", no_ranges(DATA, cut=9_000, length=False)))
    assert said == f"stopped after 9000 of {len(DATA)} bytes"
    assert len(site.asked) == 6


def test_more_bytes_than_there_should_be(site: Site, target: Path) -> None:
    (said,) = refused(target, site.put("set.zip", no_ranges(DATA * 2, length=False)))
    assert said == f"sends more than {len(DATA)} bytes"


def endless(request: Request) -> None:
    """Send until nobody listens."""
    request.send_response(200)
    request.end_headers()
    request.wfile.write(DATA)
    while True:
        request.wfile.write(bytes(1_000_000))


SMALL = Wanted("zip", most=20_000_000)


def test_a_stream_without_end_is_left(site: Site, target: Path) -> None:
    (said,) = refused(target, site.put("set.zip", endless), wanted=SMALL, plain=True)
    assert said == "sends bytes without end; at most 20.0 MB are expected"
    assert not part_of(target).exists()
    get(target, site.url + "set.zip", site.put("good.zip", whole(DATA)), wanted=SMALL, plain=True)


def test_a_stream_without_end_does_not_fill_the_disk(
    site: Site, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def usage(folder: Path) -> SimpleNamespace:
        return SimpleNamespace(free=5_000_000 - sum(p.stat().st_size for p in folder.iterdir()))

    monkeypatch.setattr(shutil, "disk_usage", usage)
    with pytest.raises(UserError, match=r"needs 0\.3 MB of disk, and 0\.\d MB are free"):
        fetch([site.put("set.zip", endless)], target, SMALL, plain_http=True, retries=AT_ONCE)
    assert part_of(target).stat().st_size < 5_000_000


@pytest.mark.parametrize("wanted", [PINNED, SMALL])
def test_an_absurd_size_is_of_another_file(site: Site, target: Path, wanted: Wanted) -> None:
    bad = site.put("bad.zip", status(200, DATA, Content_Length=9 * 10**14))
    get(target, bad, site.put("set.zip", whole(DATA)), wanted=wanted, plain=True)


def test_what_is_expected_is_a_few_times_what_is_known_about_a_size() -> None:
    of = [Archive(file="a.zip", about=about) for about in (9, 10**9)]
    assert [Wanted.of(archive).most for archive in of] == [10**8, 5 * 10**9]


@pytest.mark.parametrize("kind", ["text/html", "application/zip"])
def test_a_page_with_status_200_is_no_file(site: Site, target: Path, kind: str) -> None:
    leave_part(site, target)
    bad = site.put("page/set.zip", page(200, "Quota exceeded &amp; more", kind))
    (said,) = refused(target, bad)
    assert '"Quota exceeded & more"' in said
    assert part_of(target).stat().st_size == 2_000_000  # what is there is kept
    get(target, bad, site.put("set.zip", whole(DATA)))


@pytest.mark.parametrize(("kind", "what"), [("zip", "a ZIP archive"), ("tar", "a tar archive")])
def test_what_is_no_archive(site: Site, target: Path, kind: str, what: str) -> None:
    url = site.put("set.zip", whole(b"plain text, and much of it" * 100))
    wanted = Wanted(kind, None, SHA256)  # type: ignore[arg-type]
    assert refused(target, url, wanted=wanted) == (f"is not {what}",)


@pytest.mark.parametrize("code", [401, 403, 404, 410, 451])
def test_what_will_not_pass_is_asked_for_once(site: Site, target: Path, code: int) -> None:
    bad = site.put("bad/set.zip", page(code, "Go away"))
    get(target, bad, site.put("set.zip", whole(DATA)))
    assert [path for path, _ in site.asked] == ["/bad/set.zip", "/set.zip"]
    target.unlink()
    (said,) = refused(target, bad)
    assert said.startswith(f"answered {code} ")
    assert said.endswith(', a web page "Go away"')


def test_redirects_are_followed_but_not_in_a_loop(site: Site, target: Path) -> None:
    loop = site.put("loop/set.zip", status(302, Location="/loop/set.zip"))
    good = site.put("moved/set.zip", status(301, Location="/set.zip"))
    site.put("set.zip", whole(DATA))
    get(target, loop, good)
    assert len(site.asked) == 11 + 2
    target.unlink()
    assert refused(target, loop) == ("redirects more than 10 times",)


def test_a_redirect_to_nowhere(site: Site, target: Path) -> None:
    (said,) = refused(target, site.put("set.zip", status(302, Location="ftp://nowhere/set.zip")))
    assert said.startswith("cannot be used (No connection adapters were found")


@pytest.mark.parametrize("location", ["http://[::1/set.zip", "http://\xff/set.zip", "http://x:y/"])
def test_a_redirect_to_no_address(site: Site, target: Path, location: str) -> None:
    bad = site.put("bad/set.zip", status(302, Location=location))
    get(target, bad, site.put("set.zip", whole(DATA)))
    assert len(site.asked) == 2
    target.unlink()
    (said,) = refused(target, bad)
    assert said.startswith(("redirects to what is no address (", "cannot be used ("))


@pytest.mark.parametrize("digits", [20, 400, 5_000])
def test_sizes_that_no_file_has_say_nothing(site: Site, target: Path, digits: int) -> None:
    size = "9" * digits
    site.put("bad/set.zip", status(200, DATA, Content_Length=size))
    get(target, site.url + "bad/set.zip", site.put("set.zip", whole(DATA)))
    target.unlink()
    url = leave_part(site, target)
    site.put(
        "set.zip", status(206, DATA, Content_Range=f"bytes 2000000-{size}/{size}"), whole(DATA)
    )
    get(target, url)
    target.unlink()
    url = leave_part(site, target)
    site.put("set.zip", status(416, Content_Range=f"bytes */{size}"), whole(DATA))
    get(target, url)


@pytest.mark.parametrize("after", ["9" * 5_000, "Fri, 31 Dec 999999 23:59:59 GMT"])
def test_a_time_to_wait_that_nobody_can_tell(site: Site, target: Path, after: str) -> None:
    get(target, site.put("set.zip", status(503, Retry_After=after), whole(DATA)))


def test_a_busy_server_is_asked_again_when_it_says(
    site: Site, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    from urllib3.util import retry

    clock = SimpleNamespace(time=time.time, sleep=slept.append)
    monkeypatch.setattr(retry, "time", clock)
    at = formatdate(time.time() + 60, usegmt=True)
    url = site.put(
        "set.zip", status(503, Retry_After="7"), status(429, Retry_After=at),
        status(500, Retry_After="soon"), status(503), whole(DATA),
    )  # fmt: skip
    fetch([url], target, PINNED)
    assert slept[0] == 7
    assert 50 < slept[1] <= 60
    assert slept[2:] == [4, 8]


def test_a_server_that_is_busy_for_hours_is_left(site: Site, target: Path) -> None:
    busy = site.put("busy/set.zip", status(503, Retry_After="3600"))
    assert refused(target, busy) == ("answered 503 Service Unavailable; asks to wait for 3600 s",)
    site.asked.clear()
    refused(target, site.put("busy/set.zip", status(503)))
    assert len(site.asked) == 6


def test_nobody_listens(site: Site, target: Path) -> None:
    with serving() as gone:
        nowhere = gone.url + "set.zip"
    (said,) = refused(target, nowhere)
    assert said.startswith("connection failed (")
    assert "refused" in said
    get(target, nowhere, site.put("set.zip", whole(DATA)))


def test_plain_http_needs_a_digest_or_leave(site: Site, target: Path) -> None:
    url = site.put("set.zip", whole(DATA))
    (said,) = refused(target, url, wanted=UNKNOWN)
    assert said.startswith("plain http is refused: ")
    get(target, url, wanted=UNKNOWN, plain=True)


def test_a_full_disk_is_told_before_anything_is_written(
    site: Site, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = site.put("set.zip", whole(DATA))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2_000_000))
    with pytest.raises(UserError, match=r"needs 3\.1 MB of disk, and 2\.0 MB are free"):
        fetch([url], target, PINNED)
    assert not list(target.parent.iterdir())


def test_progress_says_how_long(
    site: Site, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    get(target, site.put("set.zip", whole(DATA)))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("set.zip: 4/4 MB, ")
