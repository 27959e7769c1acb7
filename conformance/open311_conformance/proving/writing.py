"""GeoReport documents written from plain values, in both formats."""

from __future__ import annotations

import json
from typing import Any
from xml.sax.saxutils import escape

Row = dict[str, Any]
ITEMS = {
    "services": "service", "service_requests": "request", "errors": "error",
    "attributes": "attribute", "values": "value", "endpoints": "endpoint", "formats": "format",
    "notes": "note", "media_urls": "media_url", "service_request_updates": "request_update",
    "competences": "competence",
}  # fmt: skip
DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'
OMITTED_WHILE_UNKNOWN = "expected_datetime"


def xml(root: str, content: Any) -> bytes:
    """A document with a root element."""
    return (DECLARATION + _element(root, content)).encode()


def _element(name: str, content: Any) -> str:
    if isinstance(content, list):
        inner = "".join(_element(ITEMS[name], item) for item in content)
    elif isinstance(content, dict):
        inner = "".join(
            _element(key, value)
            for key, value in content.items()
            if not (key == OMITTED_WHILE_UNKNOWN and value is None)
        )
    else:
        inner = _leaf(content)
    return f"<{name}>{inner}</{name}>"


def _leaf(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return escape(str(value))


def document(fmt: str, root: str, content: Any) -> bytes:
    """A document in a format."""
    if fmt == "json":
        return json.dumps(content, ensure_ascii=False).encode()
    return xml(root, content)
