"""What is taken back: a rejection, a lease that was thought lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import pytest

from open311.domain.delivery import Idempotency, Ticket, TicketReceipt
from open311.domain.status import Visibility
from open311.operations import delivery_desk
from open311.operations.delivery import deliver_next
from open311.operations.follow_up import set_visibility
from open311.storage import tickets
from tests.conftest import PUBLIC_URL
from tests.delivery.conftest import NAME, Delivering
from tests.formats.pictures import small

Make = Callable[..., Delivering]


def show(delivering: Delivering, id_: str, visibility: Visibility) -> None:
    delivering.database.write(
        lambda c: set_visibility(
            c, delivering.side, int(id_), visibility, public_url=PUBLIC_URL, now=delivering.clock()
        )
    )


@pytest.mark.parametrize("hidden", [Visibility.REJECTED, Visibility.SPAM])
@pytest.mark.parametrize("shown", [Visibility.PUBLIC, Visibility.PENDING])
def test_what_was_withdrawn_goes_after_all_once_the_rejection_ends(
    delivering: Delivering, hidden: Visibility, shown: Visibility
) -> None:
    id_ = delivering.world.posted_id(media=(BytesIO(small("JPEG")), "a.jpg"))
    delivering.route()
    show(delivering, id_, hidden)
    delivering.run()
    assert delivering.states() == ["create cancelled", "photo cancelled"]
    assert delivering.tool.said == []
    show(delivering, id_, Visibility.REJECTED)  # from one rejection to another: still nothing
    delivering.run()
    assert delivering.states() == ["create cancelled", "photo cancelled"]
    show(delivering, id_, shown)
    delivering.run()
    assert delivering.states() == ["create done", "photo done"]
    assert len(delivering.tool.tickets) == 1


def test_what_a_person_abandoned_stays_so_whatever_becomes_of_the_request(
    delivering: Delivering,
) -> None:
    id_ = delivering.world.posted_id()
    delivering.route()
    show(delivering, id_, Visibility.SPAM)
    delivering.run()
    show(delivering, id_, Visibility.PUBLIC)
    (create,) = delivering.deliveries()
    delivering.database.write(
        lambda c: delivery_desk.abandon(c, create.delivery_key, delivering.clock())
    )
    for visibility in (Visibility.SPAM, Visibility.PUBLIC):
        show(delivering, id_, visibility)
        delivering.run()
    assert delivering.states() == ["create cancelled"]
    assert delivering.tool.said == []


def test_a_late_receipt_overwrites_no_other_ticket_and_a_person_is_told(
    make_delivering: Make,
) -> None:
    """The first worker was slow, not dead; meanwhile a person had the ticket made again."""
    delivering = make_delivering(Idempotency.NONE)
    delivering.world.posted_id()
    delivering.route()
    slow = delivering.tool.create

    def create_slowly(ticket: Ticket) -> TicketReceipt:
        receipt = slow(ticket)
        delivering.tool.create = slow  # type: ignore[method-assign]
        delivering.clock.advance(seconds=delivering.desk.pace.lease_s + 1)
        other = replace(delivering.desk, worker="worker-2")
        deliver_next(other, delivering.side, delivering.destination, delivering.tool)
        (lost,) = delivering.deliveries()
        delivering.database.write(
            lambda c: delivery_desk.resolve(c, lost.delivery_key, delivering.clock(), arrived=False)
        )
        deliver_next(other, delivering.side, delivering.destination, delivering.tool)
        assert delivering.states() == ["create done"]
        return receipt

    delivering.tool.create = create_slowly  # type: ignore[method-assign]
    delivering.deliver()
    assert delivering.states() == ["create unknown"]
    assert sorted(delivering.outcomes()) == ["created", "interrupted", "twin"]
    (twin,) = delivering.deliveries()
    assert "« T1 »" in str(twin.last_error)
    assert "« T2 »" in str(twin.last_error)
    with delivering.database.connect() as connection:
        kept = tickets.find_ticket(connection, NAME, twin.request_key)
    assert kept is not None
    assert kept.receipt.ticket_id == "T2"
    delivering.database.write(
        lambda c: delivery_desk.resolve(
            c, twin.delivery_key, delivering.clock(), arrived=True, ticket_id="T1"
        )
    )
    assert delivering.states() == ["create done"]
