"""Raw bytes to fields, as old and hostile clients send them (trust.md §5 A, B, H)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest

from open311.domain.errors import InvalidRequest, Open311Error, TooLarge, UnsupportedMedia
from open311.formats.forms import parse_body, parse_query
from tests.formats.form_bodies import MULTIPART, URLENCODED, multipart, text_part

if TYPE_CHECKING:
    from collections.abc import Callable

    from open311.formats.fields import Fields


def described(body: bytes, content_type: str | None = URLENCODED) -> str | None:
    return parse_body(content_type, b"description=" + body).one("description")


# --- one encoding per body, on the raw bytes -----------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"%C3%A9", "é", id="UTF-8"),
        pytest.param("é œ Œ € ’ 漢 😀".encode(), "é œ Œ € ’ 漢 😀", id="C-128 raw UTF-8"),
        pytest.param(b"%E9", "é", id="A4 Windows-1252 alone"),
        pytest.param(b"\xe9t\xe9", "été", id="A4 raw Windows-1252"),
        pytest.param(b"%80%92%9C", "€’œ", id="A4 what Latin-1 has not"),
        pytest.param(b"%C0%AF", "À¯", id="A6 overlong is two plain characters"),
        pytest.param(b"%C0%AE%C0%AE%C0%AF", "À®À®À¯", id="A6 overlong path"),
        pytest.param(b"%zz%", "%zz%", id="A9 broken escapes"),
        pytest.param(b"100%+s%C3%BBr", "100% sûr", id="A9 among good ones"),
        pytest.param(b"%4", "%4", id="A9 half an escape"),
        pytest.param(b"%250A", "%0A", id="decoded once only"),
        pytest.param(b"a+b%2Bc%20d", "a b+c d", id="plus and space"),
        pytest.param(b"a%0Bb%1Bc", "a\ufffdb\ufffdc", id="A2"),
        pytest.param(b"%EF%BF%BE", "\ufffd", id="A3"),
        pytest.param(b"a;b", "a;b", id="a semicolon separates nothing"),
        pytest.param(quote("😀" * 4_000).encode(), "😀" * 4_000, id="A11 4,000 emoji"),
        pytest.param(b"x" * 600_000, "x" * 600_000, id="B2 is for the length rule to refuse"),
    ],
)
def test_a_body_is_utf_8_or_else_windows_1252(body: bytes, expected: str) -> None:
    assert described(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"%81%8D", id="A4 undefined in both"),
        pytest.param(b"caf%E9+%9D", id="A4 one undefined byte"),
        pytest.param("signalement".encode("utf-16"), id="A7 UTF-16 value, little end"),
        pytest.param(quote(b"\xfe\xff\x00a").encode(), id="A7 UTF-16 value, big end"),
        pytest.param(b"%FF%FE", id="A7 a byte order mark alone"),
        pytest.param(b"a%00b", id="A1"),
        pytest.param(b"a\x00b", id="A1 raw"),
        pytest.param(b"%E9%00", id="A1 in Windows-1252"),
    ],
)
def test_what_is_no_text_is_refused_and_the_field_is_named(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"^description : ") as refusal:
        described(body)
    assert refusal.value.field == "description"


@pytest.mark.parametrize("charset", ["ISO-8859-1", "utf-16", "utf-8", "x-unknown", '"', ""])
def test_a_charset_label_is_ignored(charset: str) -> None:
    """Trust.md A7."""
    content_type = f"{URLENCODED}; charset={charset}"
    assert described(b"%C3%A9", content_type) == "é"
    assert described(b"%E9", content_type) == "é"


def test_a_whole_body_in_utf_16_is_refused() -> None:
    """Trust.md A7."""
    body = "service_code=voirie&lat=48.8".encode("utf-16")
    with pytest.raises(InvalidRequest):
        parse_body(f"{URLENCODED}; charset=utf-16", body)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (URLENCODED, b"first_name=Ren%C3%A9e&description=%E9"),
        (
            MULTIPART,
            multipart(
                text_part(b"first_name", "Renée".encode()), text_part(b"description", b"\xe9")
            ),
        ),
    ],
)
def test_the_encoding_is_decided_once_for_all_text_of_a_body(
    content_type: str | None, body: bytes
) -> None:
    fields = parse_body(content_type, body)
    assert fields.one("first_name") == "RenÃ©e"
    assert fields.one("description") == "é"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"q=%FF", id="A4"),
        pytest.param(b"q=%E9", id="A4 Windows-1252"),
        pytest.param(b"q=%C0%AF", id="A6"),
        pytest.param(b"q=%ED%A0%80", id="surrogate"),
        pytest.param(b"q=\xe9", id="raw byte"),
        pytest.param(b"q=%00", id="A1"),
        pytest.param("q=\xe9", id="WSGI str"),
    ],
)
def test_a_query_is_strict_utf_8_and_the_field_is_named(raw: bytes | str) -> None:
    with pytest.raises(InvalidRequest, match=r"^q : ") as refusal:
        parse_query(raw)
    assert refusal.value.field == "q"


@pytest.mark.parametrize("raw", [b"%FF=1", b"%FF=", b"%FF", "q=漢"])
def test_a_query_is_strict_utf_8_in_its_names_too(raw: bytes | str) -> None:
    with pytest.raises(InvalidRequest):
        parse_query(raw)


@pytest.mark.parametrize("raw", [b"q=%C3%A9", "q=é".encode(), "q=Ã©", "q=%C3%A9", b"&&q=%C3%A9&"])
def test_a_query_may_be_bytes_or_the_str_of_wsgi(raw: bytes | str) -> None:
    assert parse_query(raw).one("q") == "é"


# --- what a body may be ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "body", "error"),
    [
        pytest.param("application/json", b'{"lat": 1}', UnsupportedMedia, id="H1 JSON"),
        pytest.param("text/xml", b"<request/>", UnsupportedMedia, id="H1 XML"),
        pytest.param("text/plain", b"lat=1", UnsupportedMedia, id="C-135 text"),
        pytest.param("multipart/mixed; boundary=XX", b"x", UnsupportedMedia, id="not a form"),
        pytest.param("nonsense", b"lat=1", UnsupportedMedia, id="no type"),
        pytest.param(None, b"lat=1", InvalidRequest, id="H2"),
        pytest.param(" ", b"lat=1", InvalidRequest, id="H2 blank"),
        pytest.param("multipart/form-data", multipart(b""), InvalidRequest, id="H3 no boundary"),
        pytest.param(
            "multipart/form-data; boundary=", b"x", InvalidRequest, id="H3 empty boundary"
        ),
        pytest.param("multipart/form-data; boundary=é", b"x", InvalidRequest, id="H3 odd boundary"),
        pytest.param(
            f"multipart/form-data; boundary={'X' * 2_000}",
            multipart(text_part(b"lat", b"1")).replace(b"--XX", b"--" + b"X" * 2_000),
            InvalidRequest,
            id="H3 long boundary",
        ),
        pytest.param(
            "multipart/form-data; boundary=YY", multipart(), InvalidRequest, id="H3 other"
        ),
        pytest.param(MULTIPART, b"lat=1", InvalidRequest, id="H3 not multipart"),
        pytest.param(MULTIPART, b"--XX\r\n\r\n", InvalidRequest, id="H3 no headers"),
        pytest.param(
            MULTIPART, multipart(b"X: y\r\n\r\n1"), InvalidRequest, id="H3 no disposition"
        ),
        pytest.param(URLENCODED, b"x" * 1_100_000, TooLarge, id="B3 text over 1 MiB"),
        pytest.param(
            MULTIPART,
            multipart(text_part(b"a", b"x" * 1_100_000)),
            TooLarge,
            id="B3 multipart text",
        ),
    ],
)
def test_a_body_that_is_no_form_is_refused(
    content_type: str | None, body: bytes, error: type[Open311Error]
) -> None:
    with pytest.raises(error) as refusal:
        parse_body(content_type, body)
    assert type(refusal.value) is error


@pytest.mark.parametrize(
    "content_type", [None, "", URLENCODED, MULTIPART, "application/json", "text/plain"]
)
def test_a_post_without_a_body_is_legal(content_type: str | None) -> None:
    """Trust.md H2: some clients send everything in the query."""
    assert parse_body(content_type, b"") == parse_query(b"")


@pytest.mark.parametrize("media_type", ["Application/X-WWW-Form-URLencoded", f" {URLENCODED} ;x=y"])
def test_the_media_type_has_no_letter_case(media_type: str) -> None:
    assert described(b"x", media_type) == "x"


@pytest.mark.parametrize(
    ("read", "limit"), [(parse_query, 1_000), (lambda raw: parse_body(URLENCODED, raw), 500)]
)
def test_fields_are_counted(read: Callable[[bytes], Fields], limit: int) -> None:
    """Trust.md B4."""
    read(b"&".join([b"a=1"] * limit))
    with pytest.raises(InvalidRequest, match=f"Au plus {limit} champs"):
        read(b"&".join([b"a=1"] * (limit + 1)))


def test_sixty_thousand_fields_are_refused() -> None:
    """Trust.md B4."""
    with pytest.raises(InvalidRequest, match="reçu 60000"):
        parse_body(URLENCODED, urlencode([(f"f{i}", i) for i in range(60_000)]).encode())
