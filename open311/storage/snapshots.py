"""One moment of a database as files: taken beside the writers, checked, loaded elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, inspect

from open311.storage import snapshot_postgresql, snapshot_sqlite, sql, transfer
from open311.storage.database import Database
from open311.storage.types import from_stored, to_utc_text


@dataclass(frozen=True)
class Snapshot:
    """What is in the files of a snapshot.

    Attributes:
        engine: `sqlite` (one file of its own) or `postgresql` (one file for each table).
        revision: of the schema.
        tables: columns by table, in an order that foreign keys allow.
        counts: rows by table.
        last_service_request_id: the last id given, or later.
    """

    engine: str
    revision: str
    tables: dict[str, list[str]]
    counts: dict[str, int]
    last_service_request_id: int

    @property
    def files(self) -> list[str]:
        """Names of its files, with `/`."""
        if self.engine == "sqlite":
            return [snapshot_sqlite.FILE]
        return [snapshot_postgresql.file_of(table) for table in self.tables]


@dataclass(frozen=True)
class ErasedRequest:
    """A request that was erased; its date tells it from another of the same number."""

    jurisdiction_id: str
    environment: str
    service_request_id: int
    requested_datetime: str


def take_snapshot(database: Database, folder: Path) -> Snapshot:
    """Write one moment of a database into a folder, while others go on writing.

    Every transaction that was acknowledged before the call is in it, whole.
    """
    if database.dialect == "sqlite":
        path = Path(str(database.engine.url.database))
        return Snapshot("sqlite", *snapshot_sqlite.take(path, folder))
    return Snapshot("postgresql", *snapshot_postgresql.take(database, folder))


def faults_of(snapshot: Snapshot, folder: Path) -> list[str]:
    """What is wrong with the files of a snapshot, in French; empty when they are good."""
    if snapshot.engine == "sqlite":
        return snapshot_sqlite.faults(folder, snapshot.counts)
    return snapshot_postgresql.faults(folder, snapshot.counts)


def photos_in(snapshot: Snapshot, folder: Path) -> set[str]:
    """Names in the media store of all photos and thumbnails."""
    if snapshot.engine == "sqlite":
        return snapshot_sqlite.photos(folder)
    return snapshot_postgresql.photos(folder, snapshot.tables)


def erased_in(snapshot: Snapshot, folder: Path) -> list[ErasedRequest]:
    """The requests that had been erased by then."""
    if snapshot.engine == "sqlite":
        found: Iterable[snapshot_sqlite.Erased] = snapshot_sqlite.erased(folder)
    else:
        found = snapshot_postgresql.erased(folder, snapshot.tables)
    return [
        ErasedRequest(id_, environment, number, to_utc_text(datetime.fromisoformat(requested)))
        for id_, environment, number, requested in found
    ]


def erased_now(database: Database) -> list[ErasedRequest]:
    """The requests that a live database has erased; none when it has no tables."""
    if not _has_tables(database):
        return []
    return [
        ErasedRequest(id_, environment, number, to_utc_text(from_stored(requested)))
        for id_, environment, number, requested in database.rows(snapshot_sqlite.ERASED)
    ]


def holds_anything(database: Database) -> bool:
    """Whether there is anything in a database that a restore would destroy."""
    return _has_tables(database) and any(
        database.first(f"SELECT 1 FROM {table} LIMIT 1")  # noqa: S608 - our own words
        for table in ("service_request", "jurisdiction", "api_key")
    )


def begin_epoch(connection: Connection, epoch: int, id_gap: int) -> int:
    """Make every earlier cursor and ETag void, and leave a gap in the ids; the last one passed.

    Args:
        epoch: at least this, and above the one that the snapshot had.
    """
    found = sql.first(connection, "SELECT cursor_epoch FROM installation")
    assert found is not None
    sql.execute(
        connection,
        "UPDATE installation SET cursor_epoch = :epoch, "
        "configuration_version = configuration_version + 1",
        {"epoch": max(epoch, found[0] + 1)},
    )
    last = transfer.last_id(connection) + id_gap
    transfer.move_ids_past(connection, last)
    return last


def _has_tables(database: Database) -> bool:
    with database.connect() as connection:
        return inspect(connection).has_table("service_request")
