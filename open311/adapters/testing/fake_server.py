"""A toolkit for FAKES: small servers that imitate tools nobody can install here.

A fake answers as public evidence says its tool answers, and says in its docstring what
that evidence is. Passing against a fake shows that a profile does what its author meant;
it never shows that the real tool agrees.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from open311.adapters.testing.harness import Seen


@dataclass(frozen=True)
class Request:
    """One request as a fake reads it."""

    method: str
    path: str
    query: dict[str, str]
    headers: Any
    body: bytes

    def json(self) -> Any:
        """The body, which must say that it is JSON."""
        assert "json" in self.headers.get("Content-Type", ""), "not sent as JSON"
        return json.loads(self.body)

    def form(self) -> dict[str, str]:
        """The fields of a form."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    def parts(self) -> dict[str, Any]:
        """The parts of a multipart body, by name: text, or (file name, type, bytes)."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + self.body)
        read: dict[str, Any] = {}
        for part in message.iter_parts():
            name = str(part.get_param("name", header="content-disposition"))
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            file = part.get_filename()
            read[name] = content.decode() if file is None else (
                file, part.get_content_type(), content,
            )  # fmt: skip
        return read


@dataclass(frozen=True)
class Reply:
    """What a fake answers; `document` goes out as JSON unless it is bytes."""

    status: int
    document: Any = None
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[..., Reply]


@dataclass
class Held:
    """A ticket as a fake keeps it."""

    id: str
    fields: dict[str, Any]
    status: str
    notes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    changed: datetime = field(default_factory=lambda: datetime.now(UTC))


class FakeTool:
    """One imitated tool; subclasses route requests and say where our key is.

    It is also what the contract calls the tool behind the adapter's back.
    """

    #: Field that holds our key; what people read; the status of a new ticket.
    key_field = ""
    text_fields: tuple[str, ...] = ()
    first_status = ""

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}
        self.lock = threading.RLock()

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Method, pattern of the whole path, and what answers."""
        raise NotImplementedError

    def refuse(self, request: Request) -> Reply | None:
        """The answer to a request that is not signed as the tool wants; None if it is."""
        raise NotImplementedError

    def answer(self, request: Request) -> Reply:
        """What the tool answers; 404 where no route matches."""
        with self.lock:
            refusal = self.refuse(request)
            if refusal is not None:
                return refusal
            for method, pattern, handler in self.routes():
                found = re.fullmatch(pattern, request.path)
                if found and method == request.method:
                    return handler(request, *found.groups())
        return Reply(404, {"error": f"no such path: {request.method} {request.path}"})

    def hold(self, fields: dict[str, Any], id_: str | None = None) -> Held:
        """Keep a new ticket."""
        id_ = id_ or str(len(self.held) + 1)
        self.held[id_] = Held(id_, fields, self.first_status)
        return self.held[id_]

    def touched(self, held: Held) -> Held:
        """The ticket, changed now."""
        held.changed = datetime.now(UTC)
        return held

    def tickets(self, key: str) -> list[Seen]:
        """The tickets that carry a key of ours."""
        with self.lock:
            return [
                Seen(
                    each.id,
                    " ".join(str(each.fields.get(name)) for name in self.text_fields),
                    each.status,
                    tuple(each.notes),
                    tuple(each.files),
                )
                for each in self.held.values()
                if key in str(each.fields.get(self.key_field))
            ]

    def move(self, ticket_id: str, word: str) -> None:
        """An agent gives the ticket another status."""
        with self.lock:
            self.touched(self.held[ticket_id]).status = word


@contextlib.contextmanager
def running_fake(tool: FakeTool) -> Iterator[str]:
    """Serve a fake; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Served)
    server.daemon_threads = True
    server.tool = tool  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Served(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        request = Request(
            self.command, unquote(parts.path), query, self.headers, self.rfile.read(length)
        )
        try:
            reply = self.server.tool.answer(request)  # type: ignore[attr-defined]
        except (AssertionError, KeyError, ValueError) as error:
            reply = Reply(400, {"error": f"{type(error).__name__}: {error}"})
        body = reply.document
        if not isinstance(body, bytes):
            body = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if reply.status == 204 else body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def log_message(self, *args: object) -> None:
        pass
