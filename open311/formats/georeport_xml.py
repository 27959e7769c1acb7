"""The reference XML writer: any GeoReport document from its JSON shape, by lxml.

The "Spark" convention of the standard makes XML and JSON images of each other: an
array is a container whose repeated child has a fixed name (georeport-v2 §1.2).
"""

from __future__ import annotations

from typing import Any

from lxml import etree

#: The name of the repeated child of every container.
CHILD_OF = {
    "services": "service",
    "service_requests": "request",
    "service_request_updates": "request_update",
    "errors": "error",
    "attributes": "attribute",
    "values": "value",
    "endpoints": "endpoint",
    "formats": "format",
    "media_urls": "media_url",
    "notes": "note",
}
#: Dates are left out while unknown: an empty one breaks old readers (C-025).
_ABSENT_WHEN_UNKNOWN = {"expected_datetime"}


def write_xml(root: str, value: Any) -> bytes:
    """A document in XML: UTF-8, declared, compact, no namespace (C-003 to C-008).

    Args:
        root: name of the root element (`services`, `errors`…).
        value: the same document as JSON would hold it.
    """
    element = etree.Element(root)
    _fill(element, root, value)
    # encoding="unicode": lxml's own declaration quotes and breaks lines otherwise.
    text = etree.tostring(element, encoding="unicode")
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + text.encode()


def _fill(element: etree._Element, name: str, value: Any) -> None:
    if isinstance(value, dict):
        for child, inner in value.items():
            _add(element, child, inner)
    elif isinstance(value, list):
        for inner in value:
            _add(element, CHILD_OF[name], inner)
    elif isinstance(value, bool):
        element.text = "true" if value else "false"
    elif value is not None:
        element.text = str(value) or None


def _add(parent: etree._Element, name: str, value: Any) -> None:
    if value is None and name in _ABSENT_WHEN_UNKNOWN:
        return
    _fill(etree.SubElement(parent, name), name, value)
