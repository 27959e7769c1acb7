"""One ticket with everything in it, and photos, for the tests of every engine."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from open311.domain.delivery import Attachment, Ticket
from open311.domain.request import Answer, Reporter

PHOTOS = Path(__file__).parents[2] / "fixtures" / "photos"
LOOPBACK = ("127.0.0.0/8", "::1/128")

TICKET = Ticket(
    key="s0123456789-12",
    service_request_id="12",
    jurisdiction_id="gentilly.fr",
    service_code="proprete",
    service_name="Dépôt sauvage",
    requested_datetime=datetime(2026, 11, 16, 9, 30, tzinfo=UTC),
    public_url="https://demandes.example/open311/gentilly.fr/v2/requests/12.json",
    group="Propreté",
    title="Gravats",
    description="Des gravats <devant> l’école ; passage « bloqué ».\nDeuxième ligne.",
    lat=48.8130,
    long=2.3444,
    x=651856.48,
    y=6857192.14,
    epsg=2154,
    address="12 rue de l’Église",
    zipcode="94250",
    reporter=Reporter(email="a.b@example.org", first_name="Ana", last_name="Blé"),
    attributes=(Answer("TYPE", "Quels déchets ?", "Gravats", "gravats"),),
)


def photo(number: int = 1, name: str = "nid-de-poule.jpg") -> Attachment:
    """A real photo of the fixtures, as the n-th of the ticket."""
    content = (PHOTOS / name).read_bytes()
    return Attachment(
        name=f"12-{number}.jpg",
        media_type="image/jpeg",
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        url=f"https://demandes.example/media/12-{number}.jpg",
    )


def ticket(**changes: Any) -> Ticket:
    """The ticket, with changes."""
    return replace(TICKET, **changes)


def ticket_with_photos(count: int = 2, **changes: Any) -> Ticket:
    """The ticket with photos, whose links it tells as well."""
    photos = tuple(photo(number) for number in range(1, count + 1))
    return ticket(photos=photos, media_urls=tuple(each.url for each in photos), **changes)
