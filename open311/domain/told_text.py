"""Text that others tell us, made fit for every database and every format."""

from __future__ import annotations

import re
from typing import Final

REPLACEMENT: Final = "\ufffd"

# XML 1.0 (fifth edition), production [2] Char, without CR, which is no line end of ours.
# NUL, which PostgreSQL cannot store, and lone surrogates, which UTF-8 cannot say, are not in it.
_NOT_XML: Final = re.compile(r"[^\t\n\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


def carried_by_xml(text: str) -> str:
    """Return text in which U+FFFD stands for each character that XML 1.0 cannot carry."""
    return _NOT_XML.sub(REPLACEMENT, text)


def storable(text: str, limit: int | None = None) -> str:
    """Text of a tool as we keep it: LF line ends, no character outside XML 1.0.

    Args:
        limit: characters; what is longer is cut, and ends in « … ».
    """
    if not (text.isascii() and text.isprintable()):
        text = carried_by_xml(text.replace("\r\n", "\n").replace("\r", "\n"))
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"


def told_id(value: object) -> str:
    """An id as a tool tells it: a text, or a whole number.

    Raises:
        ValueError: it is anything else (true, a list, an object), or empty.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("un identifiant est un texte ou un nombre entier")  # noqa: TRY004
    text = storable(str(value)).strip()
    if not text:
        raise ValueError("l'identifiant est vide")
    return text
