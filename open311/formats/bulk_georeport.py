"""GeoReport lists in bulk, one record in memory at a time: JSON, XML, GeoJSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import ijson
from ijson.common import ObjectBuilder
from lxml import etree

from open311.domain.transfer import BrokenFile
from open311.formats.public_documents import feature_collection, list_of_documents
from open311.formats.spark import CHILD_OF

Record = dict[str, Any]

#: Where records stand in the files of known servers: bare, or wrapped (as the XML is).
_RECORDS = frozenset(
    {
        "item",
        "service_requests.item",
        "service_requests.request.item",
        "service_requests.request",
        "request.item",
        "requests.item",
        "features.item",
    }
)
_BOM = b"\xef\xbb\xbf"


def join_lists(format_: str, lists: Iterable[bytes]) -> Iterator[bytes]:
    """Several lists of one format as one, in pieces; none of them is empty."""
    opening, between, closing = _frame(format_)
    yield opening
    parting = b""
    for whole in lists:
        yield parting
        yield whole[len(opening) : -len(closing)]
        parting = between
    yield closing


def read_json(stream: BinaryIO) -> Iterator[tuple[int, Record]]:
    """Requests of a JSON list or of a GeoJSON FeatureCollection, counted from 1.

    Raises:
        BrokenFile: not JSON, or JSON cut short.
    """
    builder: Any = None
    number, at = 0, ""
    try:
        for prefix, event, value in ijson.parse(_WithoutMark(stream), use_float=True):
            if builder is None:
                if event != "start_map" or prefix not in _RECORDS:
                    continue
                builder, at = ObjectBuilder(), prefix
            builder.event(event, value)
            if event == "end_map" and prefix == at:
                number += 1
                yield number, _from_feature(builder.value)
                builder = None
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise BrokenFile(f"Après la demande n° {number} : ce n'est plus du JSON.") from error


def read_xml(stream: BinaryIO) -> Iterator[tuple[int, Record]]:
    """The `request` elements of a GeoReport document, counted from 1.

    A document type is refused: entities have no place in data (trust.md J).

    Raises:
        BrokenFile: not XML, XML cut short, or a document type.
    """
    number = 0
    parser = etree.iterparse(
        stream, events=("start", "end"), resolve_entities=False, load_dtd=False,
        no_network=True, huge_tree=False, remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        for event, element in parser:
            parent = element.getparent()
            if parent is None:
                _refuse_doctype(element)
            elif event == "end" and parent.getparent() is None:
                if _name(element) == "request":
                    number += 1
                    yield number, _record(element)
                parent.remove(element)
    except etree.XMLSyntaxError as error:
        raise BrokenFile(f"Après la demande n° {number} : ce n'est plus du XML.") from error


def _frame(format_: str) -> tuple[bytes, bytes, bytes]:
    """What opens, parts and closes a list: read off the list's own writer."""
    if format_ == "geojson":
        empty = feature_collection([])
        return empty[:-2], b",", empty[-2:]
    opening, closing = list_of_documents(format_, [b"\0"]).split(b"\0")
    end = b"</request>" if format_ == "xml" else b"}"
    return opening, b"" if format_ == "xml" else b",", closing.removeprefix(end)


class _WithoutMark:
    """A stream without the byte order mark that some tools put before JSON."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._start = stream.read(len(_BOM)).removeprefix(_BOM)

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes."""
        if size and self._start:
            start, self._start = self._start, b""
            return start
        return self._stream.read(size)


def _from_feature(record: Record) -> Record:
    """The properties of a GeoJSON feature with its position; anything else as it is."""
    properties = record.get("properties")
    if not isinstance(properties, dict):
        return record
    geometry = record.get("geometry")
    if not isinstance(geometry, dict) or geometry.get("type") != "Point":
        return properties
    position = geometry.get("coordinates")
    if not isinstance(position, list) or len(position) < 2:
        return properties
    return {"long": position[0], "lat": position[1]} | properties


def _refuse_doctype(root: etree._Element) -> None:
    if root.getroottree().docinfo.internalDTD is not None:
        raise BrokenFile("Ce XML déclare un type de document (DOCTYPE) : retirez cette ligne.")


def _record(element: etree._Element) -> Record:
    return {_name(child): _value(child) for child in element}


def _value(element: etree._Element) -> Any:
    name = _name(element)
    if name in CHILD_OF:
        return [_value(child) for child in element]
    return _record(element) if len(element) else element.text


def _name(element: etree._Element) -> str:
    return etree.QName(element).localname
