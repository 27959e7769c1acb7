"""Folding of text for search (extension X-19): no case, no accents."""

from __future__ import annotations

import re
import unicodedata

MAX_WORDS = 8
#: Combining marks of the blocks that European languages use.
_MARKS = re.compile("[\u0300-\u036f\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")


def fold(text: str) -> str:
    """The text without accents and case: `Éclairage` and `eclairage` are one."""
    return _MARKS.sub("", unicodedata.normalize("NFKD", text.casefold()))


def words(q: str) -> tuple[str, ...]:
    """The folded words of a question, the first eight; every one must be found."""
    return tuple(fold(q).split()[:MAX_WORDS])
