"""Requests in bulk: reading them by ranges of keys, keeping the ids they come with."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from open311.domain.request import Reporter
from open311.storage import sql
from open311.storage.database import Database
from open311.storage.scope import MAX_SERVICE_REQUEST_ID, Scope, service_request_id_of
from open311.storage.types import to_utc_text

_REPORTER = tuple(Reporter.__slots__)


def listed_after(
    database: Database,
    scope: Scope,
    service_request_id: int,
    limit: int,
    columns: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[sql.Row]:
    """The next listed documents by id: rows of (request_key, *columns).

    Args:
        columns: names of columns of public_document, our own words.
        since, until: bounds of requested_datetime, both included.
    """
    where, parameters = _listed(scope, service_request_id, since, until)
    return database.rows(
        f"SELECT request_key, {columns} FROM public_document WHERE {where} "  # noqa: S608
        "ORDER BY request_key LIMIT :limit",
        parameters | {"limit": limit},
    )


def count_listed(
    database: Database, scope: Scope, since: datetime | None, until: datetime | None
) -> int:
    """How many documents `listed_after` will give in all."""
    where, parameters = _listed(scope, 0, since, until)
    found = database.first(f"SELECT count(*) FROM public_document WHERE {where}", parameters)  # noqa: S608
    assert found is not None
    return int(found[0])


def count_requests(database: Database, scope: Scope) -> int:
    """How many requests a scope holds, public or not."""
    found = database.first(
        "SELECT count(*) FROM service_request WHERE request_key BETWEEN :first AND :last",
        _keys(scope, 0),
    )
    assert found is not None
    return int(found[0])


def reporters_between(
    connection: Connection, scope: Scope, first: int, last: int
) -> dict[int, Reporter]:
    """Who reported the requests of a range of ids, both ends included, by id."""
    found = sql.rows(
        connection,
        f"SELECT request_key, {', '.join(_REPORTER)} FROM reporter "  # noqa: S608
        "WHERE request_key BETWEEN :first AND :last",
        {"first": scope.request_key(first), "last": scope.request_key(last)},
    )
    return {service_request_id_of(row[0]): Reporter(*row[1:]) for row in found}


def id_is_taken(connection: Connection, service_request_id: int) -> bool:
    """Whether any request of the installation has this id."""
    found = sql.first(
        connection,
        "SELECT 1 FROM service_request WHERE service_request_id = :id",
        {"id": service_request_id},
    )
    return found is not None


def move_ids_past(connection: Connection, service_request_id: int) -> None:
    """Make the installation's sequence go on behind an id; it never goes back.

    PostgreSQL has no "at least" for sequences: altering one makes everybody who
    wants an id wait until this transaction ends, so that none is lowered or given twice.
    """
    wanted = {"id": service_request_id}
    if connection.dialect.name == "sqlite":
        sql.execute(
            connection,
            "UPDATE installation SET last_service_request_id = max(last_service_request_id, :id)",
            wanted,
        )
        return
    sql.execute(connection, "ALTER SEQUENCE service_request_id_seq NO CYCLE")
    sql.rows(
        connection,
        "SELECT setval('service_request_id_seq', :id) FROM service_request_id_seq "
        "WHERE last_value < :id OR NOT is_called AND last_value = :id",
        wanted,
    )


def last_id(connection: Connection) -> int:
    """The last id that the sequence gave; 0 before the first."""
    statement = (
        "SELECT last_service_request_id FROM installation"
        if connection.dialect.name == "sqlite"
        else "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM service_request_id_seq"
    )
    found = sql.first(connection, statement)
    assert found is not None
    return int(found[0])


def _listed(
    scope: Scope, after: int, since: datetime | None, until: datetime | None
) -> tuple[str, dict[str, Any]]:
    """A range of the primary key, which holds one scope and no other."""
    where = "request_key BETWEEN :first AND :last AND shown = 'list'"
    parameters = _keys(scope, after)
    if since is not None:
        where += " AND requested_datetime >= :since"
        parameters["since"] = to_utc_text(since)
    if until is not None:
        where += " AND requested_datetime <= :until"
        parameters["until"] = to_utc_text(until)
    return where, parameters


def _keys(scope: Scope, after: int) -> dict[str, Any]:
    return {
        "first": scope.request_key(after + 1),
        "last": scope.request_key(MAX_SERVICE_REQUEST_ID),
    }
