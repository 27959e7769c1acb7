"""Restore: a backup into an empty place, and those who were erased since erased again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy.engine import make_url

from open311.domain.errors import Open311Error
from open311.operations import copies
from open311.operations.backup import extract
from open311.operations.backup_archive import Manifest, read_archive
from open311.operations.follow_up import erase_request
from open311.operations.installation import Installation
from open311.operations.rerender import rendered_public_url
from open311.storage import (
    migrate,
    requests,
    snapshot_postgresql,
    snapshot_sqlite,
)
from open311.storage.database import Database
from open311.storage.media import DiskMediaStore, MediaStore
from open311.storage.snapshots import ErasedRequest, begin_epoch, erased_now, holds_anything
from open311.storage.types import to_utc_text

#: Ids given after the backup was made may be in citizens' hands: they are passed over.
ID_GAP = 10_000


@dataclass(frozen=True)
class Restored:
    """What a restore did.

    Attributes:
        aside: where the database is that was in its place; None if there was none.
        erased: how many requests of the registers were erased again.
        last_service_request_id: the id before the next one.
    """

    manifest: Manifest
    aside: Path | None
    erased: int
    last_service_request_id: int


@dataclass(frozen=True)
class Restore:
    """One restore.

    Args:
        database_url: where to; of the engine that the backup was made with.
        media: where photos go; None only for a backup that names none.
        register: requests that must not come back.
        force: put another database aside (SQLite) or away (PostgreSQL).
        id_gap: how many ids are passed over.
    """

    archive: Path
    database_url: str
    media: MediaStore | None
    register: tuple[ErasedRequest, ...]
    now: datetime
    force: bool = False
    id_gap: int = ID_GAP

    def run(self) -> Restored:
        """Check the backup, then restore it; nothing is touched when it is not good.

        Raises:
            BadArchive: the backup is not good.
            Open311Error: the place is not empty, in use, or of another engine.
        """
        engine = make_url(self.database_url).get_backend_name()
        path = Path(str(make_url(self.database_url).database))
        near = path.parent if engine == "sqlite" else None
        with TemporaryDirectory(prefix=".restore-", dir=near) as work:
            manifest, _ = extract(self.archive, Path(work))
            self._check_origin(manifest, engine)
            store = self._store_for(manifest, Path(work))
            if engine == "sqlite":
                return self._into_sqlite(manifest, path, Path(work), store)
            return self._into_postgresql(manifest, Path(work), store)

    def _check_origin(self, manifest: Manifest, engine: str) -> None:
        if manifest.snapshot.engine != engine:
            raise Open311Error(
                f"Cette sauvegarde vient de {manifest.snapshot.engine} : elle ne se restaure pas "
                f"dans {engine} ; précisez --into, ou passez par open311 export et import."
            )
        if not migrate.knows(manifest.snapshot.revision):
            raise Open311Error(
                f"Cette sauvegarde vient d'une version plus récente ({manifest.program}) : "
                "mettez ce programme à jour d'abord."
            )

    def _store_for(self, manifest: Manifest, work: Path) -> MediaStore:
        """Where photos go: never a place that nobody named for this restore."""
        if self.media is not None:
            return self.media
        if manifest.photos != 0 or manifest.missing_photos:
            raise Open311Error(
                "Cette sauvegarde a des photos : dites avec --media où elles vont. Le dépôt de "
                "la base en service ne convient pas à une copie, qui en effacerait les photos."
            )
        return DiskMediaStore(work / "no-photos")

    def _into_sqlite(
        self, manifest: Manifest, path: Path, work: Path, store: MediaStore
    ) -> Restored:
        """Finish everything beside the place, then put it there in one move."""
        register, keep = list(self.register), False
        if path.exists():
            old = Database(f"sqlite:///{path}")
            _refuse_of_another_program(old)
            register, keep = self._refuse_or_remember(old)
        self._put_photos(store)
        database = Database(f"sqlite:///{work / snapshot_sqlite.FILE}")
        try:
            erased, last = self._finish(database, store, register, manifest.created_datetime)
            database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            database.close()
        aside = path.with_name(f"{path.name}.before-{self.now:%Y%m%dT%H%M%SZ}") if keep else None
        if path.exists() and not snapshot_sqlite.set_aside(path, aside or work / "empty"):
            raise Open311Error(f"{path} est en service : arrêtez le serveur d'abord.")
        snapshot_sqlite.put_in_place(work / snapshot_sqlite.FILE, path)
        return Restored(manifest, aside, erased, last)

    def _into_postgresql(self, manifest: Manifest, work: Path, store: MediaStore) -> Restored:
        database, snapshot = Database(self.database_url), manifest.snapshot
        try:
            others = snapshot_postgresql.others_connected(database)
            if others:
                raise Open311Error(
                    f"Cette base est en service ({others} connexion(s)) : arrêtez le serveur."
                )
            strangers = snapshot_postgresql.strangers(database, snapshot.tables)
            if strangers:
                raise Open311Error(
                    f"Cette base contient d'autres tables ({', '.join(strangers[:5])}) : "
                    "restaurez dans une base à part."
                )
            _refuse_of_another_program(database)
            register, _ = self._refuse_or_remember(database)
            self._put_photos(store)
            last = snapshot.last_service_request_id
            snapshot_postgresql.load(database, work, snapshot.revision, snapshot.tables, last)
            erased, last = self._finish(database, store, register, manifest.created_datetime)
            snapshot_postgresql.tidy(database, rewrite=erased > 0)
            return Restored(manifest, None, erased, last)
        finally:
            database.close()

    def _refuse_or_remember(self, old: Database) -> tuple[list[ErasedRequest], bool]:
        """What must not come back, and whether there is a database worth keeping.

        What the database about to be replaced has erased is erased again by itself.
        """
        try:
            holds = holds_anything(old)
            if holds and not self.force:
                raise Open311Error(
                    "La base visée contient déjà des données : restaurez ailleurs, ou relancez "
                    "avec --force si elles peuvent disparaître."
                )
            return [*self.register, *erased_now(old)], holds
        finally:
            old.close()

    def _put_photos(self, store: MediaStore) -> None:
        """Photos first: nothing names them yet, and each has its place by its digest."""

        def put(name: str, content: bytes) -> None:
            store.put(content, suffix=name[64:])

        read_archive(self.archive, photo=put)

    def _finish(
        self,
        database: Database,
        store: MediaStore,
        register: Iterable[ErasedRequest],
        made: str,
    ) -> tuple[int, int]:
        """Bring the schema up to date, begin a new epoch, hold deliveries, erase.

        Returns:
            How many were erased, and the last id.
        """
        migrate.upgrade(database)
        epoch = copies.epoch_of(self.now)
        last = database.write(lambda c: begin_epoch(c, epoch, self.id_gap))
        database.write(lambda c: copies.hold_restored(c, made, self.now))
        installation = Installation(
            database, store, public_url=rendered_public_url(database) or "", refresh_s=60
        )
        return sum(self._erase(installation, each) for each in set(register)), last

    def _erase(self, installation: Installation, each: ErasedRequest) -> bool:
        """Erase one request again, unless it is another one with the same number."""
        database = installation.database
        side = installation.sides.get((each.jurisdiction_id, each.environment))
        if side is None:
            return False
        with database.connect() as connection:
            stored = requests.find_request(connection, side.scope, each.service_request_id)
        if (
            stored is None
            or to_utc_text(stored.request.requested_datetime) != each.requested_datetime
        ):
            return False
        return erase_request(
            database,
            installation.media,
            side,
            each.service_request_id,
            public_url=installation.public_url,
            now=self.now,
            alone=True,
        ).was_there


def _refuse_of_another_program(database: Database) -> None:
    """What is not ours is nobody's to replace, whatever was forced."""
    said = migrate.of_another_program(database)
    if said:
        raise Open311Error(said)
