"""What an agent and a resident do to a request of Gentilly after it was posted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from open311.domain.status import Visibility
from open311.operations.follow_up import Step, erase_request, set_visibility, take_step
from tests.conftest import GENTILLY, PUBLIC_URL, World, spark
from tests.http.conftest import multipart
from tests.schemas.conftest import refused_by

BASE = "/open311/gentilly.fr/v2"

PHOTO = (Path(__file__).parents[2] / "fixtures/photos/lampadaire.png").read_bytes()


def step(world: World, id_: str, *args: Any, **kwargs: Any) -> None:
    world.database.write(
        lambda connection: take_step(
            connection,
            world.side(),
            int(id_),
            Step(*args, **kwargs),
            public_url=PUBLIC_URL,
            now=world.clock.now,
        )
    )


def show(world: World, id_: str, visibility: Visibility) -> None:
    world.database.write(
        lambda connection: set_visibility(
            connection,
            world.side(),
            int(id_),
            visibility,
            internal_note="secret reason",
            public_url=PUBLIC_URL,
            now=world.clock.now,
        )
    )


def erase(world: World, id_: str) -> None:
    side, now = world.side(), world.clock.now
    erase_request(world.database, world.media, side, int(id_), public_url=PUBLIC_URL, now=now)


def post_photo(world: World, **more: str) -> tuple[str, str]:
    """A request with a photo: its id, the photo's path."""
    form = {"api_key": world.key, "service_code": "proprete", **GENTILLY, **more}
    response = world.client.post(f"{BASE}/requests.json", **multipart(form, PHOTO))
    assert response.status_code == 200, response.get_data(as_text=True)
    id_ = response.json[0]["service_request_id"]
    shown = world.get(f"/requests/{id_}.json").json[0]["media_url"]
    return id_, (shown or "").removeprefix(PUBLIC_URL)


def ids(world: World, **query: Any) -> list[str]:
    return [each["service_request_id"] for each in world.get("/requests.json", **query).json]


def one(world: World, id_: str, suffix: str = "json") -> dict[str, Any]:
    (found,) = spark(world.get(f"/requests/{id_}.{suffix}", extensions="true").data, suffix)
    assert isinstance(found, dict)
    return found


def update(world: World, suffix: str = "json", **values: Any) -> Any:
    form = {
        "api_key": world.key,
        "update_id": "u-1",
        "status": "UNCHANGED",
        "updated_datetime": "2026-11-16T09:00:00Z",
        "description": "Toujours là.",
    } | values
    sent = {name: value for name, value in form.items() if value is not None}
    return world.client.post(f"{BASE}/servicerequestupdates.{suffix}", data=sent)


def feed(world: World, suffix: str = "json", **query: Any) -> list[dict[str, Any]]:
    response = world.get(f"/servicerequestupdates.{suffix}", **query)
    assert response.status_code == 200
    assert not refused_by("service_request_updates", suffix, response.data)
    found = spark(response.data, suffix)
    assert isinstance(found, list)
    return found
