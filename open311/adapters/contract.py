"""What every adapter is: the worker knows nothing else of a business tool."""

from __future__ import annotations

from typing import Protocol

from open311.domain.delivery import (
    Attachment,
    Capabilities,
    ChangePage,
    Destination,
    Exchange,
    Ticket,
    TicketReceipt,
)


class Adapter(Protocol):
    """One destination's tool.

    Every method may raise the errors of `domain.delivery` and no other; none keeps
    state between calls but connections and caches. Methods that `capabilities` denies
    are never called. A create may be called again with the same `ticket.key` after any
    failure; what that means is the declared idempotency. The same holds for photos and
    notes, each with a grade of its own; the look-ups are called only for the grade
    `lookup`, and only before something that may have arrived is sent again.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What the tool can do."""
        ...

    def probe(self) -> str:
        """Check address, account and version without changing anything; one line for people."""
        ...

    def lookup(self, key: str) -> TicketReceipt | None:
        """The ticket that carries our key, or None."""
        ...

    def create(self, ticket: Ticket) -> TicketReceipt:
        """Create the ticket; its id as soon as it exists (photos are steps of their own)."""
        ...

    def attach(self, ticket: Ticket, receipt: TicketReceipt, attachment: Attachment) -> Exchange:
        """Add one photo; its name is stable, so that a repeat can be told."""
        ...

    def comment(self, ticket: Ticket, receipt: TicketReceipt, text: str, key: str) -> Exchange:
        """Add a note; `key` is stable for this note, so that a repeat can be told."""
        ...

    def lookup_attachment(self, receipt: TicketReceipt, attachment: Attachment) -> Exchange | None:
        """What shows that the ticket has this photo (by its name), or None."""
        ...

    def lookup_comment(self, receipt: TicketReceipt, text: str, key: str) -> Exchange | None:
        """What shows that the ticket has this note (by its key, or its text), or None."""
        ...

    def set_status(
        self, ticket: Ticket, receipt: TicketReceipt, stage: str, note: str | None
    ) -> Exchange:
        """Move the ticket to what our stage is called there."""
        ...

    def read(self, receipt: TicketReceipt) -> TicketReceipt:
        """The ticket as it stands now."""
        ...

    def changes(self, cursor: str | None) -> ChangePage:
        """What changed after a cursor (None: from now on), overlap included; may repeat."""
        ...

    def stage_of(self, status: str) -> str | None:
        """Our stage (domain.status.Stage) for a status of the tool; None when unmapped."""
        ...

    def preview(self, ticket: Ticket) -> str:
        """Exactly what `create` would send, secrets masked (dry run)."""
        ...

    def close(self) -> None:
        """Let connections go."""
        ...


class DeniedMethods:
    """The methods that `capabilities` may deny, for an adapter to inherit.

    The worker never calls what is denied: each raises `NotImplementedError`, a mistake of
    the caller. An adapter defines those that its tool can do.
    """

    def lookup(self, key: str) -> TicketReceipt | None:
        """Denied."""
        raise NotImplementedError

    def attach(self, ticket: Ticket, receipt: TicketReceipt, attachment: Attachment) -> Exchange:
        """Denied."""
        raise NotImplementedError

    def comment(self, ticket: Ticket, receipt: TicketReceipt, text: str, key: str) -> Exchange:
        """Denied."""
        raise NotImplementedError

    def lookup_attachment(self, receipt: TicketReceipt, attachment: Attachment) -> Exchange | None:
        """Denied."""
        raise NotImplementedError

    def lookup_comment(self, receipt: TicketReceipt, text: str, key: str) -> Exchange | None:
        """Denied."""
        raise NotImplementedError

    def set_status(
        self, ticket: Ticket, receipt: TicketReceipt, stage: str, note: str | None
    ) -> Exchange:
        """Denied."""
        raise NotImplementedError

    def read(self, receipt: TicketReceipt) -> TicketReceipt:
        """Denied."""
        raise NotImplementedError

    def changes(self, cursor: str | None) -> ChangePage:
        """Denied."""
        raise NotImplementedError


class AdapterFactory(Protocol):
    """How an adapter is made: the entry points of group `open311.adapters` are such."""

    def __call__(self, destination: Destination) -> Adapter:
        """Make the adapter of one destination.

        Raises:
            open311.domain.errors.Open311Error: settings or secrets are missing.
        """
        ...
