"""What all workers know of a destination: pause, circuit, cursor, alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from open311.storage import sql
from open311.storage.database import Database
from open311.storage.delivery_models import DestinationStateRow
from open311.storage.types import from_stored, to_utc_text

_COLUMNS = tuple(column.name for column in sql.table_of(DestinationStateRow.__tablename__).columns)
_DATETIMES = ("opened_until", "last_polled", "alerted")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM destination_state"  # noqa: S608 - our own names


@dataclass(frozen=True, slots=True)
class DestinationState:
    """The shared state of one destination; a new one has never failed.

    Attributes:
        paused: nothing is sent until a person resumes it; `reason` says why.
        failures: in a row; enough of them open the circuit until `opened_until`.
        cursor: how far the tool's changes were read.
    """

    destination: str
    paused: bool = False
    reason: str | None = None
    failures: int = 0
    opened_until: datetime | None = None
    cursor: str | None = None
    last_polled: datetime | None = None
    alerted: datetime | None = None
    alert_text: str | None = None

    def may_go(self, now: datetime) -> bool:
        """Whether something may be sent: not paused, and the circuit is not open."""
        return not self.paused and (self.opened_until is None or self.opened_until <= now)


def find_state(connection: Connection, destination: str) -> DestinationState:
    """The state of a destination, fresh when it has none yet."""
    found = sql.first(connection, f"{_SELECT} WHERE destination = :d", {"d": destination})
    return DestinationState(destination) if found is None else _state_of(found)


def lock_state(connection: Connection, destination: str) -> None:
    """Be alone with a destination until the end of the transaction (SQLite: one always is)."""
    _ensure(connection, destination)
    if connection.dialect.name != "sqlite":
        statement = "SELECT 1 FROM destination_state WHERE destination = :d FOR UPDATE"
        sql.first(connection, statement, {"d": destination})


def all_states(database: Database) -> dict[str, DestinationState]:
    """Every destination that has a state, by name."""
    states = (_state_of(found) for found in database.rows(_SELECT))
    return {state.destination: state for state in states}


def take_probe(
    connection: Connection, state: DestinationState, now: datetime, lease_s: float
) -> bool:
    """Be the one who tries an open circuit whose time has come; it stays open for the others."""
    changed = sql.execute(
        connection,
        "UPDATE destination_state SET opened_until = :until "
        "WHERE destination = :d AND opened_until <= :now",
        {
            "d": state.destination,
            "now": to_utc_text(now),
            "until": to_utc_text(now + timedelta(seconds=lease_s)),
        },
    )
    return changed == 1


def note_success(connection: Connection, destination: str) -> None:
    """Close the circuit."""
    sql.execute(
        connection,
        "UPDATE destination_state SET failures = 0, opened_until = NULL "
        "WHERE destination = :d AND (failures > 0 OR opened_until IS NOT NULL)",
        {"d": destination},
    )


def count_failure(connection: Connection, destination: str) -> int:
    """One more failure in a row; how many there are now."""
    _ensure(connection, destination)
    found = sql.first(
        connection,
        "UPDATE destination_state SET failures = failures + 1 WHERE destination = :d "
        "RETURNING failures",
        {"d": destination},
    )
    assert found is not None
    return int(found[0])


def open_circuit(connection: Connection, destination: str, until: datetime) -> None:
    """Send nothing to a destination before a moment."""
    _put(connection, destination, opened_until=to_utc_text(until))


def pause(connection: Connection, destination: str, reason: str) -> None:
    """Stop a destination until `resume`."""
    _put(connection, destination, paused=True, reason=reason)


def resume(connection: Connection, destination: str) -> None:
    """Let a destination go again; its circuit is closed."""
    _put(connection, destination, paused=False, reason=None, failures=0, opened_until=None)
    sql.execute(
        connection,
        "UPDATE delivery SET give_up_datetime = NULL WHERE destination = :d AND state = 'pending'",
        {"d": destination},
    )


def put_fault(connection: Connection, destination: str, fault: str | None) -> None:
    """Note what is wrong though nobody stopped it (a poll that failed), or that it is over.

    The reason of a pause is not touched: that one waits for a person.
    """
    _ensure(connection, destination)
    sql.execute(
        connection,
        "UPDATE destination_state SET reason = :fault WHERE destination = :d AND NOT paused "
        "AND coalesce(reason, '') <> coalesce(:fault, '')",
        {"d": destination, "fault": fault},
    )


def take_poll_turn(
    connection: Connection, destination: str, *, now: datetime, poll_s: float
) -> DestinationState | None:
    """Be the one who polls a destination now; None when it is not due, or not allowed."""
    _ensure(connection, destination)
    changed = sql.execute(
        connection,
        "UPDATE destination_state SET last_polled = :now WHERE destination = :d AND NOT paused "
        "AND (last_polled IS NULL OR last_polled <= :before OR last_polled > :now) "
        "AND (opened_until IS NULL OR opened_until <= :now)",
        {
            "d": destination,
            "now": to_utc_text(now),
            "before": to_utc_text(now - timedelta(seconds=poll_s)),
        },
    )
    return find_state(connection, destination) if changed else None


def put_cursor(connection: Connection, destination: str, cursor: str) -> None:
    """Remember how far changes were read, in the transaction that took them over."""
    _put(connection, destination, cursor=cursor)


def take_alert(
    connection: Connection, name: str, kinds: str | None, *, now: datetime, repeat: timedelta
) -> bool:
    """Be the one who tells people of a destination's troubles; False when nothing is to tell.

    Args:
        kinds: what is wrong, None for nothing: remembered, and never told.
        repeat: the same troubles are told again after this long.
    """
    _ensure(connection, name)
    changed = sql.execute(
        connection,
        "UPDATE destination_state SET alert_text = :kinds, alerted = :now WHERE destination = :d "
        "AND (coalesce(alert_text, '') <> coalesce(:kinds, '') "
        "OR alert_text IS NOT NULL AND (alerted IS NULL OR alerted <= :before))",
        {
            "d": name,
            "kinds": kinds,
            "now": to_utc_text(now),
            "before": to_utc_text(now - repeat),
        },
    )
    return changed == 1 and kinds is not None


def forget_alert(connection: Connection, name: str) -> None:
    """An alert reached nobody: let it be told again."""
    _put(connection, name, alerted=None)


def _put(connection: Connection, destination: str, **values: Any) -> None:
    _ensure(connection, destination)
    changes = ", ".join(f"{name} = :{name}" for name in values)
    sql.execute(
        connection,
        f"UPDATE destination_state SET {changes} WHERE destination = :d",  # noqa: S608 - our names
        {"d": destination, **values},
    )


def _ensure(connection: Connection, destination: str) -> None:
    row = dict.fromkeys(_COLUMNS) | {"destination": destination, "paused": False, "failures": 0}
    statement = sql.insert("destination_state") + " ON CONFLICT (destination) DO NOTHING"
    sql.execute(connection, statement, row)


def _state_of(found: sql.Row) -> DestinationState:
    row = dict(zip(_COLUMNS, found, strict=True))
    for name in _DATETIMES:
        row[name] = None if row[name] is None else from_stored(row[name])
    return DestinationState(**row | {"paused": bool(row["paused"])})
