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

_UNFINISHED = (
    DeliveryState.PENDING,
    DeliveryState.LEASED,
    DeliveryState.DEAD,
    DeliveryState.UNKNOWN,
)


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


def retry(
    connection: Connection, wanted: DeliveryFilter, now: datetime, *, force: bool = False
) -> list[StoredDelivery]:
    """Let waiting deliveries go now, those too whose worker is gone; those that do.

    Args:
        force: take the one that is named from its worker, even before its lease has run out.

    Raises:
        NotAllowed: the one that is named is being sent, as far as we know.
    """
    done = []
    for each in _listed(connection, wanted, (DeliveryState.PENDING, DeliveryState.LEASED)):
        if each.state is DeliveryState.LEASED:
            if _freed(connection, each, wanted, now, force=force):
                done.append(each)
        elif delivery_records.retry_now(connection, each.delivery_key, now):
            done.append(each)
    hints.give_hint(connection)
    return done


def abandon(
    connection: Connection, delivery_key: int, now: datetime, *, force: bool = False
) -> StoredDelivery:
    """Give a delivery up; with a ticket's creation, all of its later steps.

    Args:
        force: take it from its worker, even before its lease has run out.

    Raises:
        NotFound: there is none of this number.
        NotAllowed: it is done, or being sent as far as we know.
    """
    delivery = _found(connection, delivery_key)
    if delivery.state is DeliveryState.LEASED:
        _free(connection, delivery, now, DeliveryState.PENDING, force=force)
    if not _given_up(connection, delivery, now):
        raise NotAllowed(_refusal(delivery, "abandonné"))
    return delivery


def abandon_all(
    connection: Connection, wanted: DeliveryFilter, now: datetime
) -> list[StoredDelivery]:
    """Give up all that fits and is neither done nor in a living worker's hands; those given up."""
    done = []
    for each in _listed(connection, wanted, _UNFINISHED):
        if each.state is DeliveryState.LEASED:
            _freed(connection, each, wanted, now, force=False)
        if _given_up(connection, each, now):
            done.append(each)
    return done


def _given_up(connection: Connection, delivery: StoredDelivery, now: datetime) -> bool:
    if not delivery_records.cancel(connection, delivery.delivery_key, now):
        return False
    if delivery.kind is DeliveryKind.CREATE:
        delivery_records.cancel_after(connection, delivery, now)
    return True


def resolve(
    connection: Connection,
    delivery_key: int,
    now: datetime,
    *,
    arrived: bool,
    ticket_id: str | None = None,
    force: bool = False,
) -> StoredDelivery:
    """Decide what nobody knew: it is in the tool, or it is not and goes again.

    Args:
        ticket_id: the ticket that was found, for the delivery that creates it.
        force: take it from its worker, even before its lease has run out.

    Raises:
        NotFound: there is none of this number.
        NotAllowed: its outcome is known, or it is being sent as far as we know.
        InvalidRequest: a ticket's creation is said to have arrived, and not under which id,
            or under the id of another request's ticket.
    """
    delivery = _found(connection, delivery_key)
    create = delivery.kind is DeliveryKind.CREATE
    if arrived and create:
        _check_ticket_id(connection, delivery, ticket_id)
    if delivery.state is DeliveryState.LEASED:
        _free(connection, delivery, now, DeliveryState.UNKNOWN, force=force)
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


def _check_ticket_id(
    connection: Connection, delivery: StoredDelivery, ticket_id: str | None
) -> None:
    if not ticket_id:
        raise InvalidRequest("Dites sous quel identifiant le ticket existe : --ticket.")
    destination, request_key = delivery.destination, delivery.request_key
    owner = tickets.other_owner(connection, destination, request_key, ticket_id)
    if owner is not None:
        raise InvalidRequest(f"Le ticket « {ticket_id} » est déjà celui de la demande {owner}.")


def _listed(
    connection: Connection, wanted: DeliveryFilter, states: tuple[DeliveryState, ...]
) -> list[StoredDelivery]:
    """What fits and stands in one of these states, oldest first, at most `wanted.limit`."""
    chosen = [state for state in states if wanted.state in (None, state)]
    found = [
        each
        for state in chosen
        for each in delivery_records.list_deliveries(connection, replace(wanted, state=state))
    ]
    return sorted(found, key=lambda each: each.delivery_key)[: wanted.limit]


def _freed(
    connection: Connection,
    delivery: StoredDelivery,
    wanted: DeliveryFilter,
    now: datetime,
    *,
    force: bool,
) -> bool:
    """Free a delivery; of many, one that is being sent is left alone."""
    if wanted.delivery_key is not None:
        _free(connection, delivery, now, DeliveryState.PENDING, force=force)
        return True
    return delivery_records.free_lease(
        connection, delivery.delivery_key, now, DeliveryState.PENDING, force=False
    )


def _free(
    connection: Connection,
    delivery: StoredDelivery,
    now: datetime,
    state: DeliveryState,
    *,
    force: bool,
) -> None:
    key = delivery.delivery_key
    if delivery_records.free_lease(connection, key, now, state, force=force):
        return
    since, until = delivery.sent_datetime, delivery.lease_until
    sent = f"parti le {_read(since)}" if since else "rien n'est encore parti"
    raise NotAllowed(
        f"L'envoi {key} est tenu par le worker « {delivery.leased_by} » ({sent} ; bail jusqu'au "
        f"{_read(until) if until else '?'}) : attendez la fin du bail, ou dites --force si ce "
        "worker ne vit plus."
    )


def _read(moment: datetime) -> str:
    return moment.strftime("%d/%m/%Y à %H:%M:%S UTC")


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
