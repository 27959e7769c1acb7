"""The way of a request that servers pass on to one another: its hops, as `Via` tells them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from open311.domain.errors import InvalidRequest

#: Which servers a request passed: `server_id/service_request_id`, oldest first, by commas.
ORIGIN_HEADER = "Open311-Origin"
#: A request that passed so many servers is passed on no more.
MAX_HOPS = 3
_HOP = re.compile(r"[\w.-]{1,120}/[\w.-]{1,120}", re.ASCII)


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
            f"{ORIGIN_HEADER} : au plus {MAX_HOPS} étapes « serveur/numéro », séparées par "
            "des virgules, sont attendues.",
            field=ORIGIN_HEADER,
        )
    return hops


def written_hops(hops: Sequence[str]) -> str:
    """The header of some hops."""
    return ", ".join(hops)


def hop_of(ticket_key: str) -> str:
    """The hop of a ticket's key (`server_id-service_request_id`)."""
    server_id, _, id_ = ticket_key.rpartition("-")
    return f"{server_id}/{id_}"


def passed(server_id: str | None, hops: Sequence[str]) -> bool:
    """Whether a request has been at a server."""
    return server_id is not None and any(hop.partition("/")[0] == server_id for hop in hops)
