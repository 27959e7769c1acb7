"""A FAKE of a tool that imports dropped files: the files are real, who reads them is not."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from open311.adapters.testing import Seen


@dataclass(frozen=True)
class Shape:
    """How the files of one profile look.

    Attributes:
        record: how the name of a record begins (`DEMANDE_`); photos' begin likewise.
        returned: header of a return file: our number, its number, position, date, comment.
        archive: where read files go; None = they are deleted.
        marker: ending of the empty file without which nothing is read.
    """

    record: str
    number: str
    note: str
    returned: str
    encoding: str
    archive: str | None = None
    marker: str = ""
    return_name: str = "RETOUR_{}.csv"


@dataclass
class _Held:
    number: str
    text: str
    notes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


class Importer:
    """Reads what was dropped, whenever it is looked at, and writes return files."""

    def __init__(self, root: Path, shape: Shape) -> None:
        self._root, self._shape = root, shape
        self._held: list[_Held] = []
        self._returns = itertools.count(1)

    def tickets(self, key: str) -> list[Seen]:
        self._import()
        number = key.rpartition("-")[2]
        return [
            Seen(each.number, each.text, "", tuple(each.notes), tuple(each.files))
            for each in self._held
            if each.number == number
        ]

    def move(self, ticket_id: str, word: str) -> None:
        """The nightly list says where a ticket stands."""
        self._give_back(f"{ticket_id};DI-{ticket_id};{word};17/11/2026 08:00;")

    def repeat(self, ticket_id: str) -> None:
        """The nightly list says our own last note again."""
        self._import()
        note = next(each for each in self._held if each.number == ticket_id).notes[-1]
        self._give_back(f"{ticket_id};DI-{ticket_id};;17/11/2026 08:00;{note}")

    def give_page(self) -> str:
        """Something writes a web page where return files are; its name."""
        path = self._root / "retour" / self._shape.return_name.format(next(self._returns))
        path.write_text("<html><body>Maintenance</body></html>\n")
        self._mark(path)
        return path.name

    def refuse(self, ticket_id: str, why: str) -> None:
        """The tool refuses a record, which it can only say afterwards."""
        self._give_back(f"{ticket_id};;Refusée;17/11/2026 08:00;{why}")

    def _give_back(self, line: str) -> None:
        path = self._root / "retour" / self._shape.return_name.format(next(self._returns))
        text = f"{self._shape.returned}\r\n{line}\r\n"
        path.write_bytes(text.encode(self._shape.encoding))
        self._mark(path)

    def _mark(self, path: Path) -> None:
        if self._shape.marker:
            path.with_name(path.name + self._shape.marker).touch()

    def _import(self) -> None:
        for path in sorted((self._root / "entrant").glob(f"{self._shape.record}*.csv")):
            if self._is_ready(path):
                for row in self._rows(path):
                    held = _Held(row[self._shape.number], "\n".join(row.values()))
                    held.files += self._photos(held.number)
                    self._held.append(held)
                self._take_away(path)
        for path in sorted((self._root / "entrant").glob("NOTE_*.csv")):
            if self._is_ready(path):
                for row in self._rows(path):
                    ours = [each for each in self._held if each.number == row[self._shape.number]]
                    ours[-1].notes.append(row[self._shape.note])
                self._take_away(path)

    def _is_ready(self, path: Path) -> bool:
        marker = path.with_name(path.name + self._shape.marker)
        return path.is_file() and marker.exists()

    def _rows(self, path: Path) -> Iterator[dict[str, str]]:
        text = path.read_bytes().decode(self._shape.encoding)
        return iter(list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";")))

    def _photos(self, number: str) -> list[str]:
        found = sorted((self._root / "entrant").glob(f"{self._shape.record}{number}_*.jpg"))
        for path in found:
            path.unlink()
        return [path.name for path in found]

    def _take_away(self, path: Path) -> None:
        if self._shape.marker:
            path.with_name(path.name + self._shape.marker).unlink()
        if self._shape.archive is None:
            path.unlink()
        else:
            path.replace(self._root / self._shape.archive / path.name)
