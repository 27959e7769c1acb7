"""One Idempotency-Key is one request: replays, races, other bodies, other clients, time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from open311.operations.keys import create_key, find_key, rotate_key
from open311.storage import receipts, sql
from open311.storage.models import Base
from tests.conftest import World
from tests.http.conftest import errors_of, multipart, refused, unique_text
from tests.http.hostile_images import picture

KEY = "Idempotency-Key"


def counted(world: World) -> dict[str, int]:
    return {name: world.count(name) for name in Base.metadata.tables}


def keyed(value: str, **more: str) -> dict[str, dict[str, str]]:
    return {"headers": {KEY: value, **more}}


def new_key(world: World, **options: Any) -> str:
    return world.database.write(
        lambda connection: create_key(
            connection,
            label="client",
            jurisdictions=["*"],
            rights=["create"],
            environment="production",
            now=world.clock.now,
            **options,
        )
    )


def test_a_replay_gives_the_same_answer_and_writes_nothing(shared: World) -> None:
    name = unique_text("replay").replace(" ", "-")
    values: dict[str, Any] = {"description": "é", "account_id": "a-1", "email": "a@b.fr"}
    first = shared.post(**values, **keyed(name))
    rows = counted(shared)
    for suffix in ("json", "json", "xml"):
        again = shared.post(suffix=suffix, **values, **keyed(name))
        assert again.status_code == 200
        if suffix == "json":
            assert again.data == first.data
        else:
            assert first.json[0]["service_request_id"] in again.get_data(as_text=True)
    assert counted(shared) == rows


def test_the_encoding_of_a_body_is_not_its_meaning(shared: World) -> None:
    """The same fields as multipart, in another order, by the other base: the same request."""
    name = unique_text("encoding").replace(" ", "-")
    first = shared.post(description="été", **keyed(name))
    form = {"description": "été", "long": "2.3444", "lat": "48,8130", "service_code": "proprete"}
    form |= {"api_key": shared.key, "jurisdiction_id": "gentilly.fr"}
    again = shared.client.post("/open311/v2/requests.json", **multipart(form), headers={KEY: name})
    assert again.data == first.data


@pytest.mark.parametrize(
    "other",
    [
        {"description": "autre"},
        {"lat": "48.8131"},
        {"email": "x@y.fr"},
        {"service_code": "animal"},
        {"kind": "praise"},
        {"attribute[X]": "1"},
        {"media_url": "https://a.example.org/1.jpg"},
    ],
    ids=str,
)
def test_another_body_under_the_same_key_is_422(
    shared: World, suffix: str, other: dict[str, str]
) -> None:
    name = unique_text("other").replace(" ", "-")
    shared.post(description="un", **keyed(name))
    rows = counted(shared)
    refused(shared.post(suffix=suffix, **{"description": "un"} | other, **keyed(name)), 422, suffix)
    assert counted(shared) == rows


def test_another_photo_is_another_body(shared: World) -> None:
    name = unique_text("photo").replace(" ", "-")
    form = {"api_key": shared.key, "service_code": "proprete", "lat": "48.813", "long": "2.3444"}
    url = "/open311/gentilly.fr/v2/requests.json"

    def send(photo: bytes) -> Any:
        return shared.client.post(url, **multipart(form, photo), headers={KEY: name})

    first = send(picture("JPEG"))
    assert send(picture("JPEG")).data == first.data
    assert send(picture("PNG")).status_code == 422


def test_another_jurisdiction_is_another_body(shared: World) -> None:
    name = unique_text("place").replace(" ", "-")
    nowhere = {"lat": None, "long": None, "address_string": "ici", "service_code": "102"}
    assert shared.post(**nowhere | {"service_code": "proprete"}, **keyed(name)).status_code == 200
    base = "/open311/nogent-sur-marne.fr/v2"
    assert shared.post(base=base, **nowhere, **keyed(name)).status_code == 422


def test_c9_another_client_s_key_of_the_same_name_is_another(shared: World) -> None:
    name = unique_text("client").replace(" ", "-")
    mine = shared.post(**keyed(name)).json
    theirs = shared.post(api_key=new_key(shared), **keyed(name)).json
    assert mine[0]["service_request_id"] != theirs[0]["service_request_id"]


def test_a_refused_post_does_not_use_its_key_up(shared: World) -> None:
    name = unique_text("refused").replace(" ", "-")
    assert shared.post(lat="95", **keyed(name)).status_code == 400
    assert shared.post(**keyed(name)).status_code == 200


def test_a_batch_token_and_a_blackbox_are_replayed(shared: World) -> None:
    batch = {"service_code": "encombrants-rdv", "attribute[VOLUME_M3]": "1"}
    name = unique_text("token").replace(" ", "-")
    first = shared.post(**batch, **keyed(name))
    assert first.json[0]["token"]
    assert shared.post(**batch, **keyed(name)).data == first.data
    blackbox = {"service_code": "bruit", "attribute[WHEN]": "2026-11-15"}
    before = shared.count("service_request")
    name = unique_text("box").replace(" ", "-")
    assert (
        shared.post(**blackbox, **keyed(name)).data == shared.post(**blackbox, **keyed(name)).data
    )
    assert shared.count("service_request") == before + 1


def test_without_a_key_each_post_is_a_request(shared: World) -> None:
    before = shared.count("service_request")
    shared.post(description="x")
    shared.post(description="x")
    assert shared.count("service_request") == before + 2


# --- time: worlds of their own, whose clock is moved by hand -------------------


def test_a_key_is_kept_for_48_hours_and_then_new_again(world: World) -> None:
    first = world.post(**keyed("k")).json
    world.clock.advance(hours=48)
    assert world.post(**keyed("k")).json == first
    world.clock.advance(seconds=1)
    second = world.post(**keyed("k")).json
    assert second != first
    assert world.post(description="other", **keyed("k")).status_code == 422
    assert world.count("service_request") == 2


def test_c8_the_same_body_window_of_a_key(world: World) -> None:
    key = new_key(world, same_body_window_s=60)
    first = world.post(api_key=key, description="a").json
    world.clock.advance(seconds=60)
    assert world.post(api_key=key, description="a").json == first
    assert world.post(api_key=key, description="b").json != first
    assert world.post(description="a").json != first, "the window is this key's alone"
    world.clock.advance(seconds=1)
    assert world.post(api_key=key, description="a").json != first


def test_a_client_reference_is_unique_for_its_key_and_place_for_ever(world: World) -> None:
    key = new_key(world, client_reference="fixmystreet_id")
    road: dict[str, Any] = {"api_key": key, "service_code": "chaussee", "attribute[PLACE]": "road"}
    reference = {"attribute[fixmystreet_id]": "fms-42"}
    first = world.post(**road, **reference).json
    world.clock.advance(days=400)
    again = world.post(**road, **reference, description="a word more")
    assert again.json == first
    assert world.post(**road, **{"attribute[fixmystreet_id]": "fms-43"}).json != first
    assert world.post(**road).json != world.post(**road).json, "without one, nothing is the same"
    elsewhere = {"lat": None, "long": None, "address_string": "ici", "service_code": "102"}
    there = world.post("/open311/nogent-sur-marne.fr/v2", **road | elsewhere, **reference)
    assert there.status_code == 200
    assert there.json != first


# --- races ---------------------------------------------------------------------


def together(world: World, count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run work in `count` threads that start at once; each lets go of its connection."""
    barrier = threading.Barrier(count)

    def one(number: int) -> Any:
        barrier.wait()
        try:
            return work(number)
        finally:
            world.database._drop_held()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_n7_twenty_keys_by_fifty_threads_are_twenty_requests(world: World) -> None:
    names = [f"race-{number}" for number in range(20)]

    def post_all(number: int) -> dict[str, str]:
        client = world.app.test_client()
        order = names[number % 20 :] + names[: number % 20]
        return {name: _answer(world, client, name) for name in order}

    found = together(world, 50, post_all)
    for name in names:
        assert len({answers[name] for answers in found}) == 1
    assert len({answers[name] for answers in found for name in names}) == 20
    for table in ("service_request", "public_document", "outbox", "request_update", "idempotency"):
        assert world.count(table) == 20, table


def _answer(world: World, client: Any, name: str) -> str:
    """The id for a key; a 409 is tried again as its client would."""
    form = {"api_key": world.key, "service_code": "proprete", "lat": "48.813", "long": "2.3444"}
    for _ in range(20):
        response = client.post(
            "/open311/gentilly.fr/v2/requests.json",
            data=form | {"description": name},
            headers={KEY: name},
        )
        if response.status_code == 200:
            return str(response.json[0]["service_request_id"])
        assert response.status_code == 409, response.get_data(as_text=True)
        time.sleep(0.1)
    raise AssertionError("never answered")


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_first_post_that_runs_on_makes_the_second_wait_then_answer_409(
    world: World, suffix: str
) -> None:
    """SQLite has one writer: there no second POST can see the first one running."""
    api_key_id = world.key.split("_")[1]
    holding, release = threading.Event(), threading.Event()

    def hold() -> None:
        with world.database.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO idempotency VALUES "
                    "(:api_key_id, 'key:slow', 'x', NULL, '{}', now())"
                ),
                {"api_key_id": api_key_id},
            )
            holding.set()
            release.wait(30)
            connection.rollback()

    thread = threading.Thread(target=hold)
    thread.start()
    assert holding.wait(30)
    before = world.count("service_request")
    try:
        response = world.post(suffix=suffix, **keyed("slow"))
        (error,) = errors_of(response, suffix)
        assert response.status_code == 409
        assert int(response.headers["Retry-After"]) >= 1
        assert "Idempotency-Key" in error["description"]
        assert world.count("service_request") == before
    finally:
        release.set()
        thread.join()
    assert world.post(suffix=suffix, **keyed("slow")).status_code == 200


def test_the_same_update_sent_at_once_is_kept_once(world: World) -> None:
    id_ = world.posted_id()
    form = {
        "api_key": world.key,
        "service_request_id": id_,
        "update_id": "u1",
        "status": "UNCHANGED",
        "updated_datetime": "2026-11-16T09:00:00Z",
        "description": "x",
    }
    before = world.count("request_update")

    def post(_: int) -> Any:
        client = world.app.test_client()
        url = "/open311/gentilly.fr/v2/servicerequestupdates.json"
        response = client.post(url, data=form)
        assert response.status_code == 200, response.get_data(as_text=True)
        return response.json[0]["update_id"]

    assert len(set(together(world, 12, post))) == 1
    assert world.count("request_update") == before + 1


@pytest.mark.parametrize("other", [{"same_body_window_s": 600}, {"client_reference": "FMS"}])
def test_a_new_key_on_a_request_already_known_replays_its_answer(
    world: World, other: dict[str, Any]
) -> None:
    """The second POST has a new header, and is known by its body or its reference all the same."""
    values = {"api_key": new_key(world, **other), "attribute[FMS]": "7"}
    first = world.post(**values)
    again = [world.post(**values, **keyed("later")).data for _ in range(2)]
    assert again == [first.data, first.data]
    assert world.count("service_request") == 1
    assert world.database.rows("SELECT count(*) FROM idempotency WHERE request_key IS NULL") == [
        (0,)
    ]


def test_long_references_that_differ_at_their_end_are_two_requests(world: World) -> None:
    api_key = new_key(world, client_reference="FMS")
    posts = [
        world.post(**{"api_key": api_key, "attribute[FMS]": "u" * 500 + end}).json[0]
        for end in ("1", "2", "1")
    ]
    first, other, again = (post["service_request_id"] for post in posts)
    assert first == again != other


def test_a_retry_with_the_rotated_key_is_the_same_request(world: World) -> None:
    headers = {"Idempotency-Key": "before-the-rotation"}
    first = world.posted_id(headers=headers)
    key, overlap = world.key, timedelta(hours=1)
    for _ in range(2):
        old = find_key(world.installation.keys, key)
        key = world.database.write(
            lambda connection, old=old: rotate_key(
                connection, old, now=world.clock.now, overlap=overlap
            )
        )
        assert world.posted_id(api_key=key, headers=headers) == first


def test_a_claim_that_is_swept_while_it_is_asked_for_is_taken_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was there when we wanted it, and gone when we looked whose it was."""
    first = world.posted_id(**keyed("k"))
    find, looks = receipts.find_receipt, 0

    def swept_then_found(connection: Any, *names: str) -> Any:
        nonlocal looks
        looks += 1
        if looks == 1:
            sql.execute(connection, "DELETE FROM idempotency")
        return find(connection, *names)

    monkeypatch.setattr(receipts, "find_receipt", swept_then_found)
    second = world.posted_id(**keyed("k"))
    assert second != first
    assert world.posted_id(**keyed("k")) == second


def test_a_claim_that_cannot_be_seen_nor_taken_is_409(
    world: World, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.posted_id(**keyed("k"))
    rows = counted(world)
    monkeypatch.setattr(receipts, "find_receipt", lambda *_: None)
    response = world.post(suffix=suffix, **keyed("k"))
    refused(response, 409, suffix, "Idempotency-Key")
    assert int(response.headers["Retry-After"]) > 0
    assert counted(world) == rows
