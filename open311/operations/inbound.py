"""The way back: one pipeline for everything a tool tells, whatever door it came through.

An event is taken over once; our own words that come back are dropped; a status that
is older than the last one changes nothing; an unknown status changes nothing either,
and somebody is told. A date that has not come yet counts as now, and an address that the
public must not be sent to is left out: the event says so. What the public reads is dated
when it is published, so that it never goes back and nobody who follows by date misses it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection

from open311.domain.delivery import MAX_TOLD_ID, Destination, TicketChange, mark_of
from open311.domain.errors import InvalidRequest, NotAllowed, Open311Error
from open311.domain.media_url import check_media_url
from open311.domain.request import MAX_DESCRIPTION
from open311.domain.status import Stage, is_open
from open311.formats.text import clean_text
from open311.operations.follow_up import Step, take_step
from open311.operations.installation import Side
from open311.storage import delivery_records, inbox, requests, tickets
from open311.storage.inbox import InboxEvent
from open311.storage.tickets import StoredTicket

#: How far a tool's clock may be ahead of ours before its date is not believed.
_CLOCKS_APART = timedelta(minutes=10)
_NOT_KNOWN_YET = "ticket pas encore connu"

#: What a status of the tool is called here; None when nobody said (`Adapter.stage_of`).
Translation = Callable[[str], str | None]


class Taken(StrEnum):
    """What became of a change."""

    DONE = inbox.DONE
    IGNORED = inbox.IGNORED
    UNMAPPED = inbox.UNMAPPED
    REFUSED = inbox.REFUSED
    #: Perhaps of a ticket whose creation nobody is sure of: kept until that is known.
    EARLY = inbox.EARLY
    #: Not a ticket of ours: not even kept.
    FOREIGN = "foreign"


def apply_change(
    connection: Connection,
    side: Side,
    destination: Destination,
    change: TicketChange,
    *,
    stage_of: Translation,
    public_url: str,
    now: datetime,
) -> Taken:
    """Take over what happened to a ticket; the same change again is the same as once.

    Args:
        change: texts as the tool gave them; they are cleaned here.
        stage_of: translation of the tool's statuses into ours.
    """
    ticket = tickets.find_by_ticket_id(connection, destination.name, change.ticket_id)
    if ticket is None:
        return _kept_early(connection, destination, change, now)
    event = InboxEvent(
        destination.name, change.event_id, change.ticket_id, change_as_text(change), inbox.WAITING
    )
    if delivery_records.is_forgotten(connection, ticket.request_key):
        inbox.put_event(connection, replace(event, raw="", state=inbox.IGNORED), now)
        return Taken.IGNORED
    if not inbox.put_event(connection, event, now):
        return Taken.IGNORED
    return _judge(connection, side, destination, ticket, change, stage_of, public_url, now)


def _kept_early(
    connection: Connection, destination: Destination, change: TicketChange, now: datetime
) -> Taken:
    """Keep what is told of an unknown ticket, as long as it may turn out to be ours."""
    ticket_id, name = change.ticket_id, destination.name
    if len(ticket_id) > MAX_TOLD_ID or not inbox.awaits_ticket(connection, name):
        return Taken.FOREIGN
    event = InboxEvent(
        name, change.event_id, ticket_id, change_as_text(change), inbox.EARLY, _NOT_KNOWN_YET
    )
    inbox.put_event(connection, event, now)
    return Taken.EARLY


def retry_change(
    connection: Connection,
    side: Side,
    destination: Destination,
    event: InboxEvent,
    *,
    stage_of: Translation,
    public_url: str,
    now: datetime,
) -> Taken:
    """Take over a change that came before its translation, or before its ticket was known."""
    change = change_from_text(event.raw)
    ticket = tickets.find_by_ticket_id(connection, destination.name, change.ticket_id)
    if ticket is None:
        return Taken.FOREIGN
    return _judge(connection, side, destination, ticket, change, stage_of, public_url, now)


def change_as_text(change: TicketChange) -> str:
    """A change as the inbox keeps it."""
    return json.dumps(asdict(change), ensure_ascii=False, default=datetime.isoformat)


def change_from_text(text: str) -> TicketChange:
    """The change that `change_as_text` wrote."""
    row = json.loads(text)
    moment = datetime.fromisoformat(row["changed_datetime"])
    return TicketChange(
        **{**row, "changed_datetime": moment, "media_urls": tuple(row["media_urls"])}
    )


def _judge(
    connection: Connection,
    side: Side,
    destination: Destination,
    ticket: StoredTicket,
    change: TicketChange,
    stage_of: Translation,
    public_url: str,
    now: datetime,
) -> Taken:
    """Decide on one change, write what it changes, and say in the inbox what became of it."""
    try:
        taken, reason = _take(
            connection, side, destination, ticket, change, stage_of, public_url, now
        )
    except Open311Error as error:
        taken, reason = Taken.REFUSED, error.message
    inbox.settle_event(connection, destination.name, change.event_id, str(taken), reason)
    return taken


def _take(
    connection: Connection,
    side: Side,
    destination: Destination,
    ticket: StoredTicket,
    change: TicketChange,
    stage_of: Translation,
    public_url: str,
    now: datetime,
) -> tuple[Taken, str | None]:
    if change.returned is not None:
        return _take_back(connection, ticket, change.returned, change.returned_step, now)
    if change.author and change.author == destination.settings.get("own_account"):
        return Taken.IGNORED, "écho : notre propre compte"
    if change.number and change.number != ticket.receipt.number:
        tickets.note_number(connection, ticket, change.number)
    stage = None if change.status is None else stage_of(change.status)
    if change.status is not None and stage is None:
        return Taken.UNMAPPED, f"état inconnu : « {change.status[:80]} »"
    change, remarks = _believed(change, now)
    fresh = _without_echoes(ticket, change)
    if change.status is not None and _is_late(ticket, change, now):
        fresh, stage = replace(fresh, status=None), None
        remarks.append("état plus ancien que le dernier repris")
    steps = list(_steps(connection, side, ticket, fresh, Stage(stage) if stage else None))
    for step in steps:
        take_step(connection, side, ticket.service_request_id, step, public_url=public_url, now=now)
    if stage is not None:
        tickets.note_changed(connection, ticket, change.status, _mark(change))
    if not steps:
        return Taken.IGNORED, " ; ".join(["rien de nouveau", *remarks])
    return Taken.DONE, " ; ".join(remarks) or None


def _believed(change: TicketChange, now: datetime) -> tuple[TicketChange, list[str]]:
    """The change without what nobody may believe or publish, and remarks on what was left out."""
    remarks = []
    if change.changed_datetime > now + _CLOCKS_APART:
        remarks.append(f"daté du futur ({change.changed_datetime.isoformat()}) : pris à sa venue")
        change = replace(change, changed_datetime=now)
    good = []
    for url in change.media_urls:
        try:
            good.append(check_media_url(url))
        except InvalidRequest as error:
            remarks.append(f"« {url[:200]} » laissée : {error.message}")
    return replace(change, media_urls=tuple(good)), remarks


def _take_back(
    connection: Connection, ticket: StoredTicket, reason: str, step: str | None, now: datetime
) -> tuple[Taken, str | None]:
    """A delivery that came back waits for a person (list, replay), and alerts as others do."""
    reason = f"Le courriel est revenu : {clean_text(reason)}"
    delivery_records.mark_returned(
        connection, ticket.destination, ticket.request_key, step, reason, now
    )
    return Taken.DONE, reason


def _without_echoes(ticket: StoredTicket, change: TicketChange) -> TicketChange:
    """The change with clean texts, without a note that we sent ourselves."""
    note = clean_text(change.note).strip()[:MAX_DESCRIPTION] if change.note else None
    if note and mark_of(note) in ticket.last_sent.get("notes", ()):
        note = None
    return replace(change, note=note or None)


def _steps(
    connection: Connection,
    side: Side,
    ticket: StoredTicket,
    change: TicketChange,
    stage: Stage | None,
) -> Iterator[Step]:
    """The steps that lead there: a closed request is reopened before work on it is told."""
    stored = requests.find_request(connection, side.scope, ticket.service_request_id, lock=True)
    if stored is None:
        raise NotAllowed("La demande n'existe plus.")
    current = stored.request.stage
    if stage in {current, Stage.REOPENED} and is_open(current):
        stage = None
    if stage is None:
        if change.note or change.media_urls:
            yield _step(change, None)
        return
    if not is_open(current) and is_open(stage) and stage is not Stage.REOPENED:
        yield Step(stage=Stage.REOPENED, author="tool", tell_tools=False)
    yield _step(change, stage)


def _step(change: TicketChange, stage: Stage | None) -> Step:
    return Step(
        stage=stage,
        note=change.note,
        media_urls=change.media_urls,
        author="tool",
        tell_tools=False,
    )


def _is_late(ticket: StoredTicket, change: TicketChange, now: datetime) -> bool:
    """Whether a later status was taken over already (the event's id breaks ties).

    A mark that lies ahead of now is of a clock that was wrong: it holds nothing up.
    """
    if ticket.changed is None or _order(ticket.changed)[0] > _moment(now + _CLOCKS_APART):
        return False
    return _order(_mark(change)) < _order(ticket.changed)


def _mark(change: TicketChange) -> str:
    return f"{_moment(change.changed_datetime)} {change.event_id}"


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _order(mark: str) -> tuple[str, int, str]:
    """Marks sort by moment, then by id: numbers by their value."""
    moment, _, event_id = mark.partition(" ")
    return moment, len(event_id), event_id
