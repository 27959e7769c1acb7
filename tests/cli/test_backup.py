"""open311 backup and open311 restore, on both engines, while reports come in (N12, I12)."""

from __future__ import annotations

import io
import json
import re
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from open311.cli import main
from open311.config.settings import Settings
from open311.domain.status import Stage
from open311.http.app import create_app
from open311.operations.follow_up import Step, erase_request, take_step
from open311.operations.installation import Installation
from open311.storage import migrate
from open311.storage.database import Database
from open311.storage.group_commit import GroupCommitDatabase
from open311.storage.media import DiskMediaStore
from tests.conftest import FIXTURES, GENTILLY, PUBLIC_URL, World
from tests.postgres import PrivateCluster

PHOTO = (FIXTURES / "photos" / "nid-de-poule.jpg").read_bytes()
Run = Callable[..., Result]


def call(database_url: str, media: Path, *arguments: str) -> Result:
    environment = {
        "OPEN311_DATABASE_URL": database_url.replace("+psycopg", ""),
        "OPEN311_MEDIA_URL": str(media),
        "OPEN311_PUBLIC_URL": PUBLIC_URL,
    }
    return CliRunner().invoke(main, list(arguments), env=environment)


@pytest.fixture
def backed_up(world: World, database_url: str, tmp_path: Path) -> Callable[..., Path]:
    """Make a backup of the world with the command; the archive."""

    def make(name: str = "sauvegarde.tar.gz", *options: str) -> Path:
        archive = tmp_path / name
        result = call(database_url, tmp_path / "media", "backup", str(archive), *options)
        assert result.exit_code == 0, result.output
        return archive

    return make


@pytest.fixture
def empty_place(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[str, Path]]:
    """A database URL where nothing is, and a folder for photos."""
    media = tmp_path / "restored" / "media"
    media.parent.mkdir()
    if engine == "sqlite":
        yield f"sqlite:///{tmp_path / 'restored' / 'open311.sqlite3'}", media
        return
    cluster: PrivateCluster = request.getfixturevalue("postgres")
    url = cluster.create_database()
    yield url, media
    cluster.drop_database(url.rsplit("/", 1)[1])


@contextmanager
def served(database_url: str, media: Path, world: World) -> Iterator[World]:
    """The restored installation, served as any other."""
    opened = GroupCommitDatabase if database_url.startswith("sqlite") else Database
    database = opened(database_url)
    try:
        installation = Installation(
            database, DiskMediaStore(media), public_url=PUBLIC_URL, refresh_s=0, clock=world.clock
        )
        app = create_app(Settings(), installation)
        yield World(
            app, app.test_client(), installation, database, world.clock, DiskMediaStore(media),
            world.key, world.staff_key, world.nogent_key, world.test_key,
        )  # fmt: skip
    finally:
        database.close()


def restored(archive: Path, place: tuple[str, Path], *options: str) -> Result:
    result = call(*place, "restore", str(archive), *options)
    assert result.exit_code == 0, result.output
    return result


def with_photo(world: World, **values: Any) -> str:
    return world.posted_id(media=(io.BytesIO(PHOTO), "trou.jpg"), **values)


def fill(world: World) -> list[str]:
    """A small installation with something of everything; the ids."""
    ids = [world.posted_id(description=text) for text in ("un", "d\\eux\t\n\x01 ü 😀", "trois")]
    ids += [with_photo(world, email="lea@example.fr", description="photo")]
    world.posted_id(base="/open311/gentilly.fr/test/v2", api_key=world.test_key)
    world.post(service_code="encombrants-rdv")
    world.clock.advance(hours=1)
    step = Step(Stage.DONE, note="Réparé", internal_note="équipe 2")
    world.database.write(
        lambda c: take_step(
            c, world.side(), int(ids[2]), step, public_url=PUBLIC_URL, now=world.clock.now
        )
    )
    return ids


def erase(world: World, id_: str) -> None:
    erase_request(
        world.database, world.media, world.side(), int(id_), public_url=PUBLIC_URL,
        now=world.clock.now,
    )  # fmt: skip


def lists(world: World) -> dict[str, bytes]:
    paths = ("requests", "services", "servicerequestupdates")
    answers = {
        f"{base}{path}.{format_}": world.get(f"/{path}.{format_}", base, extensions="true")
        for base in ("/open311/gentilly.fr/v2", "/open311/gentilly.fr/test/v2")
        for path in paths
        for format_ in ("xml", "json")
    }
    assert {each.status_code for each in answers.values()} == {200}
    return {path: each.get_data() for path, each in answers.items()}


def content_of(world: World, path: str) -> bytes:
    with world.client.get(path) as response:
        assert response.status_code == 200
        return bytes(response.data)


TABLES = (
    *("service_request", "reporter", "request_update", "public_document", "outbox", "token"),
    *("idempotency", "api_key", "jurisdiction", "change_counter"),
)


def test_a_restored_server_answers_byte_for_byte_the_same(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path]
) -> None:
    ids = fill(world)
    before, counts = lists(world), [world.count(table) for table in TABLES]
    photo = world.get(f"/requests/{ids[3]}.json").json[0]["media_url"].removeprefix(PUBLIC_URL)
    picture = content_of(world, photo)
    restored(backed_up(), empty_place)
    with served(*empty_place, world) as again:
        assert lists(again) == before
        assert [again.count(table) for table in TABLES] == counts
        assert content_of(again, photo) == picture
        assert again.post(description="après").status_code == 200
        assert not migrate.differences(again.database)


def test_the_archive_is_compressed_by_its_name_and_its_owner_s_alone(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path]
) -> None:
    fill(world)
    for name in ("a.tar", "a.tar.gz", "a.tgz"):
        archive = backed_up(name)
        assert (archive.read_bytes()[:2] == b"\x1f\x8b") == name.endswith("gz")
        assert archive.stat().st_mode & 0o777 == 0o600
        checked = call(*empty_place, "restore", str(archive), "--check")
        assert "en bon état" in checked.output
        assert sorted(archive.parent.glob(".*")) == [], "nothing is left beside it"


def test_every_report_acknowledged_before_the_backup_began_is_in_it(
    world: World, database_url: str, tmp_path: Path, empty_place: tuple[str, Path]
) -> None:
    """Three backups while eight clients post, one report in ten with a photo."""
    acknowledged: list[str] = []
    stop = threading.Event()

    def post() -> None:
        client = world.app.test_client()
        while not stop.is_set():
            data: dict[str, Any] = {"api_key": world.key, "service_code": "proprete", **GENTILLY}
            if len(acknowledged) % 10 == 0:
                data["media"] = (io.BytesIO(PHOTO), "trou.jpg")
            response = client.post("/open311/gentilly.fr/v2/requests.json", data=data)
            assert response.status_code == 200
            acknowledged.append(response.json[0]["service_request_id"])
        world.database._drop_held()

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        for number in range(3):
            while len(acknowledged) < 60 * (number + 1):
                stop.wait(0.01)
            promised = set(acknowledged)
            archive = tmp_path / f"{number}.tar"
            result = call(database_url, tmp_path / "media", "backup", str(archive))
            assert result.exit_code == 0, result.output
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert len(set(acknowledged)) > len(promised), "posts went on during the backup"
    restored(archive, empty_place)
    with served(*empty_place, world) as again:
        assert_whole(again, promised)
        assert int(again.posted_id()) > max(map(int, acknowledged))


def assert_whole(again: World, promised: set[str]) -> None:
    """Everything promised is there; no row without its request, no request without its rows."""
    found = again.database.rows("SELECT service_request_id FROM service_request")
    assert promised <= {str(row[0]) for row in found}
    for table in ("request_update", "public_document", "outbox"):
        for one, other in ((table, "service_request"), ("service_request", table)):
            orphans = again.database.first(
                f"SELECT count(*) FROM {one} a WHERE NOT EXISTS "
                f"(SELECT 1 FROM {other} b WHERE b.request_key = a.request_key)"
            )
            assert orphans == (0,), (one, other)
    for (photos,) in again.database.rows("SELECT photos FROM service_request"):
        for photo in json.loads(photos) if isinstance(photos, str) else photos:
            assert again.media.exists(photo["name"])
            assert again.media.exists(photo["thumbnail"])


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


def test_a_backup_never_overwrites_another(
    world: World, database_url: str, backed_up: Callable[..., Path], tmp_path: Path
) -> None:
    archive = backed_up()
    content = archive.read_bytes()
    again = call(database_url, tmp_path / "media", "backup", str(archive))
    assert again.exit_code == 1
    assert "existe déjà" in again.output
    assert archive.read_bytes() == content
    assert ".tar" in call(database_url, tmp_path / "media", "backup", "x.zip").output


def test_a_backup_that_does_not_exist_is_not_called_damaged(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent.tar")
    result = call(f"sqlite:///{tmp_path}/x.sqlite3", tmp_path / "media", "restore", absent)
    assert result.exit_code == 1
    assert f"{absent} : ce fichier n'existe pas." in result.output


def test_photos_may_be_left_out(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path]
) -> None:
    ids = fill(world)
    result = restored(backed_up("a.tar.gz", "--without-media"), empty_place)
    assert "sans les photos" in result.output
    with served(*empty_place, world) as again:
        assert again.get(f"/requests/{ids[3]}.json").status_code == 200
        assert list(again.media.names()) == []


def test_a_photo_that_the_store_lost_is_told_and_stops_nothing(
    world: World, database_url: str, tmp_path: Path, empty_place: tuple[str, Path]
) -> None:
    fill(world)
    world.media.delete(next(iter(world.media.names())))
    archive = tmp_path / "a.tar"
    result = call(database_url, tmp_path / "media", "backup", str(archive))
    assert result.exit_code == 0
    assert "1 photo(s) manquent" in result.output
    restored(archive, empty_place)


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


def rewritten(archive: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """The archive with its members changed; None leaves one out."""
    target = archive.with_name("altered.tar")
    with tarfile.open(archive) as old, tarfile.open(target, "w") as new:
        for member in old:
            file = old.extractfile(member)
            assert file is not None
            content = change(member.name, file.read())
            if content is not None:
                member.size = len(content)
                new.addfile(member, io.BytesIO(content))
    return target


def _flip(name_part: str) -> Callable[[str, bytes], bytes]:
    def change(name: str, content: bytes) -> bytes:
        middle = len(content) // 2
        if name_part not in name:
            return content
        return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]

    return change


def _manifest(**changes: Any) -> Callable[[str, bytes], bytes]:
    def change(name: str, content: bytes) -> bytes:
        if name != "manifest.json":
            return content
        given = json.loads(content)
        for path, value in changes.items():
            *parents, last = path.split("__")
            inner = given
            for parent in parents:
                inner = inner[parent]
            inner[last] = value
        return json.dumps(given).encode()

    return change


def _without(name_part: str) -> Callable[[str, bytes], bytes | None]:
    return lambda name, content: None if name_part in name else content


_ALTERED: dict[str, tuple[Callable[[str, bytes], bytes | None], str]] = {
    "a bit of the data": (_flip("service_request.copy"), "altérée"),
    "a bit of the database file": (_flip("database.sqlite3"), "altérée"),
    "a bit of a photo": (_flip("media/"), "abîmée"),
    "no manifest": (_without("manifest"), "pas été terminée"),
    "no photos": (_without("media/"), "tronquée"),
    "the count of rows": (_manifest(snapshot__counts__service_request=99), "au lieu de 99"),
    "a format of tomorrow": (_manifest(format=2), "abîmée"),
    "a revision of tomorrow": (_manifest(snapshot__revision="9999"), "version plus récente"),
    "a manifest of nothing": (_manifest(snapshot={}), "abîmée"),
}


def test_an_altered_backup_is_refused_and_nothing_is_touched(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path]
) -> None:
    fill(world)
    archive = backed_up()
    tried = 0
    for name, (change, words) in _ALTERED.items():
        altered = rewritten(archive, change)
        if same_members(archive, altered):
            continue  # the other engine's file
        tried += 1
        result = call(*empty_place, "restore", str(altered))
        assert result.exit_code == 1, name
        assert words in result.output, name
        assert_empty(empty_place)
    assert tried == len(_ALTERED) - 1


def same_members(one: Path, other: Path) -> bool:
    def contents(path: Path) -> list[bytes]:
        with tarfile.open(path) as tar:
            return [file.read() for member in tar if (file := tar.extractfile(member))]

    return contents(one) == contents(other)


def assert_empty(place: tuple[str, Path]) -> None:
    if place[0].startswith("sqlite"):
        assert not list(place[1].parent.glob("*.sqlite3*"))
        return
    database = Database(place[0])
    found = database.rows("SELECT 1 FROM pg_tables WHERE schemaname = 'public'")
    database.close()
    assert found == []


def test_a_backup_cut_short_is_refused(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path]
) -> None:
    fill(world)
    archive = backed_up()
    content = archive.read_bytes()
    for share in (0, 0.01, 0.3, 0.6, 0.9):  # what follows the manifest holds nothing
        archive.write_bytes(content[: int(share * len(content))])
        result = call(*empty_place, "restore", str(archive))
        assert result.exit_code == 1, share
        assert re.search("abîmée|terminée|altérée", result.output), share
        assert_empty(empty_place)


def test_an_archive_writes_nowhere_but_where_it_should(
    world: World, backed_up: Callable[..., Path], empty_place: tuple[str, Path], tmp_path: Path
) -> None:
    for evil in ("../evil", "/tmp/evil-open311", "tables/../../evil.copy", "media/../../evil"):
        archive = tmp_path / "evil.tar"
        with tarfile.open(archive, "w") as tar:
            member = tarfile.TarInfo(evil)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"evil"))
        result = call(*empty_place, "restore", str(archive))
        assert result.exit_code == 1
        archive.unlink()
        assert not [*tmp_path.rglob("*evil*"), *Path("/tmp").glob("evil-open311")]


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
