"""Photos of refused reports do not stay; those of kept ones, and of other databases, do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from open311.operations.copies import epoch_of, hold_restored, take_over
from open311.operations.photo_sweep import sweep_photos
from open311.storage import copies
from open311.storage.snapshots import begin_epoch
from tests.conftest import FIXTURES, World, age_photos

_PHOTO = FIXTURES / "photos" / "nid-de-poule.jpg"
NOW = datetime.now(UTC)


def test_a_photo_that_no_request_names_goes_after_a_week(world: World, tmp_path: Path) -> None:
    with _PHOTO.open("rb") as photo:
        world.posted_id(media=(photo, "a.jpg"))
    kept = set(world.media.names())
    orphan = world.media.put(b"refused", suffix=".jpg")
    now = datetime.now(UTC)
    age_photos(tmp_path / "media", days=6.9)
    assert sweep_photos(world.database, world.media, now=now) == 0
    age_photos(tmp_path / "media", days=7.1)
    assert sweep_photos(world.database, world.media, now=now) == 1
    assert not world.media.exists(orphan)
    assert set(world.media.names()) == kept


@pytest.mark.parametrize(
    "happens",
    [
        lambda connection: hold_restored(connection, "2026-11-15", NOW),
        lambda connection: copies.let_go(connection, "another place"),
    ],
    ids=["restored", "copied"],
)
def test_a_database_that_is_held_or_a_copy_deletes_no_photo_until_it_takes_over(
    world: World, tmp_path: Path, happens: Callable[[Any], None]
) -> None:
    """Its photos may be those of the database that it was made from."""
    world.media.put(b"of the database in service", suffix=".jpg")
    age_photos(tmp_path / "media", days=30)
    world.database.write(happens)
    now = datetime.now(UTC)
    assert sweep_photos(world.database, world.media, now=now) == 0
    assert take_over(world.database)
    assert sweep_photos(world.database, world.media, now=now) == 1


def test_the_database_that_a_restore_put_aside_keeps_its_photos_for_a_week(
    world: World, tmp_path: Path
) -> None:
    """It may come back, and names what came after the backup."""
    world.media.put(b"after the backup", suffix=".jpg")
    age_photos(tmp_path / "media", days=30)
    now = datetime.now(UTC)
    world.database.write(lambda connection: begin_epoch(connection, epoch_of(now), 0))
    soon, late = now + timedelta(days=6), now + timedelta(days=8)
    assert sweep_photos(world.database, world.media, now=soon) == 0
    assert sweep_photos(world.database, world.media, now=late) == 1
