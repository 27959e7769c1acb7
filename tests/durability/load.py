"""Clients that post reports under an Idempotency-Key and keep exact books.

A report's key is all there is to know about it: its fields and photo are derived
from the key, so that a retry repeats the request to the byte, and whoever finds
a description in the database knows which key it belongs to.
"""

from __future__ import annotations

import http.client
import io
import itertools
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from PIL import Image

CLIENTS = 16
_PHOTO_EVERY = 20  # one report in so many carries a photo
_ANSWER_GUARD = 30.0  # seconds
_RETRIES = 50
_LOST_CONNECTION = (OSError, http.client.HTTPException)


class RefusedError(AssertionError):
    """The server refused a report that is in order: the rig or the server is wrong."""


@dataclass(frozen=True)
class Target:
    """Where and what to post: a service without attributes, at a point inside."""

    jurisdiction_id: str
    api_key: str
    service_code: str
    lat: float
    long: float


@dataclass
class Books:
    """What the clients know: promised ids by key, and keys whose fate they do not know."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    contradicted: set[str] = field(default_factory=set)

    def acknowledge(self, key: str, service_request_id: str) -> None:
        """Note a promise; two promises under one key that differ are a duplicate."""
        if self.acknowledged.setdefault(key, service_request_id) != service_request_id:
            self.contradicted.add(key)
        self.unknown.discard(key)


def description_of(key: str) -> str:
    """The description of the report with this key, unlike any other."""
    return f"Essai de durabilité, clé {key} : nid-de-poule à signaler."


class Client:
    """One keep-alive connection to a server.

    Args:
        base: URL of the multi-jurisdiction base, such as `http://127.0.0.1:1/open311/v2`.
        target: What to post.
    """

    def __init__(self, base: str, target: Target) -> None:
        parts = urlsplit(base)
        assert parts.hostname is not None
        self._path = parts.path
        self._target = target
        self._connection = http.client.HTTPConnection(
            parts.hostname, parts.port, timeout=_ANSWER_GUARD
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def post(self, key: str) -> str | None:
        """Post the report of this key; return its id, or None if the server could not.

        Raises:
            OSError, HTTPException: the connection was lost: the fate is unknown.
            RefusedError: a 4xx other than "in flight" (409).
        """
        content_type, body = _body(key, self._target)
        headers = {"Content-Type": content_type, "Idempotency-Key": key}
        self._connection.request("POST", f"{self._path}/requests.json", body, headers)
        status, answer = self._answer()
        if status in {200, 201}:
            return str(json.loads(answer)[0]["service_request_id"])
        if status == 409 or status >= 500:
            return None
        raise RefusedError(f"{key}: {status} {answer.decode(errors='replace')}")

    def post_until_answered(self, key: str) -> str:
        """Retry the report of this key, as a client in doubt does, until it has its id."""
        for _ in range(_RETRIES):
            if (service_request_id := self.post(key)) is not None:
                return service_request_id
            time.sleep(0.1)
        raise RefusedError(f"{key}: still no answer after {_RETRIES} tries")

    def read(self, service_request_id: str) -> dict[str, Any] | None:
        """One request as the public reads it, or None if there is no such id."""
        query = urlencode({"jurisdiction_id": self._target.jurisdiction_id})
        return self._first(f"{self._path}/requests/{service_request_id}.json?{query}")

    def has_photo(self, url: str) -> bool:
        """Whether a `media_url` of ours leads to a JPEG."""
        self._connection.request("GET", urlsplit(url).path)
        status, answer = self._answer()
        return status == 200 and answer.startswith(b"\xff\xd8")

    def first_service_without_attributes(self) -> str:
        """Code of a realtime service that asks for nothing more than a place."""
        query = urlencode({"jurisdiction_id": self._target.jurisdiction_id})
        self._connection.request("GET", f"{self._path}/services.json?{query}")
        _, answer = self._answer()
        for service in json.loads(answer):
            if service["type"] == "realtime" and str(service["metadata"]).lower() == "false":
                return str(service["service_code"])
        raise RefusedError(f"no realtime service without attributes in {answer!r}")

    def _first(self, path: str) -> dict[str, Any] | None:
        self._connection.request("GET", path)
        status, answer = self._answer()
        if status == 404:
            return None
        if status != 200:
            raise RefusedError(f"GET {path}: {status} {answer.decode(errors='replace')}")
        found: dict[str, Any] = json.loads(answer)[0]
        return found

    def _answer(self) -> tuple[int, bytes]:
        response = self._connection.getresponse()
        return response.status, response.read()


class Load:
    """Clients posting at once, each as fast as it is answered, until stopped or cut off.

    Args:
        base: URL of the server's multi-jurisdiction base.
        target: What to post.
        books: Where promises and doubts are noted.
        prefix: Beginning of every key, unlike that of any other load.
    """

    def __init__(self, base: str, target: Target, books: Books, prefix: str) -> None:
        self._base = base
        self._target = target
        self._books = books
        self._numbers = itertools.count()
        self._prefix = prefix
        self._stopping = threading.Event()
        self._faults: list[BaseException] = []
        self._threads = [threading.Thread(target=self._guarded) for _ in range(CLIENTS)]

    def start(self) -> None:
        """Let the clients begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait until every client has its answer or has lost its connection.

        Raises:
            RefusedError: the server refused something it should have taken.
        """
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        if self._faults:
            raise self._faults[0]

    def _guarded(self) -> None:
        try:
            self._post_on()
        except RefusedError as fault:
            self._faults.append(fault)

    def _post_on(self) -> None:
        with Client(self._base, self._target) as client:
            while not self._stopping.is_set():
                key = f"{self._prefix}-{next(self._numbers)}"
                self._books.unknown.add(key)
                try:
                    service_request_id = client.post(key)
                except _LOST_CONNECTION:
                    return
                if service_request_id is not None:
                    self._books.acknowledge(key, service_request_id)


def has_photo(key: str) -> bool:
    """Whether the report of this key carries a photo."""
    return int(key.rpartition("-")[2]) % _PHOTO_EVERY == 0


def _body(key: str, target: Target) -> tuple[str, bytes]:
    fields = {
        "jurisdiction_id": target.jurisdiction_id,
        "api_key": target.api_key,
        "service_code": target.service_code,
        "lat": str(target.lat),
        "long": str(target.long),
        "description": description_of(key),
        "email": f"{key}@example.org",
    }
    if has_photo(key):
        return _multipart(key, fields)
    return "application/x-www-form-urlencoded", urlencode(fields).encode()


def _multipart(key: str, fields: dict[str, str]) -> tuple[str, bytes]:
    parts = [
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()
        for name, value in fields.items()
    ]
    parts.append(
        b'Content-Disposition: form-data; name="media"; filename="photo.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n" + _photo(key)
    )
    body = b"".join(b"--limit-of-parts\r\n" + part + b"\r\n" for part in parts)
    return "multipart/form-data; boundary=limit-of-parts", body + b"--limit-of-parts--\r\n"


def _photo(key: str) -> bytes:
    """A small JPEG of this key's own colour, the same at each call."""
    number = int(key.rpartition("-")[2])
    image = Image.new("RGB", (64, 48), (number % 256, number // 256 % 256, len(key) % 256))
    written = io.BytesIO()
    image.save(written, "JPEG")
    return written.getvalue()
