"""The reference server behind real HTTP, with a mutation in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from open311_conformance.proving.messages import Answer, Ask, fields_of
from open311_conformance.proving.reference import ReferenceServer

Respond = Callable[[Ask], Answer]


class _Door(BaseHTTPRequestHandler):
    """Turns HTTP into Ask and Answer into HTTP."""

    protocol_version = "HTTP/1.1"
    respond: Respond
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        answer = self.respond(self._ask())
        head = [f"HTTP/1.1 {answer.status} {self.responses.get(answer.status, ('', ''))[0]}"]
        length = str(len(answer.body))
        headers = {"Content-Length": length, **answer.headers}
        head += [f"{name}: {value}" for name, value in headers.items()]
        body = b"" if self.command == "HEAD" or answer.status == 304 else answer.body
        self.wfile.write("\r\n".join([*head, "", ""]).encode("latin-1") + body)

    do_GET = do_POST = do_HEAD = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - the base class names them

    def _ask(self) -> Ask:
        parts = urlsplit("http://x" + self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        form = fields_of(body) if "urlencoded" in headers.get("content-type", "") else []
        query = parse_qsl(parts.query, keep_blank_values=True)
        return Ask(self.command, parts.path, query, headers, body, form)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


@contextmanager
def serving(respond: Respond) -> Iterator[str]:
    """Serve a function on a free port of the loopback; the address is given."""
    door = type("Door", (_Door,), {"respond": staticmethod(respond)})
    server = _Server(("127.0.0.1", 0), door)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def reference(
    prepare: Callable[[ReferenceServer], Respond] = lambda server: server.answer,
    *,
    multi: bool = False,
) -> Iterator[str]:
    """A fresh reference server, mutated or not; the URL of its test endpoint is given."""
    server = ReferenceServer(multi=multi)
    with serving(prepare(server)) as address:
        server.address = address
        yield f"{address}/open311/test/v2"
