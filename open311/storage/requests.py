"""Writing and reading whole requests, inside one scope."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from open311.domain.request import Answer, Kind, Photo, Reporter, ServiceRequest, StoredRequest
from open311.domain.status import Stage, Visibility
from open311.storage import sql
from open311.storage.database import Database
from open311.storage.scope import MAX_SERVICE_REQUEST_ID, Scope
from open311.storage.types import from_stored, to_utc_text

_DATETIMES = (
    "requested_datetime",
    "updated_datetime",
    "expected_datetime",
    "detailed_status_datetime",
)
_COLUMNS = tuple(column.name for column in sql.table_of("service_request").columns)
_NEVER_CHANGED = {"request_key", "jurisdiction_key", "service_request_id", "requested_datetime"}
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM service_request"  # noqa: S608 - our own names
_SET = ", ".join(f"{name} = :{name}" for name in _COLUMNS if name not in _NEVER_CHANGED)
_UPDATE = f"UPDATE service_request SET {_SET} WHERE request_key = :request_key"  # noqa: S608
_OF_REQUEST = tuple(name for name in _COLUMNS if name in ServiceRequest.__slots__)
_encode = json.JSONEncoder(ensure_ascii=False).encode
_REPORTER = tuple(Reporter.__slots__)


def next_service_request_id(connection: Connection) -> int:
    """The next id of the installation's one decimal sequence."""
    if connection.dialect.name == "sqlite":
        statement = (
            "UPDATE installation SET last_service_request_id = last_service_request_id + 1 "
            "RETURNING last_service_request_id"
        )
    else:
        statement = "SELECT nextval('service_request_id_seq')"
    found = sql.first(connection, statement)
    assert found is not None, "the installation row is made by the first migration"
    return int(found[0])


def insert_request(connection: Connection, scope: Scope, stored: StoredRequest) -> None:
    """Store a new request; its service_request_id comes from the sequence."""
    sql.execute(connection, sql.insert("service_request"), _row_of(scope, stored))


def update_request(connection: Connection, scope: Scope, stored: StoredRequest) -> None:
    """Store a request again, all but its id and its requested_datetime."""
    sql.execute(connection, _UPDATE, _row_of(scope, stored))


def find_request(
    connection: Connection, scope: Scope, service_request_id: int, *, lock: bool = False
) -> StoredRequest | None:
    """One request of this scope, or None; `lock` it for a change on PostgreSQL."""
    wait = " FOR UPDATE" if lock and connection.dialect.name != "sqlite" else ""
    key = {"request_key": scope.request_key(service_request_id)}
    found = sql.first(connection, f"{_SELECT} WHERE request_key = :request_key{wait}", key)
    return None if found is None else _stored_of(found)


def requests_after(
    connection: Connection, scope: Scope, service_request_id: int, limit: int
) -> list[StoredRequest]:
    """The next requests of a scope by id: the step of exports and re-rendering."""
    found = sql.rows(
        connection,
        f"{_SELECT} WHERE request_key > :after AND request_key <= :last "
        "ORDER BY request_key LIMIT :limit",
        {
            "after": scope.request_key(service_request_id),
            "last": scope.request_key(MAX_SERVICE_REQUEST_ID),
            "limit": limit,
        },
    )
    return [_stored_of(row) for row in found]


def latest_requests(
    connection: Connection, scope: Scope, wanted: Mapping[str, str], limit: int
) -> list[StoredRequest]:
    """The newest requests of a scope by id, public or not: what agents look through.

    Args:
        wanted: columns (`stage`, `visibility`, `service_code`) and the value of each.
    """
    where = "".join(f" AND {name} = :{name}" for name in wanted)
    found = sql.rows(
        connection,
        f"{_SELECT} WHERE request_key BETWEEN :first AND :last{where} "
        "ORDER BY request_key DESC LIMIT :limit",
        {
            "first": scope.request_key(0),
            "last": scope.request_key(MAX_SERVICE_REQUEST_ID),
            "limit": limit,
            **wanted,
        },
    )
    return [_stored_of(row) for row in found]


def public_photo_names(database: Database, scope: Scope, service_request_id: int) -> set[str]:
    """Names of the photos and thumbnails that the public may see of a request."""
    found = database.first(
        "SELECT photos FROM service_request "
        "WHERE request_key = :request_key AND visibility = 'public'",
        {"request_key": scope.request_key(service_request_id)},
    )
    photos = () if found is None else decoded(found[0])
    return {photo[size] for photo in photos for size in ("name", "thumbnail")}


def named_photos(connection: Connection) -> set[str]:
    """The names of all photos that any request of the installation shows."""
    found = sql.rows(
        connection, "SELECT photos FROM service_request WHERE CAST(photos AS text) <> '[]'"
    )
    photos = (Photo(**photo) for row in found for photo in decoded(row[0]))
    return {name for photo in photos for name in (photo.name, photo.thumbnail)}


def photos_elsewhere(
    connection: Connection, scope: Scope, service_request_id: int, names: Iterable[str]
) -> set[str]:
    """Of some photos, those that another request shows too.

    The one look beyond a scope: equal photos are stored once for the installation.
    """
    own = scope.request_key(service_request_id)
    statement = (
        "SELECT 1 FROM service_request WHERE CAST(photos AS text) LIKE :pattern "
        "AND request_key <> :own LIMIT 1"
    )
    return {
        name
        for name in names
        if sql.first(connection, statement, {"pattern": f'%"{name}"%', "own": own})
    }


def insert_reporter(
    connection: Connection, scope: Scope, service_request_id: int, reporter: Reporter
) -> None:
    """Store who reported, apart from the request."""
    row = {"request_key": scope.request_key(service_request_id), **asdict(reporter)}
    sql.execute(connection, sql.insert("reporter"), row)


def find_reporter(connection: Connection, scope: Scope, service_request_id: int) -> Reporter | None:
    """Who reported, for agents; None when unknown or erased."""
    statement = (
        f"SELECT {', '.join(_REPORTER)} FROM reporter "  # noqa: S608 - our own names
        "WHERE request_key = :request_key"
    )
    key = {"request_key": scope.request_key(service_request_id)}
    found = sql.first(connection, statement, key)
    return None if found is None else Reporter(*found)


def delete_reporter(connection: Connection, scope: Scope, service_request_id: int) -> None:
    """Forget who reported."""
    key = {"request_key": scope.request_key(service_request_id)}
    sql.execute(connection, "DELETE FROM reporter WHERE request_key = :request_key", key)


def _row_of(scope: Scope, stored: StoredRequest) -> dict[str, Any]:
    request = stored.request
    row = {name: getattr(request, name) for name in _OF_REQUEST}
    for name in _DATETIMES:
        row[name] = None if row[name] is None else to_utc_text(row[name])
    return row | {
        "request_key": scope.request_key(request.service_request_id),
        "jurisdiction_key": scope.jurisdiction_key,
        "api_key_id": stored.api_key_id,
        "stage": str(request.stage),
        "visibility": str(request.visibility),
        "kind": str(request.kind),
        "media_urls": _encoded(stored.client_media_urls),
        "photos": _encoded([asdict(photo) for photo in stored.photos]),
        "attributes": _encoded([asdict(answer) for answer in stored.answers]),
    }


def _stored_of(found: sql.Row) -> StoredRequest:
    row = dict(zip(_COLUMNS, found, strict=True))
    answers = tuple(Answer(**answer) for answer in decoded(row["attributes"]))
    return StoredRequest(
        request=_request_of(row, answers),
        photos=tuple(Photo(**photo) for photo in decoded(row["photos"])),
        client_media_urls=tuple(decoded(row["media_urls"])),
        answers=answers,
        api_key_id=row["api_key_id"],
    )


def _request_of(row: Mapping[str, Any], answers: tuple[Answer, ...]) -> ServiceRequest:
    values = {name: row[name] for name in ServiceRequest.__slots__ if name in row}
    for name in _DATETIMES:
        values[name] = None if values[name] is None else from_stored(values[name])
    values |= {
        "stage": Stage(row["stage"]),
        "visibility": Visibility(row["visibility"]),
        "kind": Kind(row["kind"]),
        "is_staff": bool(row["is_staff"]),
        "attributes": tuple(answer for answer in answers if answer.public),
        "media_urls": (),
    }
    return ServiceRequest(**values)


def _encoded(value: Any) -> str:
    return _encode(value) if value else "[]"


def decoded(value: Any) -> Any:
    """A JSON column as the driver gives it: text on SQLite, already read on PostgreSQL."""
    return json.loads(value) if isinstance(value, str | bytes) else value
