"""The engine `webhook`: every step as a signed event to an address (Standard Webhooks 1.0.0).

The id of an event is the same at every attempt, so that the receiver can drop a repeat;
the timestamp and the signature are of the attempt. Thin by default: ids and a link,
nothing of the citizen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from requests import Request

from open311.adapters.contract import Adapter, DeniedMethods
from open311.adapters.destination_settings import reporter_fields
from open311.adapters.hook_schemes import signature, standard_key
from open311.adapters.outcomes import failure_of
from open311.adapters.profile import Filled, Profile, ProfileFaults, Setting
from open311.adapters.profile_fields import Known
from open311.adapters.profile_file import Kind
from open311.adapters.transforms import as_text
from open311.adapters.vocabulary import REPORTER_FIELDS, allowed_reporter, ticket_values
from open311.adapters.wire import HTTP_SETTINGS, Reply, Wire
from open311.domain.checked_table import Table
from open311.domain.delivery import (
    Capabilities,
    Destination,
    Exchange,
    Idempotency,
    Ticket,
    TicketReceipt,
    ToolUnauthorized,
)

_GONE = 410  # "the endpoint does not want messages any more"
_THIN = ("key", "service_request_id", "jurisdiction_id", "service_code", "stage", "public_url")
_FULL = (
    *_THIN,
    *("service_name", "group", "requested_datetime", "title", "description", "status_notes"),
    *("lat", "long", "address", "address_id", "zipcode", "service_object_id", "kind", "priority"),
    *("media_urls", *(f"reporter.{each}" for each in REPORTER_FIELDS)),
)
_SETTINGS = {
    **HTTP_SETTINGS,
    "secret": Setting(
        "secret de signature : « whsec_ » et 24 à 64 octets en base64", required=True, secret=True
    ),
    "payload": Setting("thin (identifiants) ou full", default="thin", pattern="thin|full"),
}


class WebhookAdapter(DeniedMethods):
    """One address that takes signed events; see `contract.Adapter`."""

    # What its capabilities deny:
    # lookup_attachment: photos go as links.
    # lookup_comment: the receiver knows by the event's id.
    # lookup: the receiver knows by the event's id.
    # attach: photos go as links.
    # read: an address is not asked.
    # changes: an address tells nothing.

    def __init__(self, profile: Profile, destination: Destination, settings: Filled) -> None:
        self._profile = profile
        self._url = settings.values["base_url"]
        self._secret = settings.values["secret"]
        self._names = _FULL if settings.get("payload") == "full" else _THIN
        self._allowed = reporter_fields(profile, settings)
        self._wire = Wire(destination, settings)

    @property
    def capabilities(self) -> Capabilities:
        """Events go out; what comes back comes through another door."""
        native = Idempotency.NATIVE
        return Capabilities(native, attach=False, comment_idempotency=native, set_status=True)

    def probe(self) -> str:
        """Send an event that says that it is a test."""
        now = datetime.now(UTC).replace(microsecond=0)
        event = {"type": "open311.probe", "timestamp": now.isoformat(), "data": {}}
        reply = self._sent(f"probe-{now.timestamp():.0f}", event)
        return f"{self._profile.title} : HTTP {reply.status}."

    def create(self, ticket: Ticket) -> TicketReceipt:
        """Tell of a new request; its number is the ticket's id."""
        event = self._event("service_request.created", ticket, ticket.requested_datetime)
        reply = self._sent(ticket.key, event, self._persons(ticket))
        return TicketReceipt(ticket.service_request_id, exchange=reply.exchange)

    def comment(self, ticket: Ticket, receipt: TicketReceipt, text: str, key: str) -> Exchange:
        """Tell of a note."""
        del receipt
        event = self._event("service_request.commented", ticket, None, note=text, note_key=key)
        return self._sent(key, event, self._persons(ticket)).exchange

    def set_status(
        self, ticket: Ticket, receipt: TicketReceipt, stage: str, note: str | None
    ) -> Exchange:
        """Tell of a new stage.

        A stage may come back (done, reopened, done): each telling has an id of its own,
        and the same stage told twice changes nothing.
        """
        del receipt
        event = self._event("service_request.moved", ticket, None, stage=stage, note=note)
        event_id = f"{ticket.key}-{stage}-{datetime.now(UTC).timestamp():.0f}"
        return self._sent(event_id, event, self._persons(ticket)).exchange

    def stage_of(self, status: str) -> str | None:
        """Our stage for a status, by the table `status_in`."""
        return self._profile.stage_of(status)

    def preview(self, ticket: Ticket) -> str:
        """The body of the event."""
        event = self._event("service_request.created", ticket, ticket.requested_datetime)
        return json.dumps(event, ensure_ascii=False, indent=2)

    def close(self) -> None:
        """Let connections go."""
        self._wire.close()

    def _event(
        self, type_: str, ticket: Ticket, moment: datetime | None, **more: str | None
    ) -> dict[str, Any]:
        values = ticket_values(allowed_reporter(ticket, self._allowed))
        told = {name: _plain(values.get(name)) for name in self._names}
        if self._names is _THIN:
            more.pop("note", None)  # a citizen's words are not thin
        data = {name: each for name, each in (told | more).items() if each not in (None, "", [])}
        when = (moment or datetime.now(UTC)).isoformat(timespec="seconds")
        return {"type": type_, "timestamp": when, "data": data}

    def _persons(self, ticket: Ticket) -> list[str]:
        told = allowed_reporter(ticket, self._allowed).reporter
        return [value for name in REPORTER_FIELDS if (value := getattr(told, name))]

    def _sent(
        self, event_id: str, event: Mapping[str, Any], persons: list[str] | None = None
    ) -> Reply:
        """Send an event: the receiver drops repeats, so every attempt is safe."""
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        now = int(datetime.now(UTC).timestamp())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(now),
            # Two secrets, old and new, while the receiver rotates.
            "webhook-signature": " ".join(
                signature(each, event_id, now, body) for each in self._secret.split()
            ),
        }
        request = Request("POST", self._url, data=body, headers=headers)
        reply = self._wire.send(request, safe=True, persons=persons or ())
        if reply.status == _GONE:
            raise ToolUnauthorized(
                "Ce point d'accès ne veut plus rien (410).", exchange=reply.exchange
            )
        if not 200 <= reply.status < 300:
            raise failure_of(reply, reply.words(reply.text), safe=True)
        return reply


def _plain(value: Any) -> Any:
    return as_text(value) if isinstance(value, datetime) else value


def _read(table: Table, known: Known) -> None:
    """The kind has no block of its own."""
    del table, known


def _make(profile: Profile, destination: Destination, filled: Filled) -> Adapter:
    try:
        for each in filled.values["secret"].split():
            standard_key(each)
    except ValueError as error:
        raise ProfileFaults(
            f"destination {destination.name}", [f"secrets.secret : {error}"]
        ) from error
    return WebhookAdapter(profile, destination, filled)


WEBHOOK = Kind(read=_read, make=_make, settings=_SETTINGS)
