"""All that one step needs, read before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from open311.domain.delivery import (
    Attachment,
    Capabilities,
    DeliveryKind,
    DeliveryState,
    Destination,
    Ticket,
    TicketReceipt,
)
from open311.domain.errors import InvalidRequest, NotFound
from open311.domain.history import note_of
from open311.domain.request import Photo, Reporter, RequestUpdate, StoredRequest
from open311.domain.status import Visibility
from open311.operations.installation import Installation, Side
from open311.operations.routing import ticket_key
from open311.operations.tickets import compose_attachment, compose_ticket
from open311.storage import origins, outbox, requests, tickets, updates
from open311.storage.deliveries import StoredDelivery

NEVER_SENT = (Visibility.REJECTED, Visibility.SPAM, Visibility.ERASED)
#: Why a step was withdrawn that goes after all once its request is published again.
NOT_TO_BE_SENT = "la demande n'est plus à transmettre."


@dataclass(frozen=True, slots=True)
class Parcel:
    """A ticket and what this step adds to it.

    Attributes:
        receipt: the ticket in the tool, for every step but its creation.
        text: the public note; `stage_words`: the stage it leads to, in words.
    """

    ticket: Ticket
    receipt: TicketReceipt | None = None
    attachment: Attachment | None = None
    text: str | None = None
    stage_words: str | None = None

    @property
    def has_words(self) -> bool:
        """Whether it says something beside the stage."""
        return bool(self.text)


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Nothing is to be sent: there is no longer a reason, or never was one for this tool."""

    state: DeliveryState
    why: str


@dataclass(frozen=True, slots=True)
class _Read:
    """What the database knows of a step."""

    stored: StoredRequest
    reporter: Reporter | None
    receipt: TicketReceipt | None
    update: RequestUpdate | None
    origin: tuple[str, ...]


def pack(
    installation: Installation,
    side: Side,
    destination: Destination,
    delivery: StoredDelivery,
    can: Capabilities,
) -> Parcel | Withdrawn:
    """Read and compose one step.

    Raises:
        InvalidRequest: its position cannot be said in the destination's frame, or the
            destination is another jurisdiction's now.
        NotFound: a photo is gone. Unavailable: database or media cannot be read.
    """
    if delivery.jurisdiction_key != side.scope.jurisdiction_key:
        raise InvalidRequest(
            f"« {destination.name} » est passée à une autre collectivité que celle de la demande."
        )
    with installation.database.connect() as connection:
        read = _read(connection, side, delivery)
    if read is None or read.stored.request.visibility in NEVER_SENT:
        return Withdrawn(DeliveryState.CANCELLED, NOT_TO_BE_SENT)
    ticket = compose_ticket(
        installation,
        side,
        destination,
        read.stored,
        key=ticket_key(outbox.server_id(installation.database), delivery.service_request_id),
        reporter=read.reporter,
        origin=read.origin,
    )
    if delivery.kind is DeliveryKind.CREATE:
        return Parcel(_with_photos(installation, side, ticket, read.stored, can))
    if delivery.kind is DeliveryKind.PHOTO:
        return _photo_parcel(installation, side, delivery, can, ticket, read)
    return _update_parcel(side, delivery, can, ticket, read)


def _read(connection: Connection, side: Side, delivery: StoredDelivery) -> _Read | None:
    scope, id_ = side.scope, delivery.service_request_id
    stored = requests.find_request(connection, scope, id_)
    if stored is None:
        return None
    ticket = tickets.find_ticket(connection, delivery.destination, delivery.request_key)
    wanted = delivery.payload.get("update_key")
    history = updates.updates_of(connection, scope, id_, public_only=True) if wanted else []
    return _Read(
        stored,
        requests.find_reporter(connection, scope, id_),
        ticket.receipt if ticket else None,
        next((update for update in history if update.update_key == wanted), None),
        origins.hops_of(connection, delivery.request_key),
    )


def _with_photos(
    installation: Installation, side: Side, ticket: Ticket, stored: StoredRequest, can: Capabilities
) -> Ticket:
    """The ticket with its photos inside, for tools that take all at once."""
    if not can.inline_photos:
        return ticket
    photos = enumerate(stored.photos, start=1)
    return replace(
        ticket,
        photos=tuple(
            compose_attachment(installation, side, stored, photo, number)
            for number, photo in photos
        ),
    )


def _photo_parcel(
    installation: Installation,
    side: Side,
    delivery: StoredDelivery,
    can: Capabilities,
    ticket: Ticket,
    read: _Read,
) -> Parcel | Withdrawn:
    if not can.attach or can.inline_photos:
        return Withdrawn(DeliveryState.DONE, "les photos sont déjà dans le ticket.")
    photo = _photo(read.stored, str(delivery.payload["photo"]))
    number = int(delivery.payload["number"])
    attachment = compose_attachment(installation, side, read.stored, photo, number)
    return Parcel(ticket, read.receipt, attachment)


def _photo(stored: StoredRequest, name: str) -> Photo:
    for photo in stored.photos:
        if photo.name == name:
            return photo
    raise NotFound(f"La photo {name} n'est plus dans la demande.")


def _update_parcel(
    side: Side, delivery: StoredDelivery, can: Capabilities, ticket: Ticket, read: _Read
) -> Parcel | Withdrawn:
    update = read.update
    if update is None:
        return Withdrawn(DeliveryState.DONE, "rien de public à transmettre.")
    is_status = delivery.kind is DeliveryKind.STATUS
    if not (can.comment or (is_status and can.set_status)):
        return Withdrawn(DeliveryState.DONE, "l'outil ne prend ni état ni commentaire.")
    text = "\n".join((*([update.description] if update.description else ()), *update.media_urls))
    return Parcel(
        replace(ticket, stage=str(update.stage)),
        read.receipt,
        text=text or None,
        stage_words=note_of(update, side.jurisdiction.language).summary,
    )
