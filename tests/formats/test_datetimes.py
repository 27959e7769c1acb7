"""Dates: every spelling of real clients in, whole-second UTC out (C-011, C-012, C-180, C-181)."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open311.domain.errors import InvalidRequest
from open311.formats.datetimes import format_datetime, parse_datetime
from open311.formats.forms import parse_query

PARIS = ZoneInfo("Europe/Paris")
SAO_PAULO = ZoneInfo("America/Sao_Paulo")


def read(text: str, *, zone: ZoneInfo = PARIS, end_of_day: bool = False) -> datetime:
    return parse_datetime(text, timezone=zone, field="start_date", end_of_day=end_of_day)


def shown(text: str, *, zone: ZoneInfo = PARIS, end_of_day: bool = False) -> str:
    return format_datetime(read(text, zone=zone, end_of_day=end_of_day))


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        pytest.param("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", id="Z"),
        pytest.param("2026-01-01t00:00:00z", "2026-01-01T00:00:00Z", id="small letters"),
        pytest.param("2026-01-01T00:00:00+01:00", "2025-12-31T23:00:00Z", id="offset"),
        pytest.param("2026-01-01T00:00:00-0430", "2026-01-01T04:30:00Z", id="offset, no colon"),
        pytest.param("2026-01-01T00:00:00+01", "2025-12-31T23:00:00Z", id="offset, hours"),
        pytest.param("2026-01-01T00:00:00-00:00", "2026-01-01T00:00:00Z", id="offset -00:00"),
        pytest.param("2026-01-01T00:00:00+14:00", "2025-12-31T10:00:00Z", id="farthest offset"),
        pytest.param("2026-01-01T00:00:00 01:00", "2025-12-31T23:00:00Z", id="E3 plus lost"),
        pytest.param("2026-01-01T00:00:00 0100", "2025-12-31T23:00:00Z", id="E3 plus lost, bare"),
        pytest.param("2026-01-01T00:00:00.123 01:00", "2025-12-31T23:00:00Z", id="E3 fraction"),
        pytest.param("2026-01-01T00:00 01:00", "2025-12-31T23:00:00Z", id="E3 minutes"),
        pytest.param("2026-01-01 00:00:00 01:00", "2025-12-31T23:00:00Z", id="E3 two spaces"),
        pytest.param("2026-01-01 00:00:00 +0100", "2025-12-31T23:00:00Z", id="space before sign"),
        pytest.param("2026-01-01T10:00:00", "2026-01-01T09:00:00Z", id="E2 winter, local"),
        pytest.param("2026-07-01T10:00:00", "2026-07-01T08:00:00Z", id="E2 summer, local"),
        pytest.param("2026-01-01 10:00:00", "2026-01-01T09:00:00Z", id="space for T"),
        pytest.param("2026-01-01T10:00Z", "2026-01-01T10:00:00Z", id="minutes"),
        pytest.param("2026-01-01", "2025-12-31T23:00:00Z", id="date alone"),
        pytest.param(" 2026-01-01T10:00:00Z ", "2026-01-01T10:00:00Z", id="space round it"),
        pytest.param("2026-01-01T10:00:00.9999999999Z", "2026-01-01T10:00:00Z", id="ten decimals"),
        pytest.param("2026-01-01T10:00:00,5Z", "2026-01-01T10:00:00Z", id="comma fraction"),
        pytest.param("2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z", id="leap day"),
        pytest.param("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", id="first year"),
        pytest.param("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", id="last year"),
    ],
)
def test_dates_of_real_clients_are_read(text: str, utc: str) -> None:
    assert shown(text) == utc


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("hier", id="E1"),
        pytest.param("", id="empty"),
        pytest.param("0000-00-00", id="E4 zero"),
        pytest.param("2026-13-01", id="E4 month 13"),
        pytest.param("2026-02-30", id="E4 30 February"),
        pytest.param("2027-02-29", id="E4 no leap year"),
        pytest.param("10000-01-01T00:00:00Z", id="E5 year 10000"),
        pytest.param("-0001-01-01T00:00:00Z", id="E5 year -1"),
        pytest.param("0001-01-01T00:00:00+14:00", id="E5 before year 1 in UTC"),
        pytest.param("9999-12-31T23:59:59-01:00", id="E5 after year 9999 in UTC"),
        pytest.param("2026-12-31T23:59:60Z", id="E7 leap second"),
        pytest.param("2026-01-01T24:00:00Z", id="24:00"),
        pytest.param("2026-01-01T10:60Z", id="minute 60"),
        pytest.param("2026-01-01T00:00:00+15:00", id="offset 15 h"),
        pytest.param("2026-01-01T00:00:00+01:60", id="offset minute 60"),
        pytest.param("٢٠٢٦-01-01", id="Arabic digits"),
        pytest.param("２０２６-01-01", id="full-width digits"),
        pytest.param("2026-1-1", id="one digit"),
        pytest.param("2026-01-01T", id="T alone"),
        pytest.param("2026-01-01Z", id="zone on a date"),
        pytest.param("2026-01-01T10", id="hours alone"),
        pytest.param("2026-01-01T10:00:00.Z", id="point without digits"),
        pytest.param("2026-01-01T10:00:00Z\nx", id="more text"),
        pytest.param("20260101T000000Z", id="basic format"),
        pytest.param("1767225600", id="Unix time"),
        pytest.param("2026-01-01T10:00:00." + "1" * 4_000 + "!", id="I11 long fraction"),
    ],
)
def test_what_is_no_date_is_refused_and_the_field_is_named(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^start_date : une date ISO 8601") as refusal:
        read(text)
    assert refusal.value.field == "start_date"
    assert len(refusal.value.message) < 200


def test_a_date_without_hour_is_its_first_second_or_its_last() -> None:
    assert shown("2026-01-01") == "2025-12-31T23:00:00Z"
    assert shown("2026-01-01", end_of_day=True) == "2026-01-01T22:59:59Z"
    assert shown("2026-01-01T08:00:00Z", end_of_day=True) == "2026-01-01T08:00:00Z"


def test_a_day_of_the_change_of_hour_has_23_or_25_hours() -> None:
    def length(day: str) -> timedelta:
        return read(day, end_of_day=True) - read(day) + timedelta(seconds=1)

    assert length("2026-03-29") == timedelta(hours=23)
    assert length("2026-10-25") == timedelta(hours=25)


def test_a_local_time_that_is_skipped_is_read_one_hour_later() -> None:
    assert shown("2026-03-29T02:30:00") == "2026-03-29T01:30:00Z"
    assert read("2026-03-29T02:30:00").astimezone(PARIS).hour == 3


def test_a_local_time_that_comes_twice_is_the_first_of_the_two() -> None:
    assert shown("2026-10-25T02:30:00") == "2026-10-25T00:30:00Z"


def test_a_day_whose_midnight_comes_twice_ends_at_the_second() -> None:
    """In São Paulo the clocks went from 24:00 back to 23:00 on 17 February 2018."""
    assert shown("2018-02-17", zone=SAO_PAULO, end_of_day=True) == "2018-02-18T02:59:59Z"


def test_an_unescaped_plus_in_a_query_is_repaired() -> None:
    """Clause C-181: the query decoder makes a space of it."""
    (received,) = parse_query(b"start_date=2026-01-01T00:00:00+01:00").many("start_date")
    assert shown(received) == "2025-12-31T23:00:00Z"


def test_fractions_are_kept_inside_and_cut_outside() -> None:
    moment = read("2026-01-01T10:00:00.123456789Z")
    assert moment.microsecond == 123_456
    assert format_datetime(moment) == "2026-01-01T10:00:00Z"


def test_a_datetime_without_zone_is_not_written() -> None:
    with pytest.raises(ValueError, match="zone"):
        format_datetime(datetime(2026, 1, 1))  # noqa: DTZ001


OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=OFFSETS)  # noqa: DTZ001


@given(MOMENTS)
def test_what_is_written_matches_the_clause_and_reads_back(moment: datetime) -> None:
    text = format_datetime(moment)
    assert re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", text)
    assert read(text) == moment.replace(microsecond=0)


@given(MOMENTS)
def test_any_iso_date_reads_back_with_its_plus_escaped_or_not(moment: datetime) -> None:
    text = moment.isoformat()
    for query in (f"start_date={text}", f"start_date={quote(text)}"):
        (received,) = parse_query(query).many("start_date")
        got = read(received)
        assert got == moment
        assert got.tzinfo is UTC


@given(st.text() | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:. +Z-]*)?"))
def test_any_text_is_a_date_or_a_refusal(text: str) -> None:
    with suppress(InvalidRequest):
        assert read(text).tzinfo is UTC
