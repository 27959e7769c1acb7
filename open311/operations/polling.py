"""Asking a tool what changed: by its feed and a cursor, or ticket by ticket."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog
from sqlalchemy import Connection

from open311.adapters.contract import Adapter
from open311.domain.delivery import (
    ChangePage,
    Destination,
    TicketChange,
    TicketReceipt,
    ToolError,
    ToolUnauthorized,
)
from open311.operations.delivery import Desk
from open311.operations.inbound import Taken, apply_change, retry_unmapped
from open311.operations.installation import Side
from open311.storage import destinations, inbox, tickets
from open311.storage.inbox import InboxEvent
from open311.storage.tickets import StoredTicket

_log = structlog.get_logger("open311.polling")

#: Pages of one turn: a long absence is caught up in several turns, between deliveries.
_PAGES = 20
#: Tickets looked at in one turn, where the tool has no feed of changes.
_TICKETS = 50


@dataclass(frozen=True)
class Poll:
    """One destination, and what is needed to take its changes over."""

    desk: Desk
    side: Side
    destination: Destination
    adapter: Adapter

    def apply(self, connection: Connection, change: TicketChange) -> Taken:
        """Take over one change."""
        return apply_change(
            connection,
            self.side,
            self.destination,
            change,
            stage_of=self.adapter.stage_of,
            public_url=self.desk.installation.public_url,
            now=self.desk.clock(),
        )

    def retry(self, event: InboxEvent, connection: Connection) -> Taken:
        """Take over a change whose status has a translation now, perhaps."""
        return retry_unmapped(
            connection,
            self.side,
            self.destination,
            event,
            stage_of=self.adapter.stage_of,
            public_url=self.desk.installation.public_url,
            now=self.desk.clock(),
        )


def poll_destination(poll: Poll, *, at_once: bool = False) -> int:
    """Ask a tool what changed, if it is due and this worker's turn; how much was taken over.

    A tool that fails is noted and asked again in its time; one that refuses our
    account stops.

    Args:
        at_once: a hint came in: do not wait for the interval.
    """
    can, name = poll.adapter.capabilities, poll.destination.name
    if not (can.changes or can.read):
        return 0
    poll_s = 0 if at_once else poll.destination.poll_s
    database, now = poll.desk.installation.database, poll.desk.clock()
    state = database.write(
        lambda connection: destinations.take_poll_turn(connection, name, now=now, poll_s=poll_s)
    )
    if state is None:
        return 0
    try:
        taken = _read_feed(poll, state.cursor) if can.changes else _read_tickets(poll)
    except ToolError as error:
        _note_failure(poll, error)
        return 0
    if state.reason:
        database.write(lambda connection: destinations.put_fault(connection, name, None))
    return taken


def answer_hints(poll: Poll) -> int:
    """Look at the tickets that hints (webhooks) named; how many hints were answered."""
    database, name = poll.desk.installation.database, poll.destination.name
    hints = inbox.events(database, name, inbox.WAITING)
    for hint in hints:
        try:
            _answer(poll, hint)
        except ToolError as error:
            _note_failure(poll, error)
            return 0
    return len(hints)


def retry_translations(poll: Poll) -> int:
    """Take over what could not be translated before; how much could be now."""
    database, name = poll.desk.installation.database, poll.destination.name
    done = 0
    for event in inbox.events(database, name, inbox.UNMAPPED):
        taken = database.write(partial(poll.retry, event))
        done += taken is Taken.DONE
    return done


def change_between(
    destination: str, known: StoredTicket, read: TicketReceipt, now: datetime
) -> TicketChange | None:
    """The change that a reading shows against what was known; None when the status is the same.

    The event's id comes from the content and the status before, so that two workers
    who read the same thing tell the same event.
    """
    if read.status is None or read.status == known.receipt.status:
        return None
    content = "\n".join(
        (destination, read.ticket_id, known.changed or "", known.receipt.status or "", read.status)
    )
    event_id = f"read:{hashlib.sha256(content.encode()).hexdigest()[:32]}"
    return TicketChange(
        read.ticket_id, event_id, now, status=read.status, number=read.number, note=read.note
    )


def _read_feed(poll: Poll, cursor: str | None) -> int:
    """Follow the feed, each page and the cursor behind it in one transaction."""
    count = 0
    for _ in range(_PAGES):
        page = poll.adapter.changes(cursor)
        count += poll.desk.installation.database.write(partial(_take_page, poll, page))
        cursor = page.cursor
        if not page.more:
            break
    return count


def _take_page(poll: Poll, page: ChangePage, connection: Connection) -> int:
    taken = [poll.apply(connection, change) for change in page.changes]
    destinations.put_cursor(connection, poll.destination.name, page.cursor)
    destinations.put_fault(connection, poll.destination.name, None)
    return taken.count(Taken.DONE)


def _read_tickets(poll: Poll) -> int:
    database = poll.desk.installation.database
    known = tickets.open_tickets(database, poll.destination.name, _TICKETS)
    return sum(_read_ticket(poll, ticket) for ticket in known)


def _read_ticket(poll: Poll, known: StoredTicket) -> int:
    read = poll.adapter.read(known.receipt)
    now = poll.desk.clock()
    change = change_between(poll.destination.name, known, read, now)

    def take(connection: Connection) -> int:
        tickets.note_read(connection, known, now)
        return change is not None and poll.apply(connection, change) is Taken.DONE

    return int(poll.desk.installation.database.write(take))


def _answer(poll: Poll, hint: InboxEvent) -> None:
    """Look for ourselves: at the ticket that is named, else at the whole feed."""
    database, name = poll.desk.installation.database, poll.destination.name
    reason = "relu"
    if hint.ticket_id is None or not poll.adapter.capabilities.read:
        poll_destination(poll, at_once=True)
    else:
        ticket_id = hint.ticket_id
        with database.connect() as connection:
            known = tickets.find_by_ticket_id(connection, name, ticket_id)
        if known is None:
            reason = "ce ticket n'est pas à nous"
        else:
            _read_ticket(poll, known)
    database.write(
        lambda connection: inbox.settle_event(connection, name, hint.event_id, inbox.DONE, reason)
    )


def _note_failure(poll: Poll, error: ToolError) -> None:
    name, message = poll.destination.name, error.message

    def note(connection: Connection) -> None:
        if isinstance(error, ToolUnauthorized):
            destinations.pause(connection, name, message)
        else:
            destinations.put_fault(connection, name, message)

    poll.desk.installation.database.write(note)
    _log.warning("poll failed", destination=name, reason=message)
