"""Where requests came from, when another server passed them on."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection

from open311.domain.hops import first_of
from open311.storage import sql
from open311.storage.delivery_models import RequestOriginRow
from open311.storage.requests import decoded
from open311.storage.scope import Scope, jurisdiction_key_of, service_request_id_of

_TABLE = RequestOriginRow.__tablename__


def put_origin(connection: Connection, request_key: int, hops: Sequence[str]) -> None:
    """Remember the places that a request passed.

    Args:
        hops: oldest first (domain.hops); at least one.
    """
    server_id, origin_id = first_of(hops)
    row = {
        "request_key": request_key,
        "jurisdiction_key": jurisdiction_key_of(request_key),
        "server_id": server_id,
        "origin_id": origin_id,
        "hops": json.dumps(list(hops)),
    }
    sql.execute(connection, sql.insert(_TABLE), row)


def find_origin(connection: Connection, scope: Scope, server_id: str, origin_id: str) -> int | None:
    """The id of what already came from there to this jurisdiction, or None.

    On PostgreSQL, who looks second waits until the first has committed what he adds;
    on SQLite one transaction writes at a time.
    """
    parameters = {
        "jurisdiction_key": scope.jurisdiction_key,
        "server_id": server_id,
        "origin_id": origin_id,
    }
    if connection.dialect.name == "postgresql":
        named = {"name": f"open311 origin {scope.jurisdiction_key} {server_id}/{origin_id}"}
        sql.first(connection, "SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))", named)
    found = sql.first(
        connection,
        f"SELECT request_key FROM {_TABLE} WHERE jurisdiction_key = :jurisdiction_key "  # noqa: S608
        "AND server_id = :server_id AND origin_id = :origin_id",
        parameters,
    )
    return None if found is None else service_request_id_of(found[0])


def hops_of(connection: Connection, request_key: int) -> tuple[str, ...]:
    """The places that a request passed before ours, oldest first."""
    found = sql.first(
        connection,
        f"SELECT hops FROM {_TABLE} WHERE request_key = :key",  # noqa: S608 - our own name
        {"key": request_key},
    )
    return () if found is None else tuple(decoded(found[0]))


def own_server_id(connection: Connection) -> str:
    """This server's id among all servers, made once by the migration."""
    found = sql.first(connection, "SELECT server_id FROM installation")
    assert found is not None, "the installation row is made by the first migration"
    return str(found[0])
