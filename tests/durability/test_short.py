"""The short form of `make prove-durability`: a few kills, and an audit that can see.

Power cuts need root and more time: `make prove-durability`.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.durability.audit import COMPANIONS, audit
from tests.durability.load import Books
from tests.durability.prove import JURISDICTION_FILE, PLACE
from tests.durability.rounds import RoundFigures, open_site, run_round

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.acceptance

_SOME = "(SELECT max(request_key) FROM service_request)"
_ANOTHER = "(SELECT min(request_key) FROM service_request)"
_ITS_TEXT = f"description = (SELECT description FROM service_request WHERE request_key = {_SOME})"


@dataclass
class Aftermath:
    """What three kills left."""

    database: Path
    books: Books
    rounds: list[RoundFigures]


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    folder = tmp_path_factory.mktemp("durability")
    database = folder / "open311.sqlite3"
    site = open_site(folder, f"sqlite:///{database}", JURISDICTION_FILE, PLACE)
    books = Books()
    try:
        rounds = [
            run_round(site, books, site.kill, load_s=0.5, name=f"short-{number}")
            for number in range(3)
        ]
    finally:
        site.server.kill()
    return Aftermath(database, books, rounds)


def test_kills_under_load_lose_nothing_and_retries_duplicate_nothing(
    aftermath: Aftermath,
) -> None:
    for figures in aftermath.rounds:
        assert figures.acknowledged, "the clients were never answered"
        assert figures.in_doubt, "the kill came when nobody was waiting"
        assert not figures.findings.lost
        assert not figures.findings.duplicated
        assert not figures.findings.torn
    assert not aftermath.books.unknown


@pytest.mark.parametrize(
    ("field", "sabotage"),
    [
        ("lost", f"DELETE FROM service_request WHERE request_key = {_SOME}"),
        ("lost", f"UPDATE service_request SET service_request_id = 0 WHERE request_key = {_SOME}"),
        ("duplicated", f"UPDATE service_request SET {_ITS_TEXT} WHERE request_key = {_ANOTHER}"),
        ("torn", f"UPDATE service_request SET description = '?' WHERE request_key = {_SOME}"),
        *(("torn", f"DELETE FROM {each} WHERE request_key = {_SOME}") for each in COMPANIONS),
        *(("torn", f"UPDATE {each} SET request_key = 7 WHERE request_key = {_SOME}")
          for each in COMPANIONS),
    ],
)  # fmt: skip
def test_the_audit_sees_what_is_wrong(
    aftermath: Aftermath, tmp_path: Path, field: str, sabotage: str
) -> None:
    copy = tmp_path / "copy.sqlite3"
    with (
        closing(sqlite3.connect(aftermath.database)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
        assert target.execute(sabotage).rowcount > 0
        target.commit()
    assert getattr(audit(f"sqlite:///{copy}", aftermath.books), field)


def test_the_audit_has_nothing_against_an_untouched_database(aftermath: Aftermath) -> None:
    findings = audit(f"sqlite:///{aftermath.database}", aftermath.books)
    assert not findings.lost
    assert not findings.duplicated
    assert not findings.torn
    assert len(findings.stored) == len(aftermath.books.acknowledged)
