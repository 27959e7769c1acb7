"""The engine `georeport`: requests passed on to another GeoReport v2 server.

A server of ours is told the way a request came (header `Open311-Origin`, as `Via` tells
that of a message) and our key (`Idempotency-Key`): it makes one request of it whatever
happens. From then on the request is the receiver's: we mirror its steps and send it
comments, never statuses.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from requests import Request

from open311.adapters.contract import Adapter, DeniedMethods
from open311.adapters.destination_settings import reporter_fields
from open311.adapters.outcomes import failure_of, server_time, unreadable
from open311.adapters.profile import Filled, Profile, Setting
from open311.adapters.profile_fields import Known
from open311.adapters.profile_file import Kind
from open311.adapters.vocabulary import REPORTER_FIELDS, allowed_reporter
from open311.adapters.wire import HTTP_SETTINGS, Reply, Wire
from open311.domain.checked_table import Table
from open311.domain.delivery import (
    Capabilities,
    ChangePage,
    Destination,
    Exchange,
    Idempotency,
    Ticket,
    TicketChange,
    TicketReceipt,
    ToolBusy,
    ToolRefused,
)
from open311.domain.hops import MAX_HOPS, ORIGIN_HEADER, hop_of, passed, written_hops

_OVERLAP = timedelta(minutes=5)
#: How many updates one of our servers tells at once.
_PAGE = 1000
_TOKEN_LOOKS = 4
_TOKEN_WAIT_S = 0.5
_TOKEN = "token:"  # noqa: S105 - no password
_PLAIN = ("service_code", "lat", "long", "description", "address_id", "zipcode", "title", "kind")

_SETTINGS = {
    **HTTP_SETTINGS,
    "jurisdiction_id": Setting("jurisdiction_id à donner, si l'autre serveur en demande un"),
    "api_key": Setting("clé d'accès chez l'autre serveur", required=True, secret=True),
    "peer_id": Setting(
        "la collectivité d'en face, « serveur/collectivité » (« destination probe » le "
        "montre) : rien ne lui est renvoyé qui soit passé par elle",
        pattern=r"[\w.-]{1,120}(/[\w.-]{1,120})?",
    ),
}


@dataclass(frozen=True, slots=True)
class GeoReportBlock:
    """The block of a profile of kind `georeport`.

    Attributes:
        is_ours: the peer is a server like this one: it drops repeats, takes comments and
            several photos, and tells its updates.
    """

    is_ours: bool


class GeoReportAdapter(DeniedMethods):
    """One other GeoReport server; see `contract.Adapter`."""

    # What its capabilities deny:
    # lookup: GeoReport does not search by a client's key.
    # attach: photos go as `media_url` with the request.
    # lookup_attachment: photos go as `media_url` with the request.
    # lookup_comment: a note's id makes a repeat harmless.
    # set_status: the receiver owns the status.

    def __init__(self, profile: Profile, destination: Destination, settings: Filled) -> None:
        self._profile = profile
        self._is_ours = profile.engine.is_ours
        self._settings = settings
        self._base = settings.values["base_url"].rstrip("/")
        self._allowed = reporter_fields(profile, settings)
        self._wire = Wire(destination, settings)

    @property
    def capabilities(self) -> Capabilities:
        """More with a server of ours: its feed says more than its open and closed."""
        ours = self._is_ours
        idempotency = Idempotency.NATIVE if ours else self._profile.idempotency
        return Capabilities(
            idempotency,
            attach=False,
            comment=ours,
            comment_idempotency=Idempotency.NATIVE if ours else Idempotency.NONE,
            read=not ours,
            changes=ours,
        )

    def probe(self) -> str:
        """Read the list of services; the peer's id, when it tells it."""
        count = len(_rows(self._get("/services.json")))
        peer = None
        if self._is_ours:
            peer = self._get("/servicerequestupdates.json").headers.get("Open311-Server")
        return f"{self._base} : {count} services{f', {peer}' if peer else ''}."

    def create(self, ticket: Ticket) -> TicketReceipt:
        """Post the request; a token is followed for two seconds, then later."""
        self._refuse_loops(ticket)
        request = self._request(ticket)
        persons = [value for name, value in request.data if name in REPORTER_FIELDS]
        reply = self._wire.send(request, safe=False, persons=persons)
        row = self._first_row(reply, safe=False)
        id_, token = row.get("service_request_id"), row.get("token")
        if not id_ and token:
            id_ = self._id_of(str(token))
        if not id_ and token and self._is_ours:
            raise ToolBusy("Le numéro n'est pas encore donné.", retry_after_s=30, step_only=True,
                           exchange=reply.exchange)  # fmt: skip
        if not id_ and not token:
            raise unreadable(reply, "ni numéro ni jeton", safe=False)
        number = str(id_) if id_ else None
        return TicketReceipt(number or f"{_TOKEN}{token}", number=number, exchange=reply.exchange)

    def comment(self, ticket: Ticket, receipt: TicketReceipt, text: str, key: str) -> Exchange:
        """Post an update; its id makes a repeat harmless (X-13)."""
        del ticket
        now = datetime.now(UTC).replace(microsecond=0).isoformat()
        form = [
            *self._account(),
            ("service_request_id", receipt.ticket_id),
            ("update_id", key),
            ("status", "UNCHANGED"),
            ("updated_datetime", now),
            ("description", text),
        ]
        request = Request("POST", f"{self._base}/servicerequestupdates.json", data=form)
        reply = self._wire.send(request, safe=True)
        self._first_row(reply, safe=True)
        return reply.exchange

    def read(self, receipt: TicketReceipt) -> TicketReceipt:
        """Status of the request; a token is exchanged for its number once there is one."""
        id_: str | None = receipt.ticket_id
        if receipt.ticket_id.startswith(_TOKEN):
            id_ = receipt.number or self._id_of(receipt.ticket_id.removeprefix(_TOKEN), looks=1)
        if id_ is None:
            return receipt
        reply = self._get(f"/requests/{id_}.json")
        row = self._first_row(reply, safe=True)
        status = str(row.get("status") or "") or None
        return TicketReceipt(
            receipt.ticket_id, number=str(id_), status=status, exchange=reply.exchange
        )

    def changes(self, cursor: str | None) -> ChangePage:
        """Updates since the cursor, which is a moment of the peer's clock."""
        if cursor is None:
            reply = self._get("/servicerequestupdates.json")
            return ChangePage((), (server_time(reply) or datetime.now(UTC)).isoformat())
        moment, _, is_next_page = cursor.partition(" ")
        start = datetime.fromisoformat(moment) - (timedelta(0) if is_next_page else _OVERLAP)
        reply = self._get("/servicerequestupdates.json", start_date=start.isoformat())
        try:
            changes = tuple(_change(row) for row in _rows(reply))
        except (KeyError, TypeError, ValueError) as error:
            raise unreadable(reply, str(error), safe=True) from error
        last = max([datetime.fromisoformat(moment), *(each.changed_datetime for each in changes)])
        # A full page says that there is more, unless it would give the same page again.
        more = len(changes) >= _PAGE and last > start
        return ChangePage(changes, f"{last.isoformat()}{' next' if more else ''}", more=more)

    def stage_of(self, status: str) -> str | None:
        """Our stage for a status of the peer."""
        return self._profile.stage_of(status)

    def preview(self, ticket: Ticket) -> str:
        """The POST of the request."""
        prepared = self._wire.prepare(self._request(ticket))
        return self._wire.shown(prepared, self._wire.masker)

    def close(self) -> None:
        """Let connections go."""
        self._wire.close()

    def _refuse_loops(self, ticket: Ticket) -> None:
        if passed(self._settings.get("peer_id"), ticket.origin):
            raise ToolRefused("Cette demande vient de là : elle n'y retourne pas.")
        if len(ticket.origin) >= MAX_HOPS:
            raise ToolRefused(
                f"Cette demande a déjà passé {MAX_HOPS} collectivités : elle s'arrête ici."
            )

    def _request(self, ticket: Ticket) -> Request:
        hops = (*ticket.origin, hop_of(ticket.key, ticket.jurisdiction_id))
        headers = {ORIGIN_HEADER: written_hops(hops)}
        form = self._form(ticket)
        if self._is_ours:
            # Of the words too: a request corrected between two attempts is told by its
            # origin; under the first key the peer would refuse it as another one.
            words = hashlib.sha256(repr(form).encode()).hexdigest()[:16]
            headers["Idempotency-Key"] = f"{ticket.key}-{words}"
        return Request("POST", f"{self._base}/requests.json", data=form, headers=headers)

    def _form(self, ticket: Ticket) -> list[tuple[str, str]]:
        ticket = allowed_reporter(ticket, self._allowed)
        told: dict[str, Any] = {name: getattr(ticket, name) for name in _PLAIN}
        told["service_code"] = self._service_code(ticket.service_code)
        told["address_string"] = ticket.address
        told |= {name: getattr(ticket.reporter, name) for name in REPORTER_FIELDS}
        if not self._is_ours:  # the standard has neither; the words of the one stay
            del told["kind"]
            told["description"] = _joined(told.pop("title"), ticket.description)
        form = [(name, str(value)) for name, value in told.items() if value not in (None, "")]
        photos = ticket.media_urls if self._is_ours else ticket.media_urls[:1]
        form += [("media_url", url) for url in photos]
        form += [(f"attribute[{answer.code}]", answer.value) for answer in ticket.attributes]
        return [*self._account(), *form]

    def _service_code(self, code: str) -> str:
        """The peer's code for a service: ours, unless the profile has a table for it."""
        table = self._profile.tables.get("service_code")
        if table is None:
            return code
        found = table.find(code)
        if found is None:
            raise ToolRefused(f"La table « service_code » n'a rien pour « {code} ».")
        return found

    def _account(self) -> list[tuple[str, str]]:
        jurisdiction_id = self._settings.get("jurisdiction_id")
        named = [("jurisdiction_id", jurisdiction_id)] if jurisdiction_id else []
        return [("api_key", self._settings.values["api_key"]), *named]

    def _id_of(self, token: str, *, looks: int = _TOKEN_LOOKS) -> str | None:
        for look in range(looks):
            if look:
                time.sleep(_TOKEN_WAIT_S)
            rows = _rows(self._get(f"/tokens/{token}.json"))
            id_ = rows[0].get("service_request_id") if rows else None
            if id_:
                return str(id_)
        return None

    def _get(self, path: str, **query: str) -> Reply:
        jurisdiction_id = self._settings.get("jurisdiction_id")
        params = query | ({"jurisdiction_id": jurisdiction_id} if jurisdiction_id else {})
        reply = self._wire.send(Request("GET", self._base + path, params=params), safe=True)
        if reply.status != 200:
            raise failure_of(reply, _words(reply), safe=True)
        return reply

    def _first_row(self, reply: Reply, *, safe: bool) -> Mapping[str, Any]:
        if not 200 <= reply.status < 300:
            raise failure_of(reply, _words(reply), safe=safe)
        rows = _rows(reply, safe=safe)
        if not rows:
            raise unreadable(reply, "la liste est vide", safe=safe)
        return rows[0]


def _rows(reply: Reply, *, safe: bool = True) -> list[dict[str, Any]]:
    try:
        rows = json.loads(reply.content)
    except (ValueError, RecursionError) as error:
        raise unreadable(reply, str(error), safe=safe) from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise unreadable(reply, "une liste GeoReport est attendue", safe=safe)
    return rows


def _words(reply: Reply) -> str:
    """What the `errors` document says, else the body."""
    try:
        return reply.words(" ".join(str(row["description"]) for row in json.loads(reply.content)))
    except (ValueError, TypeError, KeyError):
        return reply.words(reply.text)


def _joined(title: str | None, description: str | None) -> str | None:
    return "\n".join(text for text in (title, description) if text) or None


def _change(row: Mapping[str, Any]) -> TicketChange:
    media = row.get("media_url")
    return TicketChange(
        ticket_id=str(row["service_request_id"]),
        event_id=f"update:{row['update_id']}",
        changed_datetime=datetime.fromisoformat(str(row["updated_datetime"])).astimezone(UTC),
        status=str(row["status"]),
        note=row.get("description") or None,
        media_urls=(str(media),) if media else (),
    )


def _read(table: Table, known: Known) -> GeoReportBlock | None:
    del known
    block = table.table("georeport")
    if block is None:
        return None
    peer = block.choice("peer", ("ours", "other"), required=True)
    block.close()
    return GeoReportBlock(is_ours=peer == "ours")


def _make(profile: Profile, destination: Destination, filled: Filled) -> Adapter:
    return GeoReportAdapter(profile, destination, filled)


GEOREPORT = Kind(read=_read, make=_make, settings=_SETTINGS)
