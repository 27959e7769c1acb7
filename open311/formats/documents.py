"""Small documents in both formats, and what each format is called."""

from __future__ import annotations

import json
from typing import Any

from open311.formats.georeport_xml import write_xml

CONTENT_TYPES = {
    "xml": "text/xml; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "geojson": "application/geo+json; charset=utf-8",
}


def write_document(format_: str, root: str, value: Any) -> bytes:
    """One document in XML or JSON (errors of GeoJSON lists are JSON).

    Args:
        root: the XML root; JSON drops it (§1.2).
        value: dicts, lists, strings, numbers, booleans and None.
    """
    if format_ == "xml":
        return write_xml(root, value)
    return write_json(value)


def write_json(value: Any) -> bytes:
    """Compact UTF-8 JSON, nothing escaped that need not be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
