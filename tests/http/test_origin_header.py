"""Requests that other servers pass on: one request whatever way, and no circles."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from open311.storage import migrate, origins
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


def nogent_gives(world: World, hops: str) -> tuple[int, str]:
    """What the other jurisdiction of the same server answers to a request of that way."""
    response = world.post(
        base="/open311/nogent-sur-marne.fr/v2",
        service_code="102",
        headers={HEADER: hops},
        lat="48.8370",
        long="2.4830",
    )
    return response.status_code, response.get_data(as_text=True)


@pytest.mark.parametrize("hop", ["gentilly.fr/1", "1"])
def test_a_request_that_was_here_is_not_taken_back(world: World, hop: str) -> None:
    """A hop that names no jurisdiction may have been here."""
    status, text = passed_on(world, f"{own_id(world)}/{hop}, s2/x.fr/9")
    assert status == 400
    assert "déjà passée par cette collectivité" in text
    assert world.count("service_request") == 0


def test_two_jurisdictions_of_a_server_pass_on_to_each_other(world: World) -> None:
    own = own_id(world)
    assert nogent_gives(world, f"{own}/gentilly.fr/1")[0] == 200
    status, text = nogent_gives(world, f"{own}/gentilly.fr/1, {own}/nogent-sur-marne.fr/2")
    assert status == 400
    assert "déjà passée" in text


def test_a_request_is_one_in_each_jurisdiction(world: World) -> None:
    here = id_of(world, "s1/x.fr/7")
    answers = [nogent_gives(world, hops) for hops in ("s1/x.fr/7", "s1/x.fr/7, s2/y.fr/8")]
    assert [status for status, _ in answers] == [200, 200]
    assert answers[0] == answers[1]
    assert here not in answers[0][1]
    assert world.count("service_request") == 2


def test_arrivals_of_before_keep_their_jurisdiction_through_the_migration(world: World) -> None:
    first = id_of(world, "s1/7")
    migrate.downgrade(world.database, "0002")
    migrate.upgrade(world.database)
    assert id_of(world, "s1/x.fr/7") == first
    assert nogent_gives(world, "s1/x.fr/7")[0] == 200


def test_the_same_request_from_two_senders_at_once_is_one_and_both_learn_its_id(
    world: World,
) -> None:
    """However they meet: each round begins at once, on as many connections as senders."""
    senders, rounds = 4, 8
    gate = threading.Barrier(senders)

    def sends(sender: int) -> list[str]:
        ids = []
        for number in range(rounds):
            gate.wait(60)
            ids.append(id_of(world, f"s1/x.fr/{number}, s{sender}/y.fr/9"))
        world.database.end_thread()
        return ids

    with ThreadPoolExecutor(senders) as pool:
        found = list(pool.map(sends, range(2, 2 + senders)))
    assert all(ids == found[0] for ids in found)
    assert len(set(found[0])) == rounds
    assert world.count("service_request") == rounds


@pytest.mark.parametrize(
    "hops",
    [
        "s1",
        "s1/",
        "/7",
        "s1/7,",
        "s1/7 s2/9",
        "a/1, b/2, c/3, d/4",
        "s1/<b>",
        "s1/" + "1" * 200,
        "s1/x.fr/7/8",
        "s1//7",
    ],
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


def test_the_feed_tells_which_place_this_is(world: World) -> None:
    told = world.get("/servicerequestupdates.json").headers["Open311-Server"]
    assert told == f"{own_id(world)}/gentilly.fr"


def test_only_a_peers_key_is_believed(world: World) -> None:
    """Origins can be guessed: any other key could swallow a peer's next report."""
    told = {HEADER: "s1/x.fr/100"}
    nogent = {"base": "/open311/nogent-sur-marne.fr/v2", "service_code": "102",
              "lat": "48.8370", "long": "2.4830", "headers": told}  # fmt: skip
    squatted = world.post(**nogent, api_key=world.nogent_key, description="rien")
    assert squatted.status_code == 403
    assert "« peer »" in squatted.get_data(as_text=True)
    assert (world.count("service_request"), world.count("request_origin")) == (0, 0)
    assert world.post(**nogent, description="la vraie").status_code == 200
    assert world.count("service_request") == 1
