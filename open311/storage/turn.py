"""One process at a time, among all that serve one database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from open311.storage.database import Database

#: Any number that nothing else on this database uses: "o311".
_LOCK = 0x6F333131


@contextmanager
def only_process(database: Database) -> Iterator[bool]:
    """Tell whether this process has the turn; it is kept until the end of the block.

    SQLite has one server process. On PostgreSQL an advisory lock decides, which the
    server lets go of when the process that holds it dies.
    """
    if database.dialect == "sqlite":
        yield True
        return
    held = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    with held as connection:
        ours = bool(connection.scalar(text(f"SELECT pg_try_advisory_lock({_LOCK})")))
        try:
            yield ours
        finally:
            if ours:
                connection.execute(text(f"SELECT pg_advisory_unlock({_LOCK})"))
