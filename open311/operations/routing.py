"""From the outbox to deliveries: who must hear of what, decided in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import Connection

from open311.domain.delivery import DeliveryKind, DeliveryState
from open311.domain.hops import passed
from open311.operations.installation import Installation, Side
from open311.storage import deliveries, hints, origins, outbox, requests
from open311.storage.delivery_records import DeliveryFilter, list_deliveries
from open311.storage.outbox import OutboxEvent

_BATCH = 100


def route_events(installation: Installation, *, now: datetime) -> int:
    """Route what waits in the outbox; how many events were routed, 0 when none is left.

    An event and its deliveries change in one transaction: a worker that dies here
    leaves either the event or its deliveries, never both, never neither.
    """
    if not outbox.has_events(installation.database):
        return 0
    server_id = outbox.server_id(installation.database)
    sides = {side.scope.jurisdiction_key: side for side in installation.sides.values()}

    def route(connection: Connection) -> int:
        events = outbox.take_events(connection, _BATCH)
        for event in events:
            _route(connection, sides, event, server_id, now)
            outbox.mark_routed(connection, event.outbox_key)
        if events:
            hints.give_hint(connection)
        return len(events)

    return installation.database.write(route)


def ticket_key(server_id: str, service_request_id: int) -> str:
    """The key that a ticket carries for ever: ours among all servers'."""
    return f"{server_id}-{service_request_id}"


def _route(
    connection: Connection,
    sides: Mapping[int, Side],
    event: OutboxEvent,
    server_id: str,
    now: datetime,
) -> None:
    side = sides.get(event.jurisdiction_key)
    if side is None or side.scope.is_test:
        return
    key = ticket_key(server_id, event.service_request_id)
    for destination in _hearers(connection, side, event):
        for kind, payload, suffix in _steps(connection, side, event):
            deliveries.insert_delivery(
                connection,
                side.scope,
                event.service_request_id,
                destination=destination,
                kind=kind,
                payload=payload,
                idempotency_key=f"{key}{suffix}",
                now=now,
                may_have_arrived=bool(event.payload.get("may_have_arrived")),
            )


def _hearers(connection: Connection, side: Side, event: OutboxEvent) -> Iterator[str]:
    """Names of the destinations: by service for a new request, else those that have it."""
    scope, id_ = side.scope, event.service_request_id
    stored = requests.find_request(connection, scope, id_)
    if stored is None:
        return
    if event.kind is DeliveryKind.CREATE:
        hops = origins.hops_of(connection, scope.request_key(id_))
        for destination in side.jurisdiction.destinations_for(stored.request.service_code):
            # What came from a server, or through it, does not go back there.
            if not passed(destination.settings.get("peer_id"), hops):
                yield destination.name
        return
    wanted = DeliveryFilter(request_key=scope.request_key(id_), limit=1000)
    for delivery in list_deliveries(connection, wanted):
        given_up = delivery.state is DeliveryState.CANCELLED
        if delivery.kind is DeliveryKind.CREATE and not given_up:
            yield delivery.destination


def _steps(
    connection: Connection, side: Side, event: OutboxEvent
) -> Iterator[tuple[DeliveryKind, Mapping[str, object], str]]:
    """The steps of one event: kind, payload, and what its key ends with."""
    if event.kind is not DeliveryKind.CREATE:
        update_key = event.payload.get("update_key")
        if update_key is not None:  # blanked when the request was erased
            yield event.kind, {"update_key": update_key}, f"-u{update_key}"
        return
    yield DeliveryKind.CREATE, {}, ""
    stored = requests.find_request(connection, side.scope, event.service_request_id)
    for number, photo in enumerate(stored.photos if stored else (), start=1):
        yield DeliveryKind.PHOTO, {"photo": photo.name, "number": number}, f"-p{number}"
