"""Form bodies as bytes: url-encoded and multipart, written by hand so that each byte is known."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote_plus

Fields = tuple[tuple[str, str], ...]
URLENCODED = "application/x-www-form-urlencoded; charset=utf-8"
BOUNDARY = "----open311-conformance-boundary"


def merged(fields: Fields, changes: Iterable[tuple[str, str | None]]) -> Fields:
    """Fields with some replaced or added, and those changed to None left out."""
    changed = dict(changes)
    kept = tuple((name, value) for name, value in fields if name not in changed)
    return kept + tuple((name, value) for name, value in changed.items() if value is not None)


def urlencode(fields: Fields, *, safe: str = "") -> bytes:
    """``name=value&…`` in UTF-8; characters in ``safe`` stay as they are."""
    pairs = (f"{quote_plus(name, safe=safe)}={quote_plus(value)}" for name, value in fields)
    return "&".join(pairs).encode("ascii")


def multipart(fields: Fields, photo: bytes | None = None) -> bytes:
    """``multipart/form-data`` with text parts and, if given, a PNG photo named ``media``."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields
    ]
    if photo is not None:
        head = 'Content-Disposition: form-data; name="media"; filename="test.png"'
        parts.append(
            f"--{BOUNDARY}\r\n{head}\r\nContent-Type: image/png\r\n\r\n".encode() + photo + b"\r\n"
        )
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
