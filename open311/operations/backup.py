"""Backup: one moment of the database and its photos, checked after it was written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from open311 import __version__
from open311.domain.errors import NotFound, Open311Error
from open311.domain.system_reasons import reason_of
from open311.operations.backup_archive import (
    ArchiveWriter,
    BadArchive,
    Manifest,
    is_archive,
    new_archive,
    read_archive,
    write_register,
)
from open311.storage import migrate
from open311.storage.database import Database
from open311.storage.media import MediaStore
from open311.storage.snapshots import (
    ErasedRequest,
    Snapshot,
    erased_in,
    faults_of,
    photos_in,
    take_snapshot,
)
from open311.storage.types import to_utc_text


@dataclass(frozen=True)
class Backup:
    """A backup that was written and checked.

    Attributes:
        register: the list of erased requests beside it, to be kept elsewhere too.
    """

    path: Path
    register: Path
    manifest: Manifest


def backup(
    database: Database, media: MediaStore, target: Path, *, now: datetime, with_photos: bool = True
) -> Backup:
    """Write a backup while others go on writing; it has its name once it was read again.

    Args:
        target: a new file, `….tar` or `….tar.gz`.
        with_photos: False leaves photos out, for those who copy their store themselves.

    Raises:
        Open311Error: the place cannot be written, or what was written is not good.
    """
    _check_target(database, target)
    part = target.with_name(f".part-{target.name}")
    try:
        with TemporaryDirectory(prefix=".backup-", dir=target.parent) as work:
            folder = Path(work)
            snapshot = take_snapshot(database, folder)
            _refuse(target, faults_of(snapshot, folder))
            erased = erased_in(snapshot, folder)
            photos = photos_in(snapshot, folder) if with_photos else None
            with new_archive(part) as archive:
                _write(archive, snapshot, folder, media, photos, erased, now)
        manifest = check_backup(part)
        register = target.with_name(f"{target.name}.erased.csv")
        register.write_bytes(write_register(erased))
        part.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        raise Open311Error(f"{target} : écriture impossible ({reason_of(error)}).") from error
    finally:
        part.unlink(missing_ok=True)
    return Backup(target, register, manifest)


def check_backup(path: Path) -> Manifest:
    """Read a backup from end to end, open its snapshot, look for every photo it names.

    Raises:
        BadArchive: something is missing or wrong.
    """
    with TemporaryDirectory(prefix=".check-", dir=path.parent) as work:
        return extract(path, Path(work))[0]


def extract(path: Path, folder: Path) -> tuple[Manifest, list[ErasedRequest]]:
    """Put the snapshot of a backup into a folder, everything checked; photos stay.

    Raises:
        BadArchive: something is missing or wrong.
    """
    there: set[str] = set()
    manifest, erased = read_archive(path, folder, photo=lambda name, _: there.add(name))
    snapshot = manifest.snapshot
    if set(manifest.digests) != set(snapshot.files):
        raise BadArchive(f"{path} : il manque des fichiers à cette sauvegarde.")
    _refuse(path, faults_of(snapshot, folder))
    if manifest.photos is not None:
        lost = photos_in(snapshot, folder) - there - set(manifest.missing_photos)
        _refuse(path, [f"la photo {name} manque." for name in sorted(lost)[:5]])
    return manifest, erased


def _check_target(database: Database, target: Path) -> None:
    if not is_archive(target):
        raise Open311Error(f"{target} : donnez un nom en .tar ou .tar.gz.")
    if target.exists():
        raise Open311Error(f"{target} existe déjà : une sauvegarde n'en écrase jamais une autre.")
    if migrate.current_revision(database) is None:
        raise Open311Error("La base est vide : il n'y a rien à sauvegarder.")


def _write(
    archive: ArchiveWriter,
    snapshot: Snapshot,
    folder: Path,
    media: MediaStore,
    photos: set[str] | None,
    erased: list[ErasedRequest],
    now: datetime,
) -> None:
    for name in snapshot.files:
        archive.add_file(name, folder / name)
    archive.add_erased(erased)
    missing = [name for name in sorted(photos or ()) if not _add_photo(archive, media, name)]
    archive.finish(
        Manifest(
            created_datetime=to_utc_text(now),
            program=__version__,
            snapshot=snapshot,
            digests=archive.digests,
            photos=None if photos is None else len(photos) - len(missing),
            missing_photos=missing,
        )
    )


def _add_photo(archive: ArchiveWriter, media: MediaStore, name: str) -> bool:
    """Copy one photo; False when the store lost it, or an erasure just removed it."""
    try:
        photo = media.open(name)
    except NotFound:
        return False
    with photo:
        archive.add_photo(name, photo)
    return True


def _refuse(path: Path, faults: list[str]) -> None:
    if faults:
        raise BadArchive(f"{path} : cette sauvegarde n'est pas bonne : {' '.join(faults)}")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
