"""A fake business tool in memory: it fails as it is told to. No real tool behaves like it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from open311.domain.delivery import (
    Attachment,
    AttachmentRefused,
    Capabilities,
    ChangePage,
    Exchange,
    Idempotency,
    OutcomeUnknown,
    Ticket,
    TicketChange,
    TicketReceipt,
    TicketStale,
    ToolBusy,
    ToolRefused,
    ToolUnauthorized,
    ToolUnreachable,
)

STAGES = {"new": "received", "doing": "in_progress", "fixed": "done", "no": "no_follow_up"}
ERRORS: dict[str, Callable[[], Exception]] = {
    "unreachable": lambda: ToolUnreachable("connection refused"),
    "lost": lambda: OutcomeUnknown("connection reset"),
    "busy": lambda: ToolBusy("503"),
    "busy 90": lambda: ToolBusy("429", retry_after_s=90.0),
    "busy 0": lambda: ToolBusy("429", retry_after_s=0.0),
    "number to come": lambda: ToolBusy("201", retry_after_s=30, step_only=True),
    "refused": lambda: ToolRefused("422: le champ « nature » manque"),
    "unauthorized": lambda: ToolUnauthorized("401: clé refusée"),
    "stale": lambda: TicketStale("412"),
    "no files": lambda: AttachmentRefused("415"),
    "bug": lambda: KeyError("id"),
}


class FakeTool:
    """The tool and its adapter in one.

    Attributes:
        moods: what the next calls do: a name of ERRORS, `lost after` (done, then the
            answer is lost), or nothing.
        said: every call that reached the tool, in order.
    """

    def __init__(self, idempotency: Idempotency = Idempotency.LOOKUP, **can: Any) -> None:
        usual = {
            "set_status": True, "read": True,
            "photo_idempotency": idempotency, "comment_idempotency": idempotency,
        }  # fmt: skip
        self.can = Capabilities(idempotency, **(usual | can))
        self.files: list[str] = []
        self.notes: list[str] = []
        self.moods: deque[str] = deque()
        self.said: list[str] = []
        self.tickets: list[Ticket] = []
        self.statuses: dict[str, str] = {}
        self.pages: list[ChangePage] = []
        self.closed = False

    @property
    def capabilities(self) -> Capabilities:
        return self.can

    def probe(self) -> str:
        return "fake tool"

    def lookup(self, key: str) -> TicketReceipt | None:
        self.said.append(f"lookup {key}")
        self._mood(lambda: None)
        return next((self._receipt(n) for n, t in enumerate(self.tickets) if t.key == key), None)

    def create(self, ticket: Ticket) -> TicketReceipt:
        self.said.append(f"create {ticket.service_request_id}")
        self._mood(lambda: self._keep(ticket))
        self._keep(ticket)
        keys = [each.key for each in self.tickets]
        native = self.can.idempotency is Idempotency.NATIVE
        return self._receipt(keys.index(ticket.key) if native else len(keys) - 1)

    def attach(self, ticket: Ticket, receipt: TicketReceipt, attachment: Attachment) -> Exchange:
        name = attachment.name
        return self._step(f"attach {receipt.ticket_id} {name}", lambda: self._add(self.files, name))

    def comment(self, ticket: Ticket, receipt: TicketReceipt, text: str, key: str) -> Exchange:
        native = self.can.comment_idempotency is Idempotency.NATIVE
        note = key if native else text
        return self._step(
            f"comment {receipt.ticket_id} {text}", lambda: self._add(self.notes, note)
        )

    def lookup_attachment(self, receipt: TicketReceipt, attachment: Attachment) -> Exchange | None:
        self.said.append(f"files {receipt.ticket_id}")
        self._mood(lambda: None)
        return Exchange("files") if attachment.name in self.files else None

    def lookup_comment(self, receipt: TicketReceipt, text: str, key: str) -> Exchange | None:
        self.said.append(f"notes {receipt.ticket_id}")
        self._mood(lambda: None)
        return Exchange("notes") if text in self.notes else None

    def set_status(
        self, ticket: Ticket, receipt: TicketReceipt, stage: str, note: str | None
    ) -> Exchange:
        said = f"status {receipt.ticket_id} {stage} {note or ''}".strip()
        says = note is not None and self.can.status_note
        return self._step(said, lambda: self.notes.append(note) if says and note else None)

    def read(self, receipt: TicketReceipt) -> TicketReceipt:
        self.said.append(f"read {receipt.ticket_id}")
        self._mood(lambda: None)
        return TicketReceipt(receipt.ticket_id, status=self.statuses.get(receipt.ticket_id, "new"))

    def changes(self, cursor: str | None) -> ChangePage:
        self.said.append(f"changes {cursor}")
        self._mood(lambda: None)
        return self.pages.pop(0) if self.pages else ChangePage((), cursor or "0")

    def stage_of(self, status: str) -> str | None:
        return STAGES.get(status)

    def preview(self, ticket: Ticket) -> str:
        return f"create {ticket.service_request_id}"

    def close(self) -> None:
        self.closed = True

    def _step(self, said: str, done: Callable[[], object]) -> Exchange:
        self.said.append(said)
        self._mood(done)
        done()
        return Exchange(said, "ok", 200)

    def _add(self, there: list[str], name: str) -> None:
        """A tool that takes our key has one of each."""
        if not (self.can.idempotency is Idempotency.NATIVE and name in there):
            there.append(name)

    def _mood(self, done: Callable[[], object]) -> None:
        mood = self.moods.popleft() if self.moods else ""
        if mood == "lost after":
            done()
            raise OutcomeUnknown("timed out", exchange=Exchange("POST", "", None))
        if mood:
            error = ERRORS[mood]()
            raise error

    def _keep(self, ticket: Ticket) -> None:
        native = self.can.idempotency is Idempotency.NATIVE
        if not (native and any(each.key == ticket.key for each in self.tickets)):
            self.tickets.append(ticket)

    def _receipt(self, at: int) -> TicketReceipt:
        return TicketReceipt(f"T{at + 1}", number=f"DI-{at + 1}", exchange=Exchange("POST", "201"))


def change(ticket_id: str, event_id: str, minute: int, **values: str) -> TicketChange:
    moment = datetime(2026, 11, 16, 8, minute, tzinfo=UTC)
    return TicketChange(ticket_id, event_id, moment, **values)  # type: ignore[arg-type]
