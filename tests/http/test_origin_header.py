"""Requests that other servers pass on: one request whatever way, and no circles."""

from __future__ import annotations

import pytest

from open311.storage import origins
from tests.conftest import World

HEADER = "Open311-Origin"


def passed_on(world: World, hops: str, **values: str) -> tuple[int, str]:
    headers = {HEADER: hops}
    response = world.post(headers=headers, **values)
    return response.status_code, response.get_data(as_text=True)


def id_of(world: World, hops: str, **values: str) -> str:
    response = world.post(headers={HEADER: hops}, **values)
    assert response.status_code == 200, response.get_data(as_text=True)
    return str(response.json[0]["service_request_id"])


def own_id(world: World) -> str:
    with world.database.connect() as connection:
        return origins.own_server_id(connection)


def test_the_way_of_a_request_is_kept(world: World) -> None:
    id_ = int(id_of(world, "s1/7, s2/9"))
    with world.database.connect() as connection:
        kept = origins.hops_of(connection, world.side().scope.request_key(id_))
    assert kept == ("s1/7", "s2/9")


def test_a_request_that_comes_by_another_way_is_the_same_request(world: World) -> None:
    first = id_of(world, "s1/7", description="direct")
    again = id_of(world, "s1/7, s2/9", description="par s2", api_key=world.staff_key)
    assert again == first
    assert world.count("service_request") == 1
    assert world.count("outbox") == 1  # the tools hear of it once
    assert id_of(world, "s1/8") != first
    assert id_of(world, "s2/7") != first


def test_its_own_idempotency_key_still_replays(world: World) -> None:
    headers = {HEADER: "s1/7", "Idempotency-Key": "s1-7"}
    ids = {world.post(headers=headers).json[0]["service_request_id"] for _ in range(3)}
    assert len(ids) == 1
    assert world.count("request_update") == 1


def test_a_request_that_was_here_is_not_taken_back(world: World) -> None:
    status, text = passed_on(world, f"{own_id(world)}/1, s2/9")
    assert status == 400
    assert "déjà passée par ce serveur" in text
    assert world.count("service_request") == 0


def test_a_request_is_known_in_one_jurisdiction_only(world: World) -> None:
    id_of(world, "s1/7")
    response = world.post(
        base="/open311/nogent-sur-marne.fr/v2",
        service_code="102",
        headers={HEADER: "s1/7"},
        lat="48.8370",
        long="2.4830",
    )
    assert response.status_code == 400
    assert "autre collectivité" in response.get_data(as_text=True)


@pytest.mark.parametrize(
    "hops",
    ["s1", "s1/", "/7", "s1/7,", "s1/7 s2/9", "a/1, b/2, c/3, d/4", "s1/<b>", "s1/" + "1" * 200],
)
def test_a_header_that_cannot_be_read_is_refused(world: World, hops: str) -> None:
    status, text = passed_on(world, hops)
    assert status == 400
    assert HEADER in text
    assert world.count("service_request") == 0


@pytest.mark.parametrize("hops", ["", "  "])
def test_no_hops_are_no_origin(world: World, hops: str) -> None:
    id_of(world, hops)
    assert world.count("request_origin") == 0


def test_the_feed_tells_which_server_this_is(world: World) -> None:
    assert world.get("/servicerequestupdates.json").headers["Open311-Server"] == own_id(world)
