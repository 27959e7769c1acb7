"""HTTP answers: bytes with the right headers, compressed when it pays."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Response, request
from isal import igzip

from open311.formats.documents import CONTENT_TYPES, write_document
from open311.http.context import answer_format

#: Smaller bodies fit one packet anyway.
_GZIP_FROM_BYTES = 1024


def document(root: str, value: Any, *, status: int = 200) -> Response:
    """A small document in the asked format."""
    format_ = answer_format()
    return answer(write_document(format_, root, value), format_, status=status)


def answer(body: bytes, format_: str, *, status: int = 200, etag: str | None = None) -> Response:
    """A body in a data format; gzip when the client takes it (never deflate)."""
    response = Response(status=status)
    response.headers["Content-Type"] = CONTENT_TYPES[format_]
    response.headers["Vary"] = "Accept-Encoding, Accept-Language"
    if etag is not None:
        response.headers["ETag"] = etag
        response.headers["Cache-Control"] = "no-cache"
    if len(body) > _GZIP_FROM_BYTES and _takes_gzip():
        body = igzip.compress(body, compresslevel=1)
        response.headers["Content-Encoding"] = "gzip"
    response.set_data(body)
    return response


def _takes_gzip() -> bool:
    return "Accept-Encoding" in request.headers and request.accept_encodings["gzip"] > 0


def weak_etag(*parts: object) -> str:
    """An ETag that changes with any of its parts."""
    digest = hashlib.blake2b(repr(parts).encode(errors="replace"), digest_size=12)
    return f'W/"{digest.hexdigest()}"'


def not_modified(etag: str) -> Response | None:
    """The answer 304 when the client already holds this version."""
    asked = request.headers.get("If-None-Match")
    if asked is None or not {etag, "*"} & {each.strip() for each in asked.split(",")}:
        return None
    headers = {
        "ETag": etag,
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding, Accept-Language",
    }
    return Response(status=304, headers=headers)
