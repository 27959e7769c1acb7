"""An installation with something of everything: backed up, restored and served again."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from open311.cli import main
from open311.config.settings import Settings
from open311.domain.status import Stage
from open311.http.app import create_app
from open311.operations.follow_up import Step, erase_request, take_step
from open311.operations.installation import Installation
from open311.storage.database import Database
from open311.storage.group_commit import GroupCommitDatabase
from open311.storage.media import DiskMediaStore
from tests.conftest import FIXTURES, PUBLIC_URL, World

PHOTO = (FIXTURES / "photos" / "nid-de-poule.jpg").read_bytes()

Run = Callable[..., Result]


def call(database_url: str, media: Path, *arguments: str) -> Result:
    environment = {
        "OPEN311_DATABASE_URL": database_url.replace("+psycopg", ""),
        "OPEN311_MEDIA_URL": str(media),
        "OPEN311_PUBLIC_URL": PUBLIC_URL,
    }
    return CliRunner().invoke(main, list(arguments), env=environment)


@contextmanager
def served(database_url: str, media: Path, world: World) -> Iterator[World]:
    """The restored installation, served as any other."""
    opened = GroupCommitDatabase if database_url.startswith("sqlite") else Database
    database = opened(database_url)
    try:
        installation = Installation(
            database, DiskMediaStore(media), public_url=PUBLIC_URL, refresh_s=0, clock=world.clock
        )
        app = create_app(Settings(), installation)
        yield World(
            app, app.test_client(), installation, database, world.clock, DiskMediaStore(media),
            world.key, world.staff_key, world.nogent_key, world.test_key,
        )  # fmt: skip
    finally:
        database.close()


def restored(archive: Path, place: tuple[str, Path], *options: str) -> Result:
    result = call(*place, "restore", str(archive), *options)
    assert result.exit_code == 0, result.output
    return result


def with_photo(world: World, **values: Any) -> str:
    return world.posted_id(media=(io.BytesIO(PHOTO), "trou.jpg"), **values)


def fill(world: World) -> list[str]:
    """A small installation with something of everything; the ids."""
    ids = [world.posted_id(description=text) for text in ("un", "d\\eux\t\n\x01 ü 😀", "trois")]
    ids += [with_photo(world, email="lea@example.fr", description="photo")]
    world.posted_id(base="/open311/gentilly.fr/test/v2", api_key=world.test_key)
    world.post(service_code="encombrants-rdv")
    world.clock.advance(hours=1)
    step = Step(Stage.DONE, note="Réparé", internal_note="équipe 2")
    world.database.write(
        lambda c: take_step(
            c, world.side(), int(ids[2]), step, public_url=PUBLIC_URL, now=world.clock.now
        )
    )
    return ids


def erase(world: World, id_: str) -> None:
    erase_request(
        world.database, world.media, world.side(), int(id_), public_url=PUBLIC_URL,
        now=world.clock.now,
    )  # fmt: skip


def lists(world: World) -> dict[str, bytes]:
    paths = ("requests", "services", "servicerequestupdates")
    answers = {
        f"{base}{path}.{format_}": world.get(f"/{path}.{format_}", base, extensions="true")
        for base in ("/open311/gentilly.fr/v2", "/open311/gentilly.fr/test/v2")
        for path in paths
        for format_ in ("xml", "json")
    }
    assert {each.status_code for each in answers.values()} == {200}
    return {path: each.get_data() for path, each in answers.items()}


def content_of(world: World, path: str) -> bytes:
    with world.client.get(path) as response:
        assert response.status_code == 200
        return bytes(response.data)


def assert_empty(place: tuple[str, Path]) -> None:
    if place[0].startswith("sqlite"):
        assert not list(place[1].parent.glob("*.sqlite3*"))
        return
    database = Database(place[0])
    found = database.rows("SELECT 1 FROM pg_tables WHERE schemaname = 'public'")
    database.close()
    assert found == []
