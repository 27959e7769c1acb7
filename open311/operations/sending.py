"""Speaking to a tool through its adapter: each kind of step in its own way."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from open311.adapters.contract import Adapter
from open311.domain.delivery import (
    AttachmentRefused,
    DeliveryKind,
    Exchange,
    Idempotency,
    TicketReceipt,
    TicketStale,
)
from open311.operations.parcels import Parcel
from open311.operations.verdicts import Verdict, delivered
from open311.storage.deliveries import StoredDelivery


def repeat_or_look(adapter: Adapter, kind: DeliveryKind, parcel: Parcel) -> Verdict | None:
    """Look for a ticket that an earlier attempt may have made; None: send (again).

    Raises:
        ToolError: the tool could not be asked.
    """
    looked = adapter.capabilities.idempotency is Idempotency.LOOKUP
    if kind is not DeliveryKind.CREATE or not looked:
        return None
    found = adapter.lookup(parcel.ticket.key)
    return None if found is None else delivered("found", found.exchange, receipt=found)


def send(adapter: Adapter, delivery: StoredDelivery, parcel: Parcel) -> Verdict:
    """Send one step.

    Raises:
        ToolError: it did not go well.
    """
    if delivery.kind is DeliveryKind.CREATE:
        receipt = adapter.create(parcel.ticket)
        return delivered("created", receipt.exchange, receipt=receipt)
    assert parcel.receipt is not None, "no step but create goes before the ticket is there"
    exchange = _fresh(adapter, _SENDERS[delivery.kind], delivery, parcel)
    stage = parcel.ticket.stage if delivery.kind is DeliveryKind.STATUS else None
    return delivered("sent", exchange, told_stage=stage, told_text=parcel.text)


_Sender = Callable[[Adapter, TicketReceipt, StoredDelivery, Parcel], Exchange]


def _fresh(adapter: Adapter, sender: _Sender, delivery: StoredDelivery, parcel: Parcel) -> Exchange:
    """Send a step; when the ticket changed under us, read it again and redo, once."""
    assert parcel.receipt is not None
    try:
        return sender(adapter, parcel.receipt, delivery, parcel)
    except TicketStale:
        if not adapter.capabilities.read:
            raise
        return sender(adapter, adapter.read(parcel.receipt), delivery, parcel)


def _photo(
    adapter: Adapter, receipt: TicketReceipt, delivery: StoredDelivery, parcel: Parcel
) -> Exchange:
    """The photo; its address in a note when the tool refuses the file."""
    assert parcel.attachment is not None
    try:
        return adapter.attach(parcel.ticket, receipt, parcel.attachment)
    except AttachmentRefused:
        if not adapter.capabilities.comment:
            raise
        text = f"Photo : {parcel.attachment.url}"
        return adapter.comment(parcel.ticket, receipt, text, delivery.idempotency_key)


def _comment(
    adapter: Adapter, receipt: TicketReceipt, delivery: StoredDelivery, parcel: Parcel
) -> Exchange:
    return adapter.comment(parcel.ticket, receipt, parcel.text or "", delivery.idempotency_key)


def _status(
    adapter: Adapter, receipt: TicketReceipt, delivery: StoredDelivery, parcel: Parcel
) -> Exchange:
    """The status; said in a note where the tool's status is not ours to set."""
    if adapter.capabilities.set_status:
        return adapter.set_status(parcel.ticket, receipt, parcel.ticket.stage, parcel.text)
    text = " – ".join(part for part in (parcel.stage_words, parcel.text) if part)
    return adapter.comment(parcel.ticket, receipt, text, delivery.idempotency_key)


_SENDERS: Mapping[DeliveryKind, _Sender] = {
    DeliveryKind.PHOTO: _photo,
    DeliveryKind.COMMENT: _comment,
    DeliveryKind.STATUS: _status,
}
