"""The reference XML writer: any GeoReport document from its JSON shape, by lxml.

The "Spark" convention of the standard makes XML and JSON images of each other
(formats.spark). A list under another name than a container's is that element, repeated.
"""

from __future__ import annotations

from typing import Any

from lxml import etree

from open311.domain.told_text import carried_by_xml
from open311.formats.spark import ABSENT_WHEN_UNKNOWN, CHILD_OF, decimal


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
    elif value is not None:
        element.text = _text(value) or None


def _add(parent: etree._Element, name: str, value: Any) -> None:
    if value is None and name in ABSENT_WHEN_UNKNOWN:
        return
    if isinstance(value, list) and name not in CHILD_OF:  # repeated, without a container
        for each in value or [None]:
            _add(parent, name, each)
        return
    _fill(etree.SubElement(parent, name), name, value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return decimal(value) if isinstance(value, float) else carried_by_xml(str(value))
