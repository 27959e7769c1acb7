"""What agents may see of an exchange: secrets and persons are masked, photos shortened."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "•••"
#: Shorter values would blot out ordinary words.
_SHORTEST = 3
_SHOWN = 4000
_LONG_BASE64 = re.compile(r"[A-Za-z0-9+/]{200,}={0,2}")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd][^\n]*")
_SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "www-authenticate"}
)


class Masker:
    """Replaces known values, however a request writes them (JSON, form, URL, Basic)."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._pattern: re.Pattern[str] | None = None
        self._written: set[str] = set()
        self.add(*values)

    def add(self, *values: str) -> None:
        """Mask these too from now on (tokens that a login gave)."""
        for value in values:
            if len(value) >= _SHORTEST:
                self._written |= _ways_to_write(value)
        longest_first = sorted(self._written, key=lambda each: (-len(each), each))
        pattern = "|".join(re.escape(each) for each in longest_first)
        self._pattern = re.compile(pattern) if pattern else None

    def plus(self, values: Iterable[str]) -> Masker:
        """A masker that hides these values as well, for one exchange."""
        fuller = Masker(values)
        fuller._written |= self._written
        fuller.add()
        return fuller

    def __call__(self, text: str) -> str:
        """The text without the values."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)


def _ways_to_write(value: str) -> set[str]:
    in_json = (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    encoded = base64.b64encode(value.encode()).decode("ascii")
    return {value, *in_json, quote(value), quote(value, safe=""), quote_plus(value), encoded}


def shown_headers(headers: Iterable[tuple[str, str]], secret: Iterable[str] = ()) -> list[str]:
    """Headers as lines, those that carry secrets masked whole."""
    hidden = _SECRET_HEADERS | {each.lower() for each in secret}
    return [f"{name}: {MASK if name.lower() in hidden else value}" for name, value in headers]


def shown_body(body: bytes | str | None, limit: int = _SHOWN) -> str:
    """A body as readable text: files and long base64 become their size."""
    if not body:
        return ""
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    text = _LONG_BASE64.sub(lambda found: f"‹{len(found[0])} caractères en base64›", text)
    text = re.sub(r"(‹octets›\n?)+", "‹octets›\n", _UNPRINTABLE.sub("‹octets›", text))
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} caractères)"
