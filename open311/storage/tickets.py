"""The tickets that requests have in the tools."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from open311.domain.delivery import TicketReceipt
from open311.storage import sql
from open311.storage.database import Database
from open311.storage.requests import decoded
from open311.storage.scope import service_request_id_of
from open311.storage.types import to_utc_text

_COLUMNS = "destination, request_key, ticket_id, number, url, status, etag, last_sent, changed"
_PUT = sql.insert("ticket") + (
    " ON CONFLICT (destination, request_key) DO UPDATE SET ticket_id = excluded.ticket_id, "
    "number = coalesce(excluded.number, ticket.number), "
    "url = coalesce(excluded.url, ticket.url), etag = coalesce(excluded.etag, ticket.etag), "
    "status = coalesce(excluded.status, ticket.status)"
)


@dataclass(frozen=True, slots=True)
class StoredTicket:
    """One ticket as we know it.

    Attributes:
        last_sent: what we last told the tool: `stage`, and `notes`, hashes of texts.
        changed: `moment id` of the last status that was taken over from the tool.
    """

    destination: str
    request_key: int
    receipt: TicketReceipt
    last_sent: Mapping[str, Any]
    changed: str | None

    @property
    def service_request_id(self) -> int:
        """The public id of its request."""
        return service_request_id_of(self.request_key)


def put_ticket(
    connection: Connection,
    destination: str,
    request_key: int,
    receipt: TicketReceipt,
    now: datetime,
) -> None:
    """Store what the tool said of a ticket; what it did not say stays as it was."""
    row = {
        "destination": destination,
        "request_key": request_key,
        "ticket_id": receipt.ticket_id,
        "number": receipt.number,
        "url": receipt.url,
        "status": receipt.status,
        "etag": receipt.etag,
        "last_sent": "{}",
        "changed": None,
        "read_datetime": None,
        "created_datetime": to_utc_text(now),
    }
    sql.execute(connection, _PUT, row)


def find_ticket(connection: Connection, destination: str, request_key: int) -> StoredTicket | None:
    """The ticket of a request in one tool, or None."""
    found = sql.first(
        connection,
        f"SELECT {_COLUMNS} FROM ticket WHERE destination = :d AND request_key = :key",  # noqa: S608
        {"d": destination, "key": request_key},
    )
    return None if found is None else _ticket_of(found)


def find_by_ticket_id(
    connection: Connection, destination: str, ticket_id: str
) -> StoredTicket | None:
    """The ticket of that id in one tool, or None when it is not ours; locked on PostgreSQL."""
    wait = "" if connection.dialect.name == "sqlite" else " FOR UPDATE"
    found = sql.first(
        connection,
        f"SELECT {_COLUMNS} FROM ticket WHERE destination = :d AND ticket_id = :id{wait}",  # noqa: S608
        {"d": destination, "id": ticket_id},
    )
    return None if found is None else _ticket_of(found)


def other_owner(
    connection: Connection, destination: str, request_key: int, ticket_id: str
) -> int | None:
    """The public id of another request whose ticket that is already, or None."""
    found = find_by_ticket_id(connection, destination, ticket_id)
    if found is None or found.request_key == request_key:
        return None
    return found.service_request_id


def tickets_of(connection: Connection, request_key: int) -> list[StoredTicket]:
    """All tickets of a request."""
    found = sql.rows(
        connection,
        f"SELECT {_COLUMNS} FROM ticket WHERE request_key = :key ORDER BY destination",  # noqa: S608
        {"key": request_key},
    )
    return [_ticket_of(row) for row in found]


def open_tickets(database: Database, destination: str, limit: int) -> list[StoredTicket]:
    """Tickets of open requests, those first that were not looked at for longest."""
    names = ", ".join(f"t.{name}" for name in _COLUMNS.split(", "))
    found = database.rows(
        f"SELECT {names} FROM ticket t JOIN public_document p "  # noqa: S608 - our own names
        "ON p.request_key = t.request_key AND p.status = 'open' WHERE t.destination = :d "
        "ORDER BY coalesce(t.read_datetime, t.created_datetime), t.request_key LIMIT :limit",
        {"d": destination, "limit": limit},
    )
    return [_ticket_of(row) for row in found]


def note_read(connection: Connection, ticket: StoredTicket, now: datetime) -> None:
    """Remember that a ticket was looked at: its turn comes again after all others'."""
    _put(connection, ticket, read_datetime=to_utc_text(now))


def note_sent(connection: Connection, ticket: StoredTicket, sent: Mapping[str, Any]) -> None:
    """Remember what we told the tool, to know it again when it comes back."""
    _put(connection, ticket, last_sent=json.dumps({**ticket.last_sent, **sent}))


def note_changed(
    connection: Connection, ticket: StoredTicket, status: str | None, changed: str | None
) -> None:
    """Remember the last status taken over from the tool, and its moment."""
    _put(connection, ticket, status=status, changed=changed)


def note_number(connection: Connection, ticket: StoredTicket, number: str) -> None:
    """Remember what the tool's people call the ticket."""
    _put(connection, ticket, number=number)


def forget_request(connection: Connection, request_key: int) -> None:
    """Blank what tickets repeat of an erased request; the ticket's id stays."""
    sql.execute(
        connection,
        "UPDATE ticket SET last_sent = '{}' WHERE request_key = :key",
        {"key": request_key},
    )


def _put(connection: Connection, ticket: StoredTicket, **values: Any) -> None:
    changes = ", ".join(f"{name} = :{name}" for name in values)
    key = {"d": ticket.destination, "key": ticket.request_key}
    sql.execute(
        connection,
        f"UPDATE ticket SET {changes} WHERE destination = :d AND request_key = :key",  # noqa: S608
        {**key, **values},
    )


def _ticket_of(row: sql.Row) -> StoredTicket:
    destination, request_key, ticket_id, number, url, status, etag, last_sent, changed = row
    receipt = TicketReceipt(ticket_id, number, url, status, etag)
    return StoredTicket(destination, request_key, receipt, decoded(last_sent), changed)
