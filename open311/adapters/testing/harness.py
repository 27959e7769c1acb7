"""What a tool brings to the contract tests, and the tickets that they are made with."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from open311.adapters.contract import Adapter
from open311.adapters.testing.faulty_proxy import FaultyProxy, cut_after
from open311.domain.delivery import (
    Attachment,
    Destination,
    Idempotency,
    Ticket,
    TicketChange,
    TicketReceipt,
)
from open311.domain.request import Answer, Reporter
from open311.domain.status import Stage

#: All as long as one another: no key begins another one, as real keys may.
_numbers = itertools.count(10_000)
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")


@dataclass(frozen=True)
class Seen:
    """A ticket as the tool has it, read beside the adapter."""

    ticket_id: str
    text: str
    status: str
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


class Behind(Protocol):
    """The tool behind the adapter's back, as the people of the service use it."""

    def tickets(self, key: str) -> list[Seen]:
        """The tickets that carry a key of ours."""
        ...

    def move(self, ticket_id: str, word: str) -> None:
        """An agent gives the ticket another status, by the tool's word for it."""
        ...


@dataclass
class Tool:
    """One tool, and what the contract must know of it.

    Attributes:
        destination: as a jurisdiction's file would declare it.
        moves: a status that agents give, and the stage it means for us; a stage of None
            says that agents write words, which come back as a note.
        unmapped: a status of the tool that the profile leaves out; None = it maps all.
        ours: the stage that we ask for, and the status it becomes.
        takes_any_stage: the tool has no list of statuses that a stage must be in.
        environment: secrets that the destination refers to (`env:NAME`).
        repeat: makes the tool tell us again what we told of a ticket, where it does not do
            so by itself.
        lose: makes the tool act on the next create, and its answer be lost; not needed
            behind a proxy.
        proxy: what stands before an HTTP tool.
        create, lookup, attach, comment: the final call of each, as a pattern of
            `METHOD /path`; for tools behind a proxy.
        patience_s: how long the adapter waits for an answer that never comes.
    """

    destination: Destination
    behind: Behind
    moves: tuple[str, Stage | None]
    create: str = ""
    lookup: str | None = None
    attach: str | None = None
    comment: str | None = None
    unmapped: str | None = None
    ours: tuple[Stage, str] | None = None
    takes_any_stage: bool = False
    repeat: Callable[[str], None] | None = None
    lose: Callable[[], None] | None = None
    proxy: FaultyProxy | None = None
    environment: dict[str, str] = field(default_factory=dict)
    patience_s: float = 3

    def lose_the_next_answer(self) -> None:
        """The tool will act on the next create, and its answer will be lost."""
        if self.lose is not None:
            self.lose()
            return
        assert self.proxy is not None, "a tool without a proxy says how to lose an answer"
        self.proxy.fail(cut_after, at=self.create)


def a_ticket(**changes: Any) -> Ticket:
    """A ticket that no other test has; everything a report can say is in it."""
    number = str(next(_numbers))
    key = f"contract{os.getpid()}-{number}"
    ticket = Ticket(
        key=key,
        service_request_id=number,
        jurisdiction_id="gentilly.fr",
        service_code="voirie",
        service_name="Voirie",
        requested_datetime=datetime(2026, 11, 16, 9, 30, tzinfo=UTC),
        public_url=f"https://open311.test/demandes/{number}",
        title="Nid-de-poule & trottoir <cassé>",
        description="Un trou profond devant l’école, près de l’arrêt.\nDangereux à vélo.",
        lat=48.813,
        long=2.3444,
        x=651856.48,
        y=6857192.14,
        epsg=2154,
        address="12 rue Charles-Frérot, 94250 Gentilly",
        zipcode="94250",
        reporter=Reporter(
            email="ada.lovelace@example.org", first_name="Ada", last_name="Lovelace",
            phone="06 12 34 56 78",
        ),
        attributes=(Answer("size", "Taille du trou", "Grand", "big"),),
        media_urls=(f"https://open311.test/media/{number}-1.jpg",),
    )  # fmt: skip
    return replace(ticket, **changes)


def a_photo(ticket: Ticket, **changes: Any) -> Attachment:
    """A small photo of the ticket."""
    name = f"{ticket.service_request_id}-1.jpg"
    photo = Attachment(name, "image/jpeg", JPEG, "00" * 32, f"https://open311.test/media/{name}")
    return replace(photo, **changes)


def deliver(adapter: Adapter, ticket: Ticket) -> TicketReceipt:
    """What the worker does with a create that may have been sent before."""
    if adapter.capabilities.idempotency is Idempotency.LOOKUP:
        found = adapter.lookup(ticket.key)
        if found is not None:
            return found
    return adapter.create(ticket)


def changes_of(adapter: Adapter, cursor: str, ticket_id: str) -> list[TicketChange]:
    """Every change of one ticket after a cursor, page after page."""
    told: list[TicketChange] = []
    for _ in range(100):
        page = adapter.changes(cursor)
        told += [each for each in page.changes if each.ticket_id == ticket_id]
        cursor = page.cursor
        if not page.more:
            return told
    raise AssertionError("the pages of changes never end")
