"""HTTP answers: bytes with the right headers, compressed when it pays."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Response, request
from isal import igzip

from open311.formats.documents import CONTENT_TYPES, write_document
from open311.http.context import answer_format
from open311.http.fast_lane import VARY, matches, not_modified_headers, takes_gzip

#: Smaller bodies fit one packet anyway.
_GZIP_FROM_BYTES = 1024


def document(root: str, value: Any, *, status: int = 200) -> Response:
    """A small document in the asked format."""
    format_ = answer_format()
    return answer(write_document(format_, root, value), format_, status=status)


def answer(body: bytes, format_: str, *, status: int = 200, etag: str | None = None) -> Response:
    """A body in a data format; gzip when the client takes it (never deflate)."""
    headers = [("Content-Type", CONTENT_TYPES[format_]), VARY]
    if etag is not None:
        headers += [("ETag", etag), ("Cache-Control", "no-cache")]
    if len(body) > _GZIP_FROM_BYTES and takes_gzip(request.environ):
        body = igzip.compress(body, compresslevel=1)
        headers.append(("Content-Encoding", "gzip"))
    return Response(body, status, headers)


def weak_etag(*parts: object) -> str:
    """An ETag that changes with any of its parts."""
    return etag_of(repr(parts).encode(errors="replace"))


def etag_of(body: bytes) -> str:
    """An ETag that changes with the body."""
    return f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def not_modified(etag: str) -> Response | None:
    """The answer 304 when the client already holds this version."""
    if not matches(request.environ, etag):
        return None
    return Response(status=304, headers=not_modified_headers(etag))
