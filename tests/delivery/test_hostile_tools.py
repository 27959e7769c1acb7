"""What a tool may say or forget, on both engines: nothing of it stops a lane or leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from open311.adapters.rest_answers import AnswerReader
from open311.adapters.rest_blocks import Pick
from open311.adapters.transforms import Means, no_resolver
from open311.adapters.wire import Reply
from open311.domain.delivery import Idempotency, TicketReceipt, ToolRefused
from open311.domain.errors import InvalidRequest, NotAllowed
from open311.operations import delivery, delivery_desk
from open311.operations.alerts import raise_alerts, troubles_of
from open311.operations.undeclared import left_behind
from open311.storage import catalogue, deliveries, destinations, inbox, sql, tickets
from open311.storage.delivery_records import DeliveryFilter
from open311.worker import Lane, Post
from tests.delivery.conftest import NAME, Delivering
from tests.delivery.delivery_site import await_
from tests.delivery.fake_tool import change
from tests.delivery.test_inbound import events, fed, id_of, tell

__all__ = ["fed"]
Make = Callable[..., Delivering]
SURROGATE, NUL = "a\ud800b", "a\0b"


def test_two_requests_with_one_ticket_id_are_a_persons_matter(delivering: Delivering) -> None:
    delivering.tool._receipt = lambda at: TicketReceipt("T1")  # type: ignore[method-assign]
    first, second = delivering.world.posted_id(), delivering.world.posted_id()
    delivering.run()
    assert delivering.states() == ["create done", "create unknown"]
    assert delivering.outcomes() == ["created", "twin"]
    twin = delivering.deliveries()[1]
    assert twin.attempts == 1
    assert f"demande {first}" in (twin.last_error or "")
    with pytest.raises(InvalidRequest, match=f"demande {first}"):
        resolve(delivering, twin.delivery_key, ticket_id="T1")
    resolve(delivering, twin.delivery_key, ticket_id="T2")
    assert str(delivering.deliveries()[1].service_request_id) == second
    assert delivering.states() == ["create done", "create done"]


def resolve(delivering: Delivering, key: int, **how: Any) -> None:
    delivering.database.write(
        lambda c: delivery_desk.resolve(c, key, delivering.clock(), arrived=True, **how)
    )


@pytest.mark.parametrize("receipt", ["", "  ", "x" * 256])
def test_an_id_that_cannot_be_kept_is_an_unknown_outcome(
    make_delivering: Make, receipt: str
) -> None:
    delivering = make_delivering(Idempotency.NONE)
    delivering.tool._receipt = lambda at: TicketReceipt(receipt)  # type: ignore[method-assign]
    delivering.world.posted_id()
    delivering.run()
    assert (delivering.states(), delivering.outcomes()) == (["create unknown"], ["unknown"])


def fails(*_: object, **__: object) -> None:
    raise LookupError("ours")


def test_a_surprise_while_looking_stops_no_delivery_and_is_told(make_delivering: Make) -> None:
    delivering = make_delivering(can={"changes": True})
    delivering.tool.changes = fails  # type: ignore[assignment]
    delivering.world.posted_id()
    delivering.route()
    post = Post(delivering.side, delivering.destination, delivering.world.installation.version)
    lane = Lane(delivering.desk, post, lambda _: delivering.tool, 0.01)

    def fault() -> str:
        state = destinations.all_states(delivering.database).get(NAME)
        return (state and state.reason) or ""

    lane.start()
    try:
        assert await_(lambda: "LookupError" in fault(), guard_s=30)
        delivering.world.posted_id()
        delivering.route()
        assert await_(lambda: delivering.states() == ["create done"] * 2, guard_s=30)
    finally:
        lane.stop()
        lane.join()
    (trouble,) = troubles_of(delivering.world.installation, delivering.clock())[NAME]
    assert trouble.kind == "fault"


#: What fails inside, what is recorded of it, and how often the tool was spoken to.
MISTAKES = [(delivery, "pack", "failed", 0), (tickets, "put_ticket", "unknown", 1)]


@pytest.mark.parametrize(("module", "name", "outcome", "said"), MISTAKES)
def test_a_mistake_of_our_own_is_counted_and_ends_after_seven_days(
    delivering: Delivering, monkeypatch: pytest.MonkeyPatch,
    module: Any, name: str, outcome: str, said: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(module, name, fails)
    delivering.world.posted_id()
    delivering.run()
    (tried,) = delivering.deliveries()
    assert (tried.attempts, delivering.outcomes()) == (1, [outcome])
    assert "LookupError" in (tried.last_error or "")
    assert len(delivering.tool.said) == said
    delivering.clock.advance(days=8)
    delivering.run()
    assert delivering.states() == ["create dead"]


@pytest.mark.parametrize("odd", [SURROGATE, NUL])
def test_no_text_of_a_tool_stops_a_delivery(delivering: Delivering, odd: str) -> None:
    delivering.tool._receipt = lambda at: TicketReceipt(  # type: ignore[method-assign]
        odd, number=odd, url=odd, status=odd, etag=odd
    )
    delivering.world.posted_id()
    delivering.run()
    assert delivering.database.rows("SELECT ticket_id, number, url, status, etag FROM ticket") == [
        ("a\ufffdb",) * 5
    ]

    def refuses(ticket: object) -> TicketReceipt:
        raise ToolRefused(odd)

    delivering.tool.create = refuses  # type: ignore[method-assign]
    delivering.world.posted_id()
    delivering.run()
    assert delivering.states() == ["create done", "create dead"]
    assert delivering.deliveries()[1].last_error == "a\ufffdb"


@pytest.mark.parametrize("odd", [SURROGATE, NUL])
def test_no_text_of_a_tool_stops_its_feed(fed: Delivering, odd: str) -> None:
    changes = [
        change("T1", odd, 1, status=odd),
        change("T1", "e" * 300, 2, note=odd, author=odd, number=odd),
        change("T1", "e3", 3, status="fixed"),
    ]
    assert tell(fed, *changes) == 2
    assert fed.public(id_of(fed))["status"] == "closed"
    found = fed.world.get("/servicerequestupdates.json").json
    assert "a\ufffdb" in {each["description"] for each in found}
    assert [event.reason for event in events(fed, inbox.UNMAPPED)] == [
        "état inconnu : « a\ufffdb »"
    ]


#: What stands in the place of an id, and the id that it is; None: it is none.
IDS = [(12, "12"), ("DI-7", "DI-7"), ("x\ud800", "x\ufffd"), (True, None), ({"a": 1}, None),
       ([1, 2], None), ("  ", None), (1.5, None)]  # fmt: skip


@pytest.mark.parametrize(("told", "wanted"), IDS)
def test_an_id_is_a_text_or_a_whole_number(told: Any, wanted: str | None) -> None:
    reply = Reply(200, CaseInsensitiveDict(), b"")
    picks = {"ticket_id": Pick(path="id")}
    means = Means({}, no_resolver)
    if wanted is None:
        with pytest.raises(ValueError, match="identifiant"):
            AnswerReader().texts(picks, {"id": told}, reply, {}, means)
        return
    assert AnswerReader().texts(picks, {"id": told}, reply, {}, means) == {"ticket_id": wanted}


def test_an_address_that_the_public_must_not_be_sent_to_is_left_out(fed: Delivering) -> None:
    urls = ("javascript:alert(1)", "http://10.0.0.1/x.jpg", "file:///etc/passwd",
            "https://gmao.example/apres.jpg")  # fmt: skip
    told = replace(change("T1", "e1", 1, status="fixed", note="Fait"), media_urls=urls)
    assert tell(fed, told) == 1
    told_public = str(fed.world.get("/servicerequestupdates.json").json)
    assert "https://gmao.example/apres.jpg" in told_public
    assert not any(url in told_public for url in urls[:3])
    (event,) = events(fed, inbox.DONE)
    assert all(url in (event.reason or "") for url in urls[:3])
    assert fed.public(id_of(fed))["status_notes"] == "Fait"


def test_a_date_to_come_freezes_no_status(fed: Delivering) -> None:
    far = datetime(2199, 1, 1, tzinfo=UTC)
    tell(fed, replace(change("T1", "e1", 1, status="doing"), changed_datetime=far))
    (event,) = events(fed, inbox.DONE)
    assert "2199" in (event.reason or "")
    fed.clock.advance(hours=1)
    now = fed.clock()
    tell(fed, replace(change("T1", "e2", 1, status="fixed"), changed_datetime=now))
    assert fed.public(id_of(fed))["status"] == "closed"
    tell(fed, change("T1", "e3", 1, status="doing"))  # what is older still changes nothing
    assert fed.public(id_of(fed))["status"] == "closed"
    assert "plus ancien" in (events(fed, inbox.IGNORED)[-1].reason or "")


@pytest.mark.parametrize(("outside", "state"), [("refuse", "dead"), ("allow", "done")])
def test_a_position_outside_the_boundary_goes_only_where_it_is_allowed(
    make_delivering: Make, outside: str, state: str
) -> None:
    """Whatever the jurisdiction itself takes, and without any frame of x and y."""
    delivering = make_delivering(outside=outside, jurisdiction={"outside": "accept"})
    delivering.world.posted_id()
    swapped = "UPDATE service_request SET lat = 2.3444, long = 48.813"
    delivering.database.write(lambda c: sql.execute(c, swapped))
    delivering.run()
    assert delivering.states() == [f"create {state}"]
    if state == "dead":
        assert delivering.tool.said == []
        assert "hors de « Ville de Gentilly »" in (delivering.deliveries()[0].last_error or "")


def held_by_a_dead_worker(delivering: Delivering) -> int:
    """A delivery that a worker took, began to send, and never ended."""
    delivering.world.posted_id()
    delivering.route()
    now = delivering.clock()

    def take(connection: Any) -> int:
        taken = deliveries.claim(connection, NAME, "worker-dead", now=now, lease_s=60)
        assert taken is not None
        deliveries.mark_sent(connection, taken.delivery_key, "worker-dead", now)
        return taken.delivery_key

    return delivering.database.write(take)


VERBS: dict[str, Callable[..., Any]] = {
    "pending": lambda c, key, now, force: delivery_desk.retry(
        c, DeliveryFilter(delivery_key=key), now, force=force
    ),
    "cancelled": lambda c, key, now, force: delivery_desk.abandon(c, key, now, force=force),
    "done": lambda c, key, now, force: delivery_desk.resolve(
        c, key, now, arrived=True, ticket_id="T9", force=force
    ),
}


@pytest.mark.parametrize("state", VERBS)
@pytest.mark.parametrize("force", [False, True])
def test_what_a_dead_worker_holds_can_be_taken_from_it(
    delivering: Delivering, state: str, force: bool
) -> None:
    key = held_by_a_dead_worker(delivering)

    def say(*, force: bool) -> None:
        delivering.database.write(lambda c: VERBS[state](c, key, delivering.clock(), force))

    with pytest.raises(NotAllowed, match=r"worker-dead.*--force"):
        say(force=False)
    if not force:
        delivering.clock.advance(seconds=61)
    say(force=force)
    (taken,) = delivering.deliveries()
    assert (taken.state, taken.leased_by) == (state, None)
    assert taken.sent_datetime is not None  # that it may have arrived is not forgotten


def without_destinations(delivering: Delivering, **changes: Any) -> None:
    """The file of Gentilly is applied anew, without its destination."""

    def put(connection: Any) -> None:
        found = catalogue.find_jurisdiction(connection, "gentilly.fr")
        assert found is not None
        document = {**found[0], "destinations": [], **changes}
        catalogue.put_jurisdiction(connection, "gentilly.fr", document, found[1])

    delivering.database.write(put)


def test_what_waits_for_a_destination_that_is_gone_is_told_until_it_is_decided(
    delivering: Delivering,
) -> None:
    installation, heard = delivering.world.installation, list[str]()
    delivering.world.posted_id()
    delivering.tool.moods.append("refused")
    delivering.run()
    delivering.world.posted_id()
    delivering.route()
    document = {"jurisdiction_id": "gentilly.fr", "destinations": []}
    assert "1 dead, 1 pending" in left_behind(installation, [document])[0]
    assert left_behind(installation, [{**document, "destinations": [{"name": NAME}]}]) == []
    without_destinations(delivering)
    raise_alerts(installation, [("ear", lambda _, text: heard.append(text))], delivering.clock())
    assert f"delivery abandon --destination {NAME}" in heard[0]
    delivering.clock.advance(hours=2)
    metrics = delivering.world.client.get("/metrics").text
    assert f'open311_delivery_oldest_seconds{{destination="{NAME}"}} 7200' in metrics
    assert f'open311_destination_stopped{{destination="{NAME}"}} 1' in metrics
    done = delivering.database.write(
        lambda c: delivery_desk.abandon_all(c, DeliveryFilter(destination=NAME), delivering.clock())
    )
    assert len(done) == 2
    assert troubles_of(installation, delivering.clock())[NAME] == []
