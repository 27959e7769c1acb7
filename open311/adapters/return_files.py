"""Files that a tool gives back: our number, its number, a position, a date, a comment."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from open311.adapters.file_places import FilePlace, FoundFile
from open311.domain.delivery import ChangePage, TicketChange, ToolRefused

#: Two looks overlap by as much: a file may be dated a little before it appears.
_OVERLAP_S = 300
_MAX_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class ReturnShape:
    """How return files look.

    Attributes:
        pattern: shell pattern of their names (`RETOUR_*.csv`).
        marker: ending of the empty file that says that NAME is complete (`.ok`); empty:
            a file counts once its last line is ended.
        id_column: our `service_request_id`; the others are empty when not given.
        date_format: of strptime; the file's own date stands in for a missing one.
    """

    folder: str
    pattern: str
    id_column: str
    number_column: str = ""
    status_column: str = ""
    date_column: str = ""
    note_column: str = ""
    date_format: str = "%d/%m/%Y %H:%M"
    timezone: str = "Europe/Paris"
    encoding: str = "utf-8-sig"
    delimiter: str = ";"
    marker: str = ""


def read_returns(place: FilePlace, shape: ReturnShape, cursor: str | None) -> ChangePage:
    """What files since the cursor say, oldest file first.

    The cursor is the date of the newest file read, in seconds of the place's own clock,
    so that no two clocks are compared.

    Raises:
        ToolRefused: a file is not what the profile says; it names file and column.
    """
    listed = place.files(shape.folder)
    files = [file for file in listed if _is_complete(file, listed, shape)]
    if cursor is None:
        return ChangePage((), str(max((file.modified for file in files), default=0)))
    wanted = [file for file in files if file.modified >= int(cursor) - _OVERLAP_S]
    changes: list[TicketChange] = []
    for file in wanted:
        content = place.read(f"{shape.folder}/{file.name}", _MAX_BYTES)
        if shape.marker or content.endswith(b"\n"):
            changes += _changes_in(file, content, shape)
    last = max([int(cursor), *(file.modified for file in wanted)])
    return ChangePage(tuple(changes), str(last))


def _is_complete(file: FoundFile, listed: list[FoundFile], shape: ReturnShape) -> bool:
    if not fnmatchcase(file.name, shape.pattern) or file.name.endswith(".part"):
        return False
    return not shape.marker or any(other.name == file.name + shape.marker for other in listed)


def _changes_in(file: FoundFile, content: bytes, shape: ReturnShape) -> Iterator[TicketChange]:
    try:
        text = content.decode(shape.encoding)
    except UnicodeDecodeError as error:
        raise ToolRefused(f"{file.name} n'est pas en {shape.encoding} : {error}.") from error
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=shape.delimiter)
    named = (shape.id_column, shape.number_column, shape.status_column, shape.date_column,
             shape.note_column)  # fmt: skip
    missing = [name for name in named if name and name not in (rows.fieldnames or ())]
    if missing:
        raise ToolRefused(f"{file.name} n'a pas la colonne « {' », « '.join(missing)} ».")
    for row in rows:
        if (row[shape.id_column] or "").strip():
            yield _change(file, row, shape)


def _change(file: FoundFile, row: dict[str, str | None], shape: ReturnShape) -> TicketChange:
    def cell(column: str) -> str | None:
        return ((row.get(column) or "").strip() or None) if column else None

    told = [cell(column) for column in sorted(row) if isinstance(column, str)]
    moment = _moment(file, cell(shape.date_column), shape)
    if cell(shape.date_column) is None:  # a nightly list may say the same thing twice
        told.append(file.name)
    return TicketChange(
        ticket_id=cell(shape.id_column) or "",
        event_id="file:" + hashlib.sha256(repr(told).encode()).hexdigest(),
        changed_datetime=moment,
        status=cell(shape.status_column),
        note=cell(shape.note_column),
        number=cell(shape.number_column),
    )


def _moment(file: FoundFile, text: str | None, shape: ReturnShape) -> datetime:
    if text is None:
        return datetime.fromtimestamp(file.modified, UTC)
    try:
        read = datetime.strptime(text, shape.date_format)  # noqa: DTZ007 - the zone follows
    except ValueError as error:
        raise ToolRefused(
            f"{file.name} : « {text[:40]} » n'est pas une date comme {shape.date_format}."
        ) from error
    return (read if read.tzinfo else read.replace(tzinfo=ZoneInfo(shape.timezone))).astimezone(UTC)
