"""Deliveries as workers see them: taken under a lease, sent, settled.

A lease is the whole agreement between workers: whoever holds it may send, and only he
may settle. Nothing here speaks to the network, and no transaction waits for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from open311.domain.delivery import DeliveryKind, DeliveryState, Throughput
from open311.storage import destinations, sql
from open311.storage.database import Database
from open311.storage.delivery_models import DeliveryRow
from open311.storage.requests import decoded
from open311.storage.scope import Scope, service_request_id_of
from open311.storage.types import from_stored, to_utc_text

_COLUMNS = tuple(column.name for column in sql.table_of(DeliveryRow.__tablename__).columns)
_DATETIMES = (
    "not_before",
    "lease_until",
    "sent_datetime",
    "give_up_datetime",
    "created_datetime",
    "settled_datetime",
)
SELECT = f"SELECT {', '.join(_COLUMNS)} FROM delivery d"  # noqa: S608 - our own names
_INSERT = sql.insert("delivery") + " ON CONFLICT (destination, idempotency_key) DO NOTHING"
#: A lease that ends later than any lease can: the clock was set back since it was given.
_DUE = (
    "destination = :destination AND (state = 'pending' AND not_before <= :now "
    "OR state = 'leased' AND (lease_until <= :now OR lease_until > :beyond))"
)
#: Steps of one request go in their order, and none before the ticket is there; a photo
#: or a note that nobody could deliver holds nothing up.
_FIRST = (
    "NOT EXISTS (SELECT 1 FROM delivery e WHERE e.destination = d.destination "
    "AND e.request_key = d.request_key AND e.delivery_key < d.delivery_key "
    "AND (e.state IN ('pending', 'leased') "
    "OR e.kind = 'create' AND e.state IN ('dead', 'unknown')))"
)

UNLIMITED = Throughput()


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """One step towards a ticket, as it stands. Datetimes are aware UTC.

    Attributes:
        sent_datetime: since when the tool may have received it; None = never sent.
        give_up_datetime: when the next failure is the last; None until the first one.
    """

    delivery_key: int
    destination: str
    jurisdiction_key: int
    request_key: int
    kind: DeliveryKind
    payload: Mapping[str, Any]
    idempotency_key: str
    state: DeliveryState
    attempts: int
    not_before: datetime
    lease_until: datetime | None
    leased_by: str | None
    sent_datetime: datetime | None
    give_up_datetime: datetime | None
    last_error: str | None
    created_datetime: datetime
    settled_datetime: datetime | None

    @property
    def service_request_id(self) -> int:
        """The public id of its request."""
        return service_request_id_of(self.request_key)


def insert_delivery(
    connection: Connection,
    scope: Scope,
    service_request_id: int,
    *,
    destination: str,
    kind: DeliveryKind,
    payload: Mapping[str, Any],
    idempotency_key: str,
    now: datetime,
    may_have_arrived: bool = False,
) -> None:
    """Add one step; the same step again is the same as once.

    Args:
        may_have_arrived: an earlier life of this database may have sent it (a restore).
    """
    row: dict[str, Any] = dict.fromkeys(_COLUMNS) | {
        "destination": destination,
        "jurisdiction_key": scope.jurisdiction_key,
        "request_key": scope.request_key(service_request_id),
        "kind": str(kind),
        "payload": json.dumps(payload, ensure_ascii=False),
        "idempotency_key": idempotency_key,
        "state": str(DeliveryState.PENDING),
        "attempts": 0,
        "not_before": to_utc_text(now),
        "sent_datetime": to_utc_text(now) if may_have_arrived else None,
        "created_datetime": to_utc_text(now),
    }
    sql.execute(connection, _INSERT, row)


def has_due(database: Database, destination: str, now: datetime, lease_s: float) -> bool:
    """Whether a look is worth a transaction: something of this destination may be due."""
    found = database.first(
        f"SELECT 1 FROM delivery d WHERE {_DUE} LIMIT 1",  # noqa: S608 - our own text
        _moments(destination, now, lease_s),
    )
    return found is not None


def claim(
    connection: Connection,
    destination: str,
    worker: str,
    *,
    now: datetime,
    lease_s: float,
    throughput: Throughput = UNLIMITED,
) -> StoredDelivery | None:
    """Take the first delivery of a destination that may go now, for `lease_s` seconds.

    None too while the destination is paused or its circuit is open; once the circuit
    may be tried, one claim among all workers' passes. None when the tool has enough.
    """
    state = destinations.find_state(connection, destination)
    if not state.may_go(now) or _is_enough(connection, destination, throughput, now):
        return None
    lock = " FOR UPDATE OF d SKIP LOCKED" if connection.dialect.name != "sqlite" else ""
    found = sql.first(
        connection,
        f"{SELECT} WHERE {_DUE} AND {_FIRST} ORDER BY delivery_key LIMIT 1{lock}",
        _moments(destination, now, lease_s),
    )
    if found is None:
        return None
    if state.opened_until and not destinations.take_probe(connection, state, now, lease_s):
        return None
    delivery = delivery_of(found)
    parameters = {
        "key": delivery.delivery_key,
        "worker": worker,
        "lease_until": to_utc_text(now + timedelta(seconds=lease_s)),
    }
    sql.execute(
        connection,
        "UPDATE delivery SET state = 'leased', leased_by = :worker, lease_until = :lease_until "
        "WHERE delivery_key = :key",
        parameters,
    )
    return delivery


def _is_enough(
    connection: Connection, destination: str, throughput: Throughput, now: datetime
) -> bool:
    """Whether the tool bears no more now; who asks next waits for the end of this claim."""
    if throughput == UNLIMITED:
        return False
    destinations.lock_state(connection, destination)
    moments = {
        "d": destination,
        "now": to_utc_text(now),
        "since": to_utc_text(now - timedelta(minutes=1)),
    }
    found = sql.first(
        connection,
        "SELECT (SELECT count(*) FROM delivery WHERE destination = :d AND state = 'leased' "
        "AND lease_until > :now), (SELECT count(*) FROM delivery_attempt a "
        "JOIN delivery d ON d.delivery_key = a.delivery_key "
        "WHERE a.started_datetime >= :since AND d.destination = :d)",
        moments,
    )
    at_once, tried = found or (0, 0)
    return (throughput.at_once is not None and at_once >= throughput.at_once) or (
        throughput.per_minute is not None and at_once + tried >= throughput.per_minute
    )


def mark_sent(connection: Connection, delivery_key: int, worker: str, now: datetime) -> bool:
    """Note that it is about to be sent; False when the lease was lost: then do not send."""
    return _held(connection, "sent_datetime = :sent", delivery_key, worker, sent=to_utc_text(now))


def settle(
    connection: Connection,
    delivery: StoredDelivery,
    worker: str,
    *,
    state: DeliveryState,
    now: datetime,
    not_before: datetime | None = None,
    sent: datetime | None = None,
    attempts: int | None = None,
    give_up: datetime | None = None,
    error: str | None = None,
) -> bool:
    """End the lease with a result; False, and nothing is written, when it was lost.

    Args:
        sent: since when the tool may have it; None: it does not have it.
        not_before: for a delivery that goes back to pending.
    """
    ended = state is not DeliveryState.PENDING
    return _held(
        connection,
        "state = :state, lease_until = NULL, leased_by = NULL, not_before = :not_before, "
        "sent_datetime = :sent, attempts = :attempts, give_up_datetime = :give_up, "
        "last_error = :error, settled_datetime = :settled",
        delivery.delivery_key,
        worker,
        state=str(state),
        not_before=to_utc_text(not_before or delivery.not_before),
        sent=_text(sent),
        attempts=delivery.attempts if attempts is None else attempts,
        give_up=_text(give_up),
        error=error,
        settled=to_utc_text(now) if ended else None,
    )


def settle_late(connection: Connection, delivery_key: int, now: datetime) -> bool:
    """Count as delivered what its first worker, thought dead, did deliver after all.

    False when another worker holds it now: he finds the ticket himself.
    """
    return bool(
        sql.execute(
            connection,
            "UPDATE delivery SET state = 'done', settled_datetime = :now "
            "WHERE delivery_key = :key AND state IN ('pending', 'unknown', 'dead')",
            {"key": delivery_key, "now": to_utc_text(now)},
        )
    )


def doubt_late(connection: Connection, delivery_key: int, error: str | None, now: datetime) -> bool:
    """A worker, thought dead, did deliver it, a second time: a person must look."""
    return bool(
        sql.execute(
            connection,
            "UPDATE delivery SET state = 'unknown', last_error = :error, settled_datetime = :now "
            "WHERE delivery_key = :key AND state IN ('pending', 'done', 'unknown', 'dead')",
            {"key": delivery_key, "error": error, "now": to_utc_text(now)},
        )
    )


def send_after_all(connection: Connection, request_key: int, why: str, now: datetime) -> int:
    """Let the steps of a request wait again that a worker gave up for this reason; how many.

    What a person gave up stays so: that leaves the reason as it was, and this takes it away.
    """
    return sql.execute(
        connection,
        "UPDATE delivery SET state = 'pending', attempts = 0, not_before = :now, "
        "give_up_datetime = NULL, settled_datetime = NULL, last_error = NULL "
        "WHERE request_key = :key AND state = 'cancelled' AND last_error = :why",
        {"key": request_key, "why": why, "now": to_utc_text(now)},
    )


def lock(connection: Connection, delivery_key: int) -> None:
    """Be alone with a delivery until the end of the transaction (SQLite: one always is)."""
    if connection.dialect.name != "sqlite":
        statement = "SELECT 1 FROM delivery WHERE delivery_key = :key FOR UPDATE"
        sql.first(connection, statement, {"key": delivery_key})


def release(connection: Connection, delivery: StoredDelivery, worker: str) -> bool:
    """Give a lease back untouched: the worker stops before it sent anything."""
    return _held(
        connection,
        "state = 'pending', lease_until = NULL, leased_by = NULL",
        delivery.delivery_key,
        worker,
    )


def renew(connection: Connection, worker: str, *, now: datetime, lease_s: float) -> int:
    """Prolong what a living worker holds; the number of leases prolonged."""
    return sql.execute(
        connection,
        "UPDATE delivery SET lease_until = :lease_until "
        "WHERE state = 'leased' AND leased_by = :worker",
        {"worker": worker, "lease_until": to_utc_text(now + timedelta(seconds=lease_s))},
    )


def delivery_of(found: sql.Row) -> StoredDelivery:
    """One row of SELECT as an object."""
    row = dict(zip(_COLUMNS, found, strict=True))
    for name in _DATETIMES:
        row[name] = None if row[name] is None else from_stored(row[name])
    row |= {
        "kind": DeliveryKind(row["kind"]),
        "state": DeliveryState(row["state"]),
        "payload": decoded(row["payload"]),
    }
    return StoredDelivery(**row)


def _held(
    connection: Connection, change: str, delivery_key: int, worker: str, **parameters: Any
) -> bool:
    """Change a delivery if this worker still holds it."""
    return bool(
        sql.execute(
            connection,
            f"UPDATE delivery SET {change} "  # noqa: S608 - our own text
            "WHERE delivery_key = :key AND state = 'leased' AND leased_by = :worker",
            {"key": delivery_key, "worker": worker, **parameters},
        )
    )


def _moments(destination: str, now: datetime, lease_s: float) -> dict[str, Any]:
    beyond = now + timedelta(seconds=2 * lease_s + 1)
    return {"destination": destination, "now": to_utc_text(now), "beyond": to_utc_text(beyond)}


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else to_utc_text(moment)
