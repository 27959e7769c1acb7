"""Compare what clients were promised with what the database holds, by plain SQL.

Nothing of the server's own code is used: what is written here about its tables is
what an operator with a SQL prompt would rely on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Connection, create_engine, text

from tests.durability.load import description_of

if TYPE_CHECKING:
    from tests.durability.load import Books

#: What the transaction of a report writes beside its row.
COMPANIONS = ("request_update", "public_document", "outbox", "idempotency", "reporter")


@dataclass
class Findings:
    """What an audit found wrong; everything empty is everything well.

    `lost`: promised keys that are not there under their id. `duplicated`: keys
    that are there twice, or under two ids. `torn`: rows without all they were
    written with. `stored`: keys that are there, for comparison.
    """

    lost: set[str] = field(default_factory=set)
    duplicated: set[str] = field(default_factory=set)
    torn: set[str] = field(default_factory=set)
    stored: set[str] = field(default_factory=set)

    def add(self, later: Findings) -> None:
        """Take in what a later audit of the same database found."""
        self.lost |= later.lost
        self.duplicated |= later.duplicated
        self.torn |= later.torn
        self.stored |= later.stored

    def __str__(self) -> str:
        return f"{len(self.lost)} lost, {len(self.duplicated)} duplicated, {len(self.torn)} torn"


def audit(database_url: str, books: Books) -> Findings:
    """Look at every report of the books, and at everything that hangs on reports.

    Args:
        database_url: SQLAlchemy URL; the server may be running.
        books: What the clients know.
    """
    engine = create_engine(database_url)
    try:
        with engine.connect() as connection:
            findings = _compare(connection, books)
            findings.torn.update(_without_companion(connection))
            findings.torn.update(_orphans(connection))
            findings.torn.update(_damage(connection))
            return findings
    finally:
        engine.dispose()


def _compare(connection: Connection, books: Books) -> Findings:
    keys = {description_of(key): key for key in (*books.acknowledged, *books.unknown)}
    ids: dict[str, set[str]] = {}
    findings = Findings(duplicated=set(books.contradicted))
    rows = connection.execute(text("SELECT service_request_id, description FROM service_request"))
    for service_request_id, description in rows:
        key = keys.get(description)
        if key is None:
            findings.torn.add(f"request {service_request_id}: nobody sent {description!r}")
            continue
        ids.setdefault(key, set()).add(str(service_request_id))
        if len(ids[key]) > 1:
            findings.duplicated.add(key)
    findings.stored = set(ids)
    findings.lost = {
        key for key, promised in books.acknowledged.items() if promised not in ids.get(key, ())
    }
    return findings


def _without_companion(connection: Connection) -> list[str]:
    faults = []
    for table in COMPANIONS:
        missing = text(
            "SELECT service_request_id FROM service_request r WHERE NOT EXISTS "
            f"(SELECT 1 FROM {table} c WHERE c.request_key = r.request_key)"
        )
        faults += [f"request {row[0]} without {table}" for row in connection.execute(missing)]
    return faults


def _orphans(connection: Connection) -> list[str]:
    faults = []
    for table in COMPANIONS:
        orphaned = text(
            f"SELECT count(*) FROM {table} c WHERE NOT EXISTS "
            "(SELECT 1 FROM service_request r WHERE r.request_key = c.request_key)"
        )
        if count := connection.execute(orphaned).scalar_one():
            faults.append(f"{count} rows of {table} without a request")
    return faults


def _damage(connection: Connection) -> list[str]:
    """What SQLite says of its own file; PostgreSQL refuses to start on a damaged one."""
    if connection.dialect.name != "sqlite":
        return []
    return [
        f"SQLite: {row[0]}"
        for row in connection.execute(text("PRAGMA integrity_check"))
        if row[0] != "ok"
    ]
