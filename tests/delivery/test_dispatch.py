"""One delivery at a time, on both engines: what each end of an attempt leads to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import BytesIO

import pytest

from open311.domain.delivery import DeliveryState, Idempotency
from open311.domain.errors import InvalidRequest
from open311.domain.status import Stage
from open311.operations.follow_up import Step, take_step
from open311.operations.tickets import compose_ticket
from open311.storage import destinations
from open311.storage.requests import find_request
from tests.conftest import PUBLIC_URL
from tests.delivery.conftest import Delivering
from tests.formats.pictures import small

LOOKUP, NATIVE, NONE = Idempotency.LOOKUP, Idempotency.NATIVE, Idempotency.NONE
Make = Callable[..., Delivering]


def test_a_report_becomes_one_ticket_that_carries_our_key(delivering: Delivering) -> None:
    id_ = delivering.world.posted_id(description="Papiers", email="a@b.example")
    delivering.run()
    (ticket,) = delivering.tool.tickets
    assert ticket.key.endswith(f"-{id_}")
    assert (ticket.service_request_id, ticket.description) == (id_, "Papiers")
    assert (ticket.lat, ticket.long) == (48.8130, 2.3444)
    assert ticket.reporter.email == "a@b.example"
    assert delivering.states() == ["create done"]
    assert delivering.outcomes() == ["created"]


def test_what_is_reported_at_the_test_endpoint_is_never_sent(delivering: Delivering) -> None:
    world = delivering.world
    assert (
        world.post(base="/open311/gentilly.fr/test/v2", api_key=world.test_key).status_code == 200
    )
    delivering.run()
    assert delivering.tool.said == delivering.states() == []


def test_only_the_services_of_a_destination_go_there(make_delivering: Make) -> None:
    delivering = make_delivering(services=["lampadaire"])
    delivering.world.posted_id()
    delivering.run()
    assert delivering.tool.said == delivering.states() == []
    assert delivering.route() == 0  # and the event does not wait for ever


def test_x_and_y_are_given_in_the_destinations_frame(make_delivering: Make) -> None:
    delivering = make_delivering(epsg=3949)
    delivering.world.posted_id()
    delivering.run()
    (ticket,) = delivering.tool.tickets
    assert (ticket.x, ticket.y) == pytest.approx((1651853.69, 8179413.75), abs=0.01)
    assert ticket.epsg == 3949


def test_a_position_outside_the_frames_area_is_not_sent(make_delivering: Make) -> None:
    delivering = make_delivering(epsg=2975)  # La Réunion
    delivering.world.posted_id()
    delivering.run()
    assert delivering.tool.said == []
    (dead,) = delivering.deliveries()
    assert dead.state is DeliveryState.DEAD
    assert "EPSG:2975" in (dead.last_error or "")


def test_photos_notes_and_statuses_follow_in_order(delivering: Delivering) -> None:
    world = delivering.world
    id_ = world.posted_id(media=(BytesIO(small("JPEG")), "a.jpg"))
    for step in (Step(note="Vu sur place"), Step(stage=Stage.DONE, note="Nettoyé"),
                 Step(internal_note="entre nous")):  # fmt: skip
        world.database.write(
            lambda c, step=step: take_step(
                c, delivering.side, int(id_), step, public_url=PUBLIC_URL, now=world.clock()
            )
        )
    delivering.run()
    assert delivering.tool.said == [
        f"create {id_}",
        f"attach T1 {id_}-1.jpg",
        "comment T1 Vu sur place",
        "status T1 done Nettoyé",
    ]
    assert {each.state for each in delivering.deliveries()} == {DeliveryState.DONE}


def test_a_tool_whose_status_is_not_ours_is_told_in_words(make_delivering: Make) -> None:
    delivering = make_delivering(can={"set_status": False})
    id_ = int(delivering.world.posted_id())
    step = Step(stage=Stage.DONE, note="Nettoyé")
    delivering.database.write(
        lambda c: take_step(
            c, delivering.side, id_, step, public_url=PUBLIC_URL, now=delivering.clock()
        )
    )
    delivering.run()
    assert delivering.tool.said[-1] == "comment T1 Demande traitée – Nettoyé"


def test_a_refused_photo_is_given_as_a_link(delivering: Delivering) -> None:
    delivering.world.posted_id(media=(BytesIO(small("JPEG")), "a.jpg"))
    delivering.tool.moods.extend(["", "no files"])
    delivering.run()
    assert delivering.tool.said[-1].startswith(f"comment T1 Photo : {PUBLIC_URL}/open311/gentilly")
    assert delivering.states() == ["create done", "photo done"]


def test_a_stale_ticket_is_read_again_and_the_step_redone_once(delivering: Delivering) -> None:
    delivering.world.posted_id(media=(BytesIO(small("JPEG")), "a.jpg"))
    delivering.tool.moods.extend(["", "stale"])
    delivering.run()
    assert [said.split()[0] for said in delivering.tool.said] == [
        "create", "attach", "read", "attach",
    ]  # fmt: skip
    assert delivering.states() == ["create done", "photo done"]


# What happens, what is then known, whether the tool gets a rest, and what comes of it later.
LATER = [
    # mood, grade, state at once, calls at the next try, tickets in the end
    ("unreachable", LOOKUP, "pending", ["create"], 1),
    ("unreachable", NONE, "pending", ["create"], 1),
    ("busy", NONE, "pending", ["create"], 1),
    ("lost", LOOKUP, "pending", ["lookup", "create"], 1),
    ("lost after", LOOKUP, "pending", ["lookup"], 1),
    ("lost", NATIVE, "pending", ["create"], 1),
    ("lost after", NATIVE, "pending", ["create"], 1),
    ("lost", NONE, "unknown", [], 0),
    ("lost after", NONE, "unknown", [], 1),
    ("bug", LOOKUP, "pending", ["lookup", "create"], 1),
    ("bug", NONE, "unknown", [], 0),
    ("refused", LOOKUP, "dead", [], 0),
]


@pytest.mark.parametrize(("mood", "grade", "state", "calls", "count"), LATER)
def test_a_failed_create_never_makes_a_second_ticket(
    make_delivering: Make, mood: str, grade: Idempotency, state: str, calls: list[str], count: int
) -> None:
    delivering = make_delivering(grade)
    delivering.world.posted_id()
    delivering.tool.moods.append(mood)
    delivering.run()
    assert delivering.states() == [f"create {state}"]
    before = len(delivering.tool.said)
    delivering.clock.advance(days=1)
    delivering.run()
    assert [said.split()[0] for said in delivering.tool.said[before:]] == calls
    assert len(delivering.tool.tickets) == count


def test_a_tool_is_not_asked_before_it_had_the_time_to_finish(delivering: Delivering) -> None:
    delivering.world.posted_id()
    delivering.tool.moods.append("lost after")
    delivering.run()
    (waiting,) = delivering.deliveries()
    with delivering.database.begin() as connection:
        connection.exec_driver_sql("UPDATE delivery SET not_before = created_datetime")
    delivering.clock.advance(seconds=5)
    delivering.run()
    assert [said.split()[0] for said in delivering.tool.said] == ["create"]
    delivering.clock.advance(seconds=delivering.desk.pace.settle_s)
    delivering.run()
    assert [said.split()[0] for said in delivering.tool.said] == ["create", "lookup"]
    assert waiting.sent_datetime is not None


def test_waits_grow_with_full_jitter_up_to_a_cap(delivering: Delivering) -> None:
    delivering.world.posted_id()
    delivering.tool.moods.extend(["unreachable"] * 30)
    waits = []
    for _ in range(12):
        delivering.run()
        (waiting,) = delivering.deliveries()
        waits.append((waiting.not_before - delivering.clock.now).total_seconds())
        delivering.clock.now = max(waiting.not_before, delivering.clock.now + timedelta(hours=1))
    assert waits == [min(30 * 2**n, 21_600) for n in range(12)]


def test_after_a_week_of_failures_a_person_must_decide(delivering: Delivering) -> None:
    delivering.world.posted_id()
    delivering.tool.moods.extend(["unreachable"] * 100)
    for _ in range(100):
        delivering.clock.advance(hours=6)
        delivering.run()
    (dead,) = delivering.deliveries()
    assert dead.state is DeliveryState.DEAD
    first_to_last = dead.settled_datetime - dead.created_datetime  # type: ignore[operator]
    assert timedelta(days=7) <= first_to_last < timedelta(days=8)


def test_a_tool_that_asks_for_patience_is_left_in_peace_by_all(delivering: Delivering) -> None:
    first, second = delivering.world.posted_id(), delivering.world.posted_id()
    delivering.tool.moods.append("busy 90")
    delivering.run()
    assert delivering.tool.said == [f"create {first}"]
    delivering.clock.advance(seconds=89)
    delivering.run()
    assert delivering.tool.said == [f"create {first}"]
    delivering.clock.advance(seconds=1)
    delivering.run()
    assert delivering.tool.said == [f"create {each}" for each in (first, first, second)]


def test_a_refused_account_stops_the_destination_and_counts_no_attempt(
    delivering: Delivering,
) -> None:
    delivering.world.posted_id()
    delivering.world.posted_id()
    delivering.tool.moods.append("unauthorized")
    delivering.run()
    assert len(delivering.tool.said) == 1
    assert [each.attempts for each in delivering.deliveries()] == [0, 0]
    with delivering.database.begin() as connection:
        state = destinations.find_state(connection, delivering.name)
        assert (state.paused, state.reason) == (True, "401: clé refusée")
        destinations.resume(connection, delivering.name)
    delivering.run()
    assert delivering.states() == ["create done", "create done"]


def test_an_open_circuit_is_tried_by_one_delivery_and_closed_by_its_success(
    delivering: Delivering,
) -> None:
    for _ in range(8):
        delivering.world.posted_id()
    delivering.tool.moods.extend(["unreachable"] * 6)
    delivering.run()
    assert len(delivering.tool.said) == 5  # Pace.patience
    delivering.clock.advance(seconds=30)
    delivering.run()
    assert len(delivering.tool.said) == 6  # one try, which fails: open again, for longer
    delivering.clock.advance(seconds=30)
    delivering.run()
    assert len(delivering.tool.said) == 6
    delivering.clock.advance(hours=7)
    delivering.run()
    assert delivering.states() == ["create done"] * 8


def test_a_dead_create_holds_back_its_steps_but_no_other_request(delivering: Delivering) -> None:
    world = delivering.world
    first, second = world.posted_id(media=(BytesIO(small("JPEG")), "a.jpg")), world.posted_id()
    delivering.tool.moods.append("refused")
    delivering.run()
    assert delivering.states() == ["create dead", "photo pending", "create done"]
    assert delivering.tool.said == [f"create {first}", f"create {second}"]


def test_an_erased_request_is_not_sent_and_leaves_no_words(delivering: Delivering) -> None:
    from open311.operations.follow_up import erase_request

    id_ = int(delivering.world.posted_id(description="Chez Mme Untel"))
    delivering.tool.moods.append("lost after")
    delivering.run()
    world = delivering.world
    assert erase_request(
        world.database, world.media, world.side(), id_, public_url=PUBLIC_URL, now=world.clock()
    )
    delivering.clock.advance(days=1)
    delivering.run()
    assert delivering.states() == ["create cancelled"]
    assert len(delivering.tool.said) == 1
    found = delivering.database.rows("SELECT request, response, message FROM delivery_attempt")
    assert [tuple(row) for row in found] == [("", "", None)]


def test_one_slow_destination_delays_no_other(make_delivering: Make) -> None:
    from tests.delivery.conftest import destination_document

    delivering = make_delivering(more=(destination_document(name="other"),))
    delivering.world.posted_id()
    delivering.tool.moods.append("unreachable")
    delivering.run()
    delivering.name = "other"
    delivering.run()
    assert [(each.destination, each.state) for each in delivering.deliveries()] == [
        ("gentilly-gmao", "pending"),
        ("other", "done"),
    ]


@pytest.mark.parametrize("outside", ["refuse", "accept"])
@pytest.mark.parametrize("epsg", [None, 3949])
def test_a_position_with_its_axes_turned_is_not_sent(
    make_delivering: Make, outside: str, epsg: int | None
) -> None:
    """Whatever frame the destination takes, degrees included."""
    delivering = make_delivering(epsg=epsg)
    id_ = delivering.world.posted_id()
    with delivering.database.connect() as connection:
        stored = find_request(connection, delivering.side.scope, int(id_))
    assert stored is not None
    request = stored.request
    turned = replace(stored, request=replace(request, lat=request.long, long=request.lat))
    territory = replace(delivering.side.jurisdiction, outside=outside)
    with pytest.raises(InvalidRequest, match="axes sont inversés"):
        compose_ticket(
            delivering.world.installation, replace(delivering.side, jurisdiction=territory),
            delivering.destination, turned, key="k", reporter=None, origin=(),
        )  # fmt: skip
