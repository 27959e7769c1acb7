"""The outbox as its reader sees it: events in order, routed once (receipts.enqueue writes it)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from open311.domain.delivery import DeliveryKind
from open311.storage import sql
from open311.storage.database import Database
from open311.storage.requests import decoded
from open311.storage.scope import service_request_id_of

#: Any number that nothing else on this database uses.
_ROUTER = 0x6F333132


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """Something that happened to a request, which the tools must hear."""

    outbox_key: int
    jurisdiction_key: int
    service_request_id: int
    kind: DeliveryKind
    payload: Mapping[str, Any]


def has_events(database: Database) -> bool:
    """Whether anything waits to be routed."""
    return database.first("SELECT 1 FROM outbox WHERE state = 'pending' LIMIT 1") is not None


def take_events(connection: Connection, limit: int) -> list[OutboxEvent]:
    """The next events in their order, for the one router of the moment; none for another.

    Two routers at once could see a comment before the ticket it belongs to. On SQLite
    the write transaction itself leaves room for one only.
    """
    if connection.dialect.name != "sqlite":
        turn = sql.first(connection, f"SELECT pg_try_advisory_xact_lock({_ROUTER})")
        if not (turn and turn[0]):
            return []
    found = sql.rows(
        connection,
        "SELECT outbox_key, jurisdiction_key, request_key, kind, payload FROM outbox "
        "WHERE state = 'pending' ORDER BY outbox_key LIMIT :limit",
        {"limit": limit},
    )
    return [
        OutboxEvent(
            row[0], row[1], service_request_id_of(row[2]), DeliveryKind(row[3]), decoded(row[4])
        )
        for row in found
    ]


def mark_routed(connection: Connection, outbox_key: int) -> None:
    """Note that deliveries were made of an event (perhaps none)."""
    sql.execute(
        connection,
        "UPDATE outbox SET state = 'routed' WHERE outbox_key = :key",
        {"key": outbox_key},
    )


def server_id(database: Database) -> str:
    """Our own id among all servers, made once by the migration."""
    found = database.first("SELECT server_id FROM installation")
    assert found is not None, "the installation row is made by the first migration"
    return str(found[0])
