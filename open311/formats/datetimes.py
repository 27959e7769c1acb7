"""Dates and times on the wire: generous in, whole-second UTC out (C-011, C-012, C-181)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from open311.domain.errors import InvalidRequest
from open311.formats.text import quoted

if TYPE_CHECKING:
    from datetime import tzinfo
    from zoneinfo import ZoneInfo

# W3C date-time (NOTE-datetime) with what real clients send instead: a space for
# the "T", a space for a "+" that was not percent-encoded, "+0100", "+01". A space
# before a sign or "Z" is taken too. ASCII digits only.
_DATETIME: Final = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"(?P<clock>[Tt ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?"
    r"(?P<zone> ?[Zz]| ?[+-][0-9]{2}(?::?[0-9]{2})?| [0-9]{2}:?[0-9]{2})?)?"
)
_FARTHEST_OFFSET: Final = timedelta(hours=14)  # XML Schema part 2, §3.2.7.3


def parse_datetime(
    text: str, *, timezone: ZoneInfo, field: str, end_of_day: bool = False
) -> datetime:
    """Read a W3C / ISO 8601 date-time and return it in UTC.

    A date alone is its first second, or its last one with ``end_of_day``.
    Fractions are kept to the microsecond. Without a zone the text is local time
    of the jurisdiction: a time that occurs twice, at the end of summer time, is
    the first of the two (the second for ``end_of_day``); a time that is skipped,
    at its beginning, is read with the offset before the change, hence one hour
    later on the clock (PEP 495, fold 0). Leap seconds (``:60``) and ``24:00``
    are refused: no timestamp here can hold them.

    Args:
        text: what the client sent, percent-decoded; a ``+`` may have become a space.
        timezone: the jurisdiction's zone, for a text without one.
        field: the GeoReport parameter, named in the error.
        end_of_day: whether the text is an inclusive upper bound.

    Raises:
        InvalidRequest: not a date, not a date of the calendar, an offset beyond
            ±14:00, or a moment outside the years 1 to 9999 in UTC.
    """
    match = _DATETIME.fullmatch(text.strip())
    if match is None:
        raise _unreadable(text, field)
    try:
        moment = _local(match, timezone, end_of_day=end_of_day)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _unreadable(text, field) from error


def format_datetime(value: datetime) -> str:
    """Return ``YYYY-MM-DDThh:mm:ssZ``; the fraction of a second is cut off.

    Raises:
        ValueError: the datetime is naive.
    """
    if value.tzinfo is None:
        raise ValueError("A datetime without a zone has no place in UTC.")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _local(match: re.Match[str], jurisdiction: ZoneInfo, *, end_of_day: bool) -> datetime:
    year, month, day = (int(match[part]) for part in ("year", "month", "day"))
    if match["clock"] is None:
        clock = (23, 59, 59) if end_of_day else (0, 0, 0)
        return datetime(year, month, day, *clock, tzinfo=jurisdiction, fold=int(end_of_day))
    hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
    microsecond = int((match["fraction"] or "")[:6].ljust(6, "0"))
    zone = _zone(match["zone"]) or jurisdiction
    return datetime(year, month, day, hour, minute, second, microsecond, zone)


def _zone(text: str | None) -> tzinfo | None:
    if text is None:
        return None
    if text[-1] in "Zz":
        return UTC
    digits = text.lstrip(" +-").replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    if int(digits[2:]) > 59 or offset > _FARTHEST_OFFSET:
        raise ValueError(text)
    return timezone(-offset if "-" in text else offset)


def _unreadable(text: str, field: str) -> InvalidRequest:
    return InvalidRequest(
        f"{field} : une date ISO 8601 est attendue (par exemple 2026-03-01T08:30:00Z), "
        f"reçu {quoted(text)}.",
        field=field,
    )
