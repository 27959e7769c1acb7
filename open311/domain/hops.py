"""The way of a request that servers pass on to one another: its hops, as `Via` tells them.

A *place* is a jurisdiction on a server, `server_id/jurisdiction_id`: two jurisdictions of
one server pass requests on to each other as two servers do. A hop is a place and the
request's number there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from open311.domain.errors import InvalidRequest

#: The places that a request passed, oldest first, by commas; each is
#: `server_id/jurisdiction_id/service_request_id` (or without the jurisdiction: anywhere on
#: that server).
ORIGIN_HEADER = "Open311-Origin"
#: A request that passed so many places is passed on no more.
MAX_HOPS = 3
_HOP = re.compile(r"[\w.-]{1,120}(/[\w.-]{1,120}){1,2}", re.ASCII)


def read_hops(header: str | None) -> tuple[str, ...]:
    """The hops that a header tells, oldest first; none without a header.

    Raises:
        InvalidRequest: it cannot be read, or there are too many.
    """
    if header is None or not header.strip():
        return ()
    hops = tuple(each.strip() for each in header.split(","))
    if len(hops) > MAX_HOPS or not all(_HOP.fullmatch(hop) for hop in hops):
        raise InvalidRequest(
            f"{ORIGIN_HEADER} : au plus {MAX_HOPS} étapes « serveur/collectivité/numéro », "
            "séparées par des virgules, sont attendues.",
            field=ORIGIN_HEADER,
        )
    return hops


def written_hops(hops: Sequence[str]) -> str:
    """The header of some hops."""
    return ", ".join(hops)


def place_of(server_id: str, jurisdiction_id: str) -> str:
    """A jurisdiction of a server, as hops name it."""
    return f"{server_id}/{jurisdiction_id}"


def hop_of(ticket_key: str, jurisdiction_id: str) -> str:
    """The hop of a ticket's key (`server_id-service_request_id`)."""
    server_id, _, id_ = ticket_key.rpartition("-")
    return f"{place_of(server_id, jurisdiction_id)}/{id_}"


def first_of(hops: Sequence[str]) -> tuple[str, str]:
    """The server where a request began, and its number there."""
    parts = hops[0].split("/")
    return parts[0], parts[-1]


def passed(place: str | None, hops: Sequence[str]) -> bool:
    """Whether a request has been at a place.

    Args:
        place: without a jurisdiction, anywhere on that server.
    """
    if place is None:
        return False
    server_id, _, jurisdiction_id = place.partition("/")
    return any(_is_at(hop.split("/"), server_id, jurisdiction_id) for hop in hops)


def _is_at(hop: list[str], server_id: str, jurisdiction_id: str) -> bool:
    """What one of both does not say is taken for the same: rather stop than go round."""
    told = hop[1] if len(hop) == 3 else ""
    return hop[0] == server_id and (not jurisdiction_id or not told or told == jurisdiction_id)
