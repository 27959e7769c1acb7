"""CSV in bulk: GeoReport Bulk's columns out (X-24), any spreadsheet's columns in.

A cell that a spreadsheet would run as a formula is written with an apostrophe in
front, and read without it (trust.md I7).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from open311.domain.request import Reporter, StoredRequest
from open311.domain.transfer import BrokenFile
from open311.formats.public_documents import core_fields, extension_fields

BULK_COLUMNS = (
    *("service_request_id", "requested_datetime", "updated_datetime", "closed_date"),
    *("status_description", "status_notes", "source", "service_name", "service_subtype"),
    *("description", "agency_responsible", "address", "lat", "long"),
)
#: What only agents may read, after GeoReport Bulk's columns.
INTERNAL_COLUMNS = (
    *BULK_COLUMNS,
    *("service_code", "stage", "visibility", "kind", "title", "address_id", "zipcode"),
    *("email", "first_name", "last_name", "phone"),
)
BOM = b"\xef\xbb\xbf"

# The ASCII and full-width signs that begin a formula, and the white space before one.
_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")
_NEUTRALISED = re.compile(r"'[=+\-@\t\r\n＝＋－＠]")
_DELIMITERS = ",;\t|"
_MAX_LINE = 1_000_000

Cell = str | float | None


def neutral(text: str) -> str:
    """The text as a cell that no spreadsheet runs (CWE-1236)."""
    return f"'{text}" if _FORMULA.match(text) else text


def write_rows(rows: Iterable[Sequence[Cell]]) -> bytes:
    """Rows as RFC 4180 CSV in UTF-8, every cell quoted; numbers stay numbers."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    for row in rows:
        writer.writerow([neutral(cell) if isinstance(cell, str) else cell for cell in row])
    return text.getvalue().encode(errors="replace")


def public_row(document: bytes) -> list[Cell]:
    """One public JSON document, with its extension, as GeoReport Bulk's row."""
    return _bulk_row(json.loads(document))


def internal_row(stored: StoredRequest, reporter: Reporter | None) -> list[Cell]:
    """One request as agents see it, under INTERNAL_COLUMNS."""
    request, who = stored.request, reporter or Reporter()
    extension = extension_fields(request)
    return [
        *_bulk_row(core_fields(request) | {"extended_attributes": extension}),
        *(request.service_code, str(request.stage), str(request.visibility), str(request.kind)),
        *(request.title, request.address_id, request.zipcode),
        *(who.email, who.first_name, who.last_name, who.phone),
    ]


def read_csv(stream: BinaryIO) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows under their header's names, each with the number of its last line.

    UTF-8, with or without a mark, else Windows-1252, line by line; the delimiter is
    the one of `,` `;` tab `|` that the header holds most often.

    Raises:
        BrokenFile: a row that CSV cannot hold.
    """
    lines = _lines(stream)
    header = next(lines, "")
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.reader(_again(header, lines), delimiter=delimiter)
    try:
        names = [name.strip() for name in next(reader, [])]
        for cells in reader:
            if any(cells):
                yield reader.line_num, _row(names, cells)
    except csv.Error as error:
        raise BrokenFile(f"Ligne {reader.line_num} : ce n'est pas du CSV ({error}).") from error


def _row(names: list[str], cells: list[str]) -> dict[str, str]:
    return {
        name: cell[1:] if _NEUTRALISED.match(cell) else cell
        for name, cell in zip(names, cells, strict=False)
        if name
    }


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _lines(stream: BinaryIO) -> Iterator[str]:
    """Lines with their ends, each in memory alone; a longer one is cut in pieces."""
    start = BOM
    while line := stream.readline(_MAX_LINE):
        line, start = line.removeprefix(start), b""
        try:
            yield line.decode()
        except UnicodeDecodeError:
            yield line.decode("cp1252", errors="replace")


def _bulk_row(document: Mapping[str, Any]) -> list[Cell]:
    extended = document["extended_attributes"]
    values = {
        **document,
        "closed_date": _closed_date(document, extended),
        "status_description": document["status"],
        "source": extended["channel"],
        "service_subtype": _subtype(extended["attributes"]),
    }
    return [values[name] for name in BULK_COLUMNS]


def _closed_date(document: Mapping[str, Any], extended: Mapping[str, Any]) -> str | None:
    """When a closed request was closed last."""
    if document["status"] != "closed":
        return None
    closings = [note["datetime"] for note in extended["notes"] if note["type"] == "closed"]
    moment: str = closings[-1] if closings else extended["detailed_status_datetime"]
    return moment


def _subtype(attributes: Sequence[Mapping[str, Any]]) -> str | None:
    """The first public choice from a list: what sort of thing, inside the service."""
    return next((given["name"] for given in attributes if given["name"] != given["value"]), None)
