"""Where photos are kept: a small interface, a folder on disk, and the choice of a store.

A photo is put before the transaction that names it begins (there is no network
inside a transaction), and is durable when `put` returns. A refused request may
therefore leave a photo that no row names: a sweep over `names` finds it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit
from uuid import uuid4

from open311.domain.errors import Unavailable
from open311.storage.media_name import check_media_name, is_media_name, media_name, unknown_photo

_INCOMING = ".incoming"
_LEFTOVER_AGE_S = 3_600
_S3_OPTIONS = {"endpoint_url", "region"}


class MediaStore(Protocol):
    """A place for photos, each named by the digest of its bytes.

    All methods may be called from several threads and processes at once, and
    raise `Unavailable` when the place itself fails.
    """

    def put(self, content: bytes, *, suffix: str) -> str:
        """Store a content durably and return its name; again is the same as once.

        The content counts as written now even when it was there already, so that
        a sweep leaves it in peace until its row is committed.

        Raises:
            ValueError: the suffix is malformed.
        """
        ...

    def open(self, name: str) -> BinaryIO:
        """Return a stored content, to read and close.

        Raises:
            NotFound: there is none of this name.
        """
        ...

    def exists(self, name: str) -> bool:
        """Tell whether a content of this name is stored."""
        ...

    def delete(self, name: str, *, written_before: datetime | None = None) -> bool:
        """Remove a content for good; one that is not there is no fault.

        Args:
            written_before: leave what was put since (aware datetime): a POST that has put
                the same content, and not yet committed the row that names it, needs it.

        Returns:
            Whether it is gone.
        """
        ...

    def names(self, *, written_before: datetime | None = None) -> Iterator[str]:
        """Iterate over the stored names, one by one as they are found.

        Args:
            written_before: skip what was put since (aware datetime). A sweep of
                orphans gives an hour ago or more, longer than any request lasts.
        """
        ...


class DiskMediaStore:
    """Photos in a folder, spread over two levels by digest: `ab/cd/abcd….jpg`.

    Args:
        root: the folder; it is made if missing.

    Raises:
        Unavailable: the folder cannot be made or written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        with _failures_told():
            _make_durable_folder(root / _INCOMING)
            self._remove_leftovers()

    def put(self, content: bytes, *, suffix: str) -> str:
        """See `MediaStore.put`: file and folders are synced before the return."""
        name = media_name(content, suffix)
        path = self._path(name)
        with _failures_told():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.utime(path)
            except FileNotFoundError:
                self._write(path, content)
            # Also when the file was there: whoever renamed it a moment ago may
            # not have synced its folders yet, and our commit may come first.
            for folder in (path.parent, path.parent.parent, self._root):
                _sync_folder(folder)
        return name

    def open(self, name: str) -> BinaryIO:
        """See `MediaStore.open`."""
        path = self._path(name)
        with _failures_told():
            try:
                return path.open("rb")
            except FileNotFoundError:
                raise unknown_photo() from None

    def exists(self, name: str) -> bool:
        """See `MediaStore.exists`."""
        return is_media_name(name) and self._path(name).is_file()

    def delete(self, name: str, *, written_before: datetime | None = None) -> bool:
        """See `MediaStore.delete`: the folder is synced, so no power cut brings it back.

        The file is taken away first and looked at then: whoever puts it meanwhile either
        made it young before, and it comes back, or finds none, and writes it anew.
        """
        path, taken = self._path(name), self._root / _INCOMING / uuid4().hex
        limit = written_before.timestamp() if written_before else float("inf")
        with _failures_told(), contextlib.suppress(FileNotFoundError):
            path.replace(taken)
            young = taken.stat().st_mtime >= limit
            if young:
                taken.replace(path)
            else:
                taken.unlink()
            _sync_folder(path.parent)
            return not young
        return True

    def names(self, *, written_before: datetime | None = None) -> Iterator[str]:
        """See `MediaStore.names`: in order of name."""
        limit = written_before.timestamp() if written_before else float("inf")
        with _failures_told():
            for path in self._files():
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < limit:
                        yield path.name

    def _path(self, name: str) -> Path:
        check_media_name(name)
        return self._root / name[:2] / name[2:4] / name

    def _write(self, path: Path, content: bytes) -> None:
        incoming = self._root / _INCOMING / uuid4().hex
        try:
            with incoming.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            incoming.replace(path)
        except BaseException:
            incoming.unlink(missing_ok=True)
            raise

    def _files(self) -> Iterator[Path]:
        for first in sorted(self._root.glob("[0-9a-f][0-9a-f]")):
            for path in sorted(first.glob("[0-9a-f][0-9a-f]/*")):
                if is_media_name(path.name) and path == self._path(path.name):
                    yield path

    def _remove_leftovers(self) -> None:
        """Remove what a crash left half written: it may show a citizen's home."""
        for path in (self._root / _INCOMING).iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - _LEFTOVER_AGE_S:
                    path.unlink()


def open_media_store(url: str) -> MediaStore:
    """Open the store that a setting names.

    Args:
        url: a folder's path, `file:///path`, or
            `s3://bucket/prefix?endpoint_url=…&region=…`; the credentials of S3
            come from the usual environment (AWS_ACCESS_KEY_ID…).

    Raises:
        ValueError: the address cannot be read, or S3 is asked and not installed.
        Unavailable: the folder cannot be written.
    """
    parts = urlsplit(url)
    if parts.scheme == "s3":
        return _open_s3(parts)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path:
        return DiskMediaStore(Path(unquote(parts.path)))
    if "://" in url or not url:
        raise ValueError(
            f"« {url} » ne désigne pas un dépôt de photos : donnez un dossier, "
            "file:///dossier ou s3://seau/préfixe?endpoint_url=…&region=…"
        )
    return DiskMediaStore(Path(url))


def _open_s3(parts: SplitResult) -> MediaStore:
    options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    unknown = options.keys() - _S3_OPTIONS
    if not parts.netloc or unknown:
        raise ValueError(
            f"« {parts.geturl()} » : un dépôt S3 s’écrit "
            "s3://seau/préfixe?endpoint_url=…&region=…, sans autre option"
        )
    try:
        from open311.storage.media_s3 import S3MediaStore, s3_client  # noqa: PLC0415
    except ImportError as error:
        raise ValueError("Un dépôt S3 demande boto3 : pip install 'open311-server[s3]'") from error
    return S3MediaStore(parts.netloc, prefix=unquote(parts.path), client=s3_client(**options))


@contextlib.contextmanager
def _failures_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable("Le dépôt des photos est indisponible ; réessayez plus tard.") from error


def _make_durable_folder(folder: Path) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
