"""What tools tell: once each, never backwards, never guessed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from open311.domain.delivery import ChangePage, TicketChange
from open311.domain.status import Stage
from open311.operations.follow_up import Step, take_step
from open311.operations.polling import Poll, answer_hints, poll_destination, retry_translations
from open311.storage import inbox
from open311.storage.inbox import InboxEvent
from tests.conftest import PUBLIC_URL
from tests.delivery.conftest import Delivering
from tests.delivery.fake_tool import STAGES, change

Make = Callable[..., Delivering]


def poll(delivering: Delivering) -> Poll:
    return Poll(delivering.desk, delivering.side, delivering.destination, delivering.tool)


def tell(delivering: Delivering, *changes: TicketChange, cursor: str = "1") -> int:
    """The tool's feed shows these changes, and the worker looks."""
    delivering.tool.pages.append(ChangePage(changes, cursor))
    return poll_destination(poll(delivering), at_once=True)


def events(delivering: Delivering, state: str) -> list[InboxEvent]:
    return inbox.events(delivering.database, delivering.name, state)


@pytest.fixture
def fed(make_delivering: Make) -> Delivering:
    """A delivered request (ticket T1) in a tool with a feed of changes."""
    delivering = make_delivering(can={"changes": True})
    delivering.world.posted_id()
    delivering.run()
    return delivering


def hint(delivering: Delivering, ticket_id: str) -> bool:
    """A webhook named a ticket; False when it did before."""
    told = InboxEvent(delivering.name, f"hook-{ticket_id}", ticket_id, "", inbox.WAITING)
    return delivering.database.write(lambda c: inbox.put_event(c, told, delivering.clock()))


def id_of(delivering: Delivering) -> str:
    return str(delivering.deliveries()[0].service_request_id)


def test_status_and_note_reach_the_public(fed: Delivering) -> None:
    fed.clock.advance(minutes=40)
    assert tell(fed, change("T1", "e1", 1, status="doing"),
                change("T1", "e2", 2, status="fixed", note="Nettoyé ce matin")) == 2  # fmt: skip
    public = fed.public(id_of(fed), extensions="true")
    assert (public["status"], public["status_notes"]) == ("closed", "Nettoyé ce matin")
    assert public["extended_attributes"]["detailed_status"] == "PROCESSED"
    updates = fed.world.get("/servicerequestupdates.json").json
    assert [each["status"] for each in updates][-2:] == ["in_progress", "fixed"]


def test_what_a_tool_tells_is_not_told_back_to_it(fed: Delivering) -> None:
    tell(fed, change("T1", "e1", 1, status="doing", note="Équipe sur place"))
    fed.run()
    assert fed.states() == ["create done"]


def test_the_same_event_is_taken_over_once(fed: Delivering) -> None:
    told = change("T1", "e1", 1, note="Vu")
    assert [tell(fed, told), tell(fed, told, told)] == [1, 0]
    assert fed.world.count("request_update") == 2  # submitted, and the note


def test_an_unknown_status_changes_nothing_and_waits_for_its_translation(fed: Delivering) -> None:
    before = fed.public(id_of(fed))
    assert tell(fed, change("T1", "e1", 1, status="bizarre", note="?")) == 0
    assert fed.public(id_of(fed)) == before
    (unmapped,) = events(fed, inbox.UNMAPPED)
    assert unmapped.reason == "état inconnu : « bizarre »"
    STAGES["bizarre"] = "done"
    try:
        assert retry_translations(poll(fed)) == 1
    finally:
        del STAGES["bizarre"]
    assert fed.public(id_of(fed))["status"] == "closed"
    assert events(fed, inbox.UNMAPPED) == []


def test_changes_by_our_own_account_are_echoes(fed: Delivering) -> None:
    assert tell(fed, change("T1", "e1", 1, status="fixed", author="open311")) == 0
    assert fed.public(id_of(fed))["status"] == "open"


def test_our_own_note_that_comes_back_is_dropped(fed: Delivering) -> None:
    step = Step(note="Passage  prévu lundi")
    fed.database.write(
        lambda c: take_step(
            c, fed.side, int(id_of(fed)), step, public_url=PUBLIC_URL, now=fed.clock()
        )
    )
    fed.run()
    before = fed.world.count("request_update")
    assert tell(fed, change("T1", "e1", 1, note="Passage prévu lundi")) == 0
    assert fed.world.count("request_update") == before


def test_a_ticket_that_is_not_ours_leaves_no_trace(fed: Delivering) -> None:
    assert tell(fed, change("T99", "e1", 1, status="fixed")) == 0
    assert fed.world.count("inbox_event") == 0


def test_work_on_a_closed_request_reopens_it_first(fed: Delivering) -> None:
    tell(fed, change("T1", "e1", 1, status="fixed"))
    tell(fed, change("T1", "e2", 2, status="doing"))
    public = fed.public(id_of(fed), extensions="true")
    assert public["status"] == "open"
    kinds = [row[0] for row in fed.database.rows("SELECT type FROM request_update ORDER BY 1")]
    assert kinds == ["activity", "closed", "opened", "submitted"]


def test_a_public_date_never_goes_back(fed: Delivering) -> None:
    fed.clock.advance(hours=1)
    tell(fed, change("T1", "e1", 50, status="doing"))
    first = fed.public(id_of(fed))["updated_datetime"]
    fed.clock.advance(minutes=-30)  # the server's clock is set right
    tell(fed, change("T1", "e2", 55, status="fixed"))
    assert fed.public(id_of(fed))["updated_datetime"] >= first


def test_text_that_xml_cannot_carry_is_cleaned(fed: Delivering) -> None:
    tell(fed, change("T1", "e1", 1, note="fait\x0b\r\nici"))
    assert fed.public(id_of(fed))["status_notes"] == "fait\ufffd\nici"


def test_the_cursor_moves_with_what_was_taken_over(fed: Delivering) -> None:
    fed.tool.pages.extend([
        ChangePage((change("T1", "e1", 1, note="a"),), "c1", more=True),
        ChangePage((change("T1", "e2", 2, note="b"),), "c2"),
    ])  # fmt: skip
    assert poll_destination(poll(fed)) == 2
    assert poll_destination(poll(fed)) == 0  # not due
    fed.clock.advance(seconds=300)
    poll_destination(poll(fed))
    asked = [said for said in fed.tool.said if said.startswith("changes")]
    assert asked == ["changes None", "changes c1", "changes c2"]


def test_a_page_that_cannot_be_taken_over_is_asked_again(fed: Delivering) -> None:
    fed.tool.moods.append("unreachable")
    assert poll_destination(poll(fed)) == 0
    fed.clock.advance(seconds=300)
    assert tell(fed, change("T1", "e1", 1, status="fixed")) == 1


def test_a_tool_without_a_feed_is_read_ticket_by_ticket(make_delivering: Make) -> None:
    delivering = make_delivering()
    ids = [delivering.world.posted_id() for _ in range(3)]
    delivering.run()
    delivering.tool.statuses["T2"] = "fixed"
    assert poll_destination(poll(delivering)) == 1
    assert [delivering.public(id_)["status"] for id_ in ids] == ["open", "closed", "open"]
    delivering.clock.advance(seconds=300)
    assert poll_destination(poll(delivering)) == 0
    read = [said for said in delivering.tool.said if said.startswith("read")]
    assert read == ["read T1", "read T2", "read T3", "read T1", "read T3"]


def test_a_hint_is_answered_by_looking_for_ourselves(make_delivering: Make) -> None:
    delivering = make_delivering()
    id_ = delivering.world.posted_id()
    delivering.run()
    delivering.tool.statuses["T1"] = "fixed"
    assert [hint(delivering, "T1"), hint(delivering, "T1")] == [True, False]
    assert answer_hints(poll(delivering)) == 1
    assert delivering.public(id_)["status"] == "closed"
    assert events(delivering, inbox.WAITING) == []


def test_a_photo_and_a_number_come_back_too(fed: Delivering) -> None:
    told = change("T1", "e1", 1, status="fixed", number="OT-77")
    photo = TicketChange(**{**_fields(told), "media_urls": ("https://gmao.example/apres.jpg",)})
    tell(fed, photo)
    (found,) = fed.database.rows("SELECT number FROM ticket")
    assert found[0] == "OT-77"
    updates = fed.world.get("/servicerequestupdates.json").json
    assert "https://gmao.example/apres.jpg" in str(updates[-1])


def _fields(told: TicketChange) -> dict[str, Any]:
    return {name: getattr(told, name) for name in told.__slots__}


@settings(max_examples=12, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(seed=st.integers(0, 10**6), count=st.integers(2, 12))
def test_any_order_and_any_repeats_lead_to_the_same_end(
    fed: Delivering, seed: int, count: int
) -> None:
    """The same events, as they happened or shuffled and repeated, give the same request."""
    chance = random.Random(seed)
    words = [chance.choice(["new", "doing", "fixed", "no"]) for _ in range(count)]
    last: dict[str, Stage] = {}
    for name, order in (("in order", list(range(count))), ("shuffled", _shuffled(chance, count))):
        id_ = int(fed.world.posted_id())
        fed.run()
        ticket_id = f"T{len(fed.tool.tickets)}"
        changes = [change(ticket_id, f"{id_}-{at}", at, status=words[at]) for at in order]
        for start in range(0, len(changes), 3):
            tell(fed, *changes[start : start + 3])
        found = fed.database.first(
            "SELECT stage FROM service_request WHERE service_request_id = :id", {"id": id_}
        )
        assert found is not None
        last[name] = Stage(found[0])
    assert last["shuffled"] == last["in order"] == Stage(STAGES[words[-1]])


def _shuffled(chance: random.Random, count: int) -> list[int]:
    order = list(range(count)) + [chance.randrange(count) for _ in range(3)]
    chance.shuffle(order)
    return order
