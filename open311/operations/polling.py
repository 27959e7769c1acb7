"""Asking a tool what changed: by its feed and a cursor, or ticket by ticket."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
    ToolRefused,
    ToolUnauthorized,
)
from open311.domain.errors import Unavailable
from open311.operations.delivery import Desk
from open311.operations.inbound import Taken, apply_change, retry_change
from open311.operations.installation import Side
from open311.storage import destinations, inbox, tickets
from open311.storage.inbox import InboxEvent
from open311.storage.tickets import StoredTicket

_log = structlog.get_logger("open311.polling")

#: Pages of one turn: a long absence is caught up in several turns, between deliveries.
_PAGES = 20
#: Tickets looked at in one turn, where the tool has no feed of changes.
_TICKETS = 50


@dataclass
class Rest:
    """Until when this worker answers no hints, after the tool failed at one."""

    until: datetime | None = None


@dataclass(frozen=True)
class Poll:
    """One destination, and what is needed to take its changes over."""

    desk: Desk
    side: Side
    destination: Destination
    adapter: Adapter
    rest: Rest = field(default_factory=Rest)

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
        """Take over a change whose status has a translation now, or whose ticket is known."""
        return retry_change(
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
    account stops. A single ticket that it refuses to show is noted, and holds up no other.

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
        taken, fault = (
            (_read_feed(poll, state.cursor), None) if can.changes else _read_tickets(poll)
        )
    except ToolError as error:
        _note_failure(poll, error)
        return 0
    if fault != state.reason:
        database.write(lambda connection: destinations.put_fault(connection, name, fault))
    return taken


def answer_hints(poll: Poll) -> int:
    """Look at the tickets that hints (webhooks) named; how many hints were answered.

    Nothing is asked while the destination is stopped or rests. A ticket that the tool
    refuses to show settles its hint; a tool that fails is asked again when a poll would.
    """
    database, name = poll.desk.installation.database, poll.destination.name
    hints = inbox.events(database, name, inbox.WAITING)
    if not hints or not _may_answer(poll):
        return 0
    for count, hint in enumerate(hints):
        try:
            state, reason = inbox.DONE, _answer(poll, hint)
        except ToolRefused as error:
            state, reason = inbox.REFUSED, error.message
        except ToolError as error:
            _note_failure(poll, error)
            poll.rest.until = poll.desk.clock() + timedelta(seconds=poll.destination.poll_s)
            return count
        _settle(poll, hint, state, reason)
    return len(hints)


def retry_translations(poll: Poll) -> int:
    """Take over what could not be translated before; how much could be now."""
    database, name = poll.desk.installation.database, poll.destination.name
    unmapped = inbox.every_event(database, name, inbox.UNMAPPED)
    return sum(_retried(poll, event) is Taken.DONE for event in unmapped)


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


def _retried(poll: Poll, event: InboxEvent) -> Taken:
    """Take over an event that was kept; one that cannot be read any more is settled."""
    database = poll.desk.installation.database
    away: tuple[type[Exception], ...] = (Unavailable, *database.write_errors)
    try:
        return database.write(partial(poll.retry, event))
    except away:
        raise
    except Exception as error:  # noqa: BLE001 - one odd event must not hold up the others
        _log.error("event not taken over", destination=event.destination, exc_info=error)
        reason = f"Erreur interne : {type(error).__name__} (voir le journal)."
    _settle(poll, event, inbox.REFUSED, reason)
    return Taken.REFUSED


def _retry_early(poll: Poll) -> int:
    """Take over what was told of tickets before we knew them; drop what is not ours after all."""
    database, name = poll.desk.installation.database, poll.destination.name
    early = inbox.early_events(database, name)
    done = sum(_retried(poll, event) is Taken.DONE for event in early)
    database.write(lambda connection: inbox.drop_foreign(connection, name))
    return done


def _read_feed(poll: Poll, cursor: str | None) -> int:
    """Follow the feed, each page and the cursor behind it in one transaction."""
    count = _retry_early(poll)
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


def _read_tickets(poll: Poll) -> tuple[int, str | None]:
    """Read tickets in their turn; how much was taken over, and a ticket that was refused."""
    database = poll.desk.installation.database
    taken, fault = 0, None
    for known in tickets.open_tickets(database, poll.destination.name, _TICKETS):
        try:
            taken += _read_ticket(poll, known)
        except ToolRefused as error:
            id_ = known.receipt.ticket_id
            fault = f"Le ticket « {id_} » (demande {known.service_request_id}) : {error.message}"
            database.write(partial(tickets.note_read, ticket=known, now=poll.desk.clock()))
    return taken, fault


def _read_ticket(poll: Poll, known: StoredTicket) -> int:
    read = poll.adapter.read(known.receipt)
    now = poll.desk.clock()
    change = change_between(poll.destination.name, known, read, now)

    def take(connection: Connection) -> int:
        tickets.note_read(connection, known, now)
        return change is not None and poll.apply(connection, change) is Taken.DONE

    return int(poll.desk.installation.database.write(take))


def _may_answer(poll: Poll) -> bool:
    now, until = poll.desk.clock(), poll.rest.until
    if until is not None and now < until:
        return False
    with poll.desk.installation.database.connect() as connection:
        return destinations.find_state(connection, poll.destination.name).may_go(now)


def _answer(poll: Poll, hint: InboxEvent) -> str:
    """Look for ourselves: at the ticket that is named, else at the whole feed; what was done."""
    database, name = poll.desk.installation.database, poll.destination.name
    if hint.ticket_id is None or not poll.adapter.capabilities.read:
        poll_destination(poll, at_once=True)
        return "relu"
    with database.connect() as connection:
        known = tickets.find_by_ticket_id(connection, name, hint.ticket_id)
    if known is None:
        return "ce ticket n'est pas à nous"
    _read_ticket(poll, known)
    return "relu"


def _settle(poll: Poll, event: InboxEvent, state: str, reason: str) -> None:
    poll.desk.installation.database.write(
        lambda connection: inbox.settle_event(
            connection, event.destination, event.event_id, state, reason
        )
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
