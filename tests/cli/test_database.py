"""`open311 db`: tables made once, and every kind of damage told."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from open311.storage.database import Database
from tests.cli.conftest import Shell
from tests.postgres import PrivateCluster

Post = Callable[..., str]


def test_upgrading_makes_the_tables_once(tmp_path: Path) -> None:
    shell = Shell(f"sqlite:///{tmp_path / 'new.sqlite3'}", tmp_path)
    assert "db upgrade" in shell.refused("jurisdiction", "list")
    assert "db upgrade" in shell.refused("serve", "--port", "0")
    assert shell("db", "check").exit_code == 1
    assert "de la révision aucune à" in shell.done("db", "upgrade")
    assert "est à jour" in shell.done("db", "upgrade")
    assert shell.done("db", "check") == "La base est entière.\n"


@pytest.mark.parametrize("table", ["facture", "alembic_version"])
@pytest.mark.parametrize(
    "line",
    ["db upgrade", "db check", "db purge", "key list", "backup x.tar", "worker", "serve --port 0"],
)
def test_a_file_of_another_program_is_refused_and_not_a_byte_of_it_changes(
    tmp_path: Path, line: str, table: str
) -> None:
    """Others use Alembic too."""
    path = tmp_path / "compta.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as theirs:
        theirs.execute(f"CREATE TABLE {table} (version_num)")
    before = path.read_bytes()
    said = Shell(f"sqlite:///{path}", tmp_path).refused(*line.split())
    assert f"d'un autre programme ({table})" in said
    assert "OPEN311_DATABASE_URL" in said
    assert "db upgrade" not in said
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["compta.sqlite3"]


def test_a_file_that_somebody_has_locked_is_told_and_not_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "compta.sqlite3"
    connect: Any = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *given, **named: connect(*given, **named, timeout=0)
    )
    with contextlib.closing(connect(path, isolation_level=None)) as theirs:
        theirs.execute("CREATE TABLE facture (montant)")
        theirs.execute("BEGIN EXCLUSIVE")
        said = Shell(f"sqlite:///{path}", tmp_path).refused("db", "upgrade")
    assert "Un autre programme écrit dans la base" in said


def test_an_empty_file_may_become_a_database(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite3"
    path.touch()
    assert "aucune à" in Shell(f"sqlite:///{path}", tmp_path).done("db", "upgrade")


def test_a_postgresql_database_may_hold_tables_of_its_extensions_and_no_others(
    tmp_path: Path, postgres: PrivateCluster
) -> None:
    """As PostGIS has `spatial_ref_sys`: here a table that is given to an extension."""
    url = postgres.create_database()
    shell, database = Shell(url.replace("+psycopg", ""), tmp_path), Database(url)
    with database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE spatial_ref_sys (srid INT)")
    assert "(spatial_ref_sys)" in shell.refused("db", "upgrade")
    with database.begin() as connection:
        connection.exec_driver_sql("ALTER EXTENSION plpgsql ADD TABLE spatial_ref_sys")
    assert "aucune à" in shell.done("db", "upgrade")
    assert "est à jour" in shell.done("db", "upgrade")
    database.close()
    postgres.drop_database(url.rsplit("/", 1)[1])


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("DELETE FROM public_document", "1 demandes sans document public (1)"),
        ("DELETE FROM request_update", "1 demandes sans historique (1)"),
        (
            "UPDATE public_document SET jurisdiction_key = 2",
            "1 lignes égarées dans public_document",
        ),
        ("DROP INDEX ix_outbox_due", "ix_outbox_due"),
        ("UPDATE alembic_version SET version_num = '0000'", "révision 0000"),
    ],
)
def test_every_kind_of_damage_is_told(
    shell: Shell, post: Post, database: Database, damage: str, told: str
) -> None:
    post()
    assert shell.done("db", "check") == "La base est entière.\n"
    database.write(lambda connection: connection.exec_driver_sql(damage))
    result = shell("db", "check")
    assert result.exit_code == 1
    assert told in result.stdout


def test_rows_without_their_request_are_told(
    shell: Shell, post: Post, database: Database, engine: str
) -> None:
    if engine != "sqlite":
        pytest.skip("PostgreSQL refuses to make such rows")
    post(email="elodie@example.org")
    with database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("DELETE FROM service_request")
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
    result = shell("db", "check")
    assert result.exit_code == 1
    assert "1 lignes de reporter sans leur service_request" in result.stdout
    assert "désignent une ligne absente" in result.stdout


def test_settings_that_lose_reports_are_told(
    migrated_sqlite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "open311.sqlite3"
    path.write_bytes(migrated_sqlite.read_bytes())
    shell = Shell(f"sqlite:///{path}", tmp_path)
    shell.done("db", "check")
    monkeypatch.setenv("OPEN311_SQLITE_SYNCHRONOUS", "NORMAL")
    result = shell("db", "check")
    assert result.exit_code == 1
    assert "coupure de courant" in result.stdout


def test_a_damaged_file_is_told(migrated_sqlite: Path, tmp_path: Path) -> None:
    path = tmp_path / "open311.sqlite3"
    content = bytearray(migrated_sqlite.read_bytes())
    page = 4096
    content[20 * page : 21 * page] = b"\xff" * page
    path.write_bytes(content)
    result = Shell(f"sqlite:///{path}", tmp_path)("db", "check")
    assert result.exit_code == 1
    assert "abîmé" in result.output or "ne répond pas" in result.output


def test_a_purge_says_that_it_is_done_and_leaves_a_whole_database(shell: Shell, post: Post) -> None:
    id_ = post(description="effacez-moi")
    told = shell("request", "erase", id_, "--yes").stderr
    assert ("open311 db purge" in told) == shell.database_url.startswith("postgresql")
    assert "n'est plus dans les fichiers" in shell.done("db", "purge")
    assert shell.done("db", "check") == "La base est entière.\n"
    assert json.loads(shell.done("request", "show", id_, "--json"))["visibility"] == "erased"


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_purge_that_postgresql_left_undone_is_not_called_done(
    shell: Shell, database: Database
) -> None:
    """VACUUM by a role without the right to it skips the table and only warns."""
    reader = ("CREATE ROLE agent LOGIN PASSWORD 'x'", "GRANT pg_read_all_data TO agent")
    with database.begin() as connection:
        for statement in reader:
            connection.exec_driver_sql(statement)
    url = make_url(shell.database_url).set(username="agent", password="x")
    agent = Shell(url.render_as_string(hide_password=False), shell.folder)
    try:
        said = agent.refused("db", "purge")
    finally:
        with database.begin() as connection:
            connection.exec_driver_sql("DROP ROLE agent")
    assert "n'a pas tout réécrit" in said
    assert "service_request" in said
