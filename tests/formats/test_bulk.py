"""Bulk formats: what is written is read back, a stream of any length needs the same memory."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any, BinaryIO, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open311.domain.errors import Open311Error
from open311.domain.transfer import BrokenFile
from open311.formats.bulk_csv import neutral, read_csv, write_rows
from open311.formats.bulk_georeport import join_lists, read_json, read_xml
from open311.formats.bulk_record import RecordReading, read_record
from open311.formats.public_documents import feature_collection, list_of_documents

REPOSITORY = Path(__file__).parent.parent.parent
PARIS = RecordReading(timezone=ZoneInfo("Europe/Paris"))
_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")
#: Text that CSV carries: line ends are one in it, and a lone surrogate is no text.
_any_text = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\0"))
#: A text that looks neutralised already is the one thing that cannot be told apart.
_texts = _any_text.filter(lambda text: not text.startswith("'"))


@pytest.mark.parametrize(
    "text",
    ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\n=1", "＝1", "＋1", "－1", "＠x"],
)
def test_no_spreadsheet_takes_a_text_for_a_formula(text: str) -> None:
    assert neutral(text) == f"'{text}"


@given(_any_text)
def test_no_cell_begins_as_a_formula_does(text: str) -> None:
    assert not _FORMULA.match(neutral(text))


@given(st.lists(st.lists(_texts, min_size=2, max_size=2), max_size=4))
def test_what_is_written_as_csv_is_read_back(rows: list[list[str]]) -> None:
    content = write_rows([["a", "b"], *rows])
    read = [list(row.values()) for _, row in read_csv(io.BytesIO(content))]
    # A text that begins as a neutralised one is the one thing that cannot be told apart.
    expected = [[re.sub(r"^'(?=[=+\-@\t\n＝＋－＠])", "", text) for text in row] for row in rows]
    assert read == [row for row in expected if any(row)] or any(
        "'" in text for r in rows for text in r
    )


def test_numbers_stay_numbers() -> None:
    assert write_rows([["-1", -1.5524, None]]) == b'"\'-1","-1.5524",""\r\n'


_CSV = {
    "commas": b"a,b\n1,2\n",
    "semicolons": b"a;b\r\n1;2\r\n",
    "tabs": b"a\tb\n1\t2\n",
    "a mark": b"\xef\xbb\xbfa,b\n1,2\n",
    "spaces round names": b" a , b \n1,2\n",
    "no last line end": b"a,b\n1,2",
    "blank lines": b"a,b\n\n,\n1,2\n\n",
    "a cell too many": b"a,b\n1,2,3\n",
}


@pytest.mark.parametrize("name", _CSV)
def test_csv_of_every_habit_is_read(name: str) -> None:
    assert [row for _, row in read_csv(io.BytesIO(_CSV[name]))] == [{"a": "1", "b": "2"}]


def test_csv_is_utf_8_or_windows_1252() -> None:
    for encoding in ("utf-8", "cp1252"):
        rows = list(read_csv(io.BytesIO("a\nÉté à Œuf\n".encode(encoding))))
        assert rows == [(2, {"a": "Été à Œuf"})]


def test_a_row_that_csv_cannot_hold_is_told_with_its_line() -> None:
    content = b"a\n1\n" + b'"' + b"x" * (csv.field_size_limit() + 1)
    with pytest.raises(BrokenFile, match="Ligne"):
        list(read_csv(io.BytesIO(content)))


@pytest.mark.parametrize("format_", ["xml", "json"])
@pytest.mark.parametrize("sizes", [[], [1], [2, 1, 3]])
def test_joined_lists_are_the_list_of_all(format_: str, sizes: list[int]) -> None:
    start = b"<request><a/>" if format_ == "xml" else b'{"a":1'
    lists = [list_of_documents(format_, [start] * size) for size in sizes]
    joined = b"".join(join_lists(format_, lists))
    if sizes:
        assert joined == list_of_documents(format_, [start] * sum(sizes))
    reader = read_xml if format_ == "xml" else read_json
    assert len(list(reader(io.BytesIO(joined)))) == sum(sizes)


def test_joined_features_are_the_collection_of_all() -> None:
    rows = [(number, 48.5, 2.5, b'{"a":1') for number in range(5)]
    lists = [feature_collection(rows[:2]), feature_collection(rows[2:])]
    assert b"".join(join_lists("geojson", lists)) == feature_collection(rows)
    found = [record for _, record in read_json(io.BytesIO(feature_collection(rows)))]
    assert found == [{"a": 1, "lat": 48.5, "long": 2.5}] * 5


class Endless:
    """A file of pieces that are made as they are read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest += piece
        given, self._rest = self._rest[:size], self._rest[size:]
        return given

    def readline(self, size: int = -1) -> bytes:
        assert size > 0, "a line must have a bound"
        return next(self._pieces, b"")[:size]


_TEXT = b"x" * 4000
_MANY = 15_000
_STREAMS: dict[str, tuple[Callable[[BinaryIO], Iterator[Any]], bytes, bytes, bytes]] = {
    "xml": (
        read_xml,
        b"<service_requests>\n",
        b"<request><description>" + _TEXT + b"</description></request>\n",
        b"</service_requests>",
    ),
    "json": (read_json, b"[{}", b',\n{"description": "' + _TEXT + b'"}', b"]"),
    "csv": (read_csv, b"description,b\n", _TEXT + b",1\n", b""),
}


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("name", _STREAMS)
def test_a_file_of_any_length_is_read_in_the_same_memory(name: str) -> None:
    """Sixty megabytes, in a process of its own: libxml's memory is no Python object."""
    program = f"from tests.formats.test_bulk import growth; print(growth({name!r}))"
    grown = subprocess.check_output([sys.executable, "-c", program], cwd=REPOSITORY)
    assert int(grown) < 20_000_000


def growth(name: str) -> int:
    """How many bytes this process has more after it has read a long stream."""
    reader, start, item, end = _STREAMS[name]
    stream = Endless(chain([start], repeat(item, _MANY), [end]))
    before = resident()
    most = max(resident() for number, _ in enumerate(reader(cast("BinaryIO", stream)))
               if number % 1000 == 0)  # fmt: skip
    return most - before


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


_NOT_JSON = [b"", b"{", b"[1,", b'[{"a":1}', b"\xff\xfe[\x00]", b"null x", b'[{"a":"\xff"}]']


@pytest.mark.parametrize("content", _NOT_JSON)
def test_what_is_not_json_is_told(content: bytes) -> None:
    with pytest.raises(BrokenFile):
        list(read_json(io.BytesIO(content)))


@given(st.binary(max_size=60))
def test_no_bytes_make_a_reader_fail_otherwise(content: bytes) -> None:
    for reader in (read_json, read_xml, read_csv):
        try:
            list(reader(io.BytesIO(content)))
        except BrokenFile:
            continue


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
_names = st.text(max_size=5) | st.sampled_from(
    (
        *("service_code", "status", "duplicate", "requested_datetime", "closed_date", "lat"),
        *("long", "attributes", "media_urls", "media_url", "extended_attributes", "is_staff"),
    )
)


@given(st.dictionaries(_names, _values, max_size=6))
def test_any_record_is_read_or_refused_in_words(raw: dict[str, Any]) -> None:
    with contextlib.suppress(Open311Error):
        read_record(raw, PARIS)


def test_a_record_of_our_own_keeps_everything() -> None:
    raw = json.loads(
        '{"service_request_id":"7","status":"closed","service_code":"a","lat":48.5,"long":2.5,'
        '"requested_datetime":"2024-01-01T00:00:00Z","media_url":"https://a.fr/1.jpg",'
        '"extended_attributes":{"detailed_status":"REJECTED","duplicate":true,"kind":"praise",'
        '"is_staff":true,"media_urls":["https://a.fr/1.jpg","https://a.fr/2.jpg"],'
        '"attributes":[{"code":"W","label":"l","name":"n","value":"v"},'
        '{"code":"W","label":"l","name":"n","value":"w"}],"notes":[{"type":"submitted"}]}}'
    )
    record = read_record(raw, PARIS)
    assert (record.reference, record.stage, record.is_staff) == ("7", "duplicate", True)
    assert record.draft.kind == "praise"
    assert record.draft.media_urls == ("https://a.fr/1.jpg", "https://a.fr/2.jpg")
    assert record.draft.attributes == {"W": ["v", "w"]}
