"""Folding of text for search (extension X-19): no case, no accents."""

from __future__ import annotations

import unicodedata

MAX_WORDS = 8


def fold(text: str) -> str:
    """The text without accents and case: `Éclairage` and `eclairage` are one."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def words(q: str) -> tuple[str, ...]:
    """The folded words of a question, the first eight; every one must be found."""
    return tuple(fold(q).split()[:MAX_WORDS])
