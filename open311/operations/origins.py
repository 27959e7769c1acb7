"""Requests that other servers pass on to us: one request whatever way, and no circles."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from open311.domain.errors import InvalidRequest
from open311.domain.hops import ORIGIN_HEADER, first_of, passed, place_of
from open311.operations.follow_up import Step, take_step
from open311.operations.installation import Side
from open311.storage import origins
from open311.storage.database import Database


def arrived_before(
    connection: Connection, side: Side, hops: tuple[str, ...], *, now: datetime, public_url: str
) -> int | None:
    """The request that came from the same origin before, by whatever way; a note says so.

    Raises:
        InvalidRequest: it has been here already: it goes round.
    """
    here = place_of(origins.own_server_id(connection), side.jurisdiction.jurisdiction_id)
    if passed(here, hops):
        raise InvalidRequest(
            f"{ORIGIN_HEADER} : cette demande est déjà passée par cette collectivité.",
            field=ORIGIN_HEADER,
        )
    id_ = origins.find_origin(connection, side.scope, *first_of(hops))
    if id_ is None:
        return None
    note = f"Reçue une seconde fois, par {', '.join(hops)}."
    step = Step(internal_note=note, author="tool", tell_tools=False)
    take_step(connection, side, id_, step, public_url=public_url, now=now)
    return id_


def place(database: Database, side: Side) -> str:
    """This jurisdiction among all servers', which peers name in their setting `peer_id`."""
    with database.connect() as connection:
        return place_of(origins.own_server_id(connection), side.jurisdiction.jurisdiction_id)
