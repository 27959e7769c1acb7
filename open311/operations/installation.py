"""The installation in memory: jurisdictions and keys, read again when they change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from open311.config.jurisdiction_file import jurisdiction_from_document
from open311.domain.errors import InvalidRequest, NotFound
from open311.domain.jurisdiction import Jurisdiction
from open311.storage import catalogue
from open311.storage.catalogue import StoredKey
from open311.storage.database import Database
from open311.storage.media import MediaStore
from open311.storage.scope import Scope


@dataclass(frozen=True, eq=False)
class Side:
    """One side, production or test, of a jurisdiction: what every operation works in."""

    scope: Scope
    jurisdiction: Jurisdiction

    @property
    def path(self) -> str:
        """Where its endpoints begin: `/open311/<jurisdiction_id>[/test]`."""
        test = "/test" if self.scope.is_test else ""
        return f"/open311/{self.jurisdiction.jurisdiction_id}{test}"


@dataclass(frozen=True)
class _Snapshot:
    """What was read at one configuration version; replaced whole, never changed."""

    version: int
    sides: Mapping[tuple[str, str], Side]
    keys: Mapping[str, StoredKey]
    cursor_epoch: int


class Installation:
    """Jurisdictions and keys of one database, and where photos and answers live.

    Every process looks at the configuration version at most once per `refresh_s`
    seconds, so that an applied file or a revoked key holds everywhere within it.

    Args:
        public_url: address that clients use, without trailing slash; photo URLs begin
            with it.
        refresh_s: seconds between looks at the version; 0 looks each time.
    """

    def __init__(
        self,
        database: Database,
        media: MediaStore,
        *,
        public_url: str,
        refresh_s: float = 1.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.database = database
        self.media = media
        self.public_url = public_url
        self.clock = clock
        self._refresh_s = refresh_s
        self._due = 0.0
        self._lock = threading.Lock()
        self._snapshot = _Snapshot(-1, {}, {}, 0)

    def now(self) -> datetime:
        """The present second, UTC."""
        return self.clock().replace(microsecond=0)

    @property
    def version(self) -> int:
        """The configuration version in use: it changes when anything here does."""
        return self._current().version

    @property
    def sides(self) -> Mapping[tuple[str, str], Side]:
        """Every side by (jurisdiction_id, environment)."""
        return self._current().sides

    @property
    def keys(self) -> Mapping[str, StoredKey]:
        """Every key by its public id."""
        return self._current().keys

    @property
    def cursor_epoch(self) -> int:
        """The number that ends older cursors after a restore."""
        return self._current().cursor_epoch

    def side(self, jurisdiction_id: str | None, environment: str) -> Side:
        """The side that a request names.

        Raises:
            InvalidRequest: nothing is named (C-051).
            NotFound: no such jurisdiction (C-052).
        """
        if not jurisdiction_id:
            raise InvalidRequest(
                "jurisdiction_id : ce paramètre est obligatoire ici, car ce point d'accès "
                "sert plusieurs collectivités.",
                field="jurisdiction_id",
            )
        side = self._current().sides.get((jurisdiction_id, environment))
        if side is None:
            raise NotFound(
                f"jurisdiction_id : « {jurisdiction_id[:80]} » n'est pas servie ici.",
                field="jurisdiction_id",
            )
        return side

    def names_at(self, lat: float, long: float, environment: str) -> list[str]:
        """Names of the jurisdictions served here that hold a WGS 84 position."""
        return [
            side.jurisdiction.name
            for (_, where), side in self._current().sides.items()
            if where == environment and side.jurisdiction.boundary.contains(lat, long)
        ]

    def _current(self) -> _Snapshot:
        if time.monotonic() >= self._due:
            with self._lock:
                if time.monotonic() >= self._due:
                    self._refresh()
        return self._snapshot

    def _refresh(self) -> None:
        version = catalogue.configuration_version(self.database)
        if version != self._snapshot.version:
            self._snapshot = self._read(version)
        self._due = time.monotonic() + self._refresh_s

    def _read(self, version: int) -> _Snapshot:
        sides = {
            (stored.jurisdiction_id, stored.scope.environment): Side(
                stored.scope,
                jurisdiction_from_document(stored.document, changeset=stored.changeset),
            )
            for stored in catalogue.list_jurisdictions(self.database)
        }
        keys = {key.api_key_id: key for key in catalogue.list_keys(self.database)}
        return _Snapshot(version, sides, keys, catalogue.cursor_epoch(self.database))
