"""Dates and times as the standard writes them (W3C profile of ISO 8601, zone compulsory)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

W3C = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
DATETIME_FIELDS = ("requested_datetime", "updated_datetime", "expected_datetime")


def instant(text: object) -> datetime | None:
    """Read a W3C date-time with zone; None when it is not one or does not exist."""
    if not isinstance(text, str) or not W3C.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def loosely(text: object) -> datetime | None:
    """Read any ISO 8601 date or date-time; without zone it is taken as UTC."""
    try:
        read = datetime.fromisoformat(str(text).strip())
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def w3c(moment: datetime) -> str:
    """Write in UTC with Z, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now() -> datetime:
    """The clock of this machine, aware, in UTC."""
    return datetime.now(UTC)
