"""Where requests came from, when another server passed them on."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection

from open311.storage import sql
from open311.storage.delivery_models import RequestOriginRow
from open311.storage.requests import decoded

_TABLE = RequestOriginRow.__tablename__


def put_origin(connection: Connection, request_key: int, hops: Sequence[str]) -> None:
    """Remember the servers that a request passed.

    Args:
        hops: `server_id/service_request_id` of each, oldest first; at least one.
    """
    server_id, _, origin_id = hops[0].partition("/")
    row = {
        "request_key": request_key,
        "server_id": server_id,
        "origin_id": origin_id,
        "hops": json.dumps(list(hops)),
    }
    sql.execute(connection, sql.insert(_TABLE), row)


def find_origin(connection: Connection, server_id: str, origin_id: str) -> int | None:
    """The request_key of what already came from there, or None."""
    found = sql.first(
        connection,
        f"SELECT request_key FROM {_TABLE} "  # noqa: S608 - our own name
        "WHERE server_id = :server_id AND origin_id = :origin_id",
        {"server_id": server_id, "origin_id": origin_id},
    )
    return None if found is None else int(found[0])


def hops_of(connection: Connection, request_key: int) -> tuple[str, ...]:
    """The servers that a request passed before ours, oldest first."""
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
