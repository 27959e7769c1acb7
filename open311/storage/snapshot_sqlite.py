"""A moment of a SQLite database: `VACUUM INTO`, one read transaction beside the writer.

Copying the files by other means loses what stands in the log; the backup API takes
four times as long; and a vacuumed copy has no free page in which erased text could be.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

FILE = "database.sqlite3"
_BUSY_TIMEOUT_S = 60.0

Erased = tuple[str, str, int, str]

#: Erased requests of a database, with the names of the side that they are in.
ERASED = (
    "SELECT j.jurisdiction_id, j.environment, r.service_request_id, r.requested_datetime "
    "FROM service_request r JOIN jurisdiction j ON j.jurisdiction_key = r.jurisdiction_key "
    "WHERE r.visibility = 'erased' ORDER BY r.request_key"
)


def take(path: Path, folder: Path) -> tuple[str, dict[str, list[str]], dict[str, int], int]:
    """Copy a database into a folder; (revision, tables, counts, last id) of the copy."""
    copy = folder / FILE
    with closing(sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)) as source:
        source.execute("VACUUM INTO ?", (str(copy),))
    with _opened(folder) as connection:
        revision, last = _row(
            connection,
            "SELECT version_num, last_service_request_id FROM alembic_version, installation",
        )
        counts = {
            table: _row(connection, f'SELECT count(*) FROM "{table}"')[0]  # noqa: S608
            for (table,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' "
                "AND name NOT LIKE 'sqlite!_%' ESCAPE '!' AND name <> 'alembic_version'"
            ).fetchall()
        }
    return revision, {}, counts, last


def faults(folder: Path, counts: dict[str, int]) -> list[str]:
    """Open the copy: its pages, its foreign keys, its numbers of rows."""
    found = []
    try:
        with _opened(folder) as connection:
            verdict = _row(connection, "PRAGMA integrity_check")[0]
            if verdict != "ok":
                found.append(f"base abîmée : {verdict}.")
            orphans = len(connection.execute("PRAGMA foreign_key_check").fetchall())
            if orphans:
                found.append(f"{orphans} ligne(s) sans leur demande.")
            for table, count in counts.items():
                there = _row(connection, f'SELECT count(*) FROM "{table}"')[0]  # noqa: S608
                if there != count:
                    found.append(f"{table} : {there} ligne(s) au lieu de {count}.")
    except sqlite3.DatabaseError as error:
        found.append(f"base illisible : {error}.")
    return found


def photos(folder: Path) -> set[str]:
    """Names of all photos and thumbnails."""
    with _opened(folder) as connection:
        found = connection.execute("SELECT photos FROM service_request WHERE photos <> '[]'")
        return {
            photo[name]
            for (photos_,) in found
            for photo in json.loads(photos_)
            for name in ("name", "thumbnail")
        }


def erased(folder: Path) -> list[Erased]:
    """Requests that had been erased."""
    with _opened(folder) as connection:
        return list(connection.execute(ERASED).fetchall())


def set_aside(path: Path, aside: Path) -> bool:
    """Take a database file out of the way, its log merged in; False when a server holds it.

    Leaving the log mode needs the file for oneself: that is how a user shows.
    """
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        try:
            mode = _row(connection, "PRAGMA journal_mode=DELETE")[0]
        except sqlite3.OperationalError:
            return False
    if mode != "delete":
        return False
    path.replace(aside)
    return True


def put_in_place(copy: Path, path: Path) -> None:
    """Give a finished database its name, durably; it is readable by its owner alone."""
    copy.chmod(0o600)
    _sync(copy)
    copy.replace(path)
    _sync(path.parent)


@contextmanager
def _opened(folder: Path) -> Iterator[sqlite3.Connection]:
    """The copy, read only: looking must not change a byte."""
    uri = f"{(folder / FILE).resolve().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        yield connection


def _row(connection: sqlite3.Connection, statement: str) -> Any:
    return connection.execute(statement).fetchone()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
