"""A moment of a PostgreSQL database: COPY of each table in one REPEATABLE READ transaction.

pg_dump would need its own program, of the server's version or later, wherever this
runs, and its dump holds transaction numbers that mean nothing in another cluster.
The schema is not copied: the migrations make it anew, at the revision it had.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect

from open311.storage import migrate, sql
from open311.storage.database import Database
from open311.storage.models import Base
from open311.storage.snapshot_sqlite import Erased

_BLOCK = 1 << 20
_NAME = re.compile(rb"[0-9a-f]{64}(?:\.[a-z0-9]{1,8}){1,2}")
#: Numbers of this cluster's transactions: another cluster counts from elsewhere.
_NOT_COPIED = {("public_document", "change")}

Tables = dict[str, list[str]]


def file_of(table: str) -> str:
    """The name of a table's file."""
    return f"tables/{table}.copy"


def take(database: Database, folder: Path) -> tuple[str, Tables, dict[str, int], int]:
    """Copy every table into a folder; (revision, tables, counts, last id)."""
    (folder / "tables").mkdir()
    revision = migrate.current_revision(database)
    assert revision is not None, "an empty database is refused before"
    frozen = database.engine.connect().execution_options(
        isolation_level="REPEATABLE READ", postgresql_readonly=True
    )
    with frozen as connection, connection.begin():
        _write_plainly(connection)
        tables = tables_of(connection)
        counts = {
            table: _copy_out(connection, table, columns, folder / file_of(table))
            for table, columns in tables.items()
        }
        # Sequences are outside transactions: read last, it is past every copied id.
        last = sql.first(connection, "SELECT last_value FROM service_request_id_seq")
    assert last is not None
    return revision, tables, counts, int(last[0])


def tables_of(connection: Connection) -> Tables:
    """Columns to copy by table, parents before children; of whatever revision it is."""
    inspector = inspect(connection)
    names = [name for name, _ in inspector.get_sorted_table_and_fkc_names() if name]
    return {
        table: [
            column["name"]
            for column in inspector.get_columns(table)
            if (table, column["name"]) not in _NOT_COPIED
        ]
        for table in names
        if table != "alembic_version"
    }


def faults(folder: Path, counts: dict[str, int]) -> list[str]:
    """Count the rows: each is one line of its file."""
    found = []
    for table, count in counts.items():
        with (folder / file_of(table)).open("rb") as file:
            lines = sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))
        if lines != count:
            found.append(f"{table} : {lines} ligne(s) au lieu de {count}.")
    return found


def photos(folder: Path, tables: Tables) -> set[str]:
    """Names of all photos and thumbnails."""
    return {
        name.decode()
        for (given,) in _cells(folder, tables, "service_request", "photos")
        for name in _NAME.findall(given)
    }


def erased(folder: Path, tables: Tables) -> Iterator[Erased]:
    """Requests that had been erased."""
    sides = {
        key: (jurisdiction_id.decode(), environment.decode())
        for key, jurisdiction_id, environment in _cells(
            folder, tables, "jurisdiction", "jurisdiction_key", "jurisdiction_id", "environment"
        )
    }
    names = ("jurisdiction_key", "service_request_id", "requested_datetime", "visibility")
    for key, id_, requested, visibility in _cells(folder, tables, "service_request", *names):
        if visibility == b"erased":
            yield (*sides[key], int(id_), requested.decode())


def load(
    database: Database, folder: Path, revision: str, tables: Tables, last_service_request_id: int
) -> None:
    """Put a snapshot in the place of our tables, in one transaction: all of it or nothing.

    The database holds no other tables (`strangers`): every table goes.
    """
    with database.begin() as connection:
        _write_plainly(connection)
        _drop_ours(connection)
        migrate.upgrade_within(connection, revision)
        for table in tables:
            connection.exec_driver_sql(f'DELETE FROM "{table}"')  # noqa: S608
        # Every document takes this transaction's place in the stream of changes.
        place = sql.first(connection, "SELECT pg_current_xact_id()::text::bigint")
        assert place is not None
        column = "ALTER TABLE public_document ALTER COLUMN change"
        connection.exec_driver_sql(f"{column} SET DEFAULT {int(place[0])}")
        for table, columns in tables.items():
            _copy_in(connection, table, columns, folder / file_of(table))
        connection.exec_driver_sql(f"{column} DROP DEFAULT")
        _move_sequences(connection, tables, last_service_request_id)


def tidy(database: Database, *, rewrite: bool) -> None:
    """Count the rows for the planner; `rewrite` the tables too, so that nothing erased is left."""
    statement = "VACUUM (FULL, ANALYZE)" if rewrite else "ANALYZE"
    alone = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    with alone as connection:
        connection.exec_driver_sql(statement)


def others_connected(database: Database) -> int:
    """How many other clients this database has."""
    found = database.first(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    return int(found[0]) if found else 0


def _copy_out(connection: Connection, table: str, columns: list[str], path: Path) -> int:
    cursor = _cursor(connection)
    with path.open("wb") as file, cursor.copy(f"COPY {_named(table, columns)} TO STDOUT") as copy:
        for block in copy:
            file.write(block)
    return int(cursor.rowcount)


def _copy_in(connection: Connection, table: str, columns: list[str], path: Path) -> None:
    statement = f"COPY {_named(table, columns)} FROM STDIN"
    with path.open("rb") as file, _cursor(connection).copy(statement) as copy:
        while block := file.read(_BLOCK):
            copy.write(block)


def _named(table: str, columns: list[str]) -> str:
    quoted = ", ".join(f'"{name}"' for name in columns)
    return f'"{table}" ({quoted})'


def _write_plainly(connection: Connection) -> None:
    """Texts of dates and letters that do not depend on the server's settings."""
    for setting in ("client_encoding = 'UTF8'", "datestyle = 'ISO'", "timezone = 'UTC'"):
        connection.exec_driver_sql(f"SET LOCAL {setting}")


def strangers(database: Database, tables: Tables) -> list[str]:
    """Tables of this database that are not ours: it serves something else too."""
    ours = {*tables, *Base.metadata.tables, "alembic_version"}
    with database.connect() as connection:
        return sorted(set(inspect(connection).get_table_names()) - ours)


def _drop_ours(connection: Connection) -> None:
    for table in inspect(connection).get_table_names():
        connection.exec_driver_sql(f'DROP TABLE "{table}" CASCADE')
    connection.exec_driver_sql("DROP SEQUENCE IF EXISTS service_request_id_seq")


def _move_sequences(connection: Connection, tables: Tables, last_service_request_id: int) -> None:
    sql.rows(
        connection, "SELECT setval('service_request_id_seq', :last)",
        {"last": max(last_service_request_id, 1)},
    )  # fmt: skip
    for table, columns in tables.items():
        for column in columns:
            _move_serial(connection, table, column)


def _move_serial(connection: Connection, table: str, column: str) -> None:
    """Have a generated key go on behind the highest one."""
    found = sql.first(
        connection, "SELECT pg_get_serial_sequence(:table, :column)",
        {"table": table, "column": column},
    )  # fmt: skip
    if found is not None and found[0] is not None:
        highest = f'SELECT coalesce(max("{column}"), 0) + 1 FROM "{table}"'  # noqa: S608
        sql.rows(connection, f"SELECT setval(:name, ({highest}), false)", {"name": found[0]})


def _cells(folder: Path, tables: Tables, table: str, *names: str) -> Iterator[tuple[bytes, ...]]:
    """Some columns of a table's file, as COPY wrote them: text, parted by tabs."""
    places = [tables[table].index(name) for name in names]
    with (folder / file_of(table)).open("rb") as file:
        for line in file:
            cells = line.rstrip(b"\n").split(b"\t")
            yield tuple(cells[place] for place in places)


def _cursor(connection: Connection) -> Any:
    return connection.connection.dbapi_connection.cursor()  # type: ignore[union-attr]
