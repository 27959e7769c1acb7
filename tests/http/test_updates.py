"""Updates of a request (X-12, X-13): the feed, residents' comments, agents' moves."""

from __future__ import annotations

from typing import Any

import pytest

from open311.domain.status import STAGE_OF_UPDATE, Stage
from tests.conftest import World
from tests.http.conftest import errors_of, refused
from tests.http.following_up import feed, one, step, update
from tests.schemas.conftest import refused_by


def test_x12_the_feed_holds_what_lies_in_the_asked_window(world: World, suffix: str) -> None:
    id_ = world.posted_id()  # 09:30:00
    world.clock.advance(minutes=10)
    step(world, id_, Stage.IN_PROGRESS, note="Équipe en route", internal_note="secret")
    world.clock.advance(minutes=10)
    step(world, id_, Stage.DONE, note="Nettoyé", media_urls=("https://a.fr/1", "https://a.fr/2"))
    found = feed(world, suffix)
    assert [each["status"] for each in found] == ["open", "in_progress", "fixed"]
    assert [each["description"] for each in found] == [None, "Équipe en route", "Nettoyé"]
    assert {each["service_request_id"] for each in found} == {id_}
    edges = {"start_date": "2026-11-16T09:40:00Z", "end_date": "2026-11-16T09:50:00Z"}
    assert len(feed(world, suffix, **edges)) == 2
    assert feed(world, suffix, start_date="2026-11-16T09:50:01Z") == []
    world.clock.advance(hours=2, seconds=1)
    assert feed(world, suffix) == []  # two hours when nothing is asked
    text = world.get(f"/servicerequestupdates.{suffix}", start_date="2026-11-16").text
    assert "secret" not in text
    assert text.count("https://a.fr/") == {"xml": 2, "json": 1}[suffix]


def test_x13_a_resident_s_comment(world: World, suffix: str) -> None:
    id_ = world.posted_id()
    world.clock.advance(minutes=5)
    response = update(world, suffix, service_request_id=id_, email="a@b.fr", first_name="Ann")
    assert response.status_code == 200
    assert not refused_by("update_receipt", suffix, response.data)
    found = one(world, id_, suffix)
    assert found["status"] == "open"
    assert found["updated_datetime"] == "2026-11-16T09:35:00Z"
    assert found["status_notes"] is None, "a resident's word is not the city's"
    assert found["extended_attributes"]["notes"][-1]["description"] == "Toujours là."
    rows = world.count("request_update")
    again = update(world, suffix, service_request_id=id_)
    assert again.data == response.data
    assert world.count("request_update") == rows
    assert update(world, suffix, service_request_id=id_, update_id="u-2").data != response.data


def test_x13_the_same_id_in_another_jurisdiction_is_another_update(world: World) -> None:
    mine = world.posted_id()
    place = {"lat": None, "long": None, "address_string": "ici", "service_code": "102"}
    theirs = world.posted_id(base="/open311/nogent-sur-marne.fr/v2", **place)
    first = update(world, service_request_id=mine)
    form = {
        "api_key": world.key,
        "service_request_id": theirs,
        "update_id": "u-1",
        "status": "UNCHANGED",
        "updated_datetime": "2026-11-16T09:00:00Z",
        "description": "x",
    }
    url = "/open311/nogent-sur-marne.fr/v2/servicerequestupdates.json"
    second = world.client.post(url, data=form)
    assert second.status_code == 200
    assert second.json != first.json


@pytest.mark.parametrize("status", STAGE_OF_UPDATE)
def test_x14_an_agent_moves_a_request_by_any_status(shared: World, status: str) -> None:
    id_ = shared.posted_id()
    values = {"service_request_id": id_, "api_key": shared.staff_key, "update_id": f"s{id_}"}
    response = update(shared, status=status.lower().replace("_", " "), **values)
    stage = STAGE_OF_UPDATE[status]
    if stage is Stage.REOPENED:
        refused(response, 400, "json")
        return
    assert response.status_code == 200, response.get_data(as_text=True)
    closed = status in (
        *("CLOSED", "FIXED", "DUPLICATE", "NO_FURTHER_ACTION", "CANCELLED"),
        *("NOT_COUNCILS_RESPONSIBILITY", "NOT_RESPONSIBLE"),
    )
    assert one(shared, id_)["status"] == ("closed" if closed else "open")


def test_x13_only_an_agent_s_key_moves_a_request(world: World, suffix: str) -> None:
    id_ = world.posted_id()
    refused(update(world, suffix, service_request_id=id_, status="FIXED"), 403, suffix, "status")
    assert one(world, id_)["status"] == "open"
    closing = {"service_request_id": id_, "status": "FIXED", "api_key": world.staff_key}
    assert update(world, suffix, **closing).status_code == 200
    world.clock.advance(minutes=1)
    late = {"service_request_id": id_, "status": "IN_PROGRESS", "api_key": world.staff_key}
    refused(update(world, suffix, **late, update_id="u-9"), 400, suffix)


WRONG_UPDATES: list[tuple[dict[str, Any], int, str]] = [
    ({"service_request_id": "999999"}, 404, "service_request_id"),
    ({"service_request_id": "é"}, 404, "service_request_id"),
    ({"service_request_id": None}, 400, "service_request_id"),
    ({"update_id": None}, 400, "update_id"),
    ({"status": None}, 400, "status"),
    ({"status": "MAYBE"}, 400, "status"),
    ({"updated_datetime": None}, 400, "updated_datetime"),
    ({"updated_datetime": "hier"}, 400, "updated_datetime"),
    ({"description": None}, 400, "description"),
    ({"description": "é" * 4001}, 400, "description"),
    ({"media_url": "http://127.0.0.1/"}, 400, "media_url"),
    ({"media_url": ["https://a.fr/1"] + [f"https://a.fr/{n}" for n in range(2, 7)]}, 400, "media"),
    ({"api_key": None}, 403, "api_key"),
]


@pytest.mark.parametrize(
    ("values", "status", "named"), WRONG_UPDATES, ids=lambda value: str(value)[:50]
)
def test_x13_what_is_wrong_is_refused_and_nothing_written(
    shared: World, suffix: str, values: dict[str, Any], status: int, named: str
) -> None:
    id_ = shared.posted_id()
    rows = shared.count("request_update")
    response = update(shared, suffix, **{"service_request_id": id_} | values)
    assert named in errors_of(response, suffix)[0]["description"]
    assert response.status_code == status
    assert shared.count("request_update") == rows


def test_i6_a_public_date_never_goes_back(world: World) -> None:
    id_ = world.posted_id()
    world.clock.advance(minutes=10)
    step(world, id_, note="un")
    world.clock.advance(minutes=-9)
    step(world, id_, note="deux")
    assert one(world, id_)["updated_datetime"] == "2026-11-16T09:40:00Z"


def test_an_internal_note_moves_nothing_in_public(world: World) -> None:
    id_ = world.posted_id()
    before = world.get("/requests.json", extensions="true")
    world.clock.advance(minutes=10)
    step(world, id_, internal_note="SECRET")
    after = world.get("/requests.json", extensions="true")
    assert (after.data, after.headers["ETag"]) == (before.data, before.headers["ETag"])
