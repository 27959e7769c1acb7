"""The history of requests: appended, never changed but to forget a person."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from open311.domain.errors import Conflict
from open311.domain.request import RequestUpdate
from open311.domain.status import Stage
from open311.storage import sql
from open311.storage.database import Database
from open311.storage.requests import decoded
from open311.storage.scope import Scope, service_request_id_of
from open311.storage.types import from_stored, to_utc_text

_COLUMNS = (
    "update_key, request_key, type, stage, updated_datetime, description, internal_note, "
    "media_urls, public, author, update_id, api_key_id"
)
_INSERT = (
    sql.insert("request_update")
    + " ON CONFLICT (jurisdiction_key, api_key_id, update_id) DO NOTHING RETURNING update_key"
)


def append_update(connection: Connection, scope: Scope, update: RequestUpdate) -> None:
    """Append one entry to a history."""
    sql.execute(connection, sql.insert("request_update"), _row_of(scope, update))


def insert_update(connection: Connection, scope: Scope, update: RequestUpdate) -> RequestUpdate:
    """Append one entry; the same with its update_key.

    Raises:
        Conflict: another transaction of the same key has just stored this update_id.
    """
    found = sql.first(connection, _INSERT, _row_of(scope, update))
    if found is None:
        raise Conflict(
            "update_id : cette mise à jour vient d'être enregistrée ; réessayez dans un instant.",
            retry_after_s=1,
        )
    return replace(update, update_key=int(found[0]))


def updates_of(
    connection: Connection, scope: Scope, service_request_id: int, *, public_only: bool
) -> list[RequestUpdate]:
    """The history of one request, oldest first."""
    only = "AND public" if public_only else ""
    found = sql.rows(
        connection,
        f"SELECT {_COLUMNS} FROM request_update WHERE request_key = :request_key {only} "  # noqa: S608
        "ORDER BY updated_datetime, update_key",
        {"request_key": scope.request_key(service_request_id)},
    )
    return [_update_of(row) for row in found]


def find_update(
    connection: Connection, scope: Scope, api_key_id: str, update_id: str
) -> RequestUpdate | None:
    """The update that this key already sent under this id, or None."""
    found = sql.first(
        connection,
        f"SELECT {_COLUMNS} FROM request_update WHERE jurisdiction_key = :jurisdiction_key "  # noqa: S608
        "AND api_key_id = :api_key_id AND update_id = :update_id",
        {
            "jurisdiction_key": scope.jurisdiction_key,
            "api_key_id": api_key_id,
            "update_id": update_id,
        },
    )
    return None if found is None else _update_of(found)


def updates_between(
    database: Database, scope: Scope, start: datetime, end: datetime, limit: int
) -> list[RequestUpdate]:
    """Public updates of listed requests inside a window, both ends included (X-12)."""
    found = database.rows(
        f"SELECT {_prefixed('u')} FROM request_update u JOIN public_document d "  # noqa: S608
        "ON d.request_key = u.request_key AND d.shown = 'list' "
        "WHERE u.jurisdiction_key = :jurisdiction_key AND u.public "
        "AND u.updated_datetime BETWEEN :start_date AND :end_date "
        "ORDER BY u.updated_datetime, u.update_key LIMIT :limit",
        {
            "jurisdiction_key": scope.jurisdiction_key,
            "start_date": to_utc_text(start),
            "end_date": to_utc_text(end),
            "limit": limit,
        },
    )
    return [_update_of(row) for row in found]


def forget_texts(connection: Connection, scope: Scope, service_request_id: int) -> None:
    """Blank the free texts and photos of a history; its steps and dates stay."""
    sql.execute(
        connection,
        "UPDATE request_update SET description = NULL, internal_note = NULL, media_urls = '[]' "
        "WHERE request_key = :request_key",
        {"request_key": scope.request_key(service_request_id)},
    )


def internal_notes(connection: Connection, *, starting: str) -> list[str]:
    """The internal notes of the installation that start with a text."""
    found = sql.rows(
        connection,
        "SELECT internal_note FROM request_update WHERE internal_note LIKE :pattern",
        {"pattern": f"{starting}%"},
    )
    return [str(note) for (note,) in found]


def _prefixed(alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in _COLUMNS.split(", "))


def _row_of(scope: Scope, update: RequestUpdate) -> dict[str, Any]:
    return {
        "jurisdiction_key": scope.jurisdiction_key,
        "request_key": scope.request_key(update.service_request_id),
        "type": update.type,
        "stage": str(update.stage),
        "updated_datetime": to_utc_text(update.updated_datetime),
        "description": update.description,
        "internal_note": update.internal_note,
        "media_urls": json.dumps(update.media_urls),
        "public": update.public,
        "author": update.author,
        "update_id": update.update_id,
        "api_key_id": update.api_key_id,
    }


def _update_of(row: sql.Row) -> RequestUpdate:
    return RequestUpdate(
        service_request_id=service_request_id_of(row[1]),
        type=row[2],
        stage=Stage(row[3]),
        updated_datetime=from_stored(row[4]),
        description=row[5],
        internal_note=row[6],
        media_urls=tuple(decoded(row[7])),
        public=bool(row[8]),
        author=row[9],
        update_id=row[10],
        api_key_id=row[11],
        update_key=row[0],
    )
