"""What people do with deliveries: look, replay, retry, give up, decide what nobody knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from open311.domain.delivery import DeliveryKind, DeliveryState, TicketReceipt
from open311.domain.errors import InvalidRequest, NotAllowed, NotFound
from open311.storage import delivery_records, hints, tickets
from open311.storage.catalogue import bump_configuration
from open311.storage.deliveries import StoredDelivery
from open311.storage.delivery_records import Attempt, DeliveryFilter
from open311.storage.tickets import StoredTicket


@dataclass(frozen=True)
class WholeDelivery:
    """A delivery with its tries and its ticket."""

    delivery: StoredDelivery
    attempts: tuple[Attempt, ...]
    ticket: StoredTicket | None


def whole_delivery(connection: Connection, delivery_key: int) -> WholeDelivery:
    """All that is known of one delivery.

    Raises:
        NotFound: there is none of this number.
    """
    delivery = _found(connection, delivery_key)
    return WholeDelivery(
        delivery,
        tuple(delivery_records.attempts_of(connection, delivery_key)),
        tickets.find_ticket(connection, delivery.destination, delivery.request_key),
    )


def deliveries_of(connection: Connection, request_key: int) -> list[WholeDelivery]:
    """Every delivery of a request, oldest first."""
    found = delivery_records.list_deliveries(
        connection, DeliveryFilter(request_key=request_key, limit=1000)
    )
    return [whole_delivery(connection, each.delivery_key) for each in found]


def replay(connection: Connection, wanted: DeliveryFilter, now: datetime) -> list[StoredDelivery]:
    """Send dead letters again, each under its own key; those that were.

    Workers read profiles anew before they send: a corrected mapping holds at once.
    """
    dead = DeliveryState.DEAD
    found = delivery_records.list_deliveries(connection, _only(wanted, dead))
    done = [each for each in found if delivery_records.replay(connection, each.delivery_key, now)]
    bump_configuration(connection)
    hints.give_hint(connection)
    return done


def retry(connection: Connection, wanted: DeliveryFilter, now: datetime) -> list[StoredDelivery]:
    """Let waiting deliveries go now; those that were waiting."""
    pending = DeliveryState.PENDING
    found = delivery_records.list_deliveries(connection, _only(wanted, pending))
    done = [
        each for each in found if delivery_records.retry_now(connection, each.delivery_key, now)
    ]
    hints.give_hint(connection)
    return done


def abandon(connection: Connection, delivery_key: int, now: datetime) -> StoredDelivery:
    """Give a delivery up; with a ticket's creation, all of its later steps.

    Raises:
        NotFound: there is none of this number.
        NotAllowed: it is done, or being sent right now.
    """
    delivery = _found(connection, delivery_key)
    if not delivery_records.cancel(connection, delivery_key, now):
        raise NotAllowed(_refusal(delivery, "abandonné"))
    if delivery.kind is DeliveryKind.CREATE:
        delivery_records.cancel_after(connection, delivery, now)
    return delivery


def resolve(
    connection: Connection,
    delivery_key: int,
    now: datetime,
    *,
    arrived: bool,
    ticket_id: str | None = None,
) -> StoredDelivery:
    """Decide what nobody knew: it is in the tool, or it is not and goes again.

    Args:
        ticket_id: the ticket that was found, for the delivery that creates it.

    Raises:
        NotFound: there is none of this number.
        NotAllowed: its outcome is known.
        InvalidRequest: a ticket's creation is said to have arrived, and not under which id.
    """
    delivery = _found(connection, delivery_key)
    create = delivery.kind is DeliveryKind.CREATE
    if arrived and create and not ticket_id:
        raise InvalidRequest("Dites sous quel identifiant le ticket existe : --ticket.")
    change: Callable[[Connection, int, datetime], bool] = (
        delivery_records.mark_done if arrived else delivery_records.send_again
    )
    if not change(connection, delivery_key, now):
        raise NotAllowed(_refusal(delivery, "résolu"))
    if arrived and create and ticket_id:
        receipt = TicketReceipt(ticket_id)
        tickets.put_ticket(connection, delivery.destination, delivery.request_key, receipt, now)
    hints.give_hint(connection)
    return delivery


def _found(connection: Connection, delivery_key: int) -> StoredDelivery:
    delivery = delivery_records.find_delivery(connection, delivery_key)
    if delivery is None:
        raise NotFound(f"L'envoi {delivery_key} n'existe pas (open311 delivery list).")
    return delivery


def _only(wanted: DeliveryFilter, state: DeliveryState) -> DeliveryFilter:
    if wanted.state not in (None, state):
        raise InvalidRequest(f"Seuls les envois à l'état « {state} » s'y prêtent.")
    return replace(wanted, state=state)


def _refusal(delivery: StoredDelivery, verb: str) -> str:
    return (
        f"L'envoi {delivery.delivery_key} est à l'état « {delivery.state} » : "
        f"il ne peut pas être {verb}."
    )
