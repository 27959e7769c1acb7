"""Copies of an installation: of all, one delivers, and a person says which."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from open311.storage import copies, hints
from open311.storage.catalogue import bump_configuration
from open311.storage.database import Database
from open311.storage.delivery_records import all_may_have_arrived

_COMMAND = "si c'est elle qui doit livrer, et elle seule : open311 delivery take-over"


def held_sentence(database: Database) -> str | None:
    """What people read while nothing is delivered; None: this database delivers."""
    reason = copies.why_held(database)
    return None if reason is None else f"Rien ne part de cette base : {reason} ; {_COMMAND}."


def hold_restored(connection: Connection, made_datetime: str, now: datetime) -> None:
    """After a restore: what waits may have been sent from the database that was lost."""
    all_may_have_arrived(connection, now)
    copies.hold(connection, f"elle est restaurée d'une sauvegarde du {made_datetime}")


def settle_in(database: Database, now: datetime) -> str | None:
    """Before a worker's first delivery: hold a copy that was made by other means than ours.

    Returns:
        Why nothing may be delivered; None: all is well.
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
