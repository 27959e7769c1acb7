"""Polling a REST tool: a watermark in the tool's own time, with overlap, page by page.

The cursor never holds our clock's time, so a skew between the clocks loses nothing. A
page that is full moves the lower bound to its last moment rather than counting pages:
tickets that change meanwhile leave their place and would shift the pages.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from open311.adapters.outcomes import server_time, unreadable
from open311.adapters.profile import UnmappedValue
from open311.adapters.rest_answers import absolute_urls, read_moment
from open311.adapters.rest_blocks import Operation, Picks, RestBlocks
from open311.adapters.rest_caller import Answered, Caller
from open311.domain.delivery import ChangePage, TicketChange, ToolRefused

#: More than two clocks are ever apart.
_CLOCKS_APART = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a poll stands.

    Attributes:
        high: the latest moment seen in the tool, UTC.
        bound: lower bound of the page to ask for; None = high less the overlap.
        page: number of the page above that bound, from 0.
    """

    high: datetime
    bound: datetime | None = None
    page: int = 0

    def text(self) -> str:
        """The cursor as it is stored."""
        bound = None if self.bound is None else self.bound.isoformat()
        return json.dumps({"high": self.high.isoformat(), "bound": bound, "page": self.page})


def read_cursor(text: str) -> Cursor:
    """A stored cursor."""
    told = json.loads(text)
    bound = told["bound"]
    return Cursor(
        datetime.fromisoformat(told["high"]),
        None if bound is None else datetime.fromisoformat(bound),
        told["page"],
    )


def _by_page(at: Cursor) -> Cursor:
    """The page to ask for: a new poll reads one page again, for events that were deleted."""
    return at if at.bound is not None else replace(at, page=max(0, at.page - 1))


class ChangeReader:
    """Reads what changed in the tickets of one tool."""

    def __init__(self, caller: Caller, blocks: RestBlocks) -> None:
        self._caller = caller
        self._operations = blocks.operations
        self._watermark = blocks.watermark

    def page(self, cursor: str | None) -> ChangePage:
        """One page of changes, oldest first; without a cursor only where to begin."""
        operation = self._operations["changes"]
        if cursor is None:
            return ChangePage((), self._beginning(operation).text())
        at = read_cursor(cursor)
        asked = self._by_time(at) if self._watermark.by == "time" else _by_page(at)
        answered = self._ask(operation, asked.bound or asked.high, asked.page)
        items = self._items(operation, answered)
        read = [self._read(operation.answer, each, answered, {}) for each in items]
        bound = asked.bound or asked.high
        changes = [change for found in read for change in self._changes(found, bound)]
        moments = [self._moment(found, answered) for found in read]
        after = self._after(asked, moments, at)
        ordered = sorted(changes, key=lambda change: change.changed_datetime)
        return ChangePage(tuple(ordered), after.text(), more=after.bound is not None)

    def _by_time(self, at: Cursor) -> Cursor:
        """The page to ask for: a new poll begins a little before what was seen."""
        if at.bound is not None:
            return at
        return replace(at, bound=at.high - timedelta(seconds=self._watermark.overlap_s))

    def _beginning(self, operation: Operation) -> Cursor:
        """Now, as the tool's clock has it; or the end of the list.

        A tool that does not tell the time is asked for a day more, whatever our clocks:
        changes of tickets that are not ours, or already known, do no harm.
        """
        answered = self._ask(operation, datetime.now(UTC), 0)
        now = server_time(answered.reply) or datetime.now(UTC) - _CLOCKS_APART
        if self._watermark.by == "time":
            return Cursor(now)
        try:
            total = self._caller.reader.find(self._watermark.total or "", answered.node)
            return Cursor(now, page=max(0, int(total) - 1) // self._watermark.page_size)
        except (TypeError, ValueError) as error:
            raise unreadable(answered.reply, str(error), safe=True) from error

    def _ask(self, operation: Operation, bound: datetime, page: int) -> Answered:
        size = self._watermark.page_size
        values = {
            "cursor": bound,
            "page.size": size,
            "page.number": page + 1,
            "page.offset": page * size,
            "page.last": (page + 1) * size - 1,
        }
        return self._caller.perform(operation, values, safe=True)

    def _after(self, asked: Cursor, moments: list[datetime], before: Cursor) -> Cursor:
        """Where to go on; a bound means at once, none means at the next poll."""
        high = max([asked.high, *moments])
        full = len(moments) >= self._watermark.page_size
        if self._watermark.by == "page":
            going_on = full or asked.page < before.page
            return Cursor(high, high if going_on else None, asked.page + going_on)
        if not full:
            return Cursor(high)
        last = max(moments)
        bound = asked.bound or asked.high
        return Cursor(high, last) if last > bound else Cursor(high, bound, asked.page + 1)

    def _changes(self, found: dict[str, str], bound: datetime) -> list[TicketChange]:
        """One change for the ticket itself, or one for each new event of its history."""
        history = self._operations.get("history")
        if history is None:
            return _worth_telling([self._change(found, {})])
        values = {"ticket_id": found["ticket_id"]}
        answered = self._caller.perform(history, values, safe=True)
        events = [
            self._read(history.answer, each, answered, values)
            for each in self._items(history, answered)
        ]
        changes = [self._change(found, event) for event in events]
        return _worth_telling([each for each in changes if each.changed_datetime >= bound])

    def _change(self, found: dict[str, str], event: dict[str, str]) -> TicketChange:
        """The change that an item, or an event of its history, tells."""
        told = event or found
        moment = read_moment(told["changed"], self._watermark)
        named = f"{found['ticket_id']}-{told['event_id']}" if "event_id" in told else None
        return TicketChange(
            ticket_id=found["ticket_id"],
            event_id=named or _fingerprint(found["ticket_id"], told),
            changed_datetime=moment,
            status=told.get("status"),
            note=told.get("note"),
            author=told.get("author"),
            media_urls=absolute_urls(
                self._caller.base_url, told.get("media_urls", "").splitlines()
            ),
            number=found.get("number"),
        )

    def _moment(self, found: dict[str, str], answered: Answered) -> datetime:
        try:
            return read_moment(found["changed"], self._watermark)
        except ValueError as error:
            raise unreadable(answered.reply, str(error), safe=True) from error

    def _items(self, operation: Operation, answered: Answered) -> list[Any]:
        try:
            return self._caller.reader.items(operation.items, answered.node)
        except ValueError as error:
            raise unreadable(answered.reply, str(error), safe=True) from error

    def _read(
        self, picks: Picks, item: Any, answered: Answered, values: dict[str, Any]
    ) -> dict[str, str]:
        reader, means = self._caller.reader, self._caller.means
        everything = {**answered.values, **values}
        try:
            found = reader.texts(picks, item, answered.reply, everything, means)
            read_moment(found.get("changed", ""), self._watermark)
        except UnmappedValue as error:
            raise ToolRefused(error.message, exchange=answered.reply.exchange) from error
        except ValueError as error:
            raise unreadable(answered.reply, str(error), safe=True) from error
        if "ticket_id" in picks and "ticket_id" not in found:
            raise unreadable(answered.reply, "l'identifiant d'un ticket manque", safe=True)
        return found


def _worth_telling(changes: list[TicketChange]) -> list[TicketChange]:
    return [each for each in changes if each.status or each.note or each.media_urls]


def _fingerprint(ticket_id: str, told: dict[str, str]) -> str:
    """A stable id for an event that the tool gives none."""
    words = [ticket_id, *(told.get(name, "") for name in ("changed", "status", "note", "author"))]
    return hashlib.sha256("\x00".join(words).encode()).hexdigest()[:32]
