"""The names that a profile may ask for, and the values of a ticket under those names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from open311.domain.delivery import Attachment, Ticket, TicketReceipt
from open311.domain.request import Answer, Reporter

_PLAIN = (
    "key",
    "service_request_id",
    "jurisdiction_id",
    "service_code",
    "service_name",
    "requested_datetime",
    "public_url",
    "stage",
    "group",
    "title",
    "description",
    "status_notes",
    "lat",
    "long",
    "x",
    "y",
    "epsg",
    "address",
    "address_id",
    "zipcode",
    "service_object_id",
    "service_object_type",
    "kind",
    "priority",
    "is_staff",
)
REPORTER_FIELDS = ("email", "first_name", "last_name", "phone")

#: Made of several fields: a subject line, everything an agent needs, lists.
_COMPOSED = ("summary", "details", "attributes", "media_urls", "origin")
TICKET_NAMES = frozenset(_PLAIN + _COMPOSED) | {f"reporter.{each}" for each in REPORTER_FIELDS}
RECEIPT_NAMES = frozenset({"ticket_id", "number", "ticket_url", "ticket_status", "etag"})
FILE_NAMES = frozenset(
    f"file.{each}" for each in ("name", "media_type", "content", "sha256", "url")
)
NOTE_NAMES = frozenset({"note.text", "note.key"})
STATUS_NAMES = frozenset({"status.stage", "status.note"})
#: Names of which only the beginning is fixed.
OPEN_PREFIXES = ("attribute.",)

Values = Mapping[str, Any]


def is_known(name: str, names: Collection[str], prefixes: Collection[str] = ()) -> bool:
    """Whether a profile may ask for this name there."""
    return name in names or any(
        name.startswith(prefix) and len(name) > len(prefix) for prefix in prefixes
    )


def ticket_values(ticket: Ticket) -> dict[str, Any]:
    """Everything a profile may say of a ticket; an attribute with several values is a list."""
    values: dict[str, Any] = {name: getattr(ticket, name) for name in _PLAIN}
    values |= {f"reporter.{each}": getattr(ticket.reporter, each) for each in REPORTER_FIELDS}
    values |= {
        "summary": summary(ticket),
        "details": details(ticket),
        "attributes": [_line(answer) for answer in ticket.attributes],
        "media_urls": list(ticket.media_urls),
        "origin": list(ticket.origin),
    }
    for answer in ticket.attributes:
        values.setdefault(f"attribute.{answer.code}", []).append(answer.value)
    return {
        name: value[0] if name.startswith("attribute.") and len(value) == 1 else value
        for name, value in values.items()
    }


def receipt_values(receipt: TicketReceipt) -> dict[str, Any]:
    """What a profile may say of the ticket in the tool."""
    return {
        "ticket_id": receipt.ticket_id,
        "number": receipt.number,
        "ticket_url": receipt.url,
        "ticket_status": receipt.status,
        "etag": receipt.etag,
    }


def file_values(attachment: Attachment) -> dict[str, Any]:
    """What a profile may say of a photo; `file.content` is bytes (base64 in a text)."""
    return {
        "file.name": attachment.name,
        "file.media_type": attachment.media_type,
        "file.content": attachment.content,
        "file.sha256": attachment.sha256,
        "file.url": attachment.url,
    }


def allowed_reporter(ticket: Ticket, allowed: Collection[str]) -> Ticket:
    """The ticket without what the destination may not know of its reporter."""
    kept = {name: getattr(ticket.reporter, name) for name in REPORTER_FIELDS if name in allowed}
    return replace(ticket, reporter=Reporter(**kept))


def summary(ticket: Ticket) -> str:
    """One line for a list: the title, or the service and the place."""
    if ticket.title:
        return " ".join(ticket.title.split())
    place = ticket.address or ticket.zipcode
    return " — ".join(part for part in (ticket.service_name, place) if part)


def details(ticket: Ticket) -> str:
    """All that an agent needs, as plain French lines: for tools with one text field."""
    facts = {
        "Demande": f"n° {ticket.service_request_id}, {ticket.service_name}",
        "Adresse": ticket.address,
        "Position": _position(ticket),
        "Équipement": ticket.service_object_id,
    }
    lines = [f"{label} : {fact}" for label, fact in facts.items() if fact]
    lines += [_line(answer) for answer in ticket.attributes]
    lines += [f"Photo : {url}" for url in ticket.media_urls]
    lines.append(f"Suivi : {ticket.public_url}")
    return "\n\n".join(part for part in (ticket.description, "\n".join(lines)) if part)


def _position(ticket: Ticket) -> str | None:
    if ticket.lat is None or ticket.long is None:
        return None
    return f"latitude {ticket.lat:.6f}, longitude {ticket.long:.6f}"


def _line(answer: Answer) -> str:
    return f"{answer.label or answer.code} : {answer.name or answer.value}"
