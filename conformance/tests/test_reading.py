"""Tolerant reading and masking."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open311_conformance.masking import MASK, mask
from open311_conformance.proving import writing
from open311_conformance.wire import reading
from open311_conformance.wire.datetimes import instant
from open311_conformance.wire.exchange import Exchange, Query

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20).map(
    str.strip
)
ROW = st.fixed_dictionaries(
    {"service_request_id": TEXT.filter(bool), "lat": st.floats(-90, 90, width=32), "address": TEXT}
)


def exchange(fmt: str, body: bytes) -> Exchange:
    return Exchange(Query("GET", "http://x/requests", "requests", fmt), status=200, body=body)


@given(st.lists(ROW, max_size=4))
def test_xml_and_json_of_the_same_rows_read_alike(rows: list[dict[str, Any]]) -> None:
    in_xml = exchange("xml", writing.document("xml", "service_requests", rows))
    in_json = exchange("json", writing.document("json", "service_requests", rows))
    assert reading.alike(reading.rows(in_xml), reading.rows(in_json))


@given(ROW, TEXT)
def test_another_text_is_not_alike(row: dict[str, Any], other: str) -> None:
    changed = {**row, "address": f"{row['address']}x{other}"}
    assert not reading.alike(row, changed)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (None, "", True),
        ("1", 1, True),
        ("1.50", 1.5, True),
        (True, "true", True),
        ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", True),
        ("01000", "1000", True),  # numbers compare as numbers; C-194 sees to zipcodes
        ("a", "b", False),
        ("0", None, False),
        ([1], [1, 2], False),
        ({"a": None}, {}, True),
    ],
)
def test_alike(one: Any, other: Any, same: bool) -> None:  # noqa: FBT001 - a table
    assert reading.alike(one, other) is same


@pytest.mark.parametrize(
    ("written", "valid"),
    [
        ("2026-03-31T08:15:00Z", True),
        ("2026-03-31T08:15:00+02:00", True),
        ("2026-03-31T08:15:00.5Z", True),
        ("2026-02-30T08:15:00Z", False),
        ("2026-03-31T08:15:00", False),
        ("2026-03-31 08:15:00Z", False),
        ("2026-03-31", False),
        ("", False),
        (None, False),
    ],
)
def test_w3c_datetimes(written: object, valid: bool) -> None:  # noqa: FBT001 - a table
    assert bool(instant(written)) is valid


@pytest.mark.parametrize(
    "secret",
    [
        "api_key=abcdef123456",
        "<phone>0612345678</phone>",
        '"email": "jeanne@example.org"',
        "jeanne.martin@mairie.example",
        "+33612345678",
        "06 12 34 56 78",
        "Authorization: Bearer abcdefgh123",
        'name="last_name"\r\n\r\nMartin\r\n',
    ],
)
def test_keys_and_persons_are_masked(secret: str) -> None:
    masked = mask(f"before {secret} after")
    assert MASK in masked
    for word in ("abcdef", "0612345678", "jeanne", "33612345678", "12 34 56", "Martin"):
        assert word not in masked


@pytest.mark.parametrize(
    "harmless",
    [
        "2026-03-31T08:15:00Z",
        "48.8133456",
        "service_code=12",
        "<lat>48.8133001</lat>",
        "requests/1042",
    ],
)
def test_what_is_needed_to_understand_stays(harmless: str) -> None:
    assert mask(harmless) == harmless


def test_a_given_key_is_masked_wherever_it_stands() -> None:
    assert "K-311" not in mask(json.dumps({"x": ["K-311"]}), ("K-311",))
