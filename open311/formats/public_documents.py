"""Public documents of a request: rendered once, when it is written.

The allow-list of what the public may read is this file: a field that is not named
here is in no public answer. Documents are stored without their end, so that a
list is a join of bytes and the extensions can be appended:

    core + end                      core + extension + end

Property tests hold these bytes equal to what marshmallow and lxml write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from open311.domain.request import PublicDocument, ServiceRequest
from open311.domain.status import PUBLIC_STATUS, Stage, Visibility
from open311.formats.spark import ABSENT_WHEN_UNKNOWN, CHILD_OF, decimal

#: Rises when the bytes change: stored documents of another version are rendered again.
RENDERER_VERSION = "2"

XML_DECLARATION = b'<?xml version="1.0" encoding="utf-8"?>\n'

#: How a list is opened, how items are parted, and how it is closed, by format.
_FRAMES = {
    "xml": (XML_DECLARATION + b"<service_requests>", b"</request>", b"</service_requests>"),
    "json": (b"[", b"},", b"]"),
}
#: What parts two stored documents of a list.
SEPARATORS = {format_: between for format_, (_, between, _) in _FRAMES.items()}
_EMPTY = {
    "xml": XML_DECLARATION + b"<service_requests/>",
    "json": b"[]",
    "geojson": b'{"type":"FeatureCollection","features":[]}',
}

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_SPECIAL = re.compile("[&<>\x00-\x08\x0b\x0c\x0d\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


def render_public_document(request: ServiceRequest) -> PublicDocument:
    """Render everything that the public may read of a request (C-187, X-02).

    A request that waits for moderation keeps all that its reporter wrote freely,
    its place name and its photos to itself (X-16).
    """
    core, extension = core_fields(request), extension_fields(request)
    if request.visibility is Visibility.PENDING:
        core |= dict.fromkeys(("description", "address", "address_id", "zipcode", "media_url"))
        extension |= dict.fromkeys(("title", "service_object_id", "service_object_type", "channel"))
        extension |= {"media_urls": [], "attributes": [], "notes": []}
    return PublicDocument(
        xml=("<request>" + "".join(_xml(name, value) for name, value in core.items())).encode(),
        json=_json(core)[:-1],
        xml_extension=_xml("extended_attributes", extension).encode(),
        json_extension=b"," + _json({"extended_attributes": extension})[1:-1],
    )


def core_fields(request: ServiceRequest) -> dict[str, Any]:
    """The fields of GeoReport v2 in the order of the standard."""
    return {
        "service_request_id": str(request.service_request_id),
        "status": PUBLIC_STATUS[request.stage].status,
        "status_notes": request.status_notes,
        "service_name": request.service_name,
        "service_code": request.service_code,
        "description": request.description,
        "agency_responsible": request.agency_responsible,
        "service_notice": request.service_notice,
        "requested_datetime": w3c(request.requested_datetime),
        "updated_datetime": w3c(request.updated_datetime),
        "expected_datetime": w3c(request.expected_datetime),
        "address": request.address,
        "address_id": request.address_id,
        "zipcode": request.zipcode,
        "lat": request.lat,
        "long": request.long,
        "media_url": request.media_urls[0] if request.media_urls else None,
    }


def extension_fields(request: ServiceRequest) -> dict[str, Any]:
    """The content of `extended_attributes` (X-03, X-09, X-10, X-11)."""
    parent = request.parent_service_request_id
    return {
        "title": request.title,
        "detailed_status": PUBLIC_STATUS[request.stage].detailed_status,
        "detailed_status_datetime": w3c(request.detailed_status_datetime),
        "kind": str(request.kind),
        "is_staff": request.is_staff,
        "service_object_id": request.service_object_id,
        "service_object_type": request.service_object_type,
        "duplicate": request.stage is Stage.DUPLICATE,
        "parent_service_request_id": None if parent is None else str(parent),
        "channel": request.channel,
        "media_urls": list(request.media_urls),
        "attributes": [
            {"code": given.code, "label": given.label, "name": given.name, "value": given.value}
            for given in request.attributes
        ],
        "notes": [
            {
                "datetime": w3c(note.datetime),
                "type": note.type,
                "description": note.description,
                "summary": note.summary,
            }
            for note in request.notes
        ],
    }


def list_of_documents(format_: str, documents: Sequence[bytes]) -> bytes:
    """Stored documents (core, or core + extension) as one list in XML or JSON."""
    if not documents:
        return _EMPTY[format_]
    opening, between, closing = _FRAMES[format_]
    end = between.rstrip(b",")
    return b"".join((opening, between.join(documents), end, closing))


def feature_collection(rows: Iterable[tuple[int, float | None, float | None, bytes]]) -> bytes:
    """Rows of (service_request_id, lat, long, JSON document) as GeoJSON (RFC 7946).

    Positions are (long, lat); a request without one has a null geometry.
    """
    features = b",".join(
        b'{"type":"Feature","id":"%d","geometry":%s,"properties":%s}}'
        % (id_, _point(lat, long), document)
        for id_, lat, long, document in rows
    )
    return b'{"type":"FeatureCollection","features":[' + features + b"]}"


def w3c(moment: datetime | None) -> str | None:
    """A UTC datetime as `YYYY-MM-DDThh:mm:ssZ` (C-011 to C-013)."""
    if moment is None:
        return None
    return (
        f"{moment.year:04}-{moment.month:02}-{moment.day:02}"
        f"T{moment.hour:02}:{moment.minute:02}:{moment.second:02}Z"
    )


def xml_escaped(text: str) -> str:
    """Text as XML content, byte for byte as lxml writes what XML 1.0 can hold."""
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found[0], "\ufffd"), text)


def _xml(name: str, value: Any) -> str:
    if value is None:
        return "" if name in ABSENT_WHEN_UNKNOWN else f"<{name}/>"
    if isinstance(value, str):
        return f"<{name}>{xml_escaped(value)}</{name}>" if value else f"<{name}/>"
    content = _xml_content(name, value)
    return f"<{name}>{content}</{name}>" if content else f"<{name}/>"


def _xml_content(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return decimal(value)
    if isinstance(value, dict):
        return "".join(_xml(child, inner) for child, inner in value.items())
    item = CHILD_OF[name]
    return "".join(_xml(item, inner) for inner in value)


def _json(value: Any) -> bytes:
    return _encode(value).encode(errors="replace")


def _point(lat: float | None, long: float | None) -> bytes:
    if lat is None or long is None:
        return b"null"
    return b'{"type":"Point","coordinates":' + _json([long, lat]) + b"}"
