"""Answers that need not be made again, given before Flask is asked.

Flask alone costs more than looking a version up. Catalogue documents are kept whole
until the configuration changes; of lists only the way to compute their ETag is kept,
so that a client who holds the present version gets its 304 at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from open311.http import door
from open311.http.door import Application, Environ, Headers, StartResponse
from open311.operations.installation import Installation

_REVALIDATE = "open311.revalidate"
_KEEP_BODY = "open311.keep_body"
_MAX_KEPT = 1024
_MAX_KEPT_BYTES = 32 * 1024 * 1024
_MAX_BODY_BYTES = 256 * 1024
#: Characters of what a client asked: longer questions are not worth the memory they hold.
LONGEST_REMEMBERED = 1024

_NO_GZIP = re.compile(r"gzip\s*;\s*q=0(?:\.0*)?\s*(?:,|$)")
#: What an answer depends on beside its address.
VARY = ("Vary", "Accept-Encoding, Accept-Language")


@dataclass(frozen=True, slots=True)
class _Kept:
    """One answer: good for one configuration version."""

    version: int
    etag_of: Callable[[], str]
    headers: Headers
    body: bytes | None


def remember(environ: Environ, etag_of: Callable[[], str], *, keep_body: bool = False) -> None:
    """Let the fast lane give this answer again.

    Args:
        environ: of the request being answered.
        etag_of: computes the ETag that the answer would have now.
        keep_body: the body depends on nothing but the configuration and this request.
    """
    if len(str(_key(environ))) > LONGEST_REMEMBERED:
        return
    environ[_REVALIDATE] = etag_of
    environ[_KEEP_BODY] = keep_body


def matches(environ: Environ, etag: str) -> bool:
    """Whether the client says that it holds this version (If-None-Match)."""
    asked = environ.get("HTTP_IF_NONE_MATCH")
    return asked is not None and any(each.strip() in (etag, "*") for each in asked.split(","))


def takes_gzip(environ: Environ) -> bool:
    """Whether the client names gzip, and not to refuse it (RFC 9110 §12.5.3)."""
    asked = environ.get("HTTP_ACCEPT_ENCODING", "")
    return "gzip" in asked and not _NO_GZIP.search(asked)


class FastLane:
    """WSGI middleware between the door and Flask."""

    def __init__(self, application: Application, installation: Installation) -> None:
        self._application = application
        self._installation = installation
        self._answers: dict[tuple[Any, ...], _Kept] = {}
        self._kept_bytes = 0

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer from what is kept, else let the application answer and keep it."""
        if environ["REQUEST_METHOD"] != "GET":
            return self._application(environ, start_response)
        key = _key(environ)
        kept = self._answers.get(key)
        try:
            version = self._installation.version
            if kept is not None and kept.version == version:
                answered = _answer(kept, environ, start_response)
                if answered is not None:
                    return answered
        except Exception:  # noqa: BLE001 - the application meets it too, and knows how to say it
            return self._application(environ, start_response)
        return self._ask(key, version, environ, start_response)

    def _ask(
        self, key: tuple[Any, ...], version: int, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        told: list[tuple[str, Headers]] = []

        def listen(status: str, headers: Headers, *rest: Any) -> Any:
            told.append((status, list(headers)))
            return start_response(status, headers, *rest)

        answer = self._application(environ, listen)
        if _REVALIDATE in environ and told and told[0][0].startswith("200"):
            return self._keep(key, version, environ, told[0][1], answer)
        return answer

    def _keep(
        self,
        key: tuple[Any, ...],
        version: int,
        environ: Environ,
        headers: Headers,
        answer: Iterable[bytes],
    ) -> Iterable[bytes]:
        body = None
        if environ[_KEEP_BODY]:
            answer = [b"".join(answer)]
            body = answer[0] if len(answer[0]) <= _MAX_BODY_BYTES else None
        if len(self._answers) >= _MAX_KEPT or self._kept_bytes > _MAX_KEPT_BYTES:
            self._answers.clear()
            self._kept_bytes = 0
        self._kept_bytes += len(body or b"")
        self._answers[key] = _Kept(version, environ[_REVALIDATE], headers, body)
        return answer


def _key(environ: Environ) -> tuple[Any, ...]:
    """All that an answer to a GET can depend on, but the database."""
    return (
        environ[door.PATH],
        environ.get("QUERY_STRING"),
        environ.get("HTTP_ACCEPT_LANGUAGE"),
        takes_gzip(environ),
    )


def _answer(kept: _Kept, environ: Environ, start_response: StartResponse) -> Iterable[bytes] | None:
    if "HTTP_IF_NONE_MATCH" in environ:
        etag = kept.etag_of()
        if matches(environ, etag):
            start_response("304 NOT MODIFIED", not_modified_headers(etag))
            return []
    if kept.body is None:
        return None
    start_response("200 OK", list(kept.headers))
    return [kept.body]


def not_modified_headers(etag: str) -> Headers:
    """What a 304 repeats of the answer that it stands for (RFC 9110 §15.4.5)."""
    return [
        ("ETag", etag),
        ("Cache-Control", "no-cache"),
        VARY,
    ]
