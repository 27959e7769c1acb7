"""The doors through which tools and their people come in: webhooks and signed links."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from open311.adapters.hook_schemes import Hook, HookRefused, check_hook
from open311.adapters.profile import Profile, ProfileFaults
from open311.adapters.registry import settings_of
from open311.domain.delivery import Destination, TicketChange
from open311.domain.errors import Forbidden, NotFound
from open311.domain.request import StoredRequest
from open311.domain.signed_link import SignedLink, check_link, destination_of_link
from open311.domain.status import Stage, Visibility, is_open
from open311.domain.told_text import storable
from open311.operations.inbound import Taken, apply_change
from open311.operations.installation import Installation, Side
from open311.storage import inbox, requests, tickets
from open311.storage.inbox import InboxEvent

LINK_IS_OVER = "Cette demande est close : ce lien ne sert plus. Répondez au courriel s'il le faut."
#: A hint needs no more; what it tells is read again in the tool.
MAX_HOOK_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """A link that is good, and the request that it opens.

    Attributes:
        stage: where its action leads.
    """

    link: SignedLink
    side: Side
    destination: Destination
    profile: Profile
    stage: Stage
    stored: StoredRequest

    @property
    def is_done(self) -> bool:
        """Whether the request stands there already."""
        return self.stored.request.stage is self.stage

    @property
    def is_over(self) -> bool:
        """Whether the request was closed otherwise: its links serve no more, unless reopened."""
        return not self.is_done and not is_open(self.stored.request.stage)


def find_destination(installation: Installation, name: str) -> tuple[Side, Destination] | None:
    """A destination by its name, and the production side that declares it."""
    for (_, environment), side in installation.sides.items():
        for destination in side.jurisdiction.destinations:
            if environment == "production" and destination.name == name:
                return side, destination
    return None


def receive_hook(installation: Installation, name: str, hook: Hook) -> bool:
    """Keep a webhook for the worker; False when it came before: nothing follows then.

    Which ticket to look at is kept, and nothing of what it says.

    Raises:
        HookRefused: no such destination, it takes no webhooks, or this one is not its own.
    """
    found = find_destination(installation, name)
    if found is None:
        raise HookRefused("Ce webhook n'est pas signé comme il le faut.")
    try:
        _, filled = settings_of(found[1])
    except ProfileFaults as error:
        raise HookRefused("Ce webhook n'est pas signé comme il le faut.") from error
    now = installation.now()
    checked = check_hook(hook, filled, now)
    event = InboxEvent(name, storable(checked.event_id), checked.ticket_id, "", inbox.WAITING)
    return installation.database.write(lambda connection: inbox.put_event(connection, event, now))


def open_link(installation: Installation, token: str) -> OpenedLink:
    """The request that a signed link opens.

    Raises:
        Forbidden: it was not signed by its destination, or has expired.
        NotFound: its request is not there any more.
    """
    found = find_destination(installation, destination_of_link(token))
    if found is None:
        raise Forbidden("Ce lien n'est pas valable : son service n'existe plus ici.")
    side, destination = found
    profile, filled = settings_of(destination)
    key = filled.get("link_key")
    if not key:
        raise Forbidden("Ce lien n'est pas valable : ce service n'a plus de liens.")
    link = check_link(token, key.encode(), now=installation.now())
    stage = profile.stage_of(link.action)
    if stage is None:
        raise Forbidden("Ce lien n'est pas valable : cette action n'existe plus.")
    with installation.database.connect() as connection:
        stored = _stored(connection, side, link)
    return OpenedLink(link, side, destination, profile, Stage(stage), stored)


def follow_link(
    installation: Installation, opened: OpenedLink, *, note: str | None, now: datetime
) -> Taken:
    """Do what a link allows, once: the same click again changes nothing.

    The note is for the public; it explains a refusal.

    Raises:
        Forbidden: the request was closed since the link was sent.
    """
    link, request = opened.link, opened.stored.request
    # What was seen is part of it: the same link may serve again after a reopening.
    seen = (link.ticket_id, link.action, note, request.stage, request.updated_datetime)
    change = TicketChange(
        ticket_id=link.ticket_id,
        event_id=f"link:{hashlib.sha256(repr(seen).encode()).hexdigest()}",
        changed_datetime=now,
        status=link.action,
        note=note,
    )

    def follow(connection: Connection) -> Taken:
        stored = _stored(connection, opened.side, link, lock=True)
        if replace(opened, stored=stored).is_over:  # closed while the page was being read
            raise Forbidden(LINK_IS_OVER)
        return apply_change(
            connection,
            opened.side,
            opened.destination,
            change,
            stage_of=opened.profile.stage_of,
            public_url=installation.public_url,
            now=now,
        )

    return installation.database.write(follow)


def _stored(
    connection: Connection, side: Side, link: SignedLink, *, lock: bool = False
) -> StoredRequest:
    ticket = tickets.find_by_ticket_id(connection, link.destination, link.ticket_id)
    stored = None
    if ticket is not None:
        id_ = ticket.service_request_id
        stored = requests.find_request(connection, side.scope, id_, lock=lock)
    if stored is None or stored.request.visibility is Visibility.ERASED:
        raise NotFound("Cette demande n'existe plus.")
    return stored
