"""Where files are dropped and fetched: a folder (a share that is mounted), or SFTP.

A file appears whole or not at all: it is written as NAME.part, then renamed over NAME.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from open311.domain.delivery import (
    OutcomeUnknown,
    ToolRefused,
    ToolUnauthorized,
    ToolUnreachable,
)

#: What a rename that was not made may answer. Anything else proves nothing: the server of a
#: share may have made it before its answer was lost, and answer "no such file" to the
#: same rename asked again (NFS, RFC 1813, section 4.5).
_NOT_RENAMED = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EISDIR,
    errno.ENOTDIR,
)
#: Ending of a file that is still being written.
PART = ".part"


@dataclass(frozen=True, slots=True, order=True)
class FoundFile:
    """One file of a listing, ordered by the second it was last written."""

    modified: int
    name: str


class FilePlace(Protocol):
    """An open place; paths are relative to its root, with slashes."""

    def write(self, path: str, content: bytes) -> None:
        """Make a file appear whole, or replace it.

        Raises:
            OutcomeUnknown: it may have appeared.
        """
        ...

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        ...

    def files(self, folder: str) -> list[FoundFile]:
        """The plain files of a folder, oldest first."""
        ...

    def read(self, path: str, limit: int) -> bytes:
        """A file's content; refused beyond `limit` bytes."""
        ...


class FilePlaces(Protocol):
    """A place that can be opened; its text names it for people."""

    def opened(self) -> AbstractContextManager[FilePlace]:
        """The place, connected.

        Raises:
            ToolUnreachable: it cannot be reached, or broke. ToolUnauthorized: our
            account is refused.
        """
        ...


class FolderPlaces:
    """A folder of this machine or a mounted share."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def opened(self) -> Iterator[FilePlace]:
        """The folder itself.

        Raises:
            ToolUnreachable: it is not there, or the disk fails.
            ToolUnauthorized: our account may not read or write there.
        """
        try:
            if not self._root.is_dir():
                raise ToolUnreachable(f"Le dossier {self._root} n'est pas là.")
            yield _Folder(self._root)
        except PermissionError as error:
            raise ToolUnauthorized(f"{self._root} : {error.strerror or error}.") from error
        except OSError as error:
            raise ToolUnreachable(f"{self._root} : {error.strerror or error}.") from error

    def __str__(self) -> str:
        return f"dossier {self._root}"


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, path: str, content: bytes) -> None:
        target = self._root / path
        part = target.with_name(target.name + PART)
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with _doubted(path, refusals=_NOT_RENAMED):
            part.replace(target)
        with _doubted(path):
            _sync_folder(target.parent)

    def exists(self, path: str) -> bool:
        return (self._root / path).is_file()

    def files(self, folder: str) -> list[FoundFile]:
        found = ((entry, entry.stat()) for entry in (self._root / folder).iterdir())
        return sorted(
            FoundFile(int(state.st_mtime), entry.name)
            for entry, state in found
            if stat.S_ISREG(state.st_mode)
        )

    def read(self, path: str, limit: int) -> bytes:
        with (self._root / path).open("rb") as file:
            return limited(file.read(limit + 1), path, limit)


@contextmanager
def _doubted(path: str, refusals: tuple[int, ...] = ()) -> Iterator[None]:
    """What fails here may have been done all the same, but for errors that prove it was not."""
    try:
        yield
    except OSError as error:
        if error.errno in refusals:
            raise
        told = f"{path} : écrit, mais le disque n'a pas confirmé ({error.strerror})."
        raise OutcomeUnknown(told) from error


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def limited(content: bytes, path: str, limit: int) -> bytes:
    """A content that was read up to one byte beyond its limit.

    Raises:
        ToolRefused: that byte is there.
    """
    if len(content) > limit:
        raise ToolRefused(f"{path} dépasse {limit} octets.")
    return content
