"""The engine `rest`: every tool with an HTTP interface that a profile can describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from open311.adapters.destination_settings import reporter_fields
from open311.adapters.mapping import mapped
from open311.adapters.outcomes import REFUSED_FILE, failure_of, file_failure, unreadable
from open311.adapters.profile import AttachmentMode, Field, Filled, Frame, Profile, ProfileFaults
from open311.adapters.profile_file import Kind
from open311.adapters.rest_blocks import Operation, RestBlocks
from open311.adapters.rest_caller import Answered, Caller, photo_pairs
from open311.adapters.rest_changes import ChangeReader
from open311.adapters.rest_preview import preview
from open311.adapters.rest_profile import read_rest
from open311.adapters.transforms import as_text, is_empty, transformed
from open311.adapters.vocabulary import (
    Values,
    allowed_reporter,
    file_values,
    receipt_values,
    ticket_values,
)
from open311.adapters.wire import HTTP_SETTINGS, Reply, Wire
from open311.domain.delivery import (
    Attachment,
    AttachmentRefused,
    Capabilities,
    ChangePage,
    Destination,
    Exchange,
    Idempotency,
    OutcomeUnknown,
    Ticket,
    TicketReceipt,
    ToolError,
    ToolRefused,
)

_RECEIPT = ("number", "url", "status", "etag")
#: How a server says that it does not know what a call asks for.
_NOT_KNOWN = (400, 404, 501)
#: What can be listed can be looked for.
_LISTED = Idempotency.LOOKUP
#: What leaves words in a ticket.
_WITH_WORDS = ("comment", "set_status")


class RestAdapter:
    """One destination behind an HTTP interface; see `contract.Adapter`."""

    def __init__(self, profile: Profile, destination: Destination, settings: Filled) -> None:
        self.profile = profile
        blocks: RestBlocks = profile.engine
        self._operations = blocks.operations
        self._throughput = blocks.throughput
        self._allowed = reporter_fields(profile, settings)
        self._wire = Wire(destination, settings, blocks.limits)
        self._caller = Caller(profile, blocks, settings, self._wire)
        self._changes = ChangeReader(self._caller, blocks)

    @property
    def capabilities(self) -> Capabilities:
        """What the profile describes."""
        has = self._operations.__contains__
        mode = self.profile.attachments.mode
        return Capabilities(
            idempotency=self.profile.idempotency,
            attach=mode is AttachmentMode.CALL,
            comment=has("comment"),
            set_status=has("set_status"),
            read=has("read"),
            changes=has("changes"),
            inline_photos=mode is AttachmentMode.INLINE,
            photo_idempotency=_LISTED if has("files") else Idempotency.NONE,
            comment_idempotency=_LISTED if has("notes") else Idempotency.NONE,
            status_note=self._says_notes(),
            throughput=self._throughput,
        )

    def probe(self) -> str:
        """Ask something harmless that needs the account."""
        operation = self._operations["probe"]
        answered = self._caller.perform(operation, {}, safe=True)
        told = self._texts(operation, answered, safe=True).get("told")
        return f"{self.profile.title} répond{f' ({told})' if told else ''}."

    def lookup(self, key: str) -> TicketReceipt | None:
        """The ticket that carries our key; the tool may search loosely, we compare exactly."""
        operation = self._operations["lookup"]
        answered = self._caller.perform(operation, {"key": key}, safe=True)
        if answered.reply.status in operation.call.absent:
            return None
        for item in self._items(operation, answered):
            found = self._texts(operation, replace(answered, node=item), safe=True)
            if "ticket_id" in found and found.get("key", key) == key:
                return self._receipt(found, answered.reply)
        if operation.incomplete_if and self._caller.reader.find(
            operation.incomplete_if, answered.node
        ):
            raise OutcomeUnknown(
                "Notre clé n'est pas parmi les tickets que l'outil liste, mais il ne liste pas "
                "tout : cherchez le ticket dans l'outil.",
                exchange=answered.reply.exchange,
            )
        return None

    def create(self, ticket: Ticket) -> TicketReceipt:
        """Create the ticket; when the tool says that our key is there already, find it."""
        operation = self._operations["create"]
        values = self._ticket_values(ticket)
        photos = [file_values(each) for each in self._inline(ticket)]
        extra = photo_pairs(operation, photos, values, self._caller.means)
        answered = self._caller.perform(
            operation,
            values,
            extra=extra,
            accept=operation.exists,
        )
        if answered.reply.status in operation.exists:
            return self._existing(operation, answered, ticket.key)
        found = self._texts(operation, answered, safe=False)
        if "ticket_id" not in found:
            raise unreadable(answered.reply, "l'identifiant du ticket n'y est pas", safe=False)
        return self._receipt(found, answered.reply)

    def _existing(self, operation: Operation, answered: Answered, key: str) -> TicketReceipt:
        told = operation.exists_if is None or self._caller.reader.find(
            operation.exists_if, answered.node
        )
        found = self.lookup(key) if told and "lookup" in self._operations else None
        if found is None:
            raise failure_of(answered.reply, "", safe=False)
        return found

    def attach(self, ticket: Ticket, receipt: TicketReceipt, attachment: Attachment) -> Exchange:
        """Add one photo."""
        self._check_file(attachment)
        operation = self._operations["attach"]
        refused = operation.refused_file or tuple(REFUSED_FILE)

        def failure(reply: Reply, words: str, safe: bool) -> ToolError:  # noqa: FBT001
            return file_failure(reply, words, refused, safe=safe)

        values = {**self._step_values(ticket, receipt), **file_values(attachment)}
        return self._caller.perform(operation, values, failure=failure).reply.exchange

    def comment(self, ticket: Ticket, receipt: TicketReceipt, text: str, key: str) -> Exchange:
        """Add a note."""
        note = {"note.text": text, "note.key": key}
        return self._step("comment", ticket, receipt, note)

    def lookup_attachment(self, receipt: TicketReceipt, attachment: Attachment) -> Exchange | None:
        """Whether a file of its name is there, by the operation `files`."""
        names = (each.get("name") for each in self._already("files", receipt))
        there = f"{attachment.name} : déjà dans l'outil."
        return Exchange(response=there) if attachment.name in names else None

    def lookup_comment(self, receipt: TicketReceipt, text: str, key: str) -> Exchange | None:
        """Whether the note is there (`notes`): by its key, else by its whole text.

        The text is compared as it was written, and as the tool tells what the profile
        sends of it (shortened, escaped, inside a template).
        """
        note = {"note.text": text, "note.key": key}
        told = {" ".join(each.split()) for each in (text, *self._as_told(receipt, text, key))}
        for each in self._already("notes", receipt, note):
            words = " ".join(each.get("text", "").split())
            if each["key"] == key if "key" in each else words in told:
                return Exchange(response="Note déjà dans l'outil.")
        return None

    def _as_told(self, receipt: TicketReceipt, text: str, key: str) -> list[str]:
        """What the tool tells of a note, or of a status's words, if it keeps what it gets."""
        means = self._caller.means
        pick = self._operations["notes"].answer.get("text")
        values = {
            **self._caller.settings, **receipt_values(receipt),
            "note.text": text, "note.key": key, "status.note": text,
        }  # fmt: skip
        sent = mapped([*self._fields("note.text"), *self._fields("status.note")], values, means)
        transforms = () if pick is None else pick.transforms
        return [as_text(transformed(each, transforms, means)) for _, each in sent]

    def _fields(self, name: str) -> list[Field]:
        """The fields of notes and statuses into which a value goes."""
        steps = [self._operations[each] for each in _WITH_WORDS if each in self._operations]
        calls = [call for step in steps for call in (*step.first, step.call)]
        return [each for call in calls for each in call.fields if each.asks_for(name)]

    def set_status(
        self, ticket: Ticket, receipt: TicketReceipt, stage: str, note: str | None
    ) -> Exchange:
        """Move the ticket to what `status_out` calls our stage."""
        status = {"status.stage": stage, "status.note": note}
        return self._step("set_status", ticket, receipt, status)

    def read(self, receipt: TicketReceipt) -> TicketReceipt:
        """The ticket as it stands now."""
        operation = self._operations["read"]
        answered = self._answer_to_read(operation, receipt_values(receipt))
        if answered.reply.status in operation.call.absent:
            raise ToolRefused("Ce ticket n'existe plus.", exchange=answered.reply.exchange)
        found = self._texts(operation, answered, safe=True)
        known = {name: getattr(receipt, name) for name in _RECEIPT}
        return self._receipt({**known, **found, "ticket_id": receipt.ticket_id}, answered.reply)

    def _answer_to_read(self, operation: Operation, values: Values) -> Answered:
        """The answer, to the plainer call if the tool does not know the first."""
        if operation.fallback is None or operation.fallback_if is None:
            return self._caller.perform(operation, values, safe=True)
        answered = self._caller.perform(operation, values, safe=True, accept=_NOT_KNOWN)
        try:
            is_unknown = bool(self._caller.reader.find(operation.fallback_if, answered.node))
        except ValueError as error:
            raise unreadable(answered.reply, str(error), safe=True) from error
        if is_unknown:
            plainer = replace(operation, call=operation.fallback)
            return self._caller.perform(plainer, values, safe=True)
        if (
            answered.reply.status in _NOT_KNOWN
            and answered.reply.status not in operation.call.absent
        ):
            raise failure_of(answered.reply, answered.reply.words(answered.reply.text), safe=True)
        return answered

    def changes(self, cursor: str | None) -> ChangePage:
        """What changed after a cursor, by the tool's own clock."""
        return self._changes.page(cursor)

    def stage_of(self, status: str) -> str | None:
        """Our stage for a status of the tool, by the table `status_in`."""
        return self.profile.stage_of(status)

    def preview(self, ticket: Ticket) -> str:
        """Every request of a create, in order; what only the tool can tell is in ‹ ›."""
        operation = self._operations["create"]
        photos = [file_values(each) for each in self._inline(ticket)]
        return preview(self._caller, operation, self._ticket_values(ticket), photos)

    def close(self) -> None:
        """Let connections go."""
        self._wire.close()

    def _step(
        self, name: str, ticket: Ticket, receipt: TicketReceipt, more: Mapping[str, Any]
    ) -> Exchange:
        values = {**self._step_values(ticket, receipt), **more}
        return self._caller.perform(self._operations[name], values).reply.exchange

    def _ticket_values(self, ticket: Ticket) -> dict[str, Any]:
        return ticket_values(allowed_reporter(ticket, self._allowed))

    def _step_values(self, ticket: Ticket, receipt: TicketReceipt) -> dict[str, Any]:
        return {**self._ticket_values(ticket), **receipt_values(receipt)}

    def _inline(self, ticket: Ticket) -> list[Attachment]:
        rules = self.profile.attachments
        fitting = [each for each in ticket.photos if self._refusal(each) is None]
        return fitting[: rules.max_count]

    def _check_file(self, attachment: Attachment) -> None:
        refusal = self._refusal(attachment)
        if refusal is not None:
            raise AttachmentRefused(refusal)

    def _refusal(self, attachment: Attachment) -> str | None:
        rules = self.profile.attachments
        if attachment.media_type not in rules.media_types:
            return f"{attachment.name} : le type {attachment.media_type} n'est pas accepté."
        if len(attachment.content) > rules.max_bytes:
            return f"{attachment.name} : plus de {rules.max_bytes} octets."
        return None

    def _says_notes(self) -> bool:
        """Whether the words of a status go with it."""
        return bool(self._fields("status.note"))

    def _already(
        self, name: str, receipt: TicketReceipt, more: Values | None = None
    ) -> list[dict[str, str]]:
        """The files, or the notes, that the ticket has."""
        operation = self._operations[name]
        values = {**receipt_values(receipt), **(more or {})}
        answered = self._caller.perform(operation, values, safe=True)
        return [
            self._texts(operation, replace(answered, node=item), safe=True)
            for item in self._items(operation, answered)
        ]

    def _items(self, operation: Operation, answered: Answered) -> list[Any]:
        try:
            return self._caller.reader.listed(operation.items, answered.node)
        except ValueError as error:
            raise unreadable(answered.reply, str(error), safe=True) from error

    def _texts(self, operation: Operation, answered: Answered, *, safe: bool) -> dict[str, str]:
        caller = self._caller
        values: Values = answered.values
        try:
            return caller.reader.texts(
                operation.answer, answered.node, answered.reply, values, caller.means
            )
        except ValueError as error:
            raise unreadable(answered.reply, str(error), safe=safe) from error

    def _receipt(self, found: Mapping[str, str | None], reply: Reply) -> TicketReceipt:
        names = (*_RECEIPT, "note")
        known = {name: found.get(name) for name in names if not is_empty(found.get(name))}
        return TicketReceipt(found["ticket_id"] or "", **known, exchange=reply.exchange)


def _make(profile: Profile, destination: Destination, settings: Filled) -> RestAdapter:
    if profile.frame is Frame.DESTINATION and destination.epsg is None:
        raise ProfileFaults(
            f"destination {destination.name}",
            ["epsg : ce profil envoie x et y : dites dans quel système (EPSG) l'outil les lit."],
        )
    return RestAdapter(profile, destination, settings)


KIND = Kind(read_rest, _make, HTTP_SETTINGS)
