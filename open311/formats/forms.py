"""From raw bytes to clean fields: query strings and form bodies.

The framework is not asked: it replaces what it cannot read, and the text of
real clients is lost. Query strings are strict UTF-8. A body is strict UTF-8,
else Windows-1252 (old mobile libraries, with or without a label), decided once
for all its text.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from typing import Final

from open311.domain.errors import InvalidRequest, TooLarge, UnsupportedMedia
from open311.formats.fields import Fields
from open311.formats.multipart_body import Part, split_parts
from open311.formats.text import clean_text, quoted

URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"

# A list of a thousand ids, the most one answer holds, may come as repeated parameters.
_MAX_QUERY_FIELDS: Final = 1_000
_MAX_BODY_FIELDS: Final = 500
# All text of a body: twenty descriptions of 4,000 percent-encoded emoji fit in it.
_MAX_TEXT_BYTES: Final = 1024 * 1024
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")

# Whole runs at once: urllib's decoder needs a second for a megabyte of bare "%".
_ESCAPES: Final = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")

RawPair = tuple[bytes, bytes]


def parse_query(raw_query: bytes | str) -> Fields:
    """Decode a query string.

    Args:
        raw_query: what stands after ``?``, percent-encoded; a str is WSGI's, one
            character per byte (PEP 3333).

    Raises:
        InvalidRequest: not UTF-8 once percent-decoded (an overlong form is not),
            NUL, or more than 1,000 parameters.
    """
    try:
        raw = raw_query.encode("latin-1") if isinstance(raw_query, str) else raw_query
    except UnicodeEncodeError as error:
        raise InvalidRequest("URL : les caractères doivent être encodés en UTF-8.") from error
    return Fields.of(
        _text(name, value, "utf-8") for name, value in _urlencoded_pairs(raw, _MAX_QUERY_FIELDS)
    )


def parse_body(content_type: str | None, body: bytes) -> Fields:
    """Decode a form body, urlencoded or multipart; any charset label is ignored.

    A POST may carry everything in its query: an empty body is no fault whatever
    its type.

    Args:
        content_type: the header's value, or None without one.
        body: the whole body, as received.

    Raises:
        InvalidRequest: a body without a type, unreadable multipart, text in neither
            UTF-8 nor Windows-1252, UTF-16, NUL, or more than 500 fields.
        UnsupportedMedia: a body that is not a form.
        TooLarge: more than 1 MiB of text, or a hostile multipart shape.
    """
    if not body:
        return Fields.of(())
    if content_type is None or not content_type.strip():
        raise InvalidRequest(
            f"Content-Type : il manque ; un corps est envoyé en {URLENCODED} ou en {MULTIPART}.",
            field="Content-Type",
        )
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == URLENCODED:
        _check_text_size(len(body))
        return Fields.of(_decoded(_urlencoded_pairs(body, _MAX_BODY_FIELDS)))
    if media_type == MULTIPART:
        return _multipart_fields(split_parts(content_type, body))
    raise UnsupportedMedia(
        f"Content-Type : {quoted(media_type)} n’est pas accepté ; "
        f"envoyez {URLENCODED} ou {MULTIPART}.",
        field="Content-Type",
    )


def _urlencoded_pairs(raw: bytes, max_fields: int) -> list[RawPair]:
    """Split and percent-decode; a broken escape such as ``%zz`` stays as it is."""
    _check_field_count(raw.count(b"&") + 1, max_fields)
    pairs = []
    for piece in raw.replace(b"+", b" ").split(b"&"):
        name, _, value = piece.partition(b"=")
        if piece:
            pairs.append((_unescaped(name), _unescaped(value)))
    return pairs


def _unescaped(text: bytes) -> bytes:
    if b"%" not in text:
        return text
    return _ESCAPES.sub(lambda run: unhexlify(run[0].replace(b"%", b"")), text)


def _multipart_fields(parts: list[Part]) -> Fields:
    _check_field_count(len(parts), _MAX_BODY_FIELDS)
    texts = [part for part in parts if not part.is_file]
    _check_text_size(sum(len(part.name) + len(part.content) for part in texts))
    # Some clients end a text part with a line break of their own, or encode the
    # brackets of its name.
    pairs = [(_unescaped(part.name), part.content.removesuffix(b"\r\n")) for part in texts]
    # A browser sends an empty part for a file input that was left alone.
    files = [p.content for p in parts if p.is_file and (p.content or p.is_named_file)]
    return Fields.of(_decoded(pairs), tuple(files))


def _decoded(pairs: list[RawPair]) -> list[tuple[str, str]]:
    """Decode a body's text in one encoding for all of it."""
    try:
        return [(name.decode(), value.decode()) for name, value in pairs]
    except UnicodeDecodeError:
        return [_text(name, value, "windows-1252") for name, value in pairs]


def _text(name: bytes, value: bytes, encoding: str) -> tuple[str, str]:
    if name.startswith(_UTF16_MARKS) or value.startswith(_UTF16_MARKS):
        raise _undecodable(name)
    try:
        return name.decode(encoding), value.decode(encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(name) from error


def _undecodable(name: bytes) -> InvalidRequest:
    field = clean_text(name[:80].decode("utf-8", "replace"), one_line=True)
    return InvalidRequest(f"{field or 'texte'} : ce texte n’est pas lisible en UTF-8.", field=field)


def _check_field_count(count: int, limit: int) -> None:
    if count > limit:
        raise InvalidRequest(f"Au plus {limit} champs sont acceptés, reçu {count}.")


def _check_text_size(size_bytes: int) -> None:
    if size_bytes > _MAX_TEXT_BYTES:
        raise TooLarge(f"Le texte du formulaire dépasse {_MAX_TEXT_BYTES // 2**20} Mio.")
