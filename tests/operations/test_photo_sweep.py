"""Photos of refused reports do not stay; those of kept ones do."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from open311.operations.photo_sweep import sweep_photos
from tests.conftest import FIXTURES, World

_PHOTO = FIXTURES / "photos" / "nid-de-poule.jpg"


def _age(folder: Path, **by: float) -> None:
    moment = (datetime.now(UTC) - timedelta(**by)).timestamp()
    for path in folder.rglob("*.jpg"):
        os.utime(path, (moment, moment))


def test_a_photo_that_no_request_names_goes_after_a_day(world: World, tmp_path: Path) -> None:
    with _PHOTO.open("rb") as photo:
        world.posted_id(media=(photo, "a.jpg"))
    kept = set(world.media.names())
    orphan = world.media.put(b"refused", suffix=".jpg")
    now = datetime.now(UTC)
    _age(tmp_path / "media", hours=23)
    assert sweep_photos(world.database, world.media, now=now) == 0
    _age(tmp_path / "media", hours=25)
    assert sweep_photos(world.database, world.media, now=now) == 1
    assert not world.media.exists(orphan)
    assert set(world.media.names()) == kept
