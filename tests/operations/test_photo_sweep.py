"""Photos of refused reports do not stay; those of kept ones do."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from open311.operations.photo_sweep import sweep_photos
from tests.conftest import FIXTURES, World, age_photos

_PHOTO = FIXTURES / "photos" / "nid-de-poule.jpg"


def test_a_photo_that_no_request_names_goes_after_an_hour(world: World, tmp_path: Path) -> None:
    with _PHOTO.open("rb") as photo:
        world.posted_id(media=(photo, "a.jpg"))
    kept = set(world.media.names())
    orphan = world.media.put(b"refused", suffix=".jpg")
    now = datetime.now(UTC)
    age_photos(tmp_path / "media", minutes=50)
    assert sweep_photos(world.database, world.media, now=now) == 0
    age_photos(tmp_path / "media", minutes=70)
    assert sweep_photos(world.database, world.media, now=now) == 1
    assert not world.media.exists(orphan)
    assert set(world.media.names()) == kept
