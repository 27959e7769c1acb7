"""`open311 backup`, on both engines, while reports come in (N12, I12)."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from open311.storage import migrate
from tests.cli.backing_up import PHOTO, call, content_of, fill, lists, restored, served
from tests.conftest import GENTILLY, PUBLIC_URL, World

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
