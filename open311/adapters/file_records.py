"""One ticket as the bytes of a file: CSV or XML, in the encoding that the tool reads."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

from open311.adapters.profile import UnmappedValue

Record = Sequence[tuple[str, str]]

#: A spreadsheet that opens the file takes such a first character for a formula.
_NEGATIVE = re.compile(r"-[0-9]+([.,][0-9]+)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


@dataclass(frozen=True, slots=True)
class CsvShape:
    """How a CSV file is written.

    Attributes:
        columns: every column in order, also those without a value.
        guard_formulas: put an apostrophe before what a spreadsheet would compute
            (CWE-1236), telephone numbers with « + » included; a negative number stays.
    """

    columns: tuple[str, ...]
    delimiter: str = ";"
    header: bool = True
    quote_all: bool = True
    line_end: str = "\r\n"
    guard_formulas: bool = True


@dataclass(frozen=True, slots=True)
class XmlShape:
    """How an XML file is written: one `record` in a `root`."""

    root: str
    record: str


def encoded_record(record: Record, shape: CsvShape | XmlShape, encoding: str) -> bytes:
    """The file of one ticket.

    Raises:
        UnmappedValue: XML cannot hold a character of it.
    """
    if isinstance(shape, CsvShape):
        # What an old encoding lacks (emoji in Windows-1252) must not stop a ticket.
        return _csv(record, shape).encode(encoding, errors="replace")
    return _xml(record, shape, encoding)


def _csv(record: Record, shape: CsvShape) -> str:
    values = dict(record)
    text = io.StringIO()
    writer = csv.writer(
        text,
        delimiter=shape.delimiter,
        lineterminator=shape.line_end,
        quoting=csv.QUOTE_ALL if shape.quote_all else csv.QUOTE_MINIMAL,
    )
    if shape.header:
        writer.writerow(shape.columns)
    row = [values.get(column, "") for column in shape.columns]
    writer.writerow([_guarded(value) if shape.guard_formulas else value for value in row])
    return text.getvalue()


def _guarded(value: str) -> str:
    is_formula = value.startswith(_FORMULA) and not _NEGATIVE.fullmatch(value)
    return f"'{value}" if is_formula else value


def _xml(record: Record, shape: XmlShape, encoding: str) -> bytes:
    root = etree.Element(shape.root)
    element = etree.SubElement(root, shape.record)
    for name, value in record:
        try:
            etree.SubElement(element, name).text = value
        except ValueError as error:
            raise UnmappedValue(f"{name} : {error}") from error
    plain = encoding.replace("-sig", "")
    written = etree.tostring(root, xml_declaration=True, encoding=plain, pretty_print=True)
    assert isinstance(written, bytes)
    return written
