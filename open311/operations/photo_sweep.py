"""Photos that no request names: left by a POST that was refused, or by an erasure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from open311.storage.database import Database
from open311.storage.media import MediaStore
from open311.storage.requests import named_photos

#: A photo is stored, or stored again, before the transaction that names it; none takes
#: an hour. Whatever is younger may be about to be named.
POST_LASTS = timedelta(hours=1)


def delete_unused(media: MediaStore, names: Iterable[str], *, youngest_too: bool = False) -> int:
    """Delete photos that no request names, but the youngest; how many were left to the sweep.

    Args:
        youngest_too: nobody is posting: a photo that came a moment ago may go as well.

    Raises:
        Unavailable: the store is out of reach.
    """
    # The store's clock is the machine's.
    before = None if youngest_too else datetime.now(UTC) - POST_LASTS
    return sum(not media.delete(name, written_before=before) for name in names)


def sweep_photos(database: Database, media: MediaStore, *, now: datetime) -> int:
    """Delete what was stored over an hour ago and no request shows; how many files went.

    Raises:
        Unavailable: the database or the store is out of reach.
    """
    before = now - POST_LASTS
    old = set(media.names(written_before=before))
    if not old:
        return 0
    with database.connect() as connection:
        orphans = old - named_photos(connection)
    return sum(media.delete(name, written_before=before) for name in orphans)
