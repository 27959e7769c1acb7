"""Numbers: ASCII decimals only, a French comma is welcome (trust.md D, F; clause C-112)."""

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open311.domain.errors import InvalidRequest
from open311.formats.numbers import parse_coordinate, parse_decimal, parse_integer


def latitude(text: str) -> float:
    return parse_coordinate(text, field="lat", bound=90)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("48.8133", 48.8133),
        pytest.param("48,8133", 48.8133, id="decimal comma"),
        ("-48.8133", -48.8133),
        ("+48.8133", 48.8133),
        (" 48.8133 ", 48.8133),
        pytest.param("0", 0.0, id="D7 zero is a value"),
        ("48", 48.0),
        ("48.", 48.0),
        (".5", 0.5),
        ("90", 90.0),
        ("-90.0", -90.0),
        pytest.param("48.12345678", 48.1234568, id="seven decimals"),
        pytest.param("48." + "3" * 40, 48.3333333, id="many decimals"),
        pytest.param("5.0E-4", 0.0005, id="Java near the Greenwich meridian"),
        pytest.param("1e-12", 0.0, id="nothing left after rounding"),
    ],
)
def test_decimal_degrees_are_read(text: str, value: float) -> None:
    assert latitude(text) == value


def test_minus_zero_is_zero() -> None:
    assert math.copysign(1, latitude("-0.00000001")) == 1


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("NaN", id="D1 NaN"),
        pytest.param("inf", id="D1 inf"),
        pytest.param("-inf", id="D1 -inf"),
        pytest.param("Infinity", id="D1 Infinity"),
        pytest.param("1e400", id="D1 1e400"),
        pytest.param("9" * 400, id="D1 overflow without exponent"),
        pytest.param("1e1", id="D2 exponent"),
        pytest.param("0x30", id="D2 hexadecimal"),
        pytest.param("1_0", id="D2 underscore"),
        pytest.param("٤٨", id="D2 Arabic digits"),
        pytest.param("４８", id="D2 full-width digits"),
        pytest.param("91", id="D4 out of range"),
        pytest.param("-90.0000001", id="D4 just out of range"),
        pytest.param("90.0000000001", id="D4 not rounded into range"),
        pytest.param("--5", id="D14 two signs"),
        "",
        ".",
        "abc",
        "48.8.1",
        "1,234.5",
        "48°48'",
        "48.8 N",
        "48\n.8",
        pytest.param("1" * 4_000 + "!", id="I11"),
    ],
)
def test_what_is_no_degree_is_refused_and_the_field_is_named(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^lat : ") as refusal:
        latitude(text)
    assert refusal.value.field == "lat"
    assert len(refusal.value.message) < 250


def test_the_refusal_says_what_is_expected_and_what_came() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        latitude("abc")
    assert refusal.value.message == (
        "lat : un nombre décimal (degrés WGS 84) est attendu, reçu « abc »."
    )


@pytest.mark.parametrize(
    ("text", "field", "bound"), [("652381.5", "long", 180), ("6862047,2", "lat", 90)]
)
def test_lambert_93_metres_get_a_hint(text: str, field: str, bound: float) -> None:
    """Trust.md D6: the town hall of Paris in EPSG:2154."""
    with pytest.raises(InvalidRequest, match=r"Lambert-93 \(EPSG:2154\).*EPSG:4326"):
        parse_coordinate(text, field=field, bound=bound)


def test_another_number_out_of_range_gets_no_hint() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        latitude("91")
    assert "Lambert" not in refusal.value.message


def test_a_decimal_within_its_bounds_is_read() -> None:
    assert parse_decimal("1,5", field="radius", minimum=0, maximum=10) == 1.5


@pytest.mark.parametrize("text", ["-1", "10,01", "1e999", "NaN", "dix"])
def test_a_decimal_out_of_its_bounds_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^radius : "):
        parse_decimal(text, field="radius", minimum=0, maximum=10)


@pytest.mark.parametrize(("text", "value"), [("1", 1), (" 7 ", 7), ("+7", 7), ("007", 7), ("0", 0)])
def test_whole_numbers_are_read(text: str, value: float) -> None:
    assert parse_integer(text, field="page", minimum=0, maximum=1_000) == value


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("-1", id="F1"),
        pytest.param("99999999999999999999", id="F2"),
        pytest.param("9" * 5_000, id="longer than int() takes"),
        pytest.param("٣", id="F6"),
        "1.0",
        "1_0",
        "",
        "un",
        "1001",
    ],
)
def test_what_is_no_whole_number_within_bounds_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^page : un nombre entier") as refusal:
        parse_integer(text, field="page", minimum=0, maximum=1_000)
    assert refusal.value.field == "page"


@given(st.floats(-180, 180), st.sampled_from(".,"))
def test_a_longitude_reads_back_to_the_centimetre_with_point_or_comma(
    value: float, separator: str
) -> None:
    text = f"{value:.9f}".replace(".", separator)
    read = parse_coordinate(text, field="long", bound=180)
    assert abs(read - value) <= 1e-7
    assert read == round(read, 7)


@given(st.text() | st.text("0123456789+-.,eE _xn", max_size=12))
def test_any_text_is_a_finite_number_within_bounds_or_a_refusal(text: str) -> None:
    with suppress(InvalidRequest):
        value = latitude(text)
        assert -90 <= value <= 90
        assert text.strip().isascii()
