"""Whether a database is whole: schema, durability, files, and what belongs together."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Table

from open311.storage import migrate
from open311.storage.database import Database, unsafe_durability
from open311.storage.models import Base
from open311.storage.scope import ID_BITS

#: Each request was written with these, in one transaction.
_COMPANIONS = {"public_document": "document public", "request_update": "historique"}
_SHOWN = 5


def check_database(database: Database) -> Iterator[str]:
    """Look for everything that must never be, and say each fault in a French sentence.

    What the engine itself raises over a file that is damaged, or not its own, is left to
    the caller: nothing more can be looked for then.
    """
    if database.dialect == "sqlite":
        yield from _sqlite_faults(database)
    current, head = migrate.current_revision(database), migrate.head_revision()
    if current != head:
        yield migrate.too_new(current) or (
            f"Le schéma est à la révision {current or 'aucune'}, ce programme demande {head} : "
            "lancez « open311 db upgrade »."
        )
        return
    for difference in migrate.differences(database):
        yield f"Le schéma s'écarte de celui du programme : {difference}."
    unsafe = unsafe_durability(database)
    if unsafe:
        yield unsafe
    for table in Base.metadata.sorted_tables:
        yield from _orphans(database, table)
    yield from _incomplete(database)


def _sqlite_faults(database: Database) -> Iterator[str]:
    for row in database.rows("PRAGMA integrity_check"):
        if row[0] != "ok":
            yield f"Le fichier SQLite est abîmé : {row[0]}."
    found = database.rows("PRAGMA foreign_key_check")
    if found:
        tables = ", ".join(sorted({str(row[0]) for row in found}))
        yield f"{len(found)} lignes désignent une ligne absente (tables {tables})."


def _orphans(database: Database, table: Table) -> Iterator[str]:
    """Rows that name a row which is not there, whatever the engine promised."""
    for key in table.foreign_keys:
        mine, theirs = f"{table.name}.{key.parent.name}", key.target_fullname
        fault = f"lignes de {table.name} sans leur {key.column.table.name}"
        named = f"SELECT 1 FROM {key.column.table.name} WHERE {theirs} = {mine}"  # noqa: S608
        where = f"{mine} IS NOT NULL AND NOT EXISTS ({named})"
        yield from _told(database, table.name, mine, where, fault)


def _incomplete(database: Database) -> Iterator[str]:
    """Requests without what was written with them, or in another jurisdiction's range."""
    for table, name in _COMPANIONS.items():
        own = f"SELECT 1 FROM {table} WHERE {table}.request_key = service_request.request_key"  # noqa: S608
        where = f"NOT EXISTS ({own})"
        fault = f"demandes sans {name}"
        yield from _told(database, "service_request", "service_request_id", where, fault)
    for table in ("service_request", "public_document", "request_update"):
        where = f"request_key >> {ID_BITS} <> jurisdiction_key"
        yield from _told(database, table, "request_key", where, f"lignes égarées dans {table}")


def _told(database: Database, table: str, column: str, where: str, fault: str) -> Iterator[str]:
    found = database.rows(f"SELECT {column} FROM {table} WHERE {where} ORDER BY 1")  # noqa: S608
    if found:
        some = ", ".join(str(row[0]) for row in found[:_SHOWN])
        yield f"{len(found)} {fault} ({some}{'…' if len(found) > _SHOWN else ''})."
