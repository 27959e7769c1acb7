"""The schema of a database: bringing it up to date, and telling whether it is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from open311.storage import delivery_models  # noqa: F401 - its tables belong to Base too
from open311.storage.database import Database
from open311.storage.models import Base


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema to a revision, in one transaction; nothing happens when it is there."""
    with database.begin() as connection:
        upgrade_within(connection, revision)


def upgrade_within(connection: Connection, revision: str) -> None:
    """The same inside a transaction that does more."""
    command.upgrade(_config(connection), revision)


def downgrade(database: Database, revision: str) -> None:
    """Take the schema back to an older revision, in one transaction."""
    with database.begin() as connection:
        command.downgrade(_config(connection), revision)


def head_revision() -> str:
    """The revision that this version of the program needs."""
    found = ScriptDirectory.from_config(_config(None)).get_current_head()
    assert found is not None
    return found


def knows(revision: str) -> bool:
    """Whether this program has heard of a revision: else a later program made it."""
    scripts = ScriptDirectory.from_config(_config(None))
    return revision in {each.revision for each in scripts.walk_revisions()}


def too_new(revision: str | None) -> str | None:
    """What to say of a database that a later program made; None for any other."""
    if revision is None or knows(revision):
        return None
    return (
        f"La base a été mise à la révision {revision} par une version plus récente de ce "
        f"programme, qui ne connaît que {head_revision()} : installez cette version, ou restaurez "
        "une sauvegarde d'avant."
    )


def current_revision(database: Database) -> str | None:
    """The revision that the database has; None for an empty database."""
    with database.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def of_another_program(database: Database) -> str | None:
    """What to say of a database whose tables are not ours; None for an empty one or ours.

    A file of SQLite is only read: our own connections would turn it to WAL. Others use
    Alembic too: our sign is the table `installation`.

    Raises:
        sqlite3.DatabaseError: the file is locked, or no database.
    """
    tables_of = _tables_of_file if database.dialect == "sqlite" else _tables_of_schema
    tables = tables_of(database)
    if not tables or "installation" in tables:
        return None
    return (
        f"La base contient les tables d'un autre programme ({', '.join(tables[:3])}"
        f"{'…' if len(tables) > 3 else ''}) : rien n'y a été changé. Nommez dans "
        "OPEN311_DATABASE_URL un fichier nouveau ou une base vide."
    )


def _tables_of_file(database: Database) -> list[str]:
    path = database.engine.url.database
    if path is None or path.startswith("file:") or not Path(path).exists():
        return []
    address = f"{Path(path).absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as file:
        found = file.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return sorted(name for (name,) in found if not name.startswith("sqlite_"))


def _tables_of_schema(database: Database) -> list[str]:
    """Tables of PostgreSQL's current schema but those of extensions (PostGIS has some)."""
    with database.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') "
            "AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) "
            "AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE deptype = 'e' "
            "AND classid = 'pg_class'::regclass AND objid = pg_class.oid)"
        ).all()
    return sorted(str(name) for (name,) in found)


def differences(database: Database) -> list[str]:
    """What the tables lack or have too much, against the models; empty when equal."""
    with database.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [_sentence(found) for found in compare_metadata(context, Base.metadata)]


def _sentence(found: Any) -> str:
    return " ".join(str(part) for part in (found if isinstance(found, tuple) else found[0]))


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
