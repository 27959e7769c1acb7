"""Public documents: written with each change, read by every list.

Rows here hold what the public may read and nothing else; lists never touch
another table.
"""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import Connection

from open311.domain.request import PublicDocument, ServiceRequest
from open311.domain.search import fold
from open311.domain.status import PUBLIC_STATUS, Visibility
from open311.storage import sql
from open311.storage.scope import Scope
from open311.storage.types import to_utc_text

#: Side of a square of the place grid, in degrees: about 220 m by 150 m in France.
CELL_DEGREES = 0.002
_CELLS_PER_ROW = 200_000
#: Slots of the change counter on PostgreSQL: ten times the throughput of one hot row.
COUNTER_SLOTS = 32

_COLUMNS = [column.name for column in sql.table_of("public_document").columns]
_PUT = (
    sql.insert("public_document")
    + " ON CONFLICT (request_key) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name != "request_key")
)
_PUT_IN_TRANSACTION_ORDER = _PUT.replace(":change,", "pg_current_xact_id()::text::bigint,")
_COUNT = (
    "UPDATE change_counter SET value = value + 1 "
    "WHERE jurisdiction_key = :jurisdiction_key AND slot = {slot}"
)


def put_document(
    connection: Connection, scope: Scope, request: ServiceRequest, rendered: PublicDocument
) -> None:
    """Store what the public reads of a request, and count one change of its jurisdiction."""
    shown = _shown(connection, scope, request)
    change = _count_change(connection, scope)
    row = document_row(scope, request, rendered, change, shown=shown)
    statement = _PUT if connection.dialect.name == "sqlite" else _PUT_IN_TRANSACTION_ORDER
    sql.execute(connection, statement, row)


def document_row(
    scope: Scope, request: ServiceRequest, rendered: PublicDocument, change: int, *, shown: str
) -> dict[str, Any]:
    """The row of a public document: its filter columns and its bytes."""
    text = " ".join(filter(None, (request.title, request.description, request.address)))
    return {
        "request_key": scope.request_key(request.service_request_id),
        "jurisdiction_key": scope.jurisdiction_key,
        "change": change,
        "requested_datetime": to_utc_text(request.requested_datetime),
        "updated_datetime": to_utc_text(request.updated_datetime),
        "lat": request.lat,
        "long": request.long,
        "cell": cell_of(request.lat, request.long),
        "shown": shown,
        "status": PUBLIC_STATUS[request.stage].status,
        "service_code": request.service_code,
        "kind": str(request.kind),
        "is_staff": request.is_staff,
        "agency_responsible": request.agency_responsible,
        "xml": rendered.xml,
        "json": rendered.json,
        "xml_extension": rendered.xml_extension,
        "json_extension": rendered.json_extension,
        "search_text": fold(text),
    }


def find_document(
    connection: Connection, scope: Scope, service_request_id: int
) -> PublicDocument | None:
    """What the public reads of a request now, or None."""
    found = sql.first(
        connection,
        "SELECT xml, json, xml_extension, json_extension FROM public_document "
        "WHERE request_key = :request_key",
        {"request_key": scope.request_key(service_request_id)},
    )
    return None if found is None else PublicDocument(*(bytes(part) for part in found))


def _count_change(connection: Connection, scope: Scope) -> int:
    """Count one change of the jurisdiction; on SQLite also its place in the stream of changes.

    PostgreSQL commits out of order, so its places are transaction ids, put in by the
    statement itself: a reader stops below the oldest running one and misses nothing
    that commits late.
    """
    parameters = {"jurisdiction_key": scope.jurisdiction_key}
    if connection.dialect.name != "sqlite":
        slot = f"pg_backend_pid() % {COUNTER_SLOTS}"
        sql.execute(connection, _COUNT.format(slot=slot), parameters)
        return 0
    found = sql.first(connection, _COUNT.format(slot="0") + " RETURNING value", parameters)
    assert found is not None, "a jurisdiction's counter is made with it"
    return int(found[0])


def cell_of(lat: float | None, long: float | None) -> int | None:
    """The square of the place grid that holds a WGS 84 position (degrees)."""
    if lat is None or long is None:
        return None
    row = math.floor((lat + 90) / CELL_DEGREES)
    return row * _CELLS_PER_ROW + math.floor((long + 180) / CELL_DEGREES)


def _shown(connection: Connection, scope: Scope, request: ServiceRequest) -> str:
    """Who may read a document now; what once was in lists is told apart for ever."""
    if request.visibility is Visibility.PUBLIC:
        return "list"
    found: tuple[Any, ...] | None = sql.first(
        connection,
        "SELECT shown FROM public_document WHERE request_key = :request_key",
        {"request_key": scope.request_key(request.service_request_id)},
    )
    was_listed = found is not None and found[0] in ("list", "withdrawn", "recalled")
    if request.visibility is Visibility.PENDING:
        return "recalled" if was_listed else "id"
    return "withdrawn" if was_listed else "hidden"
