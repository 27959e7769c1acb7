"""What the tools tell us, once each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from open311.storage import sql
from open311.storage.database import Database
from open311.storage.types import to_utc_text

_INSERT = sql.insert("inbox_event") + " ON CONFLICT (destination, event_id) DO NOTHING"

WAITING, DONE, IGNORED, UNMAPPED, REFUSED = "waiting", "done", "ignored", "unmapped", "refused"


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """One thing a tool told us.

    Attributes:
        ticket_id: the tool's id of the ticket; None when the hint names none.
        raw: a hint as it came in, or a change as JSON.
        state: `waiting` (a hint: the worker looks itself), `done`, `ignored`,
            `unmapped` (its status has no translation yet) or `refused`.
    """

    destination: str
    event_id: str
    ticket_id: str | None
    raw: str
    state: str
    reason: str | None = None


def put_event(connection: Connection, event: InboxEvent, now: datetime) -> bool:
    """Store an event; False when this destination told it before: nothing is stored then."""
    row = {
        "destination": event.destination,
        "event_id": event.event_id,
        "ticket_id": event.ticket_id,
        "received_datetime": to_utc_text(now),
        "raw": event.raw,
        "state": event.state,
        "reason": event.reason,
    }
    return sql.execute(connection, _INSERT, row) == 1


def settle_event(
    connection: Connection, destination: str, event_id: str, state: str, reason: str | None = None
) -> None:
    """Say what became of an event."""
    sql.execute(
        connection,
        "UPDATE inbox_event SET state = :state, reason = :reason "
        "WHERE destination = :d AND event_id = :id",
        {"d": destination, "id": event_id, "state": state, "reason": reason},
    )


def events(database: Database, destination: str, state: str, limit: int = 100) -> list[InboxEvent]:
    """Events of a destination in one state, oldest first."""
    found = database.rows(
        "SELECT destination, event_id, ticket_id, raw, state, reason FROM inbox_event "
        "WHERE destination = :d AND state = :state ORDER BY event_key LIMIT :limit",
        {"d": destination, "state": state, "limit": limit},
    )
    return [InboxEvent(*row) for row in found]


def counts(database: Database) -> dict[tuple[str, str], int]:
    """How many events of each (destination, state)."""
    found = database.rows(
        "SELECT destination, state, count(*) FROM inbox_event GROUP BY destination, state"
    )
    return {(row[0], row[1]): int(row[2]) for row in found}


def forget_raw_before(connection: Connection, moment: datetime) -> int:
    """Blank what was received long ago; ids stay, so that a repeat is still told."""
    return sql.execute(
        connection,
        "UPDATE inbox_event SET raw = '' WHERE raw <> '' AND received_datetime < :moment "
        "AND state NOT IN ('waiting', 'unmapped')",
        {"moment": to_utc_text(moment)},
    )
