"""Fetch one file over HTTP from the first address that has it, and go on where a try stopped.

requests does connections, proxies, certificates and redirects, and urllib3's `Retry` says how long
to wait. What neither does is here: byte ranges, several addresses, and doubt about what is sent.
Nor does pooch, which is made to fetch data sets: it takes one address, and each try begins anew.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import requests
import urllib3
from requests import exceptions
from urllib3.util.retry import Retry

from rgmp import __version__
from rgmp.config.base import Closed
from rgmp.config.load import validated
from rgmp.download.unpack import megabytes, require_room
from rgmp.download.verify import HEAD, Wanted, fault_of, fault_of_head, title_of
from rgmp.errors import ProblemsError, UserError, visible
from rgmp.runtime.files import read_json, write_json
from rgmp.runtime.progress import Progress

RETRIES = Retry(total=5, backoff_factor=1, backoff_max=60)
"""How often an address is tried again, and the seconds between: 0, 2, 4, 8, 16."""

TIMEOUT = (15, 180)
"""Seconds until a connection, and until the next bytes; some hosts think for minutes."""

_LONGEST_WAIT = 300
"""Seconds that a server may ask for (Retry-After) before the next address is tried."""

_MOST_REDIRECTS = 10
_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_BLOCK = 1 << 18
_BYTES = "[0-9]{1,15}"
"""A size in a header, in bytes; one of more digits is of no file."""

_PROGRESS = 1 << 20
"""Bytes that a try has to add for the retries to be counted anew."""

_NO_NEXT = (
    exceptions.InvalidURL, exceptions.InvalidSchema, exceptions.MissingSchema,
    exceptions.SSLError, exceptions.ContentDecodingError,
)  # fmt: skip


class UnavailableError(ProblemsError):
    """No address has a file.

    Attributes:
        http_refused: whether one was refused for being plain http.
    """

    def __init__(self, *problems: str, http_refused: bool) -> None:
        super().__init__(*problems)
        self.http_refused = http_refused


class AddressError(Exception):
    """An address does not have the file; another may."""


class PlainHttpError(AddressError):
    """An address is plain http, where anyone on the way can change a file of unknown digest."""


class TryAgainError(Exception):
    """A fault that may pass. `response` may say when."""

    def __init__(self, message: str, response: requests.Response | None = None) -> None:
        super().__init__(message)
        self.response = response


class PartState(Closed):
    """Where the bytes of a part came from, to ask there for the rest of the same file.

    Attributes:
        address: the URL.
        validator: its ETag or Last-Modified, for If-Range.
        total: bytes of the whole file.
    """

    address: str
    validator: str | None
    total: int | None


class Body(NamedTuple):
    """What a response announces: where its bytes start, and the bytes of the whole file."""

    start: int
    total: int | None


def part_path(target: Path) -> Path:
    """The file that has the bytes of `target` until they are whole."""
    return target.with_name(f"{target.name}.part")


def state_path(target: Path) -> Path:
    """The file that says where the bytes of `target` come from; a `PartState`."""
    return target.with_name(f"{target.name}.json")


def fetch(
    addresses: Sequence[str],
    target: Path,
    wanted: Wanted,
    *,
    plain_http: bool = False,
    retries: Retry = RETRIES,
) -> None:
    """Fetch a file; `target` is there only once it is whole and what is wanted.

    Until then its bytes are at `part_path`, and the next call goes on there.

    Args:
        addresses: URLs, tried in order.
        target: path of the file, in a folder that exists.
        wanted: what is known of it.
        plain_http: allow http, which anyone on the way can change, though no digest is known.
        retries: how often an address is tried again.

    Raises:
        UnavailableError: no address has the file.
        UserError: the disk has no room for it.
    """
    problems = []
    http_refused = False
    with requests.Session() as session:
        session.max_redirects = _MOST_REDIRECTS
        session.headers.update({"User-Agent": f"rgmp/{__version__}", "Accept-Encoding": "identity"})
        for url in addresses:
            download = _Download(session, url, target, wanted, plain_http)
            try:
                download.run(retries)
            except AddressError as error:
                http_refused |= isinstance(error, PlainHttpError)
                problems.append(f"{url}: {error}")
                _say(problems[-1])
            else:
                return
    raise UnavailableError(*problems, http_refused=http_refused)


class _Download:
    """A file from one address."""

    def __init__(
        self,
        session: requests.Session,
        url: str,
        target: Path,
        wanted: Wanted,
        plain_http: bool,
    ) -> None:
        self._session, self._url, self._wanted = session, url, wanted
        self._target = target
        self._part = part_path(target)
        self._may_be_plain = plain_http or wanted.digest is not None

    def run(self, retries: Retry) -> None:
        """Fetch, verify and rename the file; if bytes of an earlier try are wrong, once more.

        Raises:
            AddressError: it cannot be had here.
        """
        fault: str | None = ""
        for _ in range(2):
            self._resumed = False
            self._pull(retries)
            fault = fault_of(self._part, self._wanted)
            if fault is None:
                self._part.replace(self._target)
                return
            self._part.unlink()
            if not self._resumed:
                break
        raise AddressError(str(fault))

    def _pull(self, retries: Retry) -> None:
        """Ask until the part has all bytes, waiting longer after each fault in a row."""
        left, most = retries, self._size()
        while not self._is_complete():
            try:
                self._ask()
            except TryAgainError as fault:
                if self._size() - most >= _PROGRESS:
                    left, most = retries, self._size()
                try:
                    left = left.increment("GET", self._url, error=fault)
                    _say(f"{self._url}: {fault}; trying again")
                    left.sleep(fault.response.raw if fault.response is not None else None)
                except urllib3.exceptions.HTTPError as error:  # no retries left, or a bad header
                    raise AddressError(str(fault)) from error
            else:
                return

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _state(self) -> PartState | None:
        """What is known of the part's bytes."""
        path = state_path(self._target)
        try:
            return validated(PartState, read_json(path), path)
        except UserError:  # none, or not whole
            return None

    def _is_complete(self) -> bool:
        """Whether an earlier process was ended between the last byte and the verification."""
        state = self._state()
        total = self._wanted.size or (state.total if state else None)
        if self._size() == 0 or self._size() != total:
            return False
        self._resumed = True
        return True

    def _ask(self) -> None:
        """Make one request and append what it gives to the part, or replace that.

        Raises:
            TryAgainError: worth another try.
            AddressError: not worth one.
        """
        state = self._state()
        with _faults_named(), self._response(self._range(state)) as response:
            self._require_safe(response)
            if response.status_code == 416:
                self._take_416(response)
                return
            self._require_file(response)
            body = self._body_of(response, state)
            self._save(response, body)

    def _response(self, headers: dict[str, str]) -> requests.Response:
        """What is answered, after any redirects; its body is not read yet.

        Raises:
            AddressError: a redirect leads to what is no address.
        """
        try:
            return self._session.get(self._url, headers=headers, stream=True, timeout=TIMEOUT)
        except requests.RequestException:
            raise
        except ValueError as error:  # of an address that requests does not check
            raise AddressError(f"redirects to what is no address ({error})") from error

    def _range(self, state: PartState | None) -> dict[str, str]:
        """The headers that ask for the rest of the file; empty: for all of it.

        Without a validator, or at another address, only a digest can tell whether the rest is of
        the same file.
        """
        size = self._size()
        if not size or state is None or (self._wanted.size and size > self._wanted.size):
            return {}
        headers = {"Range": f"bytes={size}-"}
        if state.address == self._url and state.validator:
            return {**headers, "If-Range": state.validator}
        return headers if self._wanted.digest else {}

    def _require_safe(self, response: requests.Response) -> None:
        if self._may_be_plain:
            return
        for hop in (*response.history, response):
            if str(hop.url).startswith("http:"):
                raise PlainHttpError(
                    "plain http is refused: the file can be altered on the way, and no digest of "
                    "it is known"
                )

    def _take_416(self, response: requests.Response) -> None:
        """The server has nothing after the part: that is all of the file, or of another one."""
        self._resumed = True
        found = re.fullmatch(rf"bytes \*/({_BYTES})", response.headers.get("Content-Range", ""))
        if found and int(found[1]) == self._size():
            return
        self._part.unlink(missing_ok=True)
        raise TryAgainError("has fewer bytes than were fetched before (status 416)")

    def _require_file(self, response: requests.Response) -> None:
        """Refuse error statuses, and pages whatever their status."""
        status = response.status_code
        is_page = "html" in response.headers.get("Content-Type", "").lower()
        if status in {200, 206} and not is_page:
            return
        page = response.raw.read(1 << 16, decode_content=False) if is_page else b""
        message = f"answered {status} {response.reason}{', a web page' if is_page else ''}"
        message += title_of(page)
        if status not in _TRY_AGAIN:
            raise AddressError(message)
        wait = self._asked_to_wait(response)
        if wait > _LONGEST_WAIT:
            raise AddressError(f"{message}; asks to wait for {wait:.0f} s")
        raise TryAgainError(message, response)

    def _asked_to_wait(self, response: requests.Response) -> float:
        """Seconds until another try, as the server asks; 0: it names no time."""
        try:
            return float(Retry().get_retry_after(response.raw) or 0)
        except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
            response.raw.headers.pop("Retry-After")
            return 0

    def _body_of(self, response: requests.Response, state: PartState | None) -> Body:
        """Where the bytes of the response belong.

        Raises:
            TryAgainError: they are not those requested; the part is removed.
        """
        length = re.fullmatch(_BYTES, response.headers.get("Content-Length", ""))
        total = int(length[0]) if length else None
        start = 0
        if response.status_code == 206:
            found = re.fullmatch(
                rf"bytes ({_BYTES})-{_BYTES}/({_BYTES})", response.headers.get("Content-Range", "")
            )
            start, total = (int(found[1]), int(found[2])) if found else (-1, None)
            other = state is not None and state.total not in {None, total}
            if start != self._size() or other:
                self._part.unlink(missing_ok=True)
                raise TryAgainError("sent a different byte range than requested")
        return Body(start, total)

    def _save(self, response: requests.Response, body: Body) -> None:
        """Write the bytes of the response, from `body.start` on.

        Raises:
            AddressError: they are not of such a file; an earlier part is kept.
            TryAgainError: they end too soon.
        """
        total = body.total or self._wanted.size
        blocks = response.raw.stream(_BLOCK, decode_content=False)
        first = next(blocks, b"")
        if body.start:
            self._resumed = True
        else:
            # a short block may lack the bytes that tell; the whole file is looked at in the end
            fault = fault_of_head(first, self._wanted.kind if len(first) >= HEAD else "plain")
            if fault:
                raise AddressError(fault)
        if self._wanted.size not in {None, total}:
            instead = self._wanted.instead_of(self._wanted.size)
            raise AddressError(f"has {total} bytes{instead}")
        if total and self._wanted.size is None and total > self._wanted.most:
            raise AddressError(f"has {megabytes(total)}; {self._at_most}")
        require_room(self._part.parent, (total or 0) - body.start)
        if not body.start:
            self._part.unlink(missing_ok=True)  # before the state: no bytes have another's state
        validator = response.headers.get("ETag", "")
        if not validator or validator.startswith("W/"):
            validator = response.headers.get("Last-Modified", "")
        state = PartState(address=self._url, validator=validator or None, total=total)
        write_json(state_path(self._target), state.model_dump())
        self._append(chain([first], blocks), body.start, total)

    def _append(self, blocks: Iterable[bytes], at: int, total: int | None) -> None:
        """Append blocks to the part, which has `at` of `total` bytes."""
        whole = -(-(total or 0) // 10**6)
        progress = Progress(visible(self._target.name), "MB", whole, at // 10**6)
        with self._part.open("ab") as file:
            try:
                for block in blocks:
                    at += len(block)
                    self._require_end(at, total)
                    file.write(block)
                    if total and at < total:
                        progress.at(at // 10**6)
            finally:
                file.flush()
                os.fsync(file.fileno())
        if total and at < total:
            raise TryAgainError(f"stopped after {at} of {total} bytes")
        if total:
            progress.at(whole)

    def _require_end(self, size: int, total: int | None) -> None:
        """Refuse bytes after those that were announced, or without end.

        Args:
            size: bytes that the part would have.
            total: announced; None: no number was.

        Raises:
            AddressError: they are too many; if no number was announced, the part is removed.
            UserError: the disk has no room for more.
        """
        if total:
            if size > total:
                raise AddressError(f"sends more than {total} bytes")
            return
        if size > self._wanted.most:
            self._part.unlink()
            raise AddressError(f"sends bytes without end; {self._at_most}")
        require_room(self._part.parent, _BLOCK)

    @property
    def _at_most(self) -> str:
        return f"at most {megabytes(self._wanted.most)} are expected"


def _say(line: str) -> None:
    print(f"rgmp: {visible(line)}", file=sys.stderr, flush=True)


@contextmanager
def _faults_named() -> Iterator[None]:
    """Turn the errors of requests and urllib3 into `TryAgainError` and `AddressError`."""
    try:
        yield
    except exceptions.TooManyRedirects as error:
        raise AddressError(f"redirects more than {_MOST_REDIRECTS} times") from error
    except _NO_NEXT as error:
        raise AddressError(f"cannot be used ({_cause(error)})") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise TryAgainError(f"connection failed ({_cause(error)})") from error


def _cause(error: BaseException) -> str:
    """The innermost reason, without the object addresses that urllib3 quotes."""
    reason = getattr(error, "reason", None)
    inner = reason if isinstance(reason, BaseException) else next(iter(error.args), "")
    if isinstance(inner, BaseException):
        return _cause(inner)
    text = inner if isinstance(inner, str) else str(error)
    return re.sub(r"<[^>]*>(: )?", "", text).strip()[:200] or type(error).__name__
