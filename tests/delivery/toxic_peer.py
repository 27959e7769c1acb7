"""A fake business tool over HTTP that fails half of the time, in every way we know.

It is a test tool of our own: no real product behaves like it. `POST /GRADE/tickets`
takes `{"key": …}` and makes a ticket; `GET /GRADE/tickets?key=…` finds them; the same
with photos and notes, under `/GRADE/tickets/NUMBER/files` and `…/notes`. What is under
`native` makes one thing of a key however often it is sent; the others make one each
time.
"""

from __future__ import annotations

import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

#: How often each thing happens to a POST, in hundredths; half of all go wrong.
TOXICS = {
    "fine": 50,
    "500 before": 5,
    "500 after": 4,
    "500 XHTML after": 4,
    "503 after": 4,
    "503 with a term before": 3,
    "reset before": 5,
    "reset after": 6,
    "late answer": 5,
    "late commit": 5,
    "garbage": 5,
    "garbage after": 4,
}
#: Longer than the adapter waits for an answer, shorter than anybody waits before looking.
LATE_S = 0.5
#: The page of a gateway: well formed, and nothing of the tool's own.
XHTML = (
    b"""<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body>Oops</body></html>"""
)


class ToxicPeer:
    """The peer, served by threads of this process.

    Attributes:
        held: keys in the order of arrival, by path (`lookup/tickets/3/files`).
        calls: how many POSTs came in; `happened`: what was done to them.
        forced: what happens to the next POST to a path, before all chance.
        on_call: called with (moment, process id of the sender), moment being `before`
            or `after` the ticket is made: a test kills the sender here.
    """

    def __init__(self, seed: int | None = None, toxics: dict[str, int] | None = None) -> None:
        self.held: dict[str, list[str]] = {}
        self.calls = 0
        self.happened: Counter[str] = Counter()
        self.on_call: Callable[[str, int], None] = lambda _moment, _pid: None
        self.healthy = False
        self.forced: dict[str, str] = {}
        self._chance = random.Random(seed)
        self._toxics = toxics or TOXICS
        self._lock = threading.Lock()
        peer = self

        class Handler(_Handler):
            toxic = peer

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def tickets(self, grade: str) -> list[str]:
        """Keys of the tickets of one grade."""
        return self.held.get(f"{grade}/tickets", [])

    def added(self, grade: str, what: str) -> Counter[str]:
        """How often each photo (`files`) or note (`notes`) is in tickets of one grade."""
        with self._lock:
            return Counter(
                key
                for path, keys in self.held.items()
                if path.startswith(f"{grade}/") and path.endswith(f"/{what}")
                for key in keys
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def mood(self, path: str) -> str:
        """What happens to the next POST."""
        with self._lock:
            self.calls += 1
            if path in self.forced:
                return self.forced.pop(path)
            names, weights = zip(*self._toxics.items(), strict=True)
            mood = "fine" if self.healthy else self._chance.choices(names, weights)[0]
            self.happened[mood] += 1
            return str(mood)

    def shaky(self) -> bool:
        """Whether a GET goes wrong: one in four."""
        with self._lock:
            return not self.healthy and self._chance.random() < 0.25

    def make(self, path: str, key: str) -> int:
        """Make a ticket, a photo or a note; its number."""
        with self._lock:
            made = self.held.setdefault(path, [])
            if path.startswith("native/") and key in made:
                return made.index(key) + 1
            made.append(key)
            return len(made)

    def find(self, path: str, key: str) -> list[int]:
        with self._lock:
            made = self.held.get(path, [])
            return [at for at, each in enumerate(made, start=1) if each == key]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A client that is killed closes its connection: no news here."""


class _Handler(BaseHTTPRequestHandler):
    toxic: ToxicPeer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        sender = int(self.headers["X-Sender"])
        mood = self.toxic.mood(self.path)
        if mood.endswith("before") or mood == "garbage":
            return self._fail(mood)
        if mood == "late commit":
            time.sleep(LATE_S)
        self.toxic.on_call("before", sender)
        number = self.toxic.make(self.path.strip("/"), body["key"])
        self.toxic.on_call("after", sender)
        if mood == "late answer":
            time.sleep(LATE_S)
        if mood.endswith("after"):
            return self._fail(mood)
        return self._answer(201, json.dumps({"id": number}).encode())

    def do_GET(self) -> None:
        if self.toxic.shaky():
            return self._fail("500 before")
        parts = urlsplit(self.path)
        found = self.toxic.find(parts.path.strip("/"), parse_qs(parts.query)["key"][0])
        return self._answer(200, json.dumps([{"id": number} for number in found]).encode())

    def _fail(self, mood: str) -> None:
        if mood.startswith("503"):
            term = {"Retry-After": "0"} if "term" in mood else {}
            return self._answer(503, XHTML, "application/xhtml+xml", **term)
        if mood.startswith("500 XHTML"):
            return self._answer(500, XHTML, "application/xhtml+xml")
        if mood.startswith("500"):
            return self._answer(500, b"<html>Internal error</html>", "text/html")
        if mood.startswith("garbage"):
            return self._answer(200, b'{"id": 1', "application/json")
        # A reset, not a polite end: what is unread and unsent is gone.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
        return None

    def _answer(
        self, status: int, body: bytes, kind: str = "application/json", **headers: str
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Silent."""
