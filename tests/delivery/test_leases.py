"""Who holds a delivery, on both engines: workers that die or are slow, and limits for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from open311.domain.delivery import Idempotency, Ticket, TicketReceipt
from open311.operations.delivery import deliver_next
from open311.storage import deliveries
from tests.delivery.conftest import Delivering

LOOKUP, NATIVE, NONE = Idempotency.LOOKUP, Idempotency.NATIVE, Idempotency.NONE
Make = Callable[..., Delivering]


def claim(delivering: Delivering, worker: str) -> deliveries.StoredDelivery | None:
    with delivering.database.begin() as connection:
        return deliveries.claim(
            connection,
            delivering.name,
            worker,
            now=delivering.clock(),
            lease_s=delivering.desk.pace.lease_s,
            throughput=delivering.destination.throughput,
        )


def ticket_of(delivering: Delivering) -> Ticket:
    """The ticket as the first worker composed it."""
    from open311.operations.parcels import pack

    (delivery,) = delivering.deliveries()
    return pack(
        delivering.world.installation,
        delivering.side,
        delivering.destination,
        delivery,
        delivering.tool.capabilities,
    ).ticket


@pytest.mark.parametrize(
    ("grade", "state"), [(LOOKUP, "done"), (NATIVE, "done"), (NONE, "unknown")]
)
def test_a_worker_killed_after_sending_leaves_no_second_ticket(
    make_delivering: Make, grade: Idempotency, state: str
) -> None:
    delivering = make_delivering(grade)
    delivering.world.posted_id()
    delivering.route()
    killed = replace(delivering.desk, worker="killed")
    held = claim(delivering, "killed")
    assert held is not None
    with delivering.database.begin() as connection:
        assert deliveries.mark_sent(connection, held.delivery_key, "killed", killed.clock())
    delivering.tool.create(ticket_of(delivering))
    assert not delivering.deliver()  # the lease still stands
    delivering.clock.advance(seconds=delivering.desk.pace.lease_s + 1)
    delivering.run()
    assert delivering.states() == [f"create {state}"]
    assert len(delivering.tool.tickets) == 1


def test_a_worker_killed_before_sending_costs_nothing(make_delivering: Make) -> None:
    delivering = make_delivering(NONE)
    delivering.world.posted_id()
    delivering.route()
    claim(delivering, "killed")
    delivering.clock.advance(seconds=delivering.desk.pace.lease_s + 1)
    delivering.run()
    assert delivering.states() == ["create done"]


def test_a_clock_set_back_makes_no_lease_eternal(make_delivering: Make) -> None:
    delivering = make_delivering(NONE)
    delivering.world.posted_id()
    delivering.route()
    delivering.clock.advance(days=1)
    claim(delivering, "killed")
    delivering.clock.advance(days=-1)
    delivering.run()
    assert delivering.states() == ["create done"]


def test_a_worker_whose_lease_was_lost_cannot_settle_but_its_ticket_is_kept(
    make_delivering: Make,
) -> None:
    delivering = make_delivering(NONE)
    delivering.world.posted_id()
    delivering.route()
    slow = delivering.tool.create

    def create_slowly(ticket: Ticket) -> TicketReceipt:  # the lease ends while the tool works
        receipt = slow(ticket)
        delivering.clock.advance(seconds=delivering.desk.pace.lease_s + 1)
        other = replace(delivering.desk, worker="worker-2")
        assert deliver_next(other, delivering.side, delivering.destination, delivering.tool)
        assert delivering.states() == ["create unknown"]
        return receipt

    delivering.tool.create = create_slowly
    delivering.deliver()
    assert delivering.states() == ["create done"]
    assert len(delivering.tool.tickets) == 1
    assert sorted(delivering.outcomes()) == ["created", "interrupted"]


LIMITS = [
    # limit, what two workers may have under way at once, what goes in the first minute
    ({"max_at_once": 1}, 1, 4),
    ({"max_at_once": 2}, 2, 4),
    ({"max_per_minute": 3}, 2, 3),
    ({}, 2, 4),
]


@pytest.mark.parametrize(("limits", "at_once", "in_a_minute"), LIMITS)
def test_a_destination_gets_no_more_than_it_bears_from_all_workers_together(
    make_delivering: Make, limits: dict[str, int], at_once: int, in_a_minute: int
) -> None:
    delivering = make_delivering(**limits)
    for _ in range(4):
        delivering.world.posted_id()
    delivering.route()
    held = [claim(delivering, f"worker-{number}") for number in range(2)]
    assert sum(each is not None for each in held) == at_once
    with delivering.database.begin() as connection:
        for number, each in enumerate(held):
            if each is not None:
                deliveries.release(connection, each, f"worker-{number}")
    delivering.run()
    assert delivering.states().count("create done") == in_a_minute
    delivering.clock.advance(seconds=61)
    delivering.run()
    assert delivering.states() == ["create done"] * 4


def test_a_limit_delays_no_other_destination(make_delivering: Make) -> None:
    from tests.delivery.conftest import destination_document

    delivering = make_delivering(max_per_minute=1, more=(destination_document(name="other"),))
    for _ in range(3):
        delivering.world.posted_id()
    delivering.run()
    delivering.name = "other"
    delivering.run()
    done = [each.destination for each in delivering.deliveries() if each.state == "done"]
    assert sorted(done) == ["gentilly-gmao", "other", "other", "other"]
