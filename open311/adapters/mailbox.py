"""A maildir in which a mail server puts what comes back."""

from __future__ import annotations

import mailbox
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from open311.adapters.mail_answers import MAX_BYTES, read_mail
from open311.domain.delivery import ChangePage, ToolUnreachable

#: Two looks overlap by as much, since files may appear a little out of order.
_OVERLAP = timedelta(minutes=5)
#: Where an empty maildir begins.
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class Mailbox(Protocol):
    """Where answers arrive.

    Nothing in it is moved, marked or deleted: the cursor alone says how far it was read,
    and it is committed together with what was read.
    """

    def changes(self, cursor: str | None, now: datetime) -> ChangePage:
        """What mail after the cursor changes.

        Raises:
            ToolUnreachable: it cannot be read.
        """
        ...

    def probe(self) -> str:
        """Look whether it can be read; one line for people.

        Raises:
            ToolUnreachable: it cannot.
        """
        ...


class Maildir:
    """A maildir of this machine.

    Args:
        folder: the maildir itself, which holds `new` and `cur`.
        key: the destination's key, which signed the codes.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder = folder
        self._key = key

    def changes(self, cursor: str | None, now: datetime) -> ChangePage:
        """What mail changes that came after the cursor: the date (ISO 8601) of the last one.

        It is a date of the maildir itself, so that no two clocks are compared.
        """
        del now
        try:
            if cursor is None:
                dates = [moment for moment, _ in self._arrived(_LONG_AGO)]
                return ChangePage((), max(dates, default=_LONG_AGO).isoformat())
            # An IMAP box may have begun the cursor.
            start = datetime.fromisoformat(cursor.partition(" ")[0])
            arrived = sorted(self._arrived(start - _OVERLAP), key=lambda pair: pair[0])
        except (OSError, mailbox.Error) as error:
            raise ToolUnreachable(f"La boîte des retours est illisible : {error}.") from error
        changes = tuple(
            change
            for moment, content in arrived
            for change in read_mail(content, self._key, moment)
        )
        return ChangePage(changes, max([start, *(moment for moment, _ in arrived)]).isoformat())

    def probe(self) -> str:
        """Count the mails."""
        try:
            count = len(mailbox.Maildir(self._folder, create=False))
        except (OSError, mailbox.Error) as error:
            raise ToolUnreachable(f"La boîte des retours est illisible : {error}.") from error
        return f"maildir {self._folder} : {count} courriel(s)"

    def _arrived(self, since: datetime) -> Iterator[tuple[datetime, bytes]]:
        box = _Box(self._folder, create=False)
        for key in box.iterkeys():
            path = box.path_of(key)
            if path is None:
                continue  # somebody deleted it since
            moment = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            if moment >= since:
                with path.open("rb") as file:
                    yield moment, file.read(MAX_BYTES)


class _Box(mailbox.Maildir):
    """A maildir that gives the files themselves: the library would parse each one whole."""

    def path_of(self, key: str) -> Path | None:
        """Where a mail lies now: it moves when its owner reads it; None when it is gone."""
        try:
            return Path(self._path, self._lookup(key))  # type: ignore[attr-defined]
        except KeyError:
            return None
