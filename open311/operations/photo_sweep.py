"""Photos that no request names: left by a POST that its transaction refused."""

from __future__ import annotations

from datetime import datetime, timedelta

from open311.storage.database import Database
from open311.storage.media import MediaStore
from open311.storage.requests import named_photos

#: A photo is stored before the transaction that names it; none takes a day.
_GRACE = timedelta(days=1)


def sweep_photos(database: Database, media: MediaStore, *, now: datetime) -> int:
    """Delete what was stored over a day ago and no request shows; how many files went.

    Raises:
        Unavailable: the database or the store is out of reach.
    """
    old = set(media.names(written_before=now - _GRACE))
    if not old:
        return 0
    with database.connect() as connection:
        orphans = old - named_photos(connection)
    for name in orphans:
        media.delete(name)
    return len(orphans)
