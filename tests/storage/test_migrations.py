"""Migrations make the very tables that the models declare, and can be undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from open311.storage import migrate
from open311.storage.database import Database
from tests.postgres import PrivateCluster


@pytest.fixture
def empty(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if engine == "sqlite":
        url = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    else:
        cluster: PrivateCluster = request.getfixturevalue("postgres")
        url = cluster.create_database()
    database = Database(url)
    yield database
    database.close()


def test_an_empty_database_becomes_what_the_models_declare(empty: Database) -> None:
    assert migrate.current_revision(empty) is None
    migrate.upgrade(empty)
    assert migrate.current_revision(empty) == migrate.head_revision()
    assert migrate.differences(empty) == []


def test_a_column_too_many_or_too_few_is_told(empty: Database) -> None:
    migrate.upgrade(empty)
    with empty.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE token ADD COLUMN forgotten TEXT")
    (difference,) = migrate.differences(empty)
    assert "forgotten" in difference


def test_every_migration_can_be_undone_and_done_again(empty: Database) -> None:
    migrate.upgrade(empty)
    migrate.downgrade(empty, "base")
    assert migrate.current_revision(empty) is None
    migrate.upgrade(empty)
    assert migrate.differences(empty) == []


def test_a_migration_that_is_interrupted_leaves_the_database_as_it_was(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("alembic.runtime.migration.HeadMaintainer.update_to_step", cut)
    with pytest.raises(KeyboardInterrupt):
        migrate.upgrade(empty)
    monkeypatch.undo()
    assert migrate.current_revision(empty) is None
    migrate.upgrade(empty)
    assert migrate.differences(empty) == []
