"""multipart/form-data (RFC 7578) into raw parts, before any text is decoded.

The library is ``multipart``: it hands out the raw bytes of every part, bounds
parts and headers, refuses a truncated body, and has no dependency. Werkzeug's
decoder replaces what it cannot read as UTF-8 before anybody can ask for the
bytes, and fails on a file name in Latin-1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
)

from open311.domain.errors import InvalidRequest, TooLarge

_MAX_PARTS: Final = 1_000
# Names of files are ignored, so a long one is no reason to refuse a report.
_MAX_HEADER_BYTES: Final = 16_384
# Old mobile libraries send the boundary unquoted although it holds "=".
_BOUNDARY: Final = re.compile(
    r';[ \t]*boundary[ \t]*=[ \t]*(?:"([^"]+)"|([^\s;,"]+))', re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Part:
    """One part as it came: nothing is decoded, a file's name is not kept.

    Attributes:
        name: the raw bytes of the field's name.
        content: the raw bytes of the field's value or of the file.
        is_file: whether the part has a file name or a content type other than text.
        is_named_file: whether the file name is there and not empty.
    """

    name: bytes
    content: bytes
    is_file: bool
    is_named_file: bool


def split_parts(content_type: str, body: bytes) -> list[Part]:
    """Split a multipart/form-data body into its parts.

    Args:
        content_type: the header's value, for its boundary.
        body: the whole body.

    Raises:
        InvalidRequest: no boundary, not multipart, or truncated (trust.md H3).
        TooLarge: more than 1,000 parts, a header over 16 kB, or a part that is
            multipart itself, which no GeoReport client sends (trust.md H4).
    """
    try:
        with PushMultipartParser(
            _boundary(content_type),
            max_segment_count=_MAX_PARTS,
            max_header_size=_MAX_HEADER_BYTES,
            header_charset="latin-1",  # one character per byte: names are decoded later
            strict=True,  # no folded headers, whose joining is quadratic; bounded boundary
        ) as parser:
            return _collect(parser, body)
    except ParserLimitReached as error:
        raise TooLarge(
            f"Corps multipart : au plus {_MAX_PARTS} parties, aux en-têtes courts, sont acceptées."
        ) from error
    except MultipartError as error:
        raise InvalidRequest(
            "Corps multipart : il est illisible ou incomplet (« boundary » différent "
            "de celui de l’en-tête, partie mal formée ou fin manquante)."
        ) from error


def _boundary(content_type: str) -> bytes:
    match = _BOUNDARY.search(content_type)
    boundary = (match[1] or match[2]) if match else ""
    if not boundary or not boundary.isascii():
        raise InvalidRequest(
            "Content-Type : le paramètre « boundary » de multipart/form-data manque "
            "ou n’est pas lisible.",
            field="Content-Type",
        )
    return boundary.encode("ascii")


def _collect(parser: PushMultipartParser, body: bytes) -> list[Part]:
    parts: list[Part] = []
    segment: MultipartSegment | None = None
    content: list[bytes] = []
    for event in parser.parse(body):
        if isinstance(event, MultipartSegment):
            _refuse_nesting(event)
            segment, content = event, []
        elif event is not None:
            content.append(bytes(event))
        elif segment is not None:
            parts.append(_part(segment, b"".join(content)))
    return parts


def _refuse_nesting(segment: MultipartSegment) -> None:
    if (segment.content_type or "").startswith("multipart/"):
        raise TooLarge("Corps multipart : une partie ne peut pas être elle-même multipart.")


def _part(segment: MultipartSegment, content: bytes) -> Part:
    is_text = (segment.content_type or "text/plain").startswith("text/")
    return Part(
        name=(segment.name or "").encode("latin-1"),
        content=content,
        is_file=segment.filename is not None or not is_text,
        is_named_file=bool(segment.filename),
    )
