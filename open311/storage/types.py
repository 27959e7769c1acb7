"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator, TypeEngine


@lru_cache(maxsize=256)
def to_utc_text(value: datetime) -> str:
    """An aware datetime as `YYYY-MM-DDThh:mm:ssZ`: what both engines store and compare.

    SQLite keeps it as text, which sorts by time; PostgreSQL reads it as timestamptz.

    Raises:
        ValueError: the datetime is naive.
    """
    if value.tzinfo is None:
        raise ValueError("a datetime without a zone cannot be stored")
    utc = value.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="seconds") + "Z"  # strftime writes the year 1 as "1"


def from_stored(value: datetime | str) -> datetime:
    """A stored datetime, as the driver gives it, as an aware UTC datetime."""
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    return value.astimezone(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """Whole-second UTC: TIMESTAMPTZ on PostgreSQL, sortable text on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text on SQLite, which has no time zones."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse naive datetimes, drop fractions."""
        if value is None:
            return None
        text = to_utc_text(value)
        return text if dialect.name == "sqlite" else datetime.fromisoformat(text)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Aware UTC on both engines."""
        del dialect
        return None if value is None else from_stored(value)


#: A 64-bit key; SQLite clusters a table only by a column of type INTEGER.
Key = BigInteger().with_variant(Integer(), "sqlite")
