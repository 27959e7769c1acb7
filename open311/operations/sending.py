"""Speaking to a tool through its adapter: each kind of step in its own way.

A step that may have arrived before is looked for before it is sent again, where the
tool can tell; `delivery` does not come here at all where it cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from open311.adapters.contract import Adapter
from open311.domain.delivery import (
    MAX_TOLD_ID,
    AttachmentRefused,
    DeliveryKind,
    Exchange,
    Idempotency,
    NoteInDoubt,
    OutcomeUnknown,
    TicketReceipt,
    TicketStale,
)
from open311.operations.parcels import Parcel
from open311.operations.verdicts import Verdict, delivered
from open311.storage.deliveries import StoredDelivery


@dataclass(frozen=True, slots=True)
class _Call:
    """One step on its way: who is spoken to, of which ticket, and whether he may know."""

    adapter: Adapter
    parcel: Parcel
    receipt: TicketReceipt
    key: str
    is_repeat: bool

    def may_look(self, kind: DeliveryKind) -> bool:
        """Whether to ask the tool first."""
        grade = self.adapter.capabilities.grade_of(kind, with_words=True)
        return self.is_repeat and grade is Idempotency.LOOKUP


def create_or_find(adapter: Adapter, delivery: StoredDelivery, parcel: Parcel) -> Verdict:
    """The ticket: found, if an earlier attempt may have made it, else made.

    Raises:
        ToolError: it did not go well.
    """
    looked = adapter.capabilities.idempotency is Idempotency.LOOKUP
    if delivery.sent_datetime is not None and looked:
        found = adapter.lookup(parcel.ticket.key)
        if found is not None:
            return delivered("found", found.exchange, receipt=_usable(found))
    receipt = adapter.create(parcel.ticket)
    return delivered("created", receipt.exchange, receipt=_usable(receipt))


def _usable(receipt: TicketReceipt) -> TicketReceipt:
    """The receipt, whose id we can keep and ask for again.

    Raises:
        OutcomeUnknown: there may be a ticket, and nobody could name it.
    """
    if not receipt.ticket_id.strip() or len(receipt.ticket_id) > MAX_TOLD_ID:
        raise OutcomeUnknown(
            f"L'outil donne un identifiant de ticket vide ou de plus de {MAX_TOLD_ID} caractères.",
            exchange=receipt.exchange,
        )
    return receipt


def send(adapter: Adapter, delivery: StoredDelivery, parcel: Parcel) -> Verdict:
    """Send one step, unless it is there already.

    Raises:
        ToolError: it did not go well.
    """
    if delivery.kind is DeliveryKind.CREATE:
        return create_or_find(adapter, delivery, parcel)
    outcome, exchange = _fresh(adapter, _SENDERS[delivery.kind], delivery, parcel)
    stage = parcel.ticket.stage if delivery.kind is DeliveryKind.STATUS else None
    return delivered(outcome, exchange, told_stage=stage, told_text=parcel.text)


_Sender = Callable[[_Call], tuple[str, Exchange]]


def _fresh(
    adapter: Adapter, sender: _Sender, delivery: StoredDelivery, parcel: Parcel
) -> tuple[str, Exchange]:
    """Send a step; when the ticket changed under us, read it again and redo, once."""
    assert parcel.receipt is not None, "no step but create goes before the ticket is there"
    key, is_repeat = delivery.idempotency_key, delivery.sent_datetime is not None
    try:
        return sender(_Call(adapter, parcel, parcel.receipt, key, is_repeat))
    except TicketStale:
        if not adapter.capabilities.read:
            raise
        return sender(_Call(adapter, parcel, adapter.read(parcel.receipt), key, is_repeat))


def _photo(call: _Call) -> tuple[str, Exchange]:
    """The photo; its address in a note when the tool refuses the file."""
    attachment = call.parcel.attachment
    assert attachment is not None
    if call.may_look(DeliveryKind.PHOTO):
        found = call.adapter.lookup_attachment(call.receipt, attachment)
        if found is not None:
            return "found", found
    try:
        return "sent", call.adapter.attach(call.parcel.ticket, call.receipt, attachment)
    except AttachmentRefused:
        if not call.adapter.capabilities.comment:
            raise
        return _note(call, f"Photo : {attachment.url}")


def _comment(call: _Call) -> tuple[str, Exchange]:
    return _note(call, call.parcel.text or "")


def _status(call: _Call) -> tuple[str, Exchange]:
    """The status; said in a note where the tool's status is not ours to set."""
    parcel, can = call.parcel, call.adapter.capabilities
    if not can.set_status:
        words = " – ".join(part for part in (parcel.stage_words, parcel.text) if part)
        return _note(call, words)
    text = said = parcel.text
    if text and can.status_note and call.may_look(DeliveryKind.COMMENT):
        found = call.adapter.lookup_comment(call.receipt, text, call.key)
        said = None if found is not None else text  # its words there do not prove the status
    exchange = call.adapter.set_status(parcel.ticket, call.receipt, parcel.ticket.stage, said)
    if text and not can.status_note and can.comment:
        return _note(call, text)
    return "sent", exchange


def _note(call: _Call, text: str) -> tuple[str, Exchange]:
    """A note, said once: by whatever step, its doubt is judged by the notes' own grade.

    Raises:
        NoteInDoubt: it may be there, and the tool cannot tell.
    """
    grade = call.adapter.capabilities.comment_idempotency
    if call.is_repeat and grade is Idempotency.NONE:
        raise NoteInDoubt("une note est peut-être déjà dans l'outil, qui ne sait pas le dire.")
    if call.may_look(DeliveryKind.COMMENT):
        found = call.adapter.lookup_comment(call.receipt, text, call.key)
        if found is not None:
            return "found", found
    try:
        return "sent", call.adapter.comment(call.parcel.ticket, call.receipt, text, call.key)
    except OutcomeUnknown as error:
        if grade is Idempotency.NONE:
            raise NoteInDoubt(error.message, exchange=error.exchange) from error
        raise


_SENDERS: Mapping[DeliveryKind, _Sender] = {
    DeliveryKind.PHOTO: _photo,
    DeliveryKind.COMMENT: _comment,
    DeliveryKind.STATUS: _status,
}
