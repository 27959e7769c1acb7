"""The time that all workers of one database share: leases end by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from open311.domain.errors import Unavailable
from open311.storage.database import Database
from open311.storage.types import from_stored

_SYNC_S = 30.0


class SharedClock:
    """PostgreSQL's own time, carried on between looks by a clock that nobody can set.

    Two machines whose clocks differ by more than a lease would otherwise take each
    other's deliveries. SQLite's workers are on one machine and share its clock.

    Args:
        local: this machine's clock, aware UTC.
    """

    def __init__(self, database: Database, local: Callable[[], datetime]) -> None:
        self._database = database
        self._local = local
        self._base = local()
        self._synced = float("-inf")

    def __call__(self) -> datetime:
        """The present second, aware UTC."""
        if self._database.dialect == "sqlite":
            return self._local()
        elapsed = time.monotonic() - self._synced
        if elapsed > _SYNC_S:
            self._sync()
            elapsed = time.monotonic() - self._synced
        return (self._base + timedelta(seconds=elapsed)).replace(microsecond=0)

    def _sync(self) -> None:
        try:
            found = self._database.first("SELECT clock_timestamp()")
        except Unavailable:
            if self._synced == float("-inf"):
                raise
            return  # carried on a little longer; the next write says that it is away
        assert found is not None
        self._base, self._synced = from_stored(found[0]), time.monotonic()
