"""Laws of form decoding: what was encoded comes back, and no bytes break it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, urlencode

from hypothesis import given
from hypothesis import strategies as st

from open311.domain.errors import Open311Error
from open311.formats.forms import parse_body, parse_query
from open311.formats.text import clean_text
from tests.formats.form_bodies import MULTIPART, URLENCODED, file_part, multipart, text_part

if TYPE_CHECKING:
    from collections.abc import Callable


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
    assert parse_body(URLENCODED, b"description=" + quote(raw).encode()).one(
        "description"
    ) == clean_text("é " + text)


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
