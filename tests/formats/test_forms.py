"""Raw bytes to fields, as old and hostile clients send them (trust.md §5 A, B, H)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open311.domain.errors import InvalidRequest, Open311Error, TooLarge, UnsupportedMedia
from open311.formats.forms import parse_body, parse_query
from open311.formats.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from open311.formats.fields import Fields

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=XX"


def described(body: bytes, content_type: str | None = URLENCODED) -> str | None:
    return parse_body(content_type, b"description=" + body).one("description")


def multipart(*parts: bytes) -> bytes:
    """A body of raw parts, each with its own headers and content."""
    return b"".join(b"--XX\r\n" + part + b"\r\n" for part in parts) + b"--XX--\r\n"


def text_part(name: bytes, value: bytes, *, headers: bytes = b"") -> bytes:
    disposition = b'Content-Disposition: form-data; name="' + name + b'"\r\n'
    return disposition + headers + b"\r\n" + value


def file_part(
    content: bytes, *, name: bytes = b"media", filename: bytes = b"a.jpg", headers: bytes = b""
) -> bytes:
    disposition = b'Content-Disposition: form-data; name="' + name + b'"'
    disposition += b'; filename="' + filename + b'"\r\n'
    return disposition + headers + b"\r\n" + content


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


# --- multipart -------------------------------------------------------------------------


def test_multipart_carries_the_same_fields_and_the_photos_untouched() -> None:
    """Clause C-130."""
    photo = bytes(range(256)) * 20 + b"\r\n--X\r\n\r\n--XY"
    fields = parse_body(
        MULTIPART,
        multipart(
            text_part(b"description", "Trou\r\nprofond, été".encode()),
            text_part(b"attribute[B][]", b"x"),
            text_part(b"attribute%5BB%5D", b"y", headers=b"Content-Type: text/plain\r\n"),
            text_part(b"email", b""),
            file_part(photo, headers=b"Content-Type: image/jpeg\r\n"),
        ),
    )
    assert fields.one("description") == "Trou\nprofond, été"
    assert fields.attributes() == {"B": ["x", "y"]}
    assert fields.one("email") is None
    assert fields.files == (photo,)


@pytest.mark.parametrize(
    "header",
    [
        "multipart/form-data; boundary==_1=2=",
        'multipart/form-data; boundary="=_1=2="',
        "multipart/form-data;charset=utf-8;BOUNDARY==_1=2=; x=y",
        "Multipart/Form-Data; boundary = =_1=2=",
    ],
)
def test_a_boundary_with_equals_signs_may_be_unquoted(header: str) -> None:
    body = multipart(text_part(b"lat", b"48,8")).replace(b"--XX", b"--=_1=2=")
    assert parse_body(header, body).one("lat") == "48,8"


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(file_part(b"\xff\xd8photo"), id="no content type"),
        pytest.param(file_part(b"\xff\xd8photo", name=b"media[]"), id="media[]"),
        pytest.param(file_part(b"\xff\xd8photo", name=b"file_1"), id="any name"),
        pytest.param(file_part(b"\xff\xd8photo", name=b""), id="empty name"),
        pytest.param(file_part(b"\xff\xd8photo", filename=b""), id="empty file name"),
        pytest.param(
            text_part(b"photo1", b"\xff\xd8photo", headers=b"Content-Type: image/jpeg\r\n"),
            id="content type alone",
        ),
        pytest.param(
            text_part(
                b"x", b"\xff\xd8photo", headers=b"content-type: application/octet-stream\r\n"
            ),
            id="bytes",
        ),
        pytest.param(
            file_part(b"\xff\xd8photo", headers=b"Content-Type: text/plain\r\n"), id="labelled text"
        ),
        pytest.param(file_part(b"\xff\xd8photo", filename=b"../../etc/passwd"), id="H5 path"),
        pytest.param(file_part(b"\xff\xd8photo", filename=b"a\x00.jpg"), id="H5 NUL"),
        pytest.param(file_part(b"\xff\xd8photo", filename=b"x" * 10_000), id="H5 10 kB"),
        pytest.param(file_part(b"\xff\xd8photo", filename=b"\xe9t\xe9.jpg"), id="H5 Latin-1"),
        pytest.param(file_part(b"\xff\xd8photo", filename="漢.jpg".encode()), id="H5 UTF-8"),
    ],
)
def test_any_file_part_is_a_photo_and_its_name_is_ignored(part: bytes) -> None:
    fields = parse_body(MULTIPART, multipart(text_part(b"first_name", "Zoé".encode()), part))
    assert fields.files == (b"\xff\xd8photo",)
    assert dict(fields.texts) == {"first_name": ("Zoé",)}


def test_a_file_input_left_alone_is_no_photo_but_an_empty_file_is_one() -> None:
    assert parse_body(MULTIPART, multipart(file_part(b"", filename=b""))).files == ()
    assert parse_body(MULTIPART, multipart(file_part(b""))).files == (b"",)


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"voirie\r\n", "voirie"), (b"a\r\nb\r\n", "a\nb"), (b"a\r\n\r\n", "a\n")],
)
def test_one_line_break_at_the_end_of_a_text_part_is_not_text(
    content: bytes, expected: str
) -> None:
    body = multipart(text_part(b"description", content))
    assert parse_body(MULTIPART, body).one("description") == expected


def test_old_mobile_libraries_send_windows_1252_in_multipart_whatever_the_label() -> None:
    headers = b"Content-Type: text/plain; charset=US-ASCII\r\nContent-Transfer-Encoding: 8bit\r\n"
    body = multipart(
        text_part(b"description", b"\x93d\xe9g\xe2t\x94 20 \x80", headers=headers),
        file_part(b"\xff"),
    )
    fields = parse_body(MULTIPART, body)
    assert fields.one("description") == "“dégât” 20 €"
    assert fields.files == (b"\xff",)


@pytest.mark.parametrize(
    "content", [b"\x81\x8d", b"\xff\xfea\x00", b"\xfe\xff\x00a", b"a\x00b"], ids=repr
)
def test_a_multipart_text_that_is_no_text_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"^description : "):
        parse_body(MULTIPART, multipart(text_part(b"description", content)))


def test_a_multipart_body_cut_anywhere_is_refused() -> None:
    """Trust.md H3: half a report is not a report."""
    body = multipart(text_part(b"lat", b"48.8133"), file_part(b"\xff\xd8" * 20)).removesuffix(
        b"\r\n"
    )
    assert parse_body(MULTIPART, body).one("lat") == "48.8133"
    for length in range(1, len(body)):
        with pytest.raises(InvalidRequest):
            parse_body(MULTIPART, body[:length])


def test_multipart_fields_and_parts_are_counted() -> None:
    """Trust.md B4 and H4."""
    part = text_part(b"attribute[A]", b"x")
    assert len(parse_body(MULTIPART, multipart(*[part] * 500)).attributes()["A"]) == 500
    with pytest.raises(InvalidRequest, match="Au plus 500 champs"):
        parse_body(MULTIPART, multipart(*[part] * 501))
    with pytest.raises(TooLarge):
        parse_body(MULTIPART, multipart(*[part] * 5_000))


def test_nested_multipart_is_refused_even_when_it_never_ends() -> None:
    """Trust.md H4."""
    nested = b"Content-Type: multipart/mixed; boundary=Y\r\n"
    for body in (
        multipart(text_part(b"media", b"--Y--", headers=nested)),
        multipart(file_part(b"--Y--", headers=nested)),
        (b"--XX\r\n" + text_part(b"media", b"", headers=nested)) * 1_000,
    ):
        with pytest.raises(TooLarge):
            parse_body(MULTIPART, body)


def test_a_folded_part_header_is_refused() -> None:
    """Joining thousands of folded lines takes time in the square of their number."""
    with pytest.raises(InvalidRequest):
        parse_body(MULTIPART, multipart(text_part(b"lat", b"1", headers=b"X: a\r\n b\r\n")))


def test_a_huge_part_header_is_too_large() -> None:
    with pytest.raises(TooLarge):
        parse_body(MULTIPART, multipart(file_part(b"x", filename=b"x" * 20_000)))


# --- laws ------------------------------------------------------------------------------

WRITABLE = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
NAMES = st.from_regex("[a-z][a-z0-9_]{0,10}", fullmatch=True)
PAIRS = st.lists(st.tuples(st.just("description") | NAMES, WRITABLE), max_size=8)
PIECES = (
    *(b"--XX", b"--XX--", b"\r\n", b"--", b"a=1&", b"%", b"%E9", b"\xe9", b"\0", b"=", b"&"),
    *(b'Content-Disposition: form-data; name="a"', b'; filename="x', b"Content-Type: image/png"),
    *(b"Content-Length: 3", b"attribute[", b"]", b'"', b"\\", b":", b" ", b"\n"),
)
HOSTILE = st.binary() | st.lists(st.sampled_from(PIECES)).map(b"".join)


def sorted_out(pairs: list[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """What the pairs must become, by name: clean, without the blank ones."""
    expected: dict[str, list[str]] = {}
    for name, value in pairs:
        kept = clean_text(value, one_line=name != "description")
        if kept.strip() not in {"", "null"}:
            expected.setdefault(name, []).append(kept)
    return {name: tuple(values) for name, values in expected.items()}


@given(PAIRS, st.sampled_from([quote, quote_plus]))
def test_urlencoded_text_comes_back(
    pairs: list[tuple[str, str]], quote_via: Callable[..., str]
) -> None:
    body = urlencode(pairs, quote_via=quote_via).encode()
    fields = parse_body(URLENCODED, body)
    aliased = {"address", "deviceid"}.intersection(name for name, _ in pairs)
    assert aliased or dict(fields.texts) == sorted_out(pairs)
    assert parse_query(body) == parse_query(body.decode()) == fields


@given(PAIRS, st.lists(st.binary().filter(lambda content: b"--XX" not in content), max_size=4))
def test_multipart_text_and_files_come_back(
    pairs: list[tuple[str, str]], contents: list[bytes]
) -> None:
    pairs = [(name, value) for name, value in pairs if "--XX" not in value]
    body = multipart(
        *(text_part(name.encode(), value.encode() + b"\r\n") for name, value in pairs),
        *(file_part(content) for content in contents),
    )
    fields = parse_body(MULTIPART, body)
    aliased = {"address", "deviceid"}.intersection(name for name, _ in pairs)
    assert aliased or dict(fields.texts) == sorted_out(pairs)
    assert fields.files == tuple(contents)


@given(st.text(st.characters(codec="cp1252", exclude_categories=["Cc"]), min_size=1))
def test_windows_1252_text_comes_back_unless_it_reads_as_utf_8(text: str) -> None:
    raw = ("é " + text).encode("cp1252")  # an é before a space is never UTF-8
    assert described(quote(raw).encode()) == clean_text("é " + text)


@given(HOSTILE, st.sampled_from([None, "", "x/y", URLENCODED, MULTIPART, "multipart/form-data"]))
def test_any_bytes_give_fields_or_one_of_our_errors(raw: bytes, content_type: str | None) -> None:
    with suppress(Open311Error):
        parse_query(raw)
    with suppress(Open311Error):
        fields = parse_body(content_type, raw)
        for values in (*fields.texts.values(), *fields.attribute_texts.values()):
            assert all(clean_text(value) == value for value in values)


@given(HOSTILE)
def test_any_bytes_between_two_boundaries_give_fields_or_one_of_our_errors(raw: bytes) -> None:
    with suppress(Open311Error):
        parse_body(MULTIPART, multipart(text_part(b"a", raw), raw))


@given(st.text(), st.binary())
def test_any_content_type_gives_fields_or_one_of_our_errors(header: str, body: bytes) -> None:
    with suppress(Open311Error):
        parse_body(header, body)
    with suppress(Open311Error):
        parse_body("multipart/form-data;" + header, body)
