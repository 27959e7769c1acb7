"""One question to the server and its answer, kept whole as evidence."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lxml import etree
from requests.structures import CaseInsensitiveDict

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOTHING = object()


@dataclass(frozen=True)
class Query:
    """What is asked: an absolute URL, headers, a body, and how the answer will be judged.

    ``fmt`` is the format that the suffix asks for (``xml``, ``json``, or another text).
    ``resource`` is the path below the base, without suffix. An ``odd`` query (unknown
    suffix, HEAD, DELETE…) is left out of the rules that hold for every answer.
    """

    method: str
    url: str
    resource: str
    fmt: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    odd: bool = False
    expects: tuple[int, ...] = ()


@dataclass(frozen=True)
class Exchange:
    """A query and what came back; ``status`` 0 means no answer, ``failure`` says why."""

    query: Query
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=CaseInsensitiveDict[str])
    body: bytes = b""
    failure: str = ""
    final_url: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the answer is a success."""
        return 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """Whether the answer is a 4xx."""
        return 400 <= self.status < 500

    @property
    def told(self) -> str:
        """The status, or the failure, as words for a message."""
        return f"HTTP {self.status}" if self.status else self.failure

    @property
    def content_type(self) -> str:
        """The header as sent, empty if none."""
        return self.headers.get("Content-Type", "")

    @property
    def text(self) -> str:
        """The body as text, unreadable bytes replaced."""
        return self.body.decode("utf-8", "replace")

    @cached_property
    def root(self) -> etree._Element | None:
        """The XML root, or None when the body is not well-formed XML."""
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        try:
            return etree.fromstring(self.body, parser)
        except (etree.XMLSyntaxError, ValueError):
            return None

    @cached_property
    def _json(self) -> Any:
        try:
            return json.loads(self.body.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            return _NOTHING

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON."""
        return self._json is not _NOTHING

    @property
    def json(self) -> Any:
        """The JSON document, None when the body is not JSON."""
        return None if self._json is _NOTHING else self._json

    @property
    def is_html(self) -> bool:
        """Whether the body is a web page rather than an answer of the interface."""
        start = self.body[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        return start.startswith((b"<!doctype html", b"<html")) or b"<html" in start
