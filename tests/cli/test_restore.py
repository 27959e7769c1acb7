"""`open311 restore`: where it may write, and what it brings back of people who were erased."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from open311.storage import migrate
from open311.storage.database import Database
from tests.cli.backing_up import (
    assert_empty,
    call,
    erase,
    fill,
    lists,
    restored,
    served,
    with_photo,
)
from tests.conftest import World


def test_cursors_and_etags_from_before_a_restore_start_again(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path], engine: str
) -> None:
    ids = fill(world)
    archive = backed_up()
    lost = world.posted_id(description="perdue")
    old = world.get("/requests.json", cursor="0")
    etag = world.get("/requests.json").headers["ETag"]
    assert lost in {each["service_request_id"] for each in old.json}
    restored(archive, empty_place)
    with served(*empty_place, world) as again:
        fresh = again.posted_id(description="autre")
        resumed = again.get("/requests.json", cursor=old.headers["X-Next-Cursor"])
        seen = {each["service_request_id"] for each in resumed.json}
        assert {*ids, fresh} <= seen
        assert lost not in seen, "its id was not given to somebody else"
        answer = again.client.get(
            "/open311/gentilly.fr/v2/requests.json", headers={"If-None-Match": etag}
        )
        assert answer.status_code == 200
        cursor = resumed.headers["X-Next-Cursor"]
        assert again.get("/requests.json", cursor=cursor).json == []
        after = again.posted_id(description="après")
        (found,) = again.get("/requests.json", cursor=cursor).json
        assert found["service_request_id"] == after


def test_two_restores_of_one_backup_do_not_share_an_epoch(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path]
) -> None:
    fill(world)
    archive = backed_up()
    epochs = []
    for pause_s in (0, 1.1):  # an epoch is a second of the clock
        threading.Event().wait(pause_s)
        restored(archive, empty_place, "--force")
        with served(*empty_place, world) as again:
            epochs.append(again.installation.cursor_epoch)
    assert 0 < epochs[0] < epochs[1] < 10**9


def test_people_erased_since_the_backup_stay_erased_with_the_register(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path]
) -> None:
    ids = fill(world)
    archive = backed_up()
    erase(world, ids[3])
    later = backed_up("plus-tard.tar")
    register = later.with_name("plus-tard.tar.erased.csv")
    assert "lea" not in register.read_text()
    result = restored(archive, empty_place, "--erased", str(register))
    assert "1 demande(s) effacée(s) de nouveau" in result.output
    with served(*empty_place, world) as again:
        assert again.get(f"/requests/{ids[3]}.json").status_code == 404
        assert again.count("reporter") == 0
        assert list(again.media.names()) == []
        assert again.get(f"/requests/{ids[0]}.json").status_code == 200
    assert not list(traces(empty_place, b"lea@example.fr"))


def traces(place: tuple[str, Path], word: bytes) -> Iterator[Path]:
    """Files of a restored SQLite database and of its photos in which a word stands (I11)."""
    return (
        path for path in place[1].parent.rglob("*") if path.is_file() and word in path.read_bytes()
    )


def test_a_later_backup_serves_as_a_register_too(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path]
) -> None:
    ids = fill(world)
    archive = backed_up()
    erase(world, ids[3])
    result = restored(archive, empty_place, "--erased", str(backed_up("plus-tard.tar.gz")))
    assert "1 demande(s) effacée(s) de nouveau" in result.output


def test_a_register_of_another_installation_erases_nobody(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path], tmp_path: Path
) -> None:
    ids = fill(world)
    register = tmp_path / "register.csv"
    register.write_text(
        "jurisdiction_id,environment,service_request_id,requested_datetime\r\n"
        f"gentilly.fr,production,{ids[3]},2001-01-01T00:00:00Z\r\n"
        f"ailleurs.fr,production,{ids[3]},2001-01-01T00:00:00Z\r\n"
    )
    result = restored(backed_up(), empty_place, "--erased", str(register))
    assert "0 demande(s) effacée(s) de nouveau" in result.output


def test_a_restored_database_holds_its_deliveries_until_a_person_takes_over(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path]
) -> None:
    world.posted_id()
    result = restored(backed_up(), empty_place)
    assert "open311 delivery take-over" in result.output
    for command in ("delivery", "destination"):
        assert "Rien ne part de cette base" in call(*empty_place, command, "list").output
    assert "livre." in call(*empty_place, "delivery", "take-over").output
    assert "livrait déjà" in call(*empty_place, "delivery", "take-over").output
    assert call(*empty_place, "delivery", "list").output == ""


def test_a_place_with_data_is_refused_unless_forced_and_its_erasures_are_kept(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path], engine: str
) -> None:
    ids = fill(world)
    archive = backed_up()
    restored(archive, empty_place)
    with served(*empty_place, world) as again:
        again.posted_id(description="depuis")
        erase(again, ids[3])
        count = again.count("service_request")
    refused = call(*empty_place, "restore", str(archive))
    assert refused.exit_code == 1
    assert "--force" in refused.output
    with served(*empty_place, world) as again:
        assert again.count("service_request") == count
    forced = restored(archive, empty_place, "--force")
    assert "1 demande(s) effacée(s) de nouveau" in forced.output
    with served(*empty_place, world) as again:
        assert again.count("service_request") == count - 1
    if engine == "sqlite":
        (aside,) = empty_place[1].parent.glob("open311.sqlite3.before-*")
        old = Database(f"sqlite:///{aside}")
        assert old.first("SELECT count(*) FROM service_request") == (count,)
        old.close()


def test_a_database_in_service_is_not_replaced(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path]
) -> None:
    fill(world)
    archive = backed_up()
    restored(archive, empty_place)
    with served(*empty_place, world) as again:
        again.get("/services.json")
        refused = call(*empty_place, "restore", str(archive), "--force")
        assert refused.exit_code == 1
        assert "arrêtez le serveur" in refused.output
        assert again.post().status_code == 200


def test_a_migrated_but_empty_database_is_an_empty_place(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path]
) -> None:
    fill(world)
    database = Database(empty_place[0])
    migrate.upgrade(database)
    database.close()
    restored(backed_up(), empty_place)
    with served(*empty_place, world) as again:
        assert lists(again) == lists(world)


def test_another_engine_is_refused_in_a_sentence(
    world: World, backed_up: Callable[..., Path], engine: str, tmp_path: Path
) -> None:
    archive = backed_up()
    url = f"sqlite:///{tmp_path / 'x.sqlite3'}" if engine == "postgresql" else "postgresql://x/y"
    result = call(url, tmp_path / "m", "restore", str(archive))
    assert result.exit_code == 1
    assert "--into" in result.output


@pytest.mark.parametrize("engine", ["sqlite"])
def test_into_a_folder_needs_no_setting(
    world: World, backed_up: Callable[..., Path], tmp_path: Path
) -> None:
    fill(world)
    folder = tmp_path / "essai"
    restored(backed_up(), ("sqlite:////nowhere/x", tmp_path / "m"), "--into", str(folder))
    assert sorted(path.name for path in folder.iterdir()) == ["media", "open311.sqlite3"]


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_copy_at_an_address_wants_a_place_of_its_own_for_photos(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path], tmp_path: Path
) -> None:
    """The setting is the live server's: whom --erased erases would lose their photos there."""
    ids = fill(world)
    archive, without = backed_up(), backed_up("sans.tar", "--without-media")
    erase(world, ids[3])
    register = backed_up("plus-tard.tar").with_name("plus-tard.tar.erased.csv")
    with_photo(world)
    live = set(world.media.names())
    assert live
    into = ("--into", empty_place[0].replace("+psycopg", ""), "--erased", str(register))
    for each in archive, without:
        refused = call("sqlite:////nowhere/x", tmp_path / "media", "restore", str(each), *into)
        assert refused.exit_code == 1
        assert "--media" in refused.output
        assert_empty(empty_place)
    restored(archive, ("sqlite:////nowhere/x", tmp_path / "media"), *into, "--media",
             str(empty_place[1]))  # fmt: skip
    assert set(world.media.names()) == live


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_backup_that_names_no_photo_needs_no_place_for_them(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path], tmp_path: Path
) -> None:
    world.posted_id()
    into = ("--into", empty_place[0].replace("+psycopg", ""))
    restored(backed_up(), ("sqlite:////nowhere/x", tmp_path / "m"), *into)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("options", [(), ("--force",)])
def test_the_database_of_another_program_is_replaced_by_nothing(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path],
    options: tuple[str, ...],
) -> None:  # fmt: skip
    path = empty_place[1].parent / "open311.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as theirs:
        theirs.execute("CREATE TABLE facture (montant)")
    before = path.read_bytes()
    refused = call(*empty_place, "restore", str(backed_up()), *options)
    assert refused.exit_code == 1
    assert "d'un autre programme (facture)" in refused.output
    assert path.read_bytes() == before
    assert list(path.parent.glob("*sqlite3*")) == [path]


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_tables_named_like_ours_are_another_programs_too(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path]
) -> None:
    database = Database(empty_place[0])
    with database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE reporter (montant INT)")
    database.close()
    refused = call(*empty_place, "restore", str(backed_up()), "--force")
    assert "d'un autre programme (reporter)" in refused.output
    assert database.rows("SELECT montant FROM reporter") == []
    database.close()


def test_an_older_schema_is_brought_up_to_date(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    """A program of tomorrow, whose migrations know one revision more."""
    fill(world)
    archive = backed_up()
    head = migrate.head_revision()
    tomorrow = tmp_path / "migrations"
    shutil.copytree(Path(migrate.__file__).parent / "migrations", tomorrow)
    (tomorrow / "versions" / "9999_tomorrow.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f"revision, down_revision = '9999', '{head}'\n"
        "branch_labels = depends_on = None\n"
        "def upgrade():\n    op.add_column('installation', sa.Column('tomorrow', sa.Text()))\n"
        "def downgrade():\n    op.drop_column('installation', 'tomorrow')\n"
    )
    real = migrate._config

    def config(connection: Any) -> Any:
        made = real(connection)
        made.set_main_option("script_location", str(tomorrow))
        return made

    monkeypatch.setattr(migrate, "_config", config)
    restored(archive, empty_place)
    database = Database(empty_place[0])
    assert migrate.current_revision(database) == "9999"
    assert database.first("SELECT tomorrow FROM installation") == (None,)
    database.close()
