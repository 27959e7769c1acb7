"""Multipart bodies: photos untouched, text decoded, hostile shapes refused (trust.md H3–H5)."""

from __future__ import annotations

import pytest

from open311.domain.errors import InvalidRequest, TooLarge
from open311.formats.forms import parse_body
from tests.formats.form_bodies import MULTIPART, file_part, multipart, text_part


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
