"""Deliveries as people see them: listed, counted, explained, put right by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from open311.domain.delivery import DeliveryState, Exchange
from open311.domain.told_text import storable
from open311.storage import sql
from open311.storage.database import Database
from open311.storage.deliveries import SELECT, StoredDelivery, delivery_of
from open311.storage.requests import decoded
from open311.storage.types import from_stored, to_utc_text

#: Nobody reads megabytes.
_MAX_TEXT = 20_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: when, how long, what became of it, what was said (masked)."""

    started_datetime: datetime
    duration_ms: int
    outcome: str
    message: str | None = None
    exchange: Exchange = Exchange()  # noqa: RUF009 - frozen


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries to list; None leaves a criterion out."""

    destination: str | None = None
    state: DeliveryState | None = None
    created_before: datetime | None = None
    created_since: datetime | None = None
    request_key: int | None = None
    delivery_key: int | None = None
    limit: int = 100


def insert_attempt(connection: Connection, delivery_key: int, attempt: Attempt) -> None:
    """Record one try."""
    row = {
        "delivery_key": delivery_key,
        "started_datetime": to_utc_text(attempt.started_datetime),
        "duration_ms": attempt.duration_ms,
        "outcome": attempt.outcome,
        "message": attempt.message,
        "status_code": attempt.exchange.status_code,
        "request": storable(attempt.exchange.request, _MAX_TEXT),
        "response": storable(attempt.exchange.response, _MAX_TEXT),
    }
    sql.execute(connection, sql.insert("delivery_attempt"), row)


def attempts_of(connection: Connection, delivery_key: int) -> list[Attempt]:
    """Every try of a delivery, oldest first."""
    found = sql.rows(
        connection,
        "SELECT started_datetime, duration_ms, outcome, message, request, response, status_code "
        "FROM delivery_attempt WHERE delivery_key = :key ORDER BY attempt_key",
        {"key": delivery_key},
    )
    return [
        Attempt(from_stored(row[0]), row[1], row[2], row[3], Exchange(row[4], row[5], row[6]))
        for row in found
    ]


def list_deliveries(connection: Connection, wanted: DeliveryFilter) -> list[StoredDelivery]:
    """Deliveries that fit, oldest first."""
    tests, parameters = _where(wanted)
    found = sql.rows(
        connection,
        f"{SELECT} {tests} ORDER BY delivery_key LIMIT :limit",
        {**parameters, "limit": wanted.limit},
    )
    return [delivery_of(row) for row in found]


def find_delivery(connection: Connection, delivery_key: int) -> StoredDelivery | None:
    """One delivery, or None."""
    found = sql.first(connection, f"{SELECT} WHERE delivery_key = :key", {"key": delivery_key})
    return None if found is None else delivery_of(found)


def counts(database: Database) -> dict[tuple[str, str], int]:
    """How many deliveries of each (destination, state)."""
    found = database.rows(
        "SELECT destination, state, count(*) FROM delivery GROUP BY destination, state"
    )
    return {(row[0], row[1]): int(row[2]) for row in found}


def oldest_undelivered(database: Database) -> dict[str, datetime]:
    """When the oldest step that still waits was created, by destination."""
    found = database.rows(
        "SELECT destination, min(created_datetime) FROM delivery "
        "WHERE state IN ('pending', 'leased') GROUP BY destination"
    )
    return {row[0]: from_stored(row[1]) for row in found}


def attempt_counts(database: Database) -> dict[tuple[str, str], int]:
    """How many recorded attempts of each (destination, outcome)."""
    found = database.rows(
        "SELECT d.destination, a.outcome, count(*) FROM delivery_attempt a "
        "JOIN delivery d ON d.delivery_key = a.delivery_key GROUP BY d.destination, a.outcome"
    )
    return {(row[0], row[1]): int(row[2]) for row in found}


def waiting_outbox(database: Database) -> tuple[int, datetime | None]:
    """How many events no worker has routed yet, and since when the oldest waits."""
    found = database.first(
        "SELECT count(*), min(created_datetime) FROM outbox WHERE state = 'pending'"
    )
    count, oldest = found or (0, None)
    return int(count), None if oldest is None else from_stored(oldest)


def replay(connection: Connection, delivery_key: int, now: datetime) -> bool:
    """Send a dead delivery again under its own key; False when it is not dead.

    That it may have arrived is not forgotten: a tool that can be asked is asked first.
    """
    return _change(
        connection,
        "state = 'pending', attempts = 0, not_before = :now, give_up_datetime = NULL, "
        "settled_datetime = NULL",
        delivery_key,
        ("dead",),
        now=to_utc_text(now),
    )


def retry_now(connection: Connection, delivery_key: int, now: datetime) -> bool:
    """Let a waiting delivery go at once; False when it is not waiting."""
    return _change(
        connection, "not_before = :now", delivery_key, ("pending",), now=to_utc_text(now)
    )


def send_again(connection: Connection, delivery_key: int, now: datetime) -> bool:
    """Send anew what a person found absent from the tool; False when nobody had to look."""
    return _change(
        connection,
        "state = 'pending', attempts = 0, not_before = :now, give_up_datetime = NULL, "
        "settled_datetime = NULL, sent_datetime = NULL",
        delivery_key,
        ("unknown",),
        now=to_utc_text(now),
    )


def mark_done(connection: Connection, delivery_key: int, now: datetime) -> bool:
    """Count as delivered what a person found in the tool; False when nobody had to look."""
    return _change(
        connection,
        "state = 'done', settled_datetime = :now",
        delivery_key,
        ("unknown", "dead"),
        now=to_utc_text(now),
    )


def mark_returned(
    connection: Connection,
    destination: str,
    request_key: int,
    step: str | None,
    reason: str,
    now: datetime,
) -> bool:
    """A mail that was delivered came back: dead after all; False when none is known so.

    Args:
        step: the end of its Message-ID; without it, or when the record no longer tells whose
            it was, it is the step that was sent last.
    """
    of_request = {"d": destination, "key": request_key}
    delivery_key = _sent_under(connection, step, of_request) if step else None
    if delivery_key is None:
        delivery_key = _sent_last(connection, of_request)
    values = {"reason": storable(reason, _MAX_TEXT), "now": to_utc_text(now)}
    change = "state = 'dead', last_error = :reason, settled_datetime = :now, sent_datetime = NULL"
    return delivery_key is not None and _change(
        connection, change, delivery_key, ("done",), **values
    )


def _sent_under(connection: Connection, step: str, of_request: Mapping[str, Any]) -> int | None:
    """The delivery that was sent under a Message-ID of this end, as the attempts tell."""
    found = sql.first(
        connection,
        "SELECT max(d.delivery_key) FROM delivery d "
        "JOIN delivery_attempt a ON a.delivery_key = d.delivery_key "
        "WHERE d.destination = :d AND d.request_key = :key AND a.request LIKE :step",
        {**of_request, "step": f"%.{step}@%"},
    )
    return found[0] if found else None


def _sent_last(connection: Connection, of_request: Mapping[str, Any]) -> int | None:
    """The last step that went out for certain: what was for nobody to read never did."""
    found = sql.first(
        connection,
        "SELECT max(delivery_key) FROM delivery WHERE destination = :d AND request_key = :key "
        "AND kind <> 'photo' AND state = 'done' AND sent_datetime IS NOT NULL",
        of_request,
    )
    return found[0] if found else None


def cancel(connection: Connection, delivery_key: int, now: datetime) -> bool:
    """Give a delivery up for good; False when it is done, or being sent right now."""
    return _change(
        connection,
        "state = 'cancelled', settled_datetime = :now",
        delivery_key,
        ("pending", "dead", "unknown"),
        now=to_utc_text(now),
    )


def cancel_after(connection: Connection, create: StoredDelivery, now: datetime) -> int:
    """Give up the later steps of a ticket that will never be; how many there were."""
    return sql.execute(
        connection,
        "UPDATE delivery SET state = 'cancelled', settled_datetime = :now "
        "WHERE destination = :d AND request_key = :key AND delivery_key > :after "
        "AND state IN ('pending', 'dead', 'unknown')",
        {
            "now": to_utc_text(now),
            "d": create.destination,
            "key": create.request_key,
            "after": create.delivery_key,
        },
    )


def forget_request(connection: Connection, request_key: int, now: datetime) -> None:
    """Cancel what still waits of an erased request, blank what deliveries repeat of it.

    What its tools told is settled too: nothing of it is left to be taken over later.
    """
    key = {"key": request_key, "now": to_utc_text(now)}
    for statement in (
        # Wait for whoever is taking a change of its tickets over: what he keeps is blanked too.
        "UPDATE ticket SET ticket_id = ticket_id WHERE request_key = :key",
        (  # Whose ticket it will be, nobody knows: perhaps this one's.
            "DELETE FROM inbox_event WHERE state = 'early' AND destination IN "
            "(SELECT destination FROM delivery WHERE request_key = :key AND kind = 'create' "
            "AND sent_datetime IS NOT NULL AND state <> 'done')"
        ),
        (
            "UPDATE delivery SET state = 'cancelled', settled_datetime = :now "
            "WHERE request_key = :key AND state IN ('pending', 'dead', 'unknown')"
        ),
        (
            "UPDATE delivery_attempt SET request = '', response = '', message = NULL "
            "WHERE delivery_key IN (SELECT delivery_key FROM delivery WHERE request_key = :key)"
        ),
        "UPDATE delivery SET last_error = NULL, payload = '{}' WHERE request_key = :key",
        (
            "UPDATE inbox_event SET raw = '', reason = NULL, state = CASE "
            "WHEN state IN ('waiting', 'unmapped', 'early') THEN 'ignored' ELSE state END "
            "WHERE (destination, ticket_id) IN "
            "(SELECT destination, ticket_id FROM ticket WHERE request_key = :key)"
        ),
    ):
        sql.execute(connection, statement, key)


def is_forgotten(connection: Connection, request_key: int) -> bool:
    """Whether a request was erased: what is still on its way leaves no words behind."""
    found = sql.first(
        connection,
        "SELECT 1 FROM service_request WHERE request_key = :key AND visibility = 'erased'",
        {"key": request_key},
    )
    return found is not None


def forget_attempts_before(connection: Connection, moment: datetime) -> int:
    """Drop what was said on the wire long ago; how many attempts were dropped."""
    return sql.execute(
        connection,
        "DELETE FROM delivery_attempt WHERE started_datetime < :moment",
        {"moment": to_utc_text(moment)},
    )


def free_lease(
    connection: Connection, delivery_key: int, now: datetime, state: DeliveryState, *, force: bool
) -> bool:
    """Take a delivery from who holds it; False when he may still be sending.

    That it may have arrived is not forgotten.

    Args:
        state: where it goes: to be sent in its turn, or to be decided by a person.
        force: even before the lease has run out.
    """
    return bool(
        sql.execute(
            connection,
            "UPDATE delivery SET state = :state, lease_until = NULL, leased_by = NULL, "
            "not_before = :now WHERE delivery_key = :key AND state = 'leased' "
            "AND (:force = 1 OR lease_until <= :now)",
            {
                "key": delivery_key,
                "now": to_utc_text(now),
                "state": str(state),
                "force": int(force),
            },
        )
    )


def all_may_have_arrived(connection: Connection, now: datetime) -> None:
    """After a restore: what waits may have been sent already from the database that was lost."""
    sql.execute(
        connection,
        "UPDATE delivery SET sent_datetime = :now "
        "WHERE state IN ('pending', 'leased') AND sent_datetime IS NULL",
        {"now": to_utc_text(now)},
    )
    for key, payload in sql.rows(
        connection, "SELECT outbox_key, payload FROM outbox WHERE state = 'pending'"
    ):
        marked = json.dumps({**decoded(payload), "may_have_arrived": True}, ensure_ascii=False)
        sql.execute(
            connection,
            "UPDATE outbox SET payload = :payload WHERE outbox_key = :key",
            {"payload": marked, "key": key},
        )


def _where(wanted: DeliveryFilter) -> tuple[str, Mapping[str, Any]]:
    tests = {
        "destination = :destination": wanted.destination,
        "state = :state": wanted.state and str(wanted.state),
        "created_datetime < :before": wanted.created_before and to_utc_text(wanted.created_before),
        "created_datetime >= :since": wanted.created_since and to_utc_text(wanted.created_since),
        "request_key = :request_key": wanted.request_key,
        "delivery_key = :delivery_key": wanted.delivery_key,
    }
    asked = {test: value for test, value in tests.items() if value is not None}
    names = (test.rpartition(":")[2] for test in asked)
    text = f"WHERE {' AND '.join(asked)}" if asked else ""
    return text, dict(zip(names, asked.values(), strict=True))


def _change(
    connection: Connection, change: str, delivery_key: int, states: Sequence[str], **values: Any
) -> bool:
    allowed = ", ".join(f"'{state}'" for state in states)
    return bool(
        sql.execute(
            connection,
            f"UPDATE delivery SET {change} "  # noqa: S608 - our own text
            f"WHERE delivery_key = :key AND state IN ({allowed})",
            {"key": delivery_key, **values},
        )
    )
