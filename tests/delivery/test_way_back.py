"""The way back goes on: whatever is gone, erased, stopped, in doubt or odd holds up no other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from open311 import worker
from open311.domain.delivery import Idempotency, TicketReceipt, ToolRefused
from open311.operations import delivery_desk
from open311.operations.follow_up import erase_request
from open311.operations.polling import answer_hints, poll_destination, retry_translations
from open311.storage import destinations, inbox, sql
from open311.worker import Lane, Post
from tests.conftest import PUBLIC_URL
from tests.delivery.conftest import Delivering
from tests.delivery.delivery_site import await_
from tests.delivery.fake_tool import STAGES, change
from tests.delivery.test_inbound import events, fed, hint, id_of, poll, tell

Make = Callable[..., Delivering]

__all__ = ["fed"]


def erase(delivering: Delivering, id_: str) -> None:
    world = delivering.world
    erase_request(world.database, world.media, world.side(), int(id_),
                  public_url=PUBLIC_URL, now=world.clock())  # fmt: skip


def gone(delivering: Delivering, ticket_id: str) -> None:
    """The tool refuses to show one ticket, as if somebody had deleted it."""
    read = delivering.tool.read

    def reads(receipt: TicketReceipt) -> TicketReceipt:
        found = read(receipt)
        if receipt.ticket_id == ticket_id:
            raise ToolRefused("404")
        return found

    delivering.tool.read = reads  # type: ignore[method-assign]


def asked(delivering: Delivering) -> list[str]:
    """Which tickets the tool was asked for since the last time."""
    said = [each for each in delivering.tool.said if each.startswith("read")]
    delivering.tool.said.clear()
    return said


def test_a_ticket_that_is_gone_holds_up_no_other(make_delivering: Make) -> None:
    delivering = make_delivering()
    ids = [delivering.world.posted_id() for _ in range(3)]
    delivering.run()
    gone(delivering, "T1")
    delivering.tool.statuses["T3"] = "fixed"
    assert poll_destination(poll(delivering)) == 1
    assert delivering.public(ids[2])["status"] == "closed"
    assert asked(delivering) == ["read T1", "read T2", "read T3"]
    fault = destinations.all_states(delivering.database)[delivering.name].reason
    assert fault == f"Le ticket « T1 » (demande {ids[0]}) : 404"


def test_one_hint_that_the_tool_refuses_holds_up_no_other(make_delivering: Make) -> None:
    delivering = make_delivering()
    ids = [delivering.world.posted_id() for _ in range(2)]
    delivering.run()
    gone(delivering, "T1")
    delivering.tool.statuses["T2"] = "fixed"
    assert hint(delivering, "T1")
    assert hint(delivering, "T2")
    assert answer_hints(poll(delivering)) == 2
    assert delivering.public(ids[1])["status"] == "closed"
    assert events(delivering, inbox.WAITING) == []
    assert [event.reason for event in events(delivering, inbox.REFUSED)] == ["404"]


def test_a_tool_that_fails_at_a_hint_is_left_alone_until_a_poll_would_ask(
    make_delivering: Make,
) -> None:
    delivering = make_delivering()
    delivering.world.posted_id()
    delivering.run()
    assert hint(delivering, "T1")
    delivering.tool.moods.append("unreachable")
    lane = poll(delivering)
    assert [answer_hints(lane), answer_hints(lane)] == [0, 0]
    assert asked(delivering) == ["read T1"]
    delivering.clock.advance(seconds=300)
    assert answer_hints(lane) == 1


@pytest.mark.parametrize("mood", ["paused", "resting"])
def test_hints_wait_while_their_destination_is_stopped(make_delivering: Make, mood: str) -> None:
    delivering = make_delivering()
    delivering.world.posted_id()
    delivering.run()
    assert hint(delivering, "T1")
    database, name, now = delivering.database, delivering.name, delivering.clock()
    later = now + timedelta(minutes=1)
    if mood == "paused":
        database.write(lambda c: destinations.pause(c, name, "401"))
    else:
        database.write(lambda c: destinations.open_circuit(c, name, later))
    assert answer_hints(poll(delivering)) == 0
    assert asked(delivering) == []
    database.write(lambda c: destinations.resume(c, name))
    assert answer_hints(poll(delivering)) == 1


def test_all_that_waits_is_taken_over_when_its_translation_comes(
    fed: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many: those that still have none are no end to the others."""
    strange = [change("T1", f"e{at}", 1, status="étrange") for at in range(101)]
    tell(fed, *strange, change("T1", "e-last", 2, status="bizarre"))
    monkeypatch.setitem(STAGES, "bizarre", "done")
    assert retry_translations(poll(fed)) == 1
    assert fed.public(id_of(fed))["status"] == "closed"


def test_an_erasure_settles_what_its_tools_told(fed: Delivering) -> None:
    tell(fed, change("T1", "e1", 1, status="Chez Untel", note="Chez Mme Untel"))
    hint(fed, "T1")
    erase(fed, id_of(fed))
    assert retry_translations(poll(fed)) == 0
    kept = [(event.raw, event.reason) for event in events(fed, inbox.IGNORED)]
    assert kept == [("", None)] * 2


def test_nothing_is_kept_of_what_is_told_of_an_erased_request(fed: Delivering) -> None:
    erase(fed, id_of(fed))
    assert tell(fed, change("T1", "e1", 1, status="Chez Untel", note="Chez Mme Untel")) == 0
    (event,) = events(fed, inbox.IGNORED)
    assert (event.raw, event.reason) == ("", None)


def test_an_event_that_cannot_be_read_any_more_holds_up_no_other(
    fed: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(fed, change("T1", "e1", 1, status="bizarre"), change("T1", "e2", 2, status="bizarre"))
    fed.database.write(
        lambda c: sql.execute(c, "UPDATE inbox_event SET raw = '' WHERE event_id = 'e1'")
    )
    monkeypatch.setitem(STAGES, "bizarre", "done")
    assert retry_translations(poll(fed)) == 1
    (odd,) = events(fed, inbox.REFUSED)
    assert (odd.event_id, "JSONDecodeError" in (odd.reason or "")) == ("e1", True)


def test_a_surprise_on_the_way_back_stops_no_delivery(
    delivering: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object) -> int:
        raise LookupError("ours")

    monkeypatch.setattr(worker, "retry_translations", fails)
    delivering.world.posted_id()
    delivering.route()
    post = Post(delivering.side, delivering.destination, delivering.world.installation.version)
    lane = Lane(delivering.desk, post, lambda _: delivering.tool, 0.01)
    lane.start()
    try:
        assert await_(lambda: delivering.states() == ["create done"], guard_s=30)
    finally:
        lane.stop()
        lane.join()


# What a tool tells while nobody knows whether it has a ticket


@pytest.fixture
def doubtful(make_delivering: Make) -> Delivering:
    """A ticket was made (T1), and its receipt lost; the tool has a feed of changes."""
    delivering = make_delivering(Idempotency.NONE, can={"changes": True})
    delivering.world.posted_id()
    delivering.tool.moods.append("lost after")
    delivering.run()
    assert delivering.states() == ["create unknown"]
    tell(delivering, change("T1", "e1", 1, status="fixed", note="Chez Mme Untel"),
         change("T99", "e2", 2, note="Un autre"), change("T" * 300, "e3", 3))  # fmt: skip
    assert [event.ticket_id for event in events(delivering, inbox.EARLY)] == ["T1", "T99"]
    return delivering


def resolve(delivering: Delivering, **found: Any) -> None:
    key = delivering.deliveries()[0].delivery_key
    delivering.database.write(lambda c: delivery_desk.resolve(c, key, delivering.clock(), **found))


def test_what_came_before_the_ticket_was_known_is_taken_over_after(doubtful: Delivering) -> None:
    assert tell(doubtful) == 0
    assert len(events(doubtful, inbox.EARLY)) == 2
    resolve(doubtful, arrived=True, ticket_id="T1")
    assert tell(doubtful) == 1
    assert doubtful.public(id_of(doubtful))["status"] == "closed"
    assert [event.event_id for event in events(doubtful, inbox.DONE)] == ["e1"]
    assert doubtful.world.count("inbox_event") == 1  # nothing is left of other people's tickets


def test_an_erasure_leaves_nothing_that_came_before_its_ticket_was_known(
    doubtful: Delivering,
) -> None:
    erase(doubtful, id_of(doubtful))
    assert doubtful.world.count("inbox_event") == 0
