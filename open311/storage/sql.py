"""Hot statements through the driver's own cursor.

Built once per engine, they cost a tenth of a Core execution; the tables in
`models` stay the one place that names columns. Parameters are written `:name`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table

from open311.storage.models import Base

Parameters = Mapping[str, Any]
Row = tuple[Any, ...]

_CURSOR = "open311.cursor"
_PARAMETER = re.compile(r"(?<!:):([a-z_][a-z0-9_]*)")


@cache
def for_driver(sql: str, dialect: str) -> str:
    """The statement in the driver's parameter style."""
    if dialect == "sqlite":
        return sql
    return _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))


@cache
def insert(table_name: str) -> str:
    """An INSERT of every column of one of our tables, but generated keys."""
    table = table_of(table_name)
    names = [column.name for column in table.columns if column is not table.autoincrement_column]
    values = ", ".join(f":{name}" for name in names)
    return f"INSERT INTO {table_name} ({', '.join(names)}) VALUES ({values})"  # noqa: S608


def table_of(table_name: str) -> Table:
    """The declared table of that name."""
    return Base.metadata.tables[table_name]


def execute(connection: Connection, sql: str, parameters: Parameters | None = None) -> int:
    """Run one statement in the connection's transaction; the number of rows it touched."""
    cursor = _cursor(connection)
    cursor.execute(for_driver(sql, connection.dialect.name), parameters or {})
    return int(cursor.rowcount)


@contextmanager
def pipelined(connection: Connection) -> Iterator[None]:
    """Send the statements inside without waiting for each answer; errors come at the end.

    One wait instead of one for each statement on PostgreSQL; SQLite has no wire to
    wait for. Only `execute` belongs inside, and its number of rows means nothing there.
    """
    if connection.dialect.name == "sqlite":
        yield
        return
    driver: Any = connection.connection.dbapi_connection
    with driver.pipeline():
        yield


def rows(connection: Connection, sql: str, parameters: Parameters | None = None) -> list[Row]:
    """Run one query in the connection's transaction; all its rows."""
    cursor = _cursor(connection)
    cursor.execute(for_driver(sql, connection.dialect.name), parameters or {})
    return list(cursor.fetchall())


def first(connection: Connection, sql: str, parameters: Parameters | None = None) -> Row | None:
    """Run one query; its first row, or None."""
    found = rows(connection, sql, parameters)
    return found[0] if found else None


def _cursor(connection: Connection) -> Any:
    """The one cursor of a pooled connection: making one for each statement costs as much."""
    cursor = connection.info.get(_CURSOR)
    if cursor is None:
        driver: Any = connection.connection.dbapi_connection
        cursor = connection.info[_CURSOR] = driver.cursor()
    return cursor
