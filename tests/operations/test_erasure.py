"""An erased person's photos go; those that somebody else sends at that moment stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from open311.operations.follow_up import Erasure, erase_request
from open311.operations.photo_sweep import sweep_photos
from open311.storage.models import Base
from tests.conftest import FIXTURES, PUBLIC_URL, World, age_photos
from tests.postgres import vacuum_and_analyse

_PHOTO = FIXTURES / "photos" / "nid-de-poule.jpg"


def posted_with_photo(world: World) -> str:
    with _PHOTO.open("rb") as photo:
        return world.posted_id(media=(photo, "a.jpg"))


def erase(world: World, id_: str) -> Erasure:
    side, now = world.side(), world.clock.now
    return erase_request(
        world.database, world.media, side, int(id_), public_url=PUBLIC_URL, now=now
    )


def test_photos_of_an_hour_go_at_once_and_younger_ones_with_the_sweep(
    world: World, tmp_path: Path
) -> None:
    old = posted_with_photo(world)
    age_photos(tmp_path / "media", minutes=61)
    assert erase(world, old) == Erasure(was_there=True)
    assert list(world.media.names()) == []
    young = posted_with_photo(world)
    url = world.get(f"/requests/{young}.json").json[0]["media_url"].removeprefix(PUBLIC_URL)
    assert erase(world, young) == Erasure(was_there=True, photos_left=2)
    assert world.client.get(url).status_code == 404
    assert erase(world, young) == Erasure(was_there=False)
    later = datetime.now(UTC) + timedelta(minutes=61)
    assert sweep_photos(world.database, world.media, now=later) == 2
    assert list(world.media.names()) == []


def test_a_photo_that_a_post_has_stored_and_not_yet_named_survives_an_erasure(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same picture from two people: one is erased while the other's report is written."""
    first = posted_with_photo(world)
    age_photos(tmp_path / "media", hours=2)
    write = world.database.write

    def erased_before(work: Any) -> Any:
        monkeypatch.undo()
        assert erase(world, first) == Erasure(was_there=True, photos_left=2)
        return write(work)

    monkeypatch.setattr(world.database, "write", erased_before)
    second = posted_with_photo(world)
    url = world.get(f"/requests/{second}.json").json[0]["media_url"]
    with world.client.get(url.removeprefix(PUBLIC_URL)) as served:
        assert served.status_code == 200


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_purge_takes_an_erased_person_out_of_the_files_of_postgresql(world: World) -> None:
    """Rows, indexes, statistics; not the write-ahead log, as docs/backup.md says."""
    secrets = (b"zz-was-said", b"zz-person@example.org", b"zz-account")
    said, email, account = (secret.decode() for secret in secrets)
    for number in range(10):
        world.posted_id(description=f"autre {number}", email=f"{number}@example.org")
    keyed = {"headers": {"Idempotency-Key": "zz"}}
    id_ = world.posted_id(description=said, email=email, account_id=account, **keyed)
    vacuum_and_analyse(world.database.engine)  # PostgreSQL now has samples of every column
    assert files_with(world, secrets) >= {"reporter", "service_request", "pg_statistic"}
    erase(world, id_)
    assert files_with(world, secrets), "else this test shows nothing"
    world.database.purge(table.name for table in Base.metadata.sorted_tables)
    assert files_with(world, secrets) == set()


def files_with(world: World, words: tuple[bytes, ...]) -> set[str]:
    """The relations of the world's database in whose files one of the words stands."""
    database = world.database
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CHECKPOINT")
    (folder,) = database.rows("SELECT setting FROM pg_settings WHERE name = 'data_directory'")
    (oid,) = database.rows("SELECT oid FROM pg_database WHERE datname = current_database()")
    names = {
        str(node): str(name)
        for node, name in database.rows(
            "SELECT pg_relation_filenode(oid), relname FROM pg_class "
            "WHERE pg_relation_filenode(oid) IS NOT NULL"
        )
    }
    return {
        names.get(path.name.partition(".")[0], path.name)
        for path in Path(folder[0], "base", str(oid[0])).iterdir()
        if any(word in path.read_bytes() for word in words)
    }
