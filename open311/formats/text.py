"""Text as it may be stored and shown: NFC, without what XML 1.0 cannot carry.

One stored control character makes every XML list that holds it fail, so text
is cleaned once, at the door, and trusted afterwards (clause C-020).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from open311.domain.errors import InvalidRequest
from open311.domain.told_text import REPLACEMENT, carried_by_xml

# Soft hyphen, bidirectional controls, zero-width and annotation characters: in a
# name or a code they only serve to make one value look like another.
_INVISIBLE: Final = re.compile(
    r"[\xAD\u061C\u180E\u200B-\u200F\u202A-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB]"
)
_BREAK: Final = re.compile(r"[\t\n\x85\u2028\u2029]")

# Canonical ordering takes time in the square of a run of combining marks: half a
# megabyte of them would hold a processor for minutes. UAX #15 ("Stream-Safe Text
# Format") knows no language that needs more than thirty in a row.
_MAX_MARKS: Final = 30
# No combining mark is a letter, a digit or a space, so ordinary text has no long run.
_MARKS_PERHAPS: Final = re.compile(r"[^\w\s\x00-\x7F]+")


def clean_text(value: str, *, one_line: bool = False, field: str | None = None) -> str:
    """Return a text that every format can carry; cleaning twice changes nothing.

    CRLF and CR become LF, characters outside XML 1.0 (controls, U+FFFE, U+FFFF,
    lone surrogates) become U+FFFD, and the result is in NFC. Beyond thirty
    combining marks in a row, the marks are dropped.

    Args:
        value: any string.
        one_line: for names, codes and addresses: also removes bidirectional
            controls and zero-width characters, turns line breaks and tabs into
            spaces, and trims.
        field: the GeoReport parameter to name in the error.

    Raises:
        InvalidRequest: the text holds NUL.
    """
    if value.isascii() and value.isprintable():
        return value.strip() if one_line else value
    if "\0" in value:
        raise InvalidRequest(
            f"{field or 'texte'} : le caractère NUL (U+0000) n’est pas accepté.", field=field
        )
    text = carried_by_xml(value.replace("\r\n", "\n").replace("\r", "\n"))
    if not one_line:
        return _composed(text)
    return _composed(_BREAK.sub(" ", _INVISIBLE.sub("", text))).strip()


def quoted(text: str) -> str:
    """Return received text fit for an error message: one line, short, in guillemets."""
    shown = clean_text(text[:80].replace("\0", REPLACEMENT), one_line=True)
    return f"« {shown[:40]}… »" if len(shown) > 40 else f"« {shown} »"


def _composed(text: str) -> str:
    # Composition may split one mark into two (U+0344), hence the second look.
    return _with_few_marks(unicodedata.normalize("NFC", _with_few_marks(text)))


def _with_few_marks(text: str) -> str:
    """Drop the combining marks after the thirtieth of a run, in linear time."""
    if all(len(run) <= _MAX_MARKS for run in _MARKS_PERHAPS.findall(text)):
        return text
    kept = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= _MAX_MARKS:
            kept.append(character)
    return "".join(kept)
