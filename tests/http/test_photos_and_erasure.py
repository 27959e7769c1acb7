"""A request's photos as they are served, and what is left of an erased request."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import GENTILLY, PUBLIC_URL, World, age_photos
from tests.http.conftest import errors_of, multipart, refused
from tests.http.following_up import BASE, erase, feed, ids, one, post_photo, step, update


def test_a_photo_is_served_with_safe_headers(shared: World) -> None:
    id_, path = post_photo(shared)
    response = shared.client.get(path, buffered=True)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "image/jpeg"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    with Image.open(io.BytesIO(response.data)) as shown:
        assert shown.format == "JPEG"
    head = shared.client.head(path, buffered=True)
    assert (head.status_code, head.data) == (200, b"")
    name = path.rpartition("/")[2]
    for wrong in (
        path.replace(f"/{id_}/", "/999999/"),
        path.replace(f"/{id_}/", f"/0{id_}/"),
        path.replace(name, "a" * 64 + ".jpg"),
        path.replace(name, "..%2f..%2fopen311.sqlite3"),
        path.replace(name, "%00"),
        path.replace("/gentilly.fr", ""),
        path.replace("/gentilly.fr", "/gentilly.fr/test"),
        path.replace("/gentilly.fr", "/nogent-sur-marne.fr"),
    ):
        assert shared.client.get(wrong).status_code in (400, 404), wrong
        errors_of(shared.client.get(wrong), "xml")


def test_x22_up_to_four_photos_come_back_in_order(shared: World) -> None:
    form = {"api_key": shared.key, "service_code": "proprete", **GENTILLY}
    photos = [_plain(colour) for colour in ("red", "green", "blue", "white")]
    response = shared.client.post(f"{BASE}/requests.json", **multipart(form, *photos))
    found = one(shared, response.json[0]["service_request_id"])
    urls = found["extended_attributes"]["media_urls"]
    assert len(set(urls)) == 4
    assert found["media_url"] == urls[0]
    colours = []
    for url in urls:
        served = shared.client.get(url.removeprefix(PUBLIC_URL), buffered=True)
        with Image.open(io.BytesIO(served.data)) as shown:
            colours.append(max(range(3), key=lambda at: shown.convert("RGB").getpixel((8, 8))[at]))
    assert colours[:3] == [0, 1, 2]


def _plain(colour: str) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(written, "PNG")
    return written.getvalue()


def test_an_erased_request_leaves_only_a_trace(world: World, suffix: str, tmp_path: Path) -> None:
    secrets = {"email": "qui@secret.example", "phone": "0611223344", "last_name": "Secretnom"}
    id_, photo = post_photo(world, description="SECRET texte", title="SECRET", **secrets)
    update(world, service_request_id=id_, description="SECRET mot")
    age_photos(tmp_path / "media", hours=2)
    erase(world, id_)
    refused(world.get(f"/requests/{id_}.{suffix}"), 404, suffix)
    assert world.client.get(photo).status_code == 404
    assert list(world.media.names()) == []
    assert ids(world) == []
    assert feed(world, suffix, start_date="2001-01-01") == []
    assert world.count("service_request") == 1
    assert world.count("reporter") == 0
    kept = " ".join(
        str(row)
        for table in (
            "service_request",
            "request_update",
            "public_document",
            "outbox",
            "idempotency",
        )
        for row in world.database.rows(f"SELECT * FROM {table}")
    )
    for secret in ("SECRET", *secrets.values()):
        assert secret not in kept


def test_nothing_of_an_erased_person_stays_in_the_files_of_sqlite(
    world: World, engine: str, tmp_path: Path
) -> None:
    """The write-ahead log is a file too, and a small town's server keeps it for months (I11)."""
    if engine != "sqlite":
        pytest.skip("PostgreSQL's files are its own")
    secrets = (b"ZZ-what-was-said", b"zz-person@example.org", b"zz-account")
    said, email, account = (secret.decode() for secret in secrets)
    id_ = world.posted_id(
        description=said, email=email, account_id=account, headers={"Idempotency-Key": "zz"}
    )
    step(world, id_, note=said)
    assert any(secrets[0] in path.read_bytes() for path in tmp_path.rglob("*.sqlite3*"))
    erase(world, id_)
    for path in filter(Path.is_file, tmp_path.rglob("*")):
        assert not [secret for secret in secrets if secret in path.read_bytes()], path.name


def test_a_repeated_post_does_not_bring_an_erased_request_back(world: World) -> None:
    values: dict[str, Any] = {"account_id": "zz", "headers": {"Idempotency-Key": "k"}}
    id_ = world.posted_id(**values)
    erase(world, id_)
    again = world.post(**values).json[0]
    assert (again["service_request_id"], again["account_id"]) == (id_, None)
    assert world.count("service_request") == 1
