"""A proxy between an adapter and a tool that fails on demand, before or after the tool acted.

It stands before real tools and fakes alike, so each failure is shown against whatever
really happened behind it.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HTML = b"<html><body><h1>Maintenance</h1></body></html>"
_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "content-length"}


@dataclass(frozen=True)
class Answer:
    """A whole answer: status, headers, body; `declared` is a Content-Length that lies."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    declared: int | None = None


Forward = Callable[[], Answer]
#: What a fault answers; None = the connection is cut without a word.
Fault = Callable[[Forward, "FaultyProxy"], Answer | None]


def status(
    code: int, body: bytes = b"", *, content_type: str = "application/json", **headers: str
) -> Fault:
    """The tool is not asked; the answer has this status (`Retry_After` → Retry-After)."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return lambda _, __: Answer(code, (("Content-Type", content_type), *named), body)


def cut_before(_: Forward, __: FaultyProxy) -> None:
    """The request arrives and the connection is cut; the tool never sees it."""


def cut_after(forward: Forward, _: FaultyProxy) -> None:
    """The tool does its work; the answer is lost."""
    forward()


def truncated(forward: Forward, _: FaultyProxy) -> Answer:
    """The tool does its work; half of the answer arrives."""
    whole = forward()
    half = whole.body[: max(1, len(whole.body) // 2)]
    return Answer(whole.status, whole.headers, half, declared=len(whole.body) + 10)


def html(forward: Forward, _: FaultyProxy) -> Answer:
    """The tool does its work; something between answers a web page, status 200."""
    forward()
    return Answer(200, (("Content-Type", "text/html"),), HTML)


def stalled(forward: Forward, proxy: FaultyProxy) -> None:
    """The tool does its work; the answer never comes while the client waits."""
    forward()
    proxy.released.wait(30)


@dataclass
class FaultyProxy:
    """Forwards to `upstream`; `fail` makes the next matching requests fail."""

    url: str
    upstream: str
    seen: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    _plan: list[tuple[re.Pattern[str], Fault]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, fault: Fault, *, at: str, times: int = 1) -> None:
        """Plan a fault for the next requests whose `METHOD /path` matches `at`."""
        with self._lock:
            self._plan += [(re.compile(at), fault)] * times

    def calm(self) -> None:
        """Forget planned faults, and let stalled answers go."""
        with self._lock:
            self._plan.clear()
            self.seen.clear()
        self.released.set()
        self.released = threading.Event()

    def fault_for(self, line: str) -> Fault | None:
        """The fault planned for this request, used up."""
        with self._lock:
            self.seen.append(line)
            for at, (pattern, fault) in enumerate(self._plan):
                if pattern.search(line):
                    del self._plan[at]
                    return fault
        return None


@contextlib.contextmanager
def faulty_proxy(upstream: str = "", *, port: int = 0) -> Iterator[FaultyProxy]:
    """A running proxy; `upstream` may be set later."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
    server.daemon_threads = True
    proxy = FaultyProxy(f"http://127.0.0.1:{server.server_address[1]}", upstream)
    server.proxy = proxy  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.released.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        proxy: FaultyProxy = self.server.proxy  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = proxy.fault_for(f"{self.command} {self.path}")

        def forward() -> Answer:
            return self._forwarded(proxy.upstream, body)

        answer = forward() if fault is None else fault(forward, proxy)
        self.close_connection = True
        if answer is not None:
            self._reply(answer)

    def _forwarded(self, upstream: str, body: bytes) -> Answer:
        connection = http.client.HTTPConnection(urlsplit(upstream).netloc, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        if body:
            headers["Content-Length"] = str(len(body))
        connection.request(self.command, self.path, body or None, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
        return Answer(answer.status, tuple(kept), content)

    def _reply(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        length = len(answer.body) if answer.declared is None else answer.declared
        if answer.status != 204:
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def log_message(self, *args: object) -> None:
        pass
