"""What the tools tell us, once each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from open311.storage import sql
from open311.storage.database import Database
from open311.storage.types import to_utc_text

_INSERT = sql.insert("inbox_event") + " ON CONFLICT (destination, event_id) DO NOTHING"

WAITING, DONE, IGNORED, UNMAPPED, REFUSED = "waiting", "done", "ignored", "unmapped", "refused"
EARLY = "early"

_SELECT = (
    "SELECT e.destination, e.event_id, e.ticket_id, e.raw, e.state, e.reason, e.event_key "
    "FROM inbox_event e"
)
#: Whether the tool may have a ticket of ours whose id we do not know yet.
_AWAITED = (
    "SELECT 1 FROM delivery WHERE destination = :d AND kind = 'create' "
    "AND sent_datetime IS NOT NULL AND state IN ('pending', 'leased', 'dead', 'unknown')"
)


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """One thing a tool told us.

    Attributes:
        ticket_id: the tool's id of the ticket; None when the hint names none.
        raw: a change as JSON; empty for a hint, whose words nobody reads, and once forgotten.
        state: `waiting` (a hint: the worker looks itself), `done`, `ignored`,
            `unmapped` (its status has no translation yet), `early` (its ticket may be ours,
            and is not known yet) or `refused`.
        event_key: its place in the order of arrival; 0 until it is stored.
    """

    destination: str
    event_id: str
    ticket_id: str | None
    raw: str
    state: str
    reason: str | None = None
    event_key: int = 0


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


def events(
    database: Database, destination: str, state: str, *, after: int = 0, limit: int = 100
) -> list[InboxEvent]:
    """Events of a destination in one state, oldest first, those behind the key `after`."""
    found = database.rows(
        f"{_SELECT} WHERE e.destination = :d AND e.state = :state AND e.event_key > :after "
        "ORDER BY e.event_key LIMIT :limit",
        {"d": destination, "state": state, "after": after, "limit": limit},
    )
    return [InboxEvent(*row) for row in found]


def every_event(database: Database, destination: str, state: str) -> Iterator[InboxEvent]:
    """All of them, oldest first, however many; each may be settled before the next is asked."""
    after = 0
    while found := events(database, destination, state, after=after):
        yield from found
        after = found[-1].event_key


def awaits_ticket(connection: Connection, destination: str) -> bool:
    """Whether a ticket of ours may exist there, whose id is not known yet."""
    return sql.first(connection, f"{_AWAITED} LIMIT 1", {"d": destination}) is not None


def early_events(database: Database, destination: str, limit: int = 1000) -> list[InboxEvent]:
    """Events that came before their ticket was known, which it is now; oldest first."""
    found = database.rows(
        f"{_SELECT} JOIN ticket t ON t.destination = e.destination AND t.ticket_id = e.ticket_id "
        "WHERE e.destination = :d AND e.state = 'early' ORDER BY e.event_key LIMIT :limit",
        {"d": destination, "limit": limit},
    )
    return [InboxEvent(*row) for row in found]


def drop_foreign(connection: Connection, destination: str) -> int:
    """Drop what came early and is of no ticket of ours, as there is none in doubt any more."""
    return sql.execute(
        connection,
        "DELETE FROM inbox_event WHERE destination = :d AND state = 'early' "  # noqa: S608 - ours
        f"AND NOT EXISTS ({_AWAITED}) AND NOT EXISTS (SELECT 1 FROM ticket t "
        "WHERE t.destination = :d AND t.ticket_id = inbox_event.ticket_id)",
        {"d": destination},
    )


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
