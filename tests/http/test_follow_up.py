"""What becomes of a request: moderation and tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from open311.domain.status import Visibility
from tests.conftest import World, spark
from tests.http.conftest import refused
from tests.http.following_up import ids, one, post_photo, show
from tests.schemas.conftest import refused_by


def test_x16_from_pending_to_public(world: World, suffix: str) -> None:
    values = {"service_code": "tag", "description": "SECRET mot", "title": "SECRET titre"}
    values |= {"address_string": "SECRET rue", "media_url": "https://a.example.org/SECRET.jpg"}
    id_ = world.posted_id(**values)
    waiting = world.get(f"/requests/{id_}.{suffix}", extensions="true")
    assert waiting.status_code == 200
    assert b"SECRET" not in waiting.data
    assert id_ not in ids(world)
    assert ids(world, q="secret") == []
    assert ids(world, service_request_id=id_) == []
    assert world.get("/servicerequestupdates.json", start_date="2001-01-01").json == []
    assert world.get("/requests.json", count="true").headers["X-Result-Count"] == "0"
    show(world, id_, Visibility.PUBLIC)
    found = one(world, id_, suffix)
    assert found["description"] == "SECRET mot"
    assert found["address"] == "SECRET rue"
    assert found["media_url"].endswith("SECRET.jpg")
    assert ids(world) == ids(world, q="secret") == [id_]


@pytest.mark.parametrize("visibility", [Visibility.REJECTED, Visibility.SPAM])
def test_l9_what_is_hidden_is_gone_everywhere_and_may_come_back(
    world: World, suffix: str, visibility: Visibility
) -> None:
    id_, photo = post_photo(world, description="mot unique")
    assert world.client.get(photo, buffered=True).status_code == 200
    show(world, id_, visibility)
    refused(world.get(f"/requests/{id_}.{suffix}"), 404, suffix)
    assert ids(world) == ids(world, q="unique") == ids(world, service_request_id=id_) == []
    assert world.get("/servicerequestupdates.json", start_date="2001-01-01").json == []
    assert world.client.get(photo).status_code == 404
    show(world, id_, Visibility.PUBLIC)
    assert ids(world) == [id_]
    assert world.client.get(photo, buffered=True).status_code == 200
    assert "secret reason" not in world.get("/requests.json", extensions="true").text


def test_x16_a_whole_jurisdiction_may_be_moderated(make_world: Any) -> None:
    world = make_world(moderated=True)
    id_ = world.posted_id()
    assert ids(world) == []
    show(world, id_, Visibility.PUBLIC)
    assert ids(world) == [id_]


def test_c104_a_blackbox_is_in_no_public_answer(world: World) -> None:
    when = {"attribute[WHEN]": "2026-11-15"}
    world.post(service_code="bruit", description="SECRET", **when)
    found = world.database.first("SELECT service_request_id FROM service_request")
    assert found is not None
    for path in (f"/requests/{found[0]}.json", "/requests.json", "/servicerequestupdates.json"):
        assert b"SECRET" not in world.get(path, start_date="2026-10-01").data
    assert world.get(f"/requests/{found[0]}.json").status_code == 404
    assert ids(world, cursor="0") == []


def test_c150_to_c154_a_token_gives_its_id_after_its_delay(world: World, suffix: str) -> None:
    batch = {"service_code": "encombrants-rdv", "attribute[VOLUME_M3]": "1"}
    token = world.post(**batch).json[0]["token"]
    world.clock.advance(seconds=world.side().jurisdiction.token_delay_s - 1)
    assert spark(world.get(f"/tokens/{token}.{suffix}").data, suffix) == [{"token": token}]
    world.clock.advance(seconds=1)
    response = world.get(f"/tokens/{token}.{suffix}")
    assert not refused_by("token", suffix, response.data)
    (found,) = spark(response.data, suffix)
    assert found["token"] == token
    assert world.get(f"/requests/{found['service_request_id']}.{suffix}").status_code == 200
    world.clock.advance(days=400)
    assert world.get(f"/tokens/{token}.{suffix}").data == response.data
    refused(world.get(f"/tokens/{token}x.{suffix}"), 404, suffix)


def test_c154_tokens_do_not_repeat_or_count(shared: World) -> None:
    batch = {"service_code": "encombrants-rdv", "attribute[VOLUME_M3]": "1"}
    tokens = [shared.post(**batch).json[0]["token"] for _ in range(30)]
    assert len(set(tokens)) == 30
    assert len({token[:6] for token in tokens}) == 30
    assert min(map(len, tokens)) * 6 >= 128


def test_nothing_that_a_reporter_wrote_is_read_before_moderation(
    make_world: Callable[..., World],
) -> None:
    world = make_world(moderated=True)
    names = ("description", "title", "address_string", "address_id", "zipcode", "channel")
    names += ("service_object_id", "service_object_type")
    id_ = world.posted_id(**{name: f"zz-{name}"[:10] for name in names})
    for suffix in ("xml", "json", "geojson"):
        shown = world.get(f"/requests/{id_}.{suffix}", extensions="true")
        assert shown.status_code == 200
        assert b"zz-" not in shown.data
    show(world, id_, Visibility.PUBLIC)
    assert world.get(f"/requests/{id_}.json", extensions="true").data.count(b"zz-") == len(names)
