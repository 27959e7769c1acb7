"""How far a command is, on standard error: standard output is for results."""

from __future__ import annotations

import io
import sys
from typing import Any, BinaryIO, Self

import click


def say(text: str) -> None:
    """One line for the person at the screen."""
    click.echo(text, err=True)


class FileProgress:
    """A file that shows on the screen how much of it was read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._bar = progress_bar("Import", _size(file))

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.__exit__(None, None, None)

    def read(self, size: int = -1) -> bytes:
        """See `BinaryIO.read`."""
        return self._told(self._file.read(size))

    def readline(self, size: int = -1) -> bytes:
        """See `BinaryIO.readline`."""
        return self._told(self._file.readline(size))

    def _told(self, read: bytes) -> bytes:
        self._bar.update(len(read))
        return read


def _size(file: BinaryIO) -> int | None:
    if not file.seekable():
        return None
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


def progress_bar(label: str, length: int | None) -> Any:
    """A progress bar on standard error; silent where that is no screen."""
    hidden = not sys.stderr.isatty()
    return click.progressbar(length=length or 1, label=label, file=sys.stderr, hidden=hidden)
