"""From a stored request to the ticket that adapters know."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from open311.domain.crs import from_wgs84
from open311.domain.delivery import Attachment, Destination, Ticket
from open311.domain.errors import InvalidRequest
from open311.domain.request import Photo, Reporter, StoredRequest
from open311.operations.installation import Installation, Side
from open311.operations.publishing import photo_url
from open311.storage.media import MediaStore

_MEDIA_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


def compose_ticket(
    installation: Installation,
    side: Side,
    destination: Destination,
    stored: StoredRequest,
    *,
    key: str,
    reporter: Reporter | None,
    origin: Sequence[str],
) -> Ticket:
    """The ticket of a request as it stands now.

    Raises:
        InvalidRequest: the position lies outside the jurisdiction, and the destination
            does not allow it; or it cannot be given in the destination's frame.
    """
    request, public_url = stored.request, installation.public_url
    service = side.jurisdiction.services.get(request.service_code)
    ticket = Ticket(
        key=key,
        service_request_id=str(request.service_request_id),
        jurisdiction_id=side.jurisdiction.jurisdiction_id,
        service_code=request.service_code,
        service_name=request.service_name,
        requested_datetime=request.requested_datetime,
        public_url=f"{public_url}{side.path}/v2/requests/{request.service_request_id}.json",
        stage=str(request.stage),
        group=service.group.default if service else "",
        title=request.title,
        description=request.description,
        status_notes=request.status_notes,
        lat=request.lat,
        long=request.long,
        address=request.address,
        address_id=request.address_id,
        zipcode=request.zipcode,
        service_object_id=request.service_object_id,
        service_object_type=request.service_object_type,
        kind=str(request.kind),
        is_staff=request.is_staff,
        reporter=reporter or Reporter(),
        attributes=stored.answers,
        media_urls=_media_urls(side, stored, public_url),
        origin=tuple(origin),
    )
    return _placed(ticket, side, destination)


def _media_urls(side: Side, stored: StoredRequest, public_url: str) -> tuple[str, ...]:
    own = (photo_url(side, stored.request, photo.name, public_url) for photo in stored.photos)
    return (*own, *stored.client_media_urls)


def compose_attachment(
    installation: Installation, side: Side, stored: StoredRequest, photo: Photo, number: int
) -> Attachment:
    """One photo with its bytes, under a name that never changes.

    Raises:
        NotFound: the photo is gone. Unavailable: the media store cannot be read.
    """
    request = stored.request
    content = _read(installation.media, photo.name)
    suffix = PurePosixPath(photo.name).suffix
    return Attachment(
        name=f"{request.service_request_id}-{number}{suffix}",
        media_type=_MEDIA_TYPES.get(suffix, "application/octet-stream"),
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        url=photo_url(side, request, photo.name, installation.public_url),
    )


def _read(media: MediaStore, name: str) -> bytes:
    with media.open(name) as stream:
        return stream.read()


def _placed(ticket: Ticket, side: Side, destination: Destination) -> Ticket:
    """The ticket with x and y, if its destination wants them and there is a position."""
    if ticket.lat is None or ticket.long is None:
        return ticket
    _check_inside(ticket.lat, ticket.long, side, destination)
    if destination.epsg is None:
        return ticket
    try:
        x, y = from_wgs84(ticket.lat, ticket.long, destination.epsg)
    except ValueError as error:
        raise InvalidRequest(
            f"La position {ticket.lat}, {ticket.long} ne se dit pas en EPSG:{destination.epsg} "
            f"({error}) ; corrigez epsg de « {destination.name} »."
        ) from error
    return replace(ticket, x=x, y=y, epsg=destination.epsg)


def _check_inside(lat: float, long: float, side: Side, destination: Destination) -> None:
    """The last look at swapped axes, before a crew is sent to the wrong place."""
    territory = side.jurisdiction
    if destination.outside != "allow" and not territory.boundary.contains(lat, long):
        raise InvalidRequest(
            f"La position {lat}, {long} est hors de « {territory.name} » : le contour a changé, "
            'ou les axes sont inversés ; rien n\'est envoyé (outside = "allow" dans la '
            f"destination « {destination.name} » le permettrait)."
        )
