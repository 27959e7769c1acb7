"""GET Service Requests and GET Service Request: stored documents, joined."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from open311.domain.errors import NotFound
from open311.domain.request_filter import Cursor, RequestFilter
from open311.formats.public_documents import SEPARATORS, feature_collection, list_of_documents
from open311.operations.installation import Side
from open311.storage import request_lists, sql
from open311.storage.database import Database
from open311.storage.receipts import StoredToken, find_token
from open311.storage.scope import MAX_SERVICE_REQUEST_ID, service_request_id_of

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: Columns read for one format, without and with extensions.
DOCUMENT_COLUMNS = {
    ("xml", False): "xml",
    ("xml", True): "xml, xml_extension",
    ("json", False): "json",
    ("json", True): "json, json_extension",
    ("geojson", False): "request_key, lat, long, json",
    ("geojson", True): "request_key, lat, long, json, json_extension",
}


@dataclass(frozen=True, slots=True)
class Changes:
    """One page of the stream of changes: its document, who left, where to go on."""

    body: bytes
    withdrawn: list[int]
    cursor: Cursor


def list_service_requests(
    database: Database, side: Side, wanted: RequestFilter, format_: str
) -> tuple[bytes, int]:
    """One page of the list in `xml`, `json` or `geojson`, and how many rows it holds."""
    columns = DOCUMENT_COLUMNS[format_, wanted.extensions]
    if database.dialect == "sqlite" and format_ in SEPARATORS:
        joined, length = request_lists.joined_documents(
            database, side.scope, wanted, columns, SEPARATORS[format_]
        )
        return list_of_documents(format_, [joined] if length else []), length
    found = request_lists.list_documents(database, side.scope, wanted, columns)
    return list_document(format_, found), len(found)


def list_changes(database: Database, side: Side, wanted: RequestFilter, format_: str) -> Changes:
    """One page of what changed after a cursor."""
    columns = DOCUMENT_COLUMNS[format_, wanted.extensions]
    page = request_lists.list_changes(database, side.scope, wanted, columns)
    return Changes(list_document(format_, page.rows), page.withdrawn, page.cursor)


def get_service_request(
    database: Database, side: Side, service_request_id: str, format_: str, *, extensions: bool
) -> bytes:
    """One request as a list of one (C-210).

    Raises:
        NotFound: unknown here, or not for the public: the same words for both (C-214).
    """
    id_ = read_service_request_id(service_request_id)
    columns = DOCUMENT_COLUMNS[format_, extensions]
    found = None if id_ is None else request_lists.find_document(database, side.scope, id_, columns)
    if found is None:
        raise NotFound(
            f"service_request_id : la demande « {service_request_id[:80]} » n'existe pas.",
            field="service_request_id",
        )
    return list_document(format_, [found])


def get_service_request_id(
    database: Database, side: Side, token: str, now: datetime
) -> tuple[str | None, str]:
    """The id behind a token, None while it is pending, and the token (C-150 to C-153).

    Raises:
        NotFound: unknown token.
    """
    found: StoredToken | None = None
    if _TOKEN.fullmatch(token):  # anything else, NUL say, need not trouble the database
        found = find_token(database, side.scope, token)
    if found is None:
        raise NotFound("token : ce jeton n'existe pas.", field="token")
    revealed = found.revealed_datetime <= now
    return (str(found.service_request_id) if revealed else None), token


def read_service_request_id(text: str) -> int | None:
    """An id as we give them (decimal, no leading zero), or None: no such request can exist."""
    if not (text.isascii() and text.isdecimal()) or text.startswith("0") or len(text) > 10:
        return None
    id_ = int(text)
    return id_ if id_ <= MAX_SERVICE_REQUEST_ID else None


def list_document(format_: str, found: list[sql.Row]) -> bytes:
    """Rows of `DOCUMENT_COLUMNS` as one list."""
    if format_ == "geojson":
        return feature_collection(
            (service_request_id_of(row[0]), row[1], row[2], b"".join(row[3:])) for row in found
        )
    if found and len(found[0]) == 1:
        return list_of_documents(format_, [row[0] for row in found])
    return list_of_documents(format_, [b"".join(row) for row in found])
