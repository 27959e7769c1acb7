"""Photos that no request names: left by a POST that was refused, or by an erasure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from open311.operations.copies import restored_datetime, settle_in
from open311.storage.database import Database
from open311.storage.media import MediaStore
from open311.storage.requests import named_photos
from open311.storage.updates import internal_notes

#: A photo is stored, or stored again, before the transaction that names it; none takes
#: an hour. Whatever is younger may be about to be named.
POST_LASTS = timedelta(hours=1)
#: What nobody erased waits longer: another database may name it, as one that a restore put
#: aside, or one whose photos a copy was given by mistake.
ORPHAN_LASTS = timedelta(days=7)
_LEFT = "erased; photos left to the sweep: "


def delete_unused(
    media: MediaStore, names: Iterable[str], *, youngest_too: bool = False
) -> list[str]:
    """Delete photos that no request names, but the youngest; those left to the sweep.

    Args:
        youngest_too: nobody is posting: a photo that came a moment ago may go as well.

    Raises:
        Unavailable: the store is out of reach.
    """
    # A store that is no folder has a clock of its own; an hour bears the difference.
    before = None if youngest_too else datetime.now(UTC) - POST_LASTS
    return [name for name in sorted(names) if not media.delete(name, written_before=before)]


def erasure_note(left: Iterable[str]) -> str:
    """The internal note of an erasure: the sweep reads in it which photos are left."""
    names = " ".join(left)
    return f"{_LEFT}{names}" if names else "erased"


def sweep_photos(database: Database, media: MediaStore, *, now: datetime) -> int:
    """Delete old photos that no request shows; how many files went.

    Erased people's are old after an hour, all others after a week, and none within a week of
    a restore. A database that does not know itself to be the one in service deletes nothing:
    its photos may be another one's.

    Raises:
        Unavailable: the database or the store is out of reach.
    """
    if settle_in(database, now) is not None:
        return 0
    before = now - POST_LASTS
    old = set(media.names(written_before=before))
    if not old:
        return 0
    with database.connect() as connection:
        orphans = old - named_photos(connection)
        notes = internal_notes(connection, starting=_LEFT)
    erased = orphans & {name for note in notes for name in note.removeprefix(_LEFT).split()}
    count = sum(media.delete(name, written_before=before) for name in erased)
    if now - restored_datetime(database) < ORPHAN_LASTS:
        return count
    long_before = now - ORPHAN_LASTS
    forgotten = (orphans - erased) & set(media.names(written_before=long_before))
    return count + sum(media.delete(name, written_before=long_before) for name in forgotten)
