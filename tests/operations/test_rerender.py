"""Stored documents follow the public address and the renderer, a few at a time."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import Connection

from open311.formats.public_documents import RENDERER_VERSION
from open311.operations import rerender
from open311.operations.publishing import publish_document
from open311.operations.rerender import (
    needs_rerender,
    rendered_public_url,
    rerender_installation,
)
from open311.storage import catalogue, documents, requests
from tests.conftest import World

PHOTO = Path(__file__).parent.parent.parent / "fixtures" / "photos" / "nid-de-poule.jpg"
NOGENT = {"service_code": "102", "lat": "48.8370", "long": "2.4830"}
OTHER_URL = "https://signaler.example/base"


def with_photo(world: World) -> str:
    return world.posted_id(media=(BytesIO(PHOTO.read_bytes()), "nid-de-poule.jpg"))


def media_url(world: World, id_: str) -> str:
    return str(world.get(f"/requests/{id_}.json").json[0]["media_url"])


def test_a_new_address_is_written_where_it_shows_and_nowhere_else(world: World) -> None:
    ids = [with_photo(world), world.posted_id(), with_photo(world)]
    assert sum(rerender_installation(world.installation)) == 0
    assert not needs_rerender(world.installation)
    cursor = world.get("/requests.json", cursor="0").headers["X-Next-Cursor"]
    world.installation.public_url = OTHER_URL
    assert needs_rerender(world.installation)
    assert sum(rerender_installation(world.installation)) == 2
    assert media_url(world, ids[0]).startswith(f"{OTHER_URL}/open311/gentilly.fr/media/")
    assert rendered_public_url(world.database) == OTHER_URL
    changed = world.get("/requests.json", cursor=cursor).json
    assert {each["service_request_id"] for each in changed} == {ids[0], ids[2]}


def test_a_run_that_was_ended_goes_on_where_it_stood(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerender, "_BATCH", 1)
    ids = [with_photo(world) for _ in range(3)]
    world.posted_id(base="/open311/nogent-sur-marne.fr/v2", **NOGENT)
    world.installation.public_url = OTHER_URL
    run = rerender_installation(world.installation)
    next(run)
    next(run)
    run.close()
    assert needs_rerender(world.installation)
    assert rendered_public_url(world.database) == OTHER_URL
    assert [media_url(world, id_).startswith(OTHER_URL) for id_ in ids] == [True, True, False]
    assert list(rerender_installation(world.installation)) == [1, 0]
    assert all(media_url(world, id_).startswith(OTHER_URL) for id_ in ids)
    assert catalogue.rendered_for(world.database) == f"{RENDERER_VERSION} {OTHER_URL}"


def test_a_run_for_another_address_starts_from_the_beginning(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerender, "_BATCH", 1)
    first = with_photo(world)
    with_photo(world)
    world.installation.public_url = "https://half.example"
    next(rerender_installation(world.installation))
    world.installation.public_url = OTHER_URL
    assert sum(rerender_installation(world.installation)) == 2
    assert media_url(world, first).startswith(OTHER_URL)


def test_documents_of_an_older_renderer_are_written_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = world.posted_id()
    sum(rerender_installation(world.installation))
    good = world.get(f"/requests/{id_}.json").data
    world.database.write(lambda c: c.exec_driver_sql("UPDATE public_document SET json = xml"))
    assert world.get(f"/requests/{id_}.json").data != good
    assert not needs_rerender(world.installation)
    monkeypatch.setattr(rerender, "RENDERER_VERSION", "next")
    assert needs_rerender(world.installation)
    assert sum(rerender_installation(world.installation)) == 1
    assert world.get(f"/requests/{id_}.json").data == good


def test_answers_while_it_runs_are_complete(make_world: Callable[..., World]) -> None:
    world = make_world()
    ids = {world.posted_id() for _ in range(3)}
    for _ in rerender_installation(world.installation):
        listed = world.get("/requests.json").json
        assert {each["service_request_id"] for each in listed} == ids


def test_a_run_and_an_update_never_wait_for_each_other(
    world: World, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The update holds a request and wants the counter that the run uses too."""
    if engine == "sqlite":
        pytest.skip("SQLite has one writer")
    monkeypatch.setattr(documents, "COUNTER_SLOTS", 1)
    ids = [int(with_photo(world)) for _ in range(2)]
    world.installation.public_url = OTHER_URL
    side = world.side()

    def update(connection: Connection) -> None:
        stored = requests.find_request(connection, side.scope, ids[1], lock=True)
        assert stored is not None
        run.start()
        while not world.database.rows("SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert run.is_alive()
        publish_document(connection, side, stored, public_url=OTHER_URL)

    told: list[Exception] = []
    run = Thread(target=lambda: told.extend(_failures(world)))
    world.database.write(update)
    run.join()
    assert told == []


def _failures(world: World) -> list[Exception]:
    try:
        list(rerender_installation(world.installation))
    except Exception as error:  # noqa: BLE001 - told to the test's own thread
        return [error]
    finally:
        world.database.end_thread()
    return []
