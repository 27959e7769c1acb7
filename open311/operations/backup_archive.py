"""The archive of a backup: a tar of a snapshot, its photos, and a manifest at its end.

A manifest that is there says that all before it is there. Each file of the snapshot
is held against the SHA-256 in the manifest, each photo against the one in its name.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal, cast

from open311.domain.errors import Open311Error
from open311.storage.media_name import is_media_name
from open311.storage.snapshots import ErasedRequest, Snapshot

FORMAT = 1
ERASED_FILE = "erased.csv"
_MANIFEST = "manifest.json"
_PHOTOS = "media/"
_BLOCK = 1 << 20
_MAX_TEXT = 64 << 20
_SNAPSHOT_FILE = re.compile(r"database\.sqlite3|tables/[a-z_]+\.copy")
_ERASED_COLUMNS = tuple(ErasedRequest.__dataclass_fields__)

#: Given the name and the content of each photo.
Photo = Callable[[str, bytes], None]


class BadArchive(Open311Error):
    """An archive that is not whole, or not ours."""


@dataclass(frozen=True)
class Manifest:
    """What an archive says it holds.

    Attributes:
        created_datetime: W3C; everything acknowledged before is in the snapshot.
        digests: SHA-256 by file of the snapshot.
        photos: how many photos and thumbnails are in it; None when they were left out.
        missing_photos: names that the snapshot knows and the store had lost.
    """

    created_datetime: str
    program: str
    snapshot: Snapshot
    digests: dict[str, str]
    photos: int | None
    missing_photos: list[str] = field(default_factory=list)
    format: int = FORMAT


class ArchiveWriter:
    """Writes the members one after the other, nothing twice, nothing in memory."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.digests: dict[str, str] = {}

    def add_file(self, name: str, path: Path) -> None:
        """A file of the snapshot."""
        with path.open("rb") as file:
            read = _Digested(file)
            self._add(name, path.stat().st_size, cast("IO[bytes]", read))
        self.digests[name] = read.hexdigest()

    def add_photo(self, name: str, photo: BinaryIO) -> None:
        """A photo of the media store."""
        content = photo.read()
        self._add(_PHOTOS + name, len(content), io.BytesIO(content))

    def add_erased(self, erased: Iterable[ErasedRequest]) -> None:
        """The register of those who were erased."""
        self._add_text(ERASED_FILE, write_register(erased))

    def finish(self, manifest: Manifest) -> None:
        """The manifest, which says that the archive is whole."""
        self._add_text(_MANIFEST, json.dumps(asdict(manifest), indent=1).encode())

    def _add_text(self, name: str, content: bytes) -> None:
        self._add(name, len(content), io.BytesIO(content))

    def _add(self, name: str, size: int, file: IO[bytes]) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, 0o600
        self._tar.addfile(member, file)


@contextmanager
def new_archive(path: Path) -> Iterator[ArchiveWriter]:
    """Write an archive; it is durable, and readable by its owner alone.

    Args:
        path: `….tar`, or `….tar.gz` which is compressed.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with _tar(file, path, "w|") as tar:
            yield ArchiveWriter(tar)
        file.flush()
        os.fsync(file.fileno())


def read_archive(
    path: Path, folder: Path | None = None, *, photo: Photo | None = None
) -> tuple[Manifest, list[ErasedRequest]]:
    """Read an archive from end to end and hold every member against its digest.

    Args:
        folder: where the snapshot's files are put; None only checks.
        photo: given each photo's name and content.

    Raises:
        BadArchive: it is cut short, altered, or no archive of ours.
    """
    reading = _Reading(folder, photo)
    try:
        with path.open("rb") as file, _tar(file, path, "r|") as tar:
            for member in tar:
                reading.take(member.name, tar.extractfile(member))
    except FileNotFoundError as error:
        raise BadArchive(f"{path} : ce fichier n'existe pas.") from error
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise BadArchive(
            f"{path} : cette sauvegarde est abîmée ou incomplète ({error})."
        ) from error
    return reading.result(path)


def write_register(erased: Iterable[ErasedRequest]) -> bytes:
    """The register as CSV: numbers and dates, no word about anybody."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_ERASED_COLUMNS)
    writer.writerows(tuple(asdict(each).values()) for each in erased)
    return text.getvalue().encode()


def read_register(path: Path) -> list[ErasedRequest]:
    """A register, from its own file or from a backup.

    Raises:
        BadArchive: neither of both.
    """
    if is_archive(path):
        return read_archive(path)[1]
    try:
        return _register_of(path.read_bytes())
    except (OSError, ValueError, KeyError) as error:
        raise BadArchive(f"{path} : ce n'est pas un registre des effacements.") from error


def is_archive(path: Path) -> bool:
    """Whether a name is one that archives have."""
    return path.name.endswith((".tar", ".tar.gz", ".tgz"))


def is_compressed(path: Path) -> bool:
    """Whether a name is one of a compressed archive."""
    return path.name.endswith("gz")


class _Reading:
    """What has been read of an archive so far."""

    def __init__(self, folder: Path | None, photo: Photo | None) -> None:
        self._folder = folder
        self._photo = photo
        self._digests: dict[str, str] = {}
        self._photos = 0
        self._erased: list[ErasedRequest] = []
        self._manifest: Manifest | None = None

    def take(self, name: str, file: IO[bytes] | None) -> None:
        """One member; its name is one of a few, so that none leads elsewhere."""
        if file is None or self._manifest is not None:
            raise ValueError(name)
        if name == _MANIFEST:
            self._manifest = _manifest_of(file.read(_MAX_TEXT))
        elif name == ERASED_FILE:
            self._erased = _register_of(file.read(_MAX_TEXT))
        elif name.startswith(_PHOTOS):
            self._take_photo(name.removeprefix(_PHOTOS), file.read())
        elif _SNAPSHOT_FILE.fullmatch(name):
            self._take_file(name, file)
        else:
            raise ValueError(name)

    def result(self, path: Path) -> tuple[Manifest, list[ErasedRequest]]:
        """What the archive says, once it has been found true."""
        manifest = self._manifest
        if manifest is None:
            raise BadArchive(f"{path} : cette sauvegarde n'a pas été terminée.")
        if manifest.digests != self._digests or (manifest.photos or 0) != self._photos:
            raise BadArchive(f"{path} : cette sauvegarde a été altérée ou tronquée.")
        return manifest, self._erased

    def _take_file(self, name: str, file: IO[bytes]) -> None:
        read = _Digested(file)
        target = Path(os.devnull) if self._folder is None else self._folder / name
        if self._folder is not None:
            target.parent.mkdir(exist_ok=True)
        with target.open("wb") as kept:
            while block := read.read(_BLOCK):
                kept.write(block)
        self._digests[name] = read.hexdigest()

    def _take_photo(self, name: str, content: bytes) -> None:
        if not is_media_name(name) or hashlib.sha256(content).hexdigest() != name[:64]:
            raise ValueError(name)
        self._photos += 1
        if self._photo is not None:
            self._photo(name, content)


class _Digested:
    """A file whose digest is taken as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes."""
        block = self._file.read(size)
        self._digest.update(block)
        return block

    def hexdigest(self) -> str:
        """The digest of what was read."""
        return self._digest.hexdigest()


@contextmanager
def _tar(file: BinaryIO, path: Path, mode: Literal["r|", "w|"]) -> Iterator[tarfile.TarFile]:
    """A tar read or written from one end to the other, as pipes are."""
    plain: AbstractContextManager[Any] = nullcontext(file)
    if is_compressed(path):
        plain = gzip.GzipFile(fileobj=file, mode="rb" if mode == "r|" else "wb", compresslevel=1)
    with plain as stream, tarfile.open(fileobj=stream, mode=mode) as tar:
        yield tar


def _manifest_of(content: bytes) -> Manifest:
    given: dict[str, Any] = json.loads(content)
    if given.get("format") != FORMAT:
        raise ValueError(f"format {given.get('format')}")
    try:
        return Manifest(**given | {"snapshot": Snapshot(**given["snapshot"])})
    except (KeyError, TypeError) as error:
        raise ValueError(_MANIFEST) from error


def _register_of(content: bytes) -> list[ErasedRequest]:
    rows = csv.DictReader(io.StringIO(content.decode()))
    if tuple(rows.fieldnames or ()) != _ERASED_COLUMNS:
        raise ValueError(ERASED_FILE)
    return [
        ErasedRequest(
            row["jurisdiction_id"],
            row["environment"],
            int(row["service_request_id"]),
            row["requested_datetime"],
        )
        for row in rows
    ]
