"""Tickets as files, for a tool that imports them from a folder or an SFTP account.

One file per step, its name made of the ticket alone: a step done twice writes the same
file over itself. Photos come first and the record last, so that a record never names a
photo that is not there. Whether a repeat is safe once the tool has taken the file away
is the tool's business: the profile declares it (`idempotency`), and `lookup` sees the
drop folder and the folders where the tool moves what it has read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from open311.adapters.contract import DeniedMethods
from open311.adapters.file_places import FilePlace, FilePlaces
from open311.adapters.file_records import CsvShape, XmlShape, encoded_record
from open311.adapters.mapping import filled, mapped
from open311.adapters.profile import Field, Filled, Profile, Template, UnmappedValue
from open311.adapters.return_files import ReturnShape, read_returns
from open311.adapters.transforms import Means, as_text, no_resolver
from open311.adapters.vocabulary import allowed_reporter, ticket_values
from open311.domain.delivery import (
    Attachment,
    Capabilities,
    ChangePage,
    Exchange,
    Idempotency,
    OutcomeUnknown,
    Ticket,
    TicketReceipt,
    ToolRefused,
    ToolUnreachable,
)


@dataclass(frozen=True, slots=True)
class DroppedFile:
    """One kind of file that is dropped.

    Attributes:
        name: made of the ticket and, for a note, of `note.key`: unique and stable.
    """

    name: Template
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class FileDrop:
    """The block of a profile of kind `folder` or `sftp`.

    Attributes:
        shape: how a record is written; a CSV file's columns are those of its fields.
        folder: where files are dropped, below the destination's root.
        archives: folders where the tool moves what it has read; `lookup` sees them too.
        marker: ending of an empty file written after NAME (`.ok`); empty for none.
        note: the file of a comment, where the tool takes some.
        photo_name: names of photo files beside the record; None when they do not go.
    """

    create: DroppedFile
    shape: CsvShape | XmlShape
    encoding: str = "utf-8"
    folder: str = "."
    archives: tuple[str, ...] = ()
    marker: str = ""
    note: DroppedFile | None = None
    photo_name: Template | None = None
    returns: ReturnShape | None = None


class FileDropAdapter(DeniedMethods):
    """One folder, here or far, as a business tool."""

    # What its capabilities deny:
    # attach: photos go with the record.
    # lookup_attachment: photos go with the record.
    # set_status: the tool owns the status; it tells it in its return files.
    # read: a folder is not asked about one ticket.

    def __init__(
        self,
        profile: Profile,
        settings: Filled,
        places: FilePlaces,
        *,
        reporter_fields: Collection[str] = (),
    ) -> None:
        self._profile = profile
        self._drop: FileDrop = profile.engine
        self._allowed = reporter_fields
        self._settings = {f"settings.{name}": each for name, each in settings.values.items()}
        self._places = places
        self._means = Means(profile.tables, no_resolver)

    @property
    def capabilities(self) -> Capabilities:
        """What the profile's folders allow."""
        return Capabilities(
            idempotency=self._profile.idempotency,
            attach=False,
            comment=self._drop.note is not None,
            changes=self._drop.returns is not None,
            inline_photos=self._drop.photo_name is not None,
            comment_idempotency=self._note_grade(),
        )

    def probe(self) -> str:
        """Open the place and list the folders that the profile names."""
        with self._places.opened() as place:
            told = [f"{name} ({len(place.files(name))} fichiers)" for name in self._folders()]
        return f"{self._places} : {', '.join(told)}"

    def lookup(self, key: str) -> TicketReceipt | None:
        """The ticket whose file is in the drop folder, or was moved to an archive.

        The key ends with the number of the request, and the profile's check lets a name
        that is looked up be made of these two only.
        """
        id_ = re.split(r"\D", key)[-1]
        told = self._settings | {"key": key, "service_request_id": id_}
        name = _safe_name(filled(self._drop.create.name, told))
        with self._places.opened() as place:
            found = any(place.exists(f"{folder}/{name}") for folder in self._kept_in())
        return TicketReceipt(id_) if found else None

    def create(self, ticket: Ticket) -> TicketReceipt:
        """Write the photos, then the record, then the marker."""
        values = self._values(ticket)
        name, content = self._file(self._drop.create, values)
        with self._places.opened() as place:
            for at, photo in enumerate(self._taken(ticket), start=1):
                with _not_yet_seen():
                    place.write(self._path(self._photo_name(values, photo, at)), photo.content)
            self._put(place, name, content)
        exchange = Exchange(request=f"{self._places} : {name} ({len(content)} octets)")
        return TicketReceipt(ticket.service_request_id, exchange=exchange)

    def comment(self, ticket: Ticket, receipt: TicketReceipt, text: str, key: str) -> Exchange:
        """Write the file of a note."""
        del receipt
        assert self._drop.note is not None
        values = self._values(ticket) | {"note.text": text, "note.key": key}
        name, content = self._file(self._drop.note, values)
        with self._places.opened() as place:
            self._put(place, name, content)
        return Exchange(request=f"{self._places} : {name} ({len(content)} octets)")

    def changes(self, cursor: str | None) -> ChangePage:
        """What return files say."""
        assert self._drop.returns is not None
        with self._places.opened() as place:
            return read_returns(place, self._drop.returns, cursor)

    def lookup_comment(self, receipt: TicketReceipt, text: str, key: str) -> Exchange | None:
        """Whether the file of a note is in the drop folder, or was moved to an archive."""
        del text
        assert self._drop.note is not None
        told = {"note.key": key, "service_request_id": receipt.ticket_id}
        name = _safe_name(filled(self._drop.note.name, self._settings | told))
        with self._places.opened() as place:
            found = any(place.exists(f"{folder}/{name}") for folder in self._kept_in())
        return Exchange(response=f"{name} : déjà là.") if found else None

    def stage_of(self, status: str) -> str | None:
        """Our stage for a position of the return file."""
        return self._profile.stage_of(status)

    def preview(self, ticket: Ticket) -> str:
        """The names and the record that would be written."""
        values = self._values(ticket)
        name, content = self._file(self._drop.create, values)
        photos = [
            f"{self._path(self._photo_name(values, photo, at))} ({len(photo.content)} octets)"
            for at, photo in enumerate(self._taken(ticket), start=1)
        ]
        encoding = self._drop.encoding
        return "\n".join([*photos, self._path(name), "", content.decode(encoding, "replace")])

    def close(self) -> None:
        """Nothing is kept open."""

    def _note_grade(self) -> Idempotency:
        """As for the record, if the file's name tells one note from another and can be found."""
        names = set(self._drop.note.name.names) if self._drop.note else set()
        own = {each for each in names if each.startswith("settings.")}
        found = "note.key" in names and names - own <= {"note.key", "service_request_id"}
        return self._profile.idempotency if found else Idempotency.NONE

    def _values(self, ticket: Ticket) -> dict[str, Any]:
        return self._settings | ticket_values(allowed_reporter(ticket, self._allowed))

    def _file(self, file: DroppedFile, values: dict[str, Any]) -> tuple[str, bytes]:
        try:
            pairs = mapped(file.fields, values, self._means)
            record = [(to, as_text(value)) for to, value in pairs]
            shape = _with_columns(self._drop.shape, file.fields)
            content = encoded_record(record, shape, self._drop.encoding)
        except UnmappedValue as error:
            raise ToolRefused(error.message) from error
        return _safe_name(filled(file.name, values)), content

    def _put(self, place: FilePlace, name: str, content: bytes) -> None:
        if not self._drop.marker:
            place.write(self._path(name), content)
            return
        with _not_yet_seen():
            place.write(self._path(name), content)
        place.write(self._path(name + self._drop.marker), b"")

    def _taken(self, ticket: Ticket) -> Sequence[Attachment]:
        if self._drop.photo_name is None:
            return ()
        rules = self._profile.attachments
        return [
            photo
            for photo in ticket.photos[: rules.max_count]
            if photo.media_type in rules.media_types and len(photo.content) <= rules.max_bytes
        ]

    def _photo_name(self, values: dict[str, Any], photo: Attachment, at: int) -> str:
        assert self._drop.photo_name is not None
        told = values | {"file.name": photo.name, "file.number": at}
        return _safe_name(filled(self._drop.photo_name, told))

    def _path(self, name: str) -> str:
        return f"{self._drop.folder}/{name}"

    def _kept_in(self) -> tuple[str, ...]:
        return (self._drop.folder, *self._drop.archives)

    def _folders(self) -> tuple[str, ...]:
        returns = self._drop.returns
        return (*self._kept_in(), *((returns.folder,) if returns else ()))


@contextmanager
def _not_yet_seen() -> Iterator[None]:
    """Files that the tool reads only once another one follows: lost or not, all is to redo."""
    try:
        yield
    except OutcomeUnknown as error:
        raise ToolUnreachable(error.message, exchange=error.exchange) from error


def _with_columns(shape: CsvShape | XmlShape, fields: Sequence[Field]) -> CsvShape | XmlShape:
    if isinstance(shape, XmlShape):
        return shape
    return replace(shape, columns=tuple(field.to for field in fields))


def _safe_name(name: str) -> str:
    """A file name that stays in its folder, whatever a value holds."""
    kept = "".join(c if (c.isascii() and c.isalnum()) or c in "._-" else "_" for c in name)
    if not kept.strip("._"):
        raise ToolRefused(f"Le nom de fichier « {name[:60]} » ne convient pas.")
    return kept
