"""Which copy of a database delivers: a restored or copied one is held until a person says so.

Two copies that both deliver would make every ticket twice, and a copy made for a try
would write into the real tools.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from open311.storage import sql
from open311.storage.database import Database


def why_held(database: Database) -> str | None:
    """Why nothing is delivered from this database; None: it delivers."""
    found = database.first("SELECT held FROM installation")
    return None if found is None or found[0] is None else str(found[0])


def hold(connection: Connection, reason: str) -> None:
    """Deliver nothing from this database until `let_go`."""
    sql.execute(connection, "UPDATE installation SET held = :reason", {"reason": reason})


def let_go(connection: Connection, home: str | None) -> None:
    """This copy delivers, where it is now."""
    sql.execute(connection, "UPDATE installation SET held = NULL, home = :home", {"home": home})


def known_home(database: Database) -> str | None:
    """Where this database was when a worker last served it; None: never told."""
    found = database.first("SELECT home FROM installation")
    return None if found is None or found[0] is None else str(found[0])


def home_of(database: Database) -> str | None:
    """Where this database is: another place for each copy of it; None where nobody can tell.

    SQLite: the file's number in its file system, which a copy does not keep. PostgreSQL:
    the cluster's identifier and the database's number; a replica that takes over keeps both.
    """
    if database.engine.dialect.name == "sqlite":
        return _file_number(database.engine.url.database)
    driver: Any = database.engine.dialect.dbapi
    try:
        found = database.first(
            "SELECT s.system_identifier, d.oid FROM pg_control_system() s, pg_database d "
            "WHERE d.datname = current_database()"
        )
    except (DBAPIError, driver.Error):  # a database whose keeper does not tell it
        return None
    return None if found is None else f"{found[0]}/{found[1]}"


def _file_number(path: str | None) -> str | None:
    try:
        return str(Path(path or "").stat().st_ino)
    except OSError:
        return None
