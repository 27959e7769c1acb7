"""The name of a stored photo: the digest of its bytes, then a suffix."""

from __future__ import annotations

import hashlib
import re

from open311.domain.errors import NotFound

_SUFFIX = re.compile(r"(?:\.[a-z0-9]{1,8}){1,2}")
_NAME = re.compile(rf"[0-9a-f]{{64}}{_SUFFIX.pattern}")


def media_name(content: bytes, suffix: str) -> str:
    """Name a content: its SHA-256 in hexadecimal, then the suffix.

    Args:
        content: the bytes to store.
        suffix: `.jpg`, `.thumb.jpg`: one or two parts of lower-case letters and digits.

    Raises:
        ValueError: the suffix has another form (a mistake of the caller's).
    """
    if not _SUFFIX.fullmatch(suffix):
        raise ValueError(f"not a media suffix: {suffix!r}")
    return hashlib.sha256(content).hexdigest() + suffix


def is_media_name(name: str) -> bool:
    """Tell whether a text is a name that `media_name` can have made."""
    return _NAME.fullmatch(name) is not None


def check_media_name(name: str) -> str:
    """Return the name, which then holds no folder, no `..`, no NUL.

    Raises:
        NotFound: no photo can have this name.
    """
    if not is_media_name(name):
        raise unknown_photo()
    return name


def unknown_photo() -> NotFound:
    """The one answer for a photo that does not exist, whatever the reason."""
    return NotFound("Cette photo n’existe pas.")
