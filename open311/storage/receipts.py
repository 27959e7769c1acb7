"""What makes a POST safe to repeat, and what it promises: idempotency, tokens, outbox."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from open311.domain.errors import Conflict
from open311.storage import sql
from open311.storage.database import Database
from open311.storage.requests import decoded
from open311.storage.scope import Scope, service_request_id_of
from open311.storage.types import from_stored, to_utc_text

#: How long the second of two equal POSTs waits for the first.
_WAIT_S = 2
_LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL, appendix A
_EXPIRE = (
    "DELETE FROM idempotency WHERE api_key_id = :api_key_id AND claim = :claim "
    "AND created_datetime < :expired"
)
_CLAIM = sql.insert("idempotency") + " ON CONFLICT (api_key_id, claim) DO NOTHING"


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """The answer given to an earlier POST with the same claim."""

    fingerprint: str
    request_key: int | None
    receipt: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token and the moment from which it gives its id."""

    service_request_id: int
    revealed_datetime: datetime


def claim_answer(
    connection: Connection,
    api_key_id: str,
    claim: str,
    fingerprint: str,
    *,
    now: datetime,
    expired: datetime | None,
) -> bool:
    """Take a claim inside this transaction; False when another POST has it already.

    On PostgreSQL a POST with the same claim that is still running makes this one wait
    for its end, up to two seconds (SQLite has one writer: there nobody is in flight).

    Args:
        expired: claims made before this moment no longer hold; None = they hold for ever.

    Raises:
        Conflict: the other one is still running.
    """
    row = {
        "api_key_id": api_key_id,
        "claim": claim,
        "fingerprint": fingerprint,
        "request_key": None,
        "receipt": "{}",
        "created_datetime": to_utc_text(now),
    }
    if connection.dialect.name != "sqlite":
        sql.execute(connection, f"SET LOCAL lock_timeout = '{_WAIT_S}s'")
    try:
        if expired is not None:
            sql.execute(connection, _EXPIRE, row | {"expired": to_utc_text(expired)})
        return sql.execute(connection, _CLAIM, row) == 1
    except Exception as error:
        if getattr(error, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        raise in_flight() from error


def in_flight() -> Conflict:
    """The refusal of a POST whose twin has not been answered yet."""
    return Conflict(
        "Idempotency-Key : la même demande est en cours d'enregistrement ; "
        "réessayez dans un instant.",
        retry_after_s=_WAIT_S,
    )


def find_receipt(connection: Connection, api_key_id: str, claim: str) -> StoredReceipt | None:
    """What was answered to this claim, or None."""
    found = sql.first(
        connection,
        "SELECT fingerprint, request_key, receipt FROM idempotency "
        "WHERE api_key_id = :api_key_id AND claim = :claim",
        {"api_key_id": api_key_id, "claim": claim},
    )
    return None if found is None else StoredReceipt(found[0], found[1], decoded(found[2]))


def put_receipt(
    connection: Connection,
    api_key_id: str,
    claim: str,
    request_key: int | None,
    receipt: Mapping[str, Any],
) -> None:
    """Keep the answer beside the claimed key, in the same transaction as the request."""
    sql.execute(
        connection,
        "UPDATE idempotency SET receipt = :receipt, request_key = :request_key "
        "WHERE api_key_id = :api_key_id AND claim = :claim",
        {
            "api_key_id": api_key_id,
            "claim": claim,
            "request_key": request_key,
            "receipt": json.dumps(receipt, ensure_ascii=False),
        },
    )


def forget_receipts(
    connection: Connection, *, keys_before: datetime, bodies_before: datetime
) -> int:
    """Drop claims older than the promised life of their kind; the number dropped.

    A client's own reference is never dropped: it stands for its request for ever.
    """
    ends = {"key:%": keys_before, "body:%": bodies_before}
    statement = "DELETE FROM idempotency WHERE created_datetime < :moment AND claim LIKE :kind"
    return sum(
        sql.execute(connection, statement, {"moment": to_utc_text(moment), "kind": kind})
        for kind, moment in ends.items()
    )


def forget_request(connection: Connection, scope: Scope, service_request_id: int) -> None:
    """Blank what idempotency and outbox rows repeat of a request's content.

    The claims themselves stay: a POST repeated late must not bring an erased person back.
    """
    request_key = scope.request_key(service_request_id)
    key = {"request_key": request_key}
    claims = "SELECT api_key_id, claim, receipt FROM idempotency WHERE request_key = :request_key"
    for api_key_id, claim, receipt in sql.rows(connection, claims, key):
        blank = decoded(receipt) | {"account_id": None}
        put_receipt(connection, api_key_id, claim, request_key, blank)
    outbox = "UPDATE outbox SET payload = '{}' WHERE request_key = :request_key"
    sql.execute(connection, outbox, key)


def insert_token(
    connection: Connection, scope: Scope, token: str, service_request_id: int, revealed: datetime
) -> None:
    """Promise an id behind a token (batch services)."""
    row = {
        "token": token,
        "request_key": scope.request_key(service_request_id),
        "revealed_datetime": to_utc_text(revealed),
    }
    sql.execute(connection, sql.insert("token"), row)


def find_token(database: Database, scope: Scope, token: str) -> StoredToken | None:
    """A token of this scope, or None (C-151)."""
    found = database.first(
        "SELECT t.request_key, t.revealed_datetime FROM token t JOIN service_request r "
        "ON r.request_key = t.request_key AND r.jurisdiction_key = :jurisdiction_key "
        "WHERE t.token = :token",
        {"token": token, "jurisdiction_key": scope.jurisdiction_key},
    )
    if found is None:
        return None
    return StoredToken(service_request_id_of(found[0]), from_stored(found[1]))


def enqueue(
    connection: Connection,
    scope: Scope,
    service_request_id: int,
    *,
    kind: str,
    payload: Mapping[str, Any],
    now: datetime,
) -> None:
    """Tell the business tools of a change, in its own transaction; test data are never told."""
    if scope.is_test:
        return
    moment = to_utc_text(now)
    row = {
        "jurisdiction_key": scope.jurisdiction_key,
        "request_key": scope.request_key(service_request_id),
        "kind": kind,
        "payload": json.dumps(payload, ensure_ascii=False),
        "state": "pending",
        "not_before": moment,
        "created_datetime": moment,
    }
    sql.execute(connection, sql.insert("outbox"), row)
