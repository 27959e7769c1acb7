"""Requests that other servers pass on to us: one request whatever way, and no circles."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from open311.domain.errors import InvalidRequest
from open311.domain.hops import ORIGIN_HEADER, passed
from open311.operations.follow_up import Step, take_step
from open311.operations.installation import Side
from open311.storage import origins
from open311.storage.database import Database
from open311.storage.scope import service_request_id_of


def arrived_before(
    connection: Connection, side: Side, hops: tuple[str, ...], *, now: datetime, public_url: str
) -> int | None:
    """The request that came from the same origin before, by whatever way; a note says so.

    Raises:
        InvalidRequest: it comes from this very server, or is known in another
            jurisdiction of it.
    """
    if passed(origins.own_server_id(connection), hops):
        raise InvalidRequest(
            f"{ORIGIN_HEADER} : cette demande est déjà passée par ce serveur.", field=ORIGIN_HEADER
        )
    server_id, _, origin_id = hops[0].partition("/")
    request_key = origins.find_origin(connection, server_id, origin_id)
    if request_key is None:
        return None
    id_ = service_request_id_of(request_key)
    if side.scope.request_key(id_) != request_key:
        raise InvalidRequest(
            f"{ORIGIN_HEADER} : cette demande est déjà arrivée dans une autre collectivité.",
            field=ORIGIN_HEADER,
        )
    note = f"Reçue une seconde fois, par {', '.join(hops)}."
    step = Step(internal_note=note, author="tool", tell_tools=False)
    take_step(connection, side, id_, step, public_url=public_url, now=now)
    return id_


def server_id(database: Database) -> str:
    """This server's id, which peers name in their setting `peer_id`."""
    with database.connect() as connection:
        return origins.own_server_id(connection)
