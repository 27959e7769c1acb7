"""What a delivery would send, and nothing sent."""

from __future__ import annotations

from datetime import datetime

from open311.adapters.contract import Adapter
from open311.domain.delivery import DeliveryKind, DeliveryState, Destination, ToolError
from open311.domain.errors import NotAllowed
from open311.operations.installation import Installation, Side
from open311.operations.parcels import Withdrawn, pack
from open311.storage.deliveries import StoredDelivery


def preview_create(
    installation: Installation,
    side: Side,
    destination: Destination,
    adapter: Adapter,
    service_request_id: int,
    now: datetime,
) -> str:
    """The requests that would create a request's ticket, secrets masked.

    Raises:
        NotAllowed: the mapping, or the request itself, would stop this delivery.
        InvalidRequest: its position cannot be said in the destination's frame.
    """
    delivery = _never_stored(side, destination, service_request_id, now)
    parcel = pack(installation, side, destination, delivery, adapter.capabilities)
    if isinstance(parcel, Withdrawn):
        raise NotAllowed(f"Rien ne partirait : {parcel.why}")
    try:
        return adapter.preview(parcel.ticket)
    except ToolError as error:
        raise NotAllowed(f"L'envoi serait refusé avant de partir : {error.message}") from error


def _never_stored(
    side: Side, destination: Destination, service_request_id: int, now: datetime
) -> StoredDelivery:
    """The step that routing would make of a new request."""
    return StoredDelivery(
        delivery_key=0,
        destination=destination.name,
        jurisdiction_key=side.scope.jurisdiction_key,
        request_key=side.scope.request_key(service_request_id),
        kind=DeliveryKind.CREATE,
        payload={},
        idempotency_key="",
        state=DeliveryState.PENDING,
        attempts=0,
        not_before=now,
        lease_until=None,
        leased_by=None,
        sent_datetime=None,
        give_up_datetime=None,
        last_error=None,
        created_datetime=now,
        settled_datetime=None,
    )
