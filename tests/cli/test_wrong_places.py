"""Commands given a database or a folder that cannot serve: what is wrong, and what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from open311.cli import main
from open311.cli.site import alone_with_file
from open311.config.settings import Settings
from open311.storage.database import Database
from tests.cli.conftest import GENTILLY, Shell
from tests.postgres import PrivateCluster

NOBODY = 65534


@pytest.mark.parametrize(
    "line",
    [
        "request list", "request erase 1 --yes", "db check", "db purge", "jurisdiction list",
        f"jurisdiction apply {GENTILLY}", "key list", "backup x.tar.gz", "export", "delivery list",
        "destination list", "serve --port 0", "worker",
    ],
)  # fmt: skip
def test_a_folder_without_a_database_is_told_and_stays_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, line.split(), prog_name="open311")
    assert result.exit_code == 1, result.output
    assert "Il n'y a pas de base de données ici (open311.sqlite3)" in result.stderr
    assert "open311 db upgrade" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_reading_makes_no_folder_of_photos(shell: Shell) -> None:
    for line in ("request list", "key list", "jurisdiction list", "db check"):
        shell.done(*line.split())
    assert not (shell.folder / "media").exists()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://u@127.0.0.1:1/x", "PostgreSQL ne répond pas : vérifiez qu'il tourne"),
        ("postgresql://u@nohost.invalid/x", "l'hôte de PostgreSQL est introuvable"),
        ("postgresql://u@127.0.0.1:port/x", "le port est un nombre"),
        ("sqlite://", "il manque le chemin du fichier"),
        ("sqlite:////nowhere/x.sqlite3", "ne peut pas être ouvert ; il faut que son dossier"),
    ],
)
def test_a_database_out_of_reach_is_told_in_french_first(
    tmp_path: Path, url: str, told: str
) -> None:
    said = Shell(url, tmp_path).refused("db", "upgrade")
    assert told in said.partition("Détail")[0]


@pytest.mark.parametrize("line", ["db check", "db upgrade", "serve --port 0"])
def test_postgresql_that_refuses_is_told_in_french_first(
    tmp_path: Path, postgres: PrivateCluster, line: str
) -> None:
    wrong = {
        postgres.url_of("absente"): "cette base n'existe pas sur ce serveur PostgreSQL",
        postgres.url_of("postgres").replace("postgres:", "inconnu:"): "refuse cet utilisateur",
    }
    for url, told in wrong.items():
        assert told in Shell(url, tmp_path).refused(*line.split()).partition("Détail")[0]


@pytest.fixture
def read_only(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Shell]:
    """A whole database in a folder that this user may only read."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    path = folder / "open311.sqlite3"
    path.write_bytes(migrated_sqlite.read_bytes())
    shell = Shell(f"sqlite:///{path}", tmp_path)
    shell.done("db", "check")  # whatever is imported late is there before rights are dropped
    for each in tmp_path, *tmp_path.parents:
        if not each.stat().st_mode & 0o001 and each.owner() != "root":
            pytest.skip(f"{each} is closed to others")
    path.chmod(0o444)
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    opened = [each for each in tmp_path.parents if is_root and not each.stat().st_mode & 0o001]
    for each in (*opened, tmp_path):
        each.chmod(each.stat().st_mode | 0o011)
    if is_root:
        os.seteuid(NOBODY)
    yield shell
    if is_root:
        os.seteuid(0)
    folder.chmod(0o755)


def test_a_database_that_may_only_be_read_is_told(read_only: Shell) -> None:
    said = read_only.refused("db", "check")
    assert "le fichier SQLite ne peut pas être ouvert" in said
    assert "lecture seule" in said


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite3").write_text("bonjour")
    shell = Shell(f"sqlite:///{tmp_path / 'x.sqlite3'}", tmp_path)
    for line in ("db check", "db upgrade", "request list", "serve --port 0"):
        assert "n'est pas une base SQLite" in shell.refused(*line.split())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = [1,", "TOML illisible à sa fin"),
        ("name = Ville", "TOML illisible ligne 1, colonne 8"),
        ("a = 1\na = 2\nb = 3\n", "TOML illisible ligne 2, colonne 6"),
    ],
)
def test_a_file_that_is_no_toml_is_told_in_french_first(
    tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "ville.toml"
    path.write_text(text)
    shell = Shell(f"sqlite:///{tmp_path / 'unused.sqlite3'}", tmp_path)
    assert told in shell.refused("jurisdiction", "check", str(path)).partition("Détail")[0]


def test_the_system_speaks_french(shell: Shell) -> None:
    absent, folder = str(shell.folder / "absent.toml"), str(shell.folder)
    assert "(il n'existe pas)" in shell.refused("jurisdiction", "check", absent)
    assert "(c'est un dossier)" in shell.refused("jurisdiction", "check", folder)
    assert "servies : gentilly.fr" in shell.refused("request", "list", "-j", "nogent")
    assert "open311 key list" in shell.refused("key", "revoke", "inconnue")


def test_a_database_of_a_later_program_is_left_alone(shell: Shell, database: Database) -> None:
    later = "UPDATE alembic_version SET version_num = '9999'"
    database.write(lambda connection: connection.exec_driver_sql(later))
    for line in ("serve --port 0", "db upgrade", "db check", "request list"):
        result = shell(*line.split())
        assert result.exit_code == 1
        said = result.output
        assert "version plus récente" in said
        assert "db upgrade" not in said


def test_a_second_server_on_one_sqlite_file_is_refused(
    migrated_sqlite: Path, tmp_path: Path
) -> None:
    path = tmp_path / "open311.sqlite3"
    path.write_bytes(migrated_sqlite.read_bytes())
    shell = Shell(f"sqlite:///{path}", tmp_path)
    with alone_with_file(Settings(database_url=shell.database_url)):
        assert "SQLite n'en admet qu'un" in shell.refused("serve", "--port", "0")
        shell.done("key", "list")  # commands take their turn


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("openapi trop", "« trop » est de trop."),
        ("serve --port", "L'option --port demande une valeur."),
        ("demo --folder FILE", "FILE : c'est un fichier, un dossier est attendu."),
        ("import absent.csv", "absent.csv : il n'existe pas."),
    ],
)
def test_what_click_says_is_said_in_french(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").touch()
    assert told in Shell("sqlite:///x.sqlite3", tmp_path).refused(*line.split(), code=2)


@pytest.mark.parametrize(
    ("host", "told"),
    [("192.0.2.1", "donnez une adresse de cette machine"), ("nohost.invalid", "de cette machine")],
)
def test_an_address_of_another_machine_is_told(shell: Shell, host: str, told: str) -> None:
    assert told in shell.refused("serve", "--naked", "--host", host, "--port", "0")
