"""Reading public documents: one request, lists, the stream of changes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from open311.domain.request_filter import Box, Circle, Cursor, RequestFilter
from open311.domain.search import words
from open311.storage import sql
from open311.storage.database import Database
from open311.storage.documents import cell_of
from open311.storage.scope import Scope, service_request_id_of
from open311.storage.types import to_utc_text

#: Rows of the place grid above which a box is compared by coordinates alone.
_MAX_GRID_ROWS = 64
#: A page of changes ends here, so that the header that tells them stays small.
_MAX_WITHDRAWN = 200


@dataclass(frozen=True, slots=True)
class Version:
    """What an ETag of a list is made of: it moves with each change and with the window."""

    changes: int
    oldest: str


@dataclass(frozen=True, slots=True)
class ChangePage:
    """One page of the stream of changes."""

    rows: list[sql.Row]
    withdrawn: list[int]
    cursor: Cursor


def find_document(
    database: Database, scope: Scope, service_request_id: int, columns: str
) -> sql.Row | None:
    """The document of one request that the public may read by its id, or None."""
    return database.first(
        f"SELECT {columns} FROM public_document "  # noqa: S608 - columns are our own words
        "WHERE request_key = :request_key AND shown IN ('list', 'id', 'recalled')",
        {"request_key": scope.request_key(service_request_id)},
    )


def list_documents(
    database: Database, scope: Scope, wanted: RequestFilter, columns: str
) -> list[sql.Row]:
    """One page of a list, newest `requested_datetime` first, then id (C-186)."""
    where, parameters = _conditions(database.dialect, scope, wanted)
    return database.rows(
        f"SELECT {columns} FROM public_document WHERE {where} "  # noqa: S608
        "ORDER BY requested_datetime DESC, request_key DESC LIMIT :limit OFFSET :offset",
        parameters | {"limit": wanted.page_size, "offset": wanted.offset},
    )


def joined_documents(
    database: Database, scope: Scope, wanted: RequestFilter, columns: str, between: bytes
) -> tuple[bytes, int]:
    """The same page as `list_documents`, joined inside SQLite, and how many rows it holds.

    One value crosses the driver instead of a thousand; PostgreSQL is slower at it.

    Args:
        between: what parts two documents.
    """
    where, parameters = _conditions(database.dialect, scope, wanted)
    document = columns.replace(", ", " || ")
    found = database.first(
        # SQLite feeds an aggregate in the order of a subquery that has a LIMIT.
        "SELECT CAST(group_concat(document, :between) AS BLOB), count(*) FROM ("  # noqa: S608
        f"SELECT {document} AS document FROM public_document WHERE {where} "
        "ORDER BY requested_datetime DESC, request_key DESC LIMIT :limit OFFSET :offset)",
        parameters
        | {"limit": wanted.page_size, "offset": wanted.offset, "between": between.decode()},
    )
    assert found is not None
    return found[0] or b"", int(found[1])


def count_documents(database: Database, scope: Scope, wanted: RequestFilter) -> int:
    """How many rows the whole list has; only on demand, since it costs."""
    where, parameters = _conditions(database.dialect, scope, wanted)
    found = database.first(f"SELECT count(*) FROM public_document WHERE {where}", parameters)  # noqa: S608
    assert found is not None
    return int(found[0])


def version_of(database: Database, scope: Scope, wanted: RequestFilter | None) -> Version:
    """The jurisdiction's change counter, and where the window begins if there is one."""
    parameters: dict[str, Any] = {"jurisdiction_key": scope.jurisdiction_key}
    oldest = "''"
    if wanted is not None and wanted.start_date is not None:
        parameters["start_date"] = to_utc_text(wanted.start_date)
        oldest = (
            "(SELECT min(requested_datetime) FROM public_document WHERE shown = 'list' "
            "AND jurisdiction_key = :jurisdiction_key AND requested_datetime >= :start_date)"
        )
    found = database.first(
        f"SELECT coalesce(sum(value), 0), {oldest} FROM change_counter "  # noqa: S608
        "WHERE jurisdiction_key = :jurisdiction_key",
        parameters,
    )
    assert found is not None
    return Version(int(found[0]), str(found[1]))


def list_changes(
    database: Database, scope: Scope, wanted: RequestFilter, columns: str
) -> ChangePage:
    """What changed after a cursor, oldest change first; withdrawn ids told apart.

    On PostgreSQL only transactions below the oldest running one are read: a row
    whose transaction commits late keeps its place ahead of the cursor.
    """
    assert wanted.cursor is not None
    where, parameters = _conditions(database.dialect, scope, wanted)
    found = database.rows(
        f"SELECT shown, change, request_key, {columns} FROM public_document "  # noqa: S608
        f"WHERE {where} ORDER BY change, request_key LIMIT :limit",
        parameters | {"limit": wanted.page_size},
    )
    rows: list[sql.Row] = []
    withdrawn: list[int] = []
    cursor = wanted.cursor
    for row in found:
        cursor = Cursor(cursor.epoch, int(row[1]), int(row[2]))
        if row[0] == "list":
            rows.append(row[3:])
        else:
            withdrawn.append(service_request_id_of(row[2]))
        if len(withdrawn) == _MAX_WITHDRAWN:
            break
    return ChangePage(rows, withdrawn, cursor)


def _conditions(dialect: str, scope: Scope, wanted: RequestFilter) -> tuple[str, dict[str, Any]]:
    """The WHERE of a list: every one begins with the scope."""
    where = _Where(dialect)
    where.add("jurisdiction_key = :jurisdiction_key", jurisdiction_key=scope.jurisdiction_key)
    if wanted.service_request_id is not None:
        keys = [scope.request_key(id_) for id_ in wanted.service_request_id]
        where.add("shown = 'list'").among("request_key", keys)
        return where.text, where.parameters
    if wanted.cursor is None:
        where.add("shown = 'list'")
        _add_filters(where, wanted)
    else:
        _add_cursor(where, wanted.cursor)
        filters = _Where(dialect)
        _add_filters(filters, wanted)
        if filters.text:
            where.add(f"(shown <> 'list' OR ({filters.text}))", **filters.parameters)
    return where.text, where.parameters


class _Where:
    """Conditions joined by AND, with their parameters."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.parameters: dict[str, Any] = {}
        self._parts: list[str] = []

    @property
    def text(self) -> str:
        return " AND ".join(self._parts)

    def add(self, condition: str, **parameters: Any) -> _Where:
        self._parts.append(condition)
        self.parameters |= parameters
        return self

    def among(self, column: str, values: list[Any]) -> _Where:
        """`column IN values` as one parameter, so that the statement's text never varies."""
        if self.dialect == "sqlite":
            condition = f"{column} IN (SELECT value FROM json_each(:{column}))"  # noqa: S608
            return self.add(condition, **{column: json.dumps(values)})
        return self.add(f"{column} = ANY(:{column})", **{column: values})


def _add_filters(where: _Where, wanted: RequestFilter) -> None:
    for column in ("service_code", "status", "kind", "agency_responsible"):
        values = getattr(wanted, column)
        if len(values) == 1:
            where.add(f"{column} = :{column}", **{column: values[0]})
        elif values:
            where.among(column, list(values))
    for name, condition in _BOUNDS.items():
        moment = getattr(wanted, name)
        if moment is not None:
            where.add(condition, **{name: to_utc_text(moment)})
    if wanted.is_staff is not None:
        where.add("is_staff = :is_staff", is_staff=wanted.is_staff)
    for number, word in enumerate(words(wanted.q or "")):
        escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        where.add(f"search_text LIKE :q{number} ESCAPE '\\'", **{f"q{number}": f"%{escaped}%"})
    if wanted.box is not None:
        _add_box(where, wanted.box)
    if wanted.circle is not None:
        _add_circle(where, wanted.circle)


_BOUNDS = {
    "start_date": "requested_datetime >= :start_date",
    "end_date": "requested_datetime <= :end_date",
    "updated_after": "updated_datetime >= :updated_after",
    "updated_before": "updated_datetime <= :updated_before",
}


def _add_box(where: _Where, box: Box) -> None:
    where.add(
        "lat BETWEEN :south AND :north AND long BETWEEN :west AND :east",
        south=box.south,
        north=box.north,
        west=box.west,
        east=box.east,
    )
    first, last = cell_of(box.south, box.west), cell_of(box.north, box.east)
    assert first is not None
    assert last is not None
    rows = _grid_rows(first, last)
    if 0 < len(rows) <= _MAX_GRID_ROWS:
        # Numbers of our own making: the text varies with their count only.
        names = [(f"cell{number}a", f"cell{number}b") for number in range(len(rows))]
        ranges = " OR ".join(f"cell BETWEEN :{low} AND :{high}" for low, high in names)
        bounds = {
            name: value
            for pair, row in zip(names, rows, strict=True)
            for name, value in zip(pair, row, strict=True)
        }
        where.add(f"({ranges})", **bounds)


def _grid_rows(first: int, last: int) -> list[tuple[int, int]]:
    """The cells between two corners, as one range for each row of the grid."""
    width = 200_000
    columns = (first % width, last % width)
    return [
        (row * width + columns[0], row * width + columns[1])
        for row in range(first // width, min(last // width, first // width + _MAX_GRID_ROWS) + 1)
    ]


def _add_circle(where: _Where, circle: Circle) -> None:
    where.add(
        "((lat - :lat0) * :lat_m) * ((lat - :lat0) * :lat_m) "
        "+ ((long - :long0) * :long_m) * ((long - :long0) * :long_m) <= :radius_m2",
        lat0=circle.lat,
        long0=circle.long,
        lat_m=111_320.0,
        long_m=circle.metres_per_degree_long,
        radius_m2=circle.radius_m**2,
    )


def _add_cursor(where: _Where, cursor: Cursor) -> None:
    where.add("shown IN ('list', 'withdrawn', 'recalled')")
    where.add(
        "(change, request_key) > (:after_change, :after_key)",
        after_change=cursor.change,
        after_key=cursor.request_key,
    )
    if where.dialect != "sqlite":
        where.add("change < pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
