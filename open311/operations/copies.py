"""Copies of an installation: of all, one delivers, and a person says which."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from open311.storage import copies, hints
from open311.storage.catalogue import bump_configuration, cursor_epoch
from open311.storage.database import Database
from open311.storage.delivery_records import all_may_have_arrived

#: Epochs of cursors are seconds since then, so that two restores of one backup never share one.
_FIRST_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
_COMMAND = "si c'est elle qui doit livrer, et elle seule : open311 delivery take-over"


def held_sentence(database: Database) -> str | None:
    """What people read while nothing is delivered; None: this database delivers."""
    reason = copies.why_held(database)
    return None if reason is None else f"Rien ne part de cette base : {reason} ; {_COMMAND}."


def epoch_of(moment: datetime) -> int:
    """The epoch of a restore at that moment."""
    return int((moment - _FIRST_EPOCH).total_seconds())


def restored_datetime(database: Database) -> datetime:
    """When this database was last restored; long ago if never."""
    return _FIRST_EPOCH + timedelta(seconds=cursor_epoch(database))


def hold_restored(connection: Connection, made_datetime: str, now: datetime) -> None:
    """After a restore: what waits may have been sent from the database that was lost."""
    all_may_have_arrived(connection, now)
    copies.hold(connection, f"elle est restaurée d'une sauvegarde du {made_datetime}")


def settle_in(database: Database, now: datetime) -> str | None:
    """Before a worker's first delivery, or a sweep of photos: hold a copy `restore` did not make.

    Returns:
        Why nothing may be delivered, or deleted; None: all is well.
    """
    here, known = copies.home_of(database), copies.known_home(database)
    reason = copies.why_held(database)
    if reason is not None or here is None or here == known:
        return reason
    if known is None:
        database.write(lambda connection: copies.let_go(connection, here))
        return None

    def hold(connection: Connection) -> None:
        all_may_have_arrived(connection, now)
        copies.hold(connection, "c'est la copie d'une base qui livre, ou livrait, ailleurs")

    database.write(hold)
    return copies.why_held(database)


def take_over(database: Database) -> bool:
    """This copy delivers from now on; False when it did already."""
    if copies.why_held(database) is None:
        return False
    here = copies.home_of(database)

    def take(connection: Connection) -> None:
        copies.let_go(connection, here)
        bump_configuration(connection)
        hints.give_hint(connection)

    database.write(take)
    return True
