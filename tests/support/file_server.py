"""A web server on this machine, in a thread, that answers as badly as real ones do."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """A request, and how to answer it."""

    server: "_Server"

    def do_GET(self) -> None:
        site = self.server.site
        site.asked.append((self.path, dict(self.headers)))
        answers = site.answers.get(self.path)
        if not answers:
            self.reply(404, b"gone")
        elif len(answers) > 1:
            answers.pop(0)(self)
        else:
            answers[0](self)

    def reply(
        self, status: int, body: bytes, headers: dict[str, Any] | None = None, length: bool = True
    ) -> None:
        """Send a response; without its length, the end of the connection ends it."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, str(value))
        if length and "Content-Length" not in (headers or {}):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    site: "Site"

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that leave early."""


@dataclass
class Site:
    """What the server has.

    Attributes:
        url: its address, with a slash at the end.
        answers: by path; each is given once, the last one for ever.
        asked: path and headers of each request so far.
    """

    url: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def put(self, path: str, *answers: Answer) -> str:
        """Answer requests of a path; return its URL."""
        self.answers[f"/{path}"] = list(answers)
        return self.url + path

    def ranges(self) -> list[str | None]:
        """The Range header of each request so far."""
        return [headers.get("Range") for _, headers in self.asked]


@contextmanager
def serving() -> Iterator[Site]:
    """A server that runs until the block ends."""
    with _Server(("127.0.0.1", 0), Request) as server:
        server.site = Site(f"http://127.0.0.1:{server.server_port}/")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server.site
        finally:
            server.shutdown()
            thread.join()


def whole(data: bytes, tag: str | None = '"v1"', cut: int | None = None) -> Answer:
    """A good server, but for the connection, which is lost `cut` bytes after the start."""

    def answer(request: Request) -> None:
        headers: dict[str, Any] = {"ETag": tag} if tag else {}
        asked = request.headers.get("Range")
        known = request.headers.get("If-Range")
        start, status = 0, 200
        if asked and known in {None, tag}:
            start, status = int(asked.removeprefix("bytes=").rstrip("-")), 206
            if start >= len(data):
                request.reply(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        headers["Content-Length"] = len(data) - start
        request.reply(status, data[start:][:cut], headers)

    return answer


def no_ranges(data: bytes, cut: int | None = None, length: bool = True) -> Answer:
    """A server that sends everything whatever it was asked for."""
    headers = {"Content-Length": len(data)} if length else {}
    return lambda request: request.reply(200, data[:cut], headers, length)


def status(code: int, body: bytes = b"", **headers: Any) -> Answer:
    """A fixed response; underscores in the headers' names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: request.reply(code, body, named)


def page(code: int, title: str, kind: str = "text/html; charset=utf-8") -> Answer:
    """A web page."""
    text = f"<!DOCTYPE html><html><head><title>\n{title} </title></head></html>"
    return status(code, text.encode(), Content_Type=kind)
