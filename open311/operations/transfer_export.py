"""Export: all that a jurisdiction shows, a few requests in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from open311.domain.request import Reporter, StoredRequest
from open311.operations.installation import Side
from open311.operations.read_service_requests import DOCUMENT_COLUMNS, list_document
from open311.storage import requests, sql, transfer
from open311.storage.database import Database
from open311.storage.scope import service_request_id_of

#: With 4,000 characters of description each, a step stays below 8 MB.
_STEP = 100


@dataclass(frozen=True)
class Window:
    """Bounds of requested_datetime, both included; None does not bound."""

    since: datetime | None = None
    until: datetime | None = None


def count_public(database: Database, side: Side, window: Window) -> int:
    """How many requests an export will hold."""
    return transfer.count_listed(database, side.scope, window.since, window.until)


def export_lists(
    database: Database,
    side: Side,
    window: Window,
    format_: str,
    *,
    extensions: bool,
    advance: Callable[[int], None],
) -> Iterator[bytes]:
    """Short lists in `xml`, `json` or `geojson`, by rising id.

    Each is read for itself: no transaction is held open while a slow pipe is written.

    Args:
        advance: told how many requests each list had, once it was taken.
    """
    for rows in _steps(database, side, window, DOCUMENT_COLUMNS[format_, extensions]):
        yield list_document(format_, [row[1:] for row in rows])
        advance(len(rows))


def export_documents(database: Database, side: Side, window: Window) -> Iterator[list[bytes]]:
    """Single JSON documents with their extension, a few at a time, by rising id."""
    for rows in _steps(database, side, window, DOCUMENT_COLUMNS["json", True]):
        yield [b"".join(row[1:]) + b"}" for row in rows]


def export_stored(
    database: Database, side: Side
) -> Iterator[list[tuple[StoredRequest, Reporter | None]]]:
    """Every request with its reporter, public or not, for agents; by rising id."""
    id_ = 0
    while True:
        with database.connect() as connection:
            found = requests.requests_after(connection, side.scope, id_, _STEP)
            ids = [stored.request.service_request_id for stored in found]
            if not ids:
                return
            who = transfer.reporters_between(connection, side.scope, ids[0], ids[-1])
        yield [(stored, who.get(stored.request.service_request_id)) for stored in found]
        id_ = ids[-1]


def _steps(database: Database, side: Side, window: Window, columns: str) -> Iterator[list[sql.Row]]:
    id_ = 0
    while True:
        rows = transfer.listed_after(
            database, side.scope, id_, _STEP, columns, since=window.since, until=window.until
        )
        if not rows:
            return
        yield rows
        id_ = service_request_id_of(rows[-1][0])
