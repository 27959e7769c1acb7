"""A database with jurisdictions and a key, as an operator would have made them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from open311.config.jurisdiction_file import read_jurisdiction_file
from open311.operations.jurisdictions import apply_jurisdiction
from open311.operations.keys import create_key
from open311.storage.database import Database

FILES = Path(__file__).parent.parent.parent / "fixtures" / "jurisdictions"


def make_site(database_url: str) -> str:
    """Put Gentilly in force in a migrated database; a key that may create and comment."""
    now = datetime.now(UTC).replace(microsecond=0)
    document = read_jurisdiction_file(FILES / "gentilly.fr.toml")
    database = Database(database_url)
    try:
        database.write(lambda connection: apply_jurisdiction(connection, document, now=now))
        return database.write(
            lambda connection: create_key(
                connection,
                label="test",
                jurisdictions=["gentilly.fr"],
                rights=["create", "update"],
                environment="production",
                now=now,
            )
        )
    finally:
        database.close()
