"""What an import refuses, told on the screen and in a file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from open311.cli.progress import say
from open311.domain.errors import InvalidFields, Open311Error
from open311.domain.system_reasons import reason_of
from open311.domain.transfer import BrokenFile
from open311.formats.bulk_csv import neutral


class Refusals:
    """Tells what is refused: the first on the screen, all in the report."""

    _SHOWN = 10

    def __init__(self, report: TextIO | None) -> None:
        self._report = csv.writer(report, quoting=csv.QUOTE_ALL) if report else None
        self._count = 0
        self.broken = False
        self._write("enregistrement", "service_request_id", "motif")

    def add(self, number: int, reference: str | None, error: Open311Error) -> None:
        """One record refused."""
        reasons = error.errors if isinstance(error, InvalidFields) else [error]
        text = " ".join(each.message for each in reasons)
        self._write(str(number), reference or "", text)
        self._count += 1
        if self._count <= self._SHOWN:
            say(f"Enregistrement {number} refusé : {text}")
        elif self._count == self._SHOWN + 1:
            say("D'autres refus ne sont pas montrés : --report FICHIER les donne tous.")

    def end(self, error: BrokenFile) -> None:
        """The file cannot be read further."""
        self.broken = True
        self._write("", "", error.message)
        say(f"{error.message} Ce qui précède a été traité ; le reste n'a pas été lu.")

    def _write(self, *cells: str) -> None:
        if self._report is not None:
            self._report.writerow([neutral(cell) for cell in cells])


@contextmanager
def refusal_report(report: Path | None) -> Iterator[Refusals]:
    """Refusals, told in a CSV file too if one is named."""
    if report is None:
        yield Refusals(None)
        return
    try:
        file = report.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise Open311Error(f"{report} : écriture impossible ({reason_of(error)}).") from error
    with file:
        yield Refusals(file)
