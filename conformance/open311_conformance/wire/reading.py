"""Answers read tolerantly: a check of one clause must not stumble over the breach of another.

XML is turned into the JSON shapes of the standard (root dropped, containers of repeated
children as lists, leaves as text); a wrapped JSON list is unwrapped. Whether the shapes
were right is judged apart, by C-009, C-021 and their like.
"""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from open311_conformance.wire.datetimes import instant
from open311_conformance.wire.exchange import Exchange

Row = dict[str, Any]

CONTAINERS = frozenset(
    {
        "services", "service_requests", "errors", "attributes", "values", "endpoints", "formats",
        "service_request_updates", "media_urls", "notes", "groups",
    }
)  # fmt: skip
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


class Unreadable(ValueError):
    """The answer holds nothing that can be read as the resource."""


def local_name(element: etree._Element) -> str:
    """The tag without its namespace; empty for comments and instructions."""
    tag = element.tag
    return tag.rsplit("}", 1)[-1] if isinstance(tag, str) else ""


def elements(parent: etree._Element) -> list[etree._Element]:
    """The child elements, without comments and instructions."""
    return [child for child in parent if isinstance(child.tag, str)]


def spark(element: etree._Element) -> Any:
    """An element as JSON would hold it, every leaf as text or None."""
    children = elements(element)
    if local_name(element) in CONTAINERS:
        return [spark(child) for child in children]
    if children:
        return _members(children)
    return element.text or None


def _members(children: list[etree._Element]) -> Row:
    members: Row = {}
    for child in children:
        name, value = local_name(child), spark(child)
        if name in members:  # repeated without a container: keep them all
            kept = members[name]
            members[name] = [*kept, value] if isinstance(kept, list) else [kept, value]
        else:
            members[name] = value
    return members


def rows(exchange: Exchange) -> list[Row]:
    """The objects of a list resource (services, requests, errors, updates).

    Raises:
        Unreadable: not the format that was asked for, or no list of objects.
    """
    if exchange.query.fmt == "json":
        return _json_rows(exchange)
    if exchange.root is None or exchange.is_html:
        raise Unreadable(f"{exchange.query.resource} is not readable as XML ({exchange.told})")
    found = [_row(child) for child in elements(exchange.root)]
    return [row for row in found if row]


def _row(element: etree._Element) -> Row:
    value = spark(element)
    return value if isinstance(value, dict) else {}


def _json_rows(exchange: Exchange) -> list[Row]:
    document = exchange.json
    if isinstance(document, dict):
        lists = [value for value in document.values() if isinstance(value, list)]
        document = lists[0] if lists else [document]
    if not isinstance(document, list):
        raise Unreadable(f"{exchange.query.resource} is not readable as JSON ({exchange.told})")
    return [row for row in document if isinstance(row, dict)]


def single(exchange: Exchange) -> Row:
    """The object of a document whose root is one object (definition, discovery).

    Raises:
        Unreadable: not the format that was asked for, or no object.
    """
    if exchange.query.fmt == "json":
        document = exchange.json
        if isinstance(document, list) and document:
            document = document[0]
    else:
        if exchange.is_html or exchange.root is None:
            raise Unreadable(f"{exchange.query.resource} is not readable as XML ({exchange.told})")
        document = spark(exchange.root)
    if not isinstance(document, dict):
        raise Unreadable(f"{exchange.query.resource} holds no object ({exchange.told})")
    return document


def attributes(definition: Row) -> list[Row]:
    """The attributes of a definition, wherever an old server has put them."""
    found = definition.get("attributes", definition.get("attribute"))
    if isinstance(found, dict):
        found = found.get("attribute", found)
        found = found if isinstance(found, list) else [found]
    return objects(found)


def objects(value: Any) -> list[Row]:
    """The objects of a list, nothing when it is not one."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(row: Row, name: str) -> str:
    """A field as text; empty when absent, null or not a leaf."""
    value = row.get(name)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip() if isinstance(value, str | int | float) else ""


def number(row: Row, name: str) -> float | None:
    """A field as a number, None when it is none."""
    written = text(row, name)
    return float(written) if _NUMBER.fullmatch(written) else None


def alike(one: Any, other: Any) -> bool:
    """Whether two values say the same, whatever the JSON types and the empty forms."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(alike(one.get(name), other.get(name)) for name in {*one, *other})
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if one in (None, "", [], {}) or other in (None, "", [], {}):
        return one in (None, "", [], {}) and other in (None, "", [], {})
    return bool(_leaf(one) == _leaf(other))


def _leaf(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    written = str(value).strip().replace("\r\n", "\n")
    if _NUMBER.fullmatch(written):
        return float(written)
    return instant(written) or written


def errors(exchange: Exchange) -> list[Row]:
    """The errors of an answer: strictly `errors/error` in XML or an array of objects in JSON.

    Raises:
        Unreadable: the body is something else.
    """
    if exchange.query.fmt == "json":
        document = exchange.json
        if not isinstance(document, list) or not document or objects(document) != document:
            raise Unreadable("the body is not a JSON array of errors")
        return objects(document)
    root = exchange.root
    if root is None or exchange.is_html or local_name(root) != "errors":
        raise Unreadable("the body is not an XML document of errors")
    found = [_row(child) for child in elements(root) if local_name(child) == "error"]
    if not found:
        raise Unreadable("the errors element holds no error")
    return found


def error_text(exchange: Exchange) -> str:
    """All descriptions of an error answer, or its raw text if it has another shape."""
    try:
        return " / ".join(text(error, "description") for error in errors(exchange))
    except Unreadable:
        return exchange.text
