"""The language that a client asked for."""

from __future__ import annotations

from collections.abc import Collection

from flask import request


def accepted_language(offered: Collection[str]) -> str | None:
    """The best of Accept-Language among these (`fr`, `en`); a region does not count (RFC 4647)."""
    if "Accept-Language" not in request.headers:
        return None
    for tag, quality in request.accept_languages:  # best first
        language = primary_subtag(tag)
        if quality > 0 and language in offered:
            return language
    return None


def primary_subtag(tag: str) -> str:
    """The language of a tag: `en` of `en_GB` and of `en-GB`."""
    return tag.replace("_", "-").partition("-")[0].lower()
