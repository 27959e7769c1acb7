"""Hostile input: the right answer, never a 5xx, nothing written when refused."""

from __future__ import annotations

import io
import zipfile

import pytest
from PIL import Image

from open311.storage.models import Base
from tests.conftest import World
from tests.http.conftest import Endpoint, endpoint_of, errors_of
from tests.http.hostile_cases import CASES, MARKUP, OK, SQL
from tests.http.hostile_senders import Send, parts
from tests.schemas.conftest import refused_by


def tables(world: World) -> dict[str, int]:
    """How many rows each table holds."""
    return {name: world.count(name) for name in Base.metadata.tables if name != "alembic_version"}


def media_files(world: World) -> set[str]:
    return set(world.media.names())


@pytest.fixture(scope="module")
def address(shared: World) -> Endpoint:
    return endpoint_of(shared, "multi")


@pytest.mark.parametrize("case", CASES, ids=[case[0][:60] for case in CASES])
def test_a_hostile_input_gets_the_right_answer(
    address: Endpoint, suffix: str, case: tuple[str, Send, int, str]
) -> None:
    _, send, status, named = case
    world = address.world
    rows, files = tables(world), media_files(world)
    response = send(address, suffix)
    text = response.get_data(as_text=True)
    assert "Set-Cookie" not in response.headers
    if status == OK:
        assert response.status_code == 200, text
        assert response.mimetype == {"xml": "text/xml", "json": "application/json"}[suffix]
    else:
        asked = suffix if f".{suffix}" in response.request.path else "xml"
        first = errors_of(response, asked)[0]["description"]
        assert response.status_code in ((400, 404) if status == 0 else (status,)), text
        assert named in first
        assert tables(world) == rows
        assert media_files(world) == files
    _the_next_one_is_well(address, suffix)


def _the_next_one_is_well(endpoint: Endpoint, suffix: str) -> None:
    """A list that holds whatever was just stored parses, is valid, and is what it was."""
    response = endpoint.get("/requests", suffix, page_size="2", extensions="true")
    assert response.status_code == 200
    assert not refused_by("service_requests_extended", suffix, response.data)


STORED = {
    "A2": ("a\x0b\x1b[31mb", "a\ufffd\ufffd[31mb"),
    "A3": ("a\ufffe\uffffb", "a\ufffd\ufffdb"),
    "A9": ("100%zz%", "100%zz%"),
    "I1": (SQL, SQL),
    "I4 I5 I6": (MARKUP, MARKUP),
    "I7": ("=HYPERLINK(1)\t+1", "=HYPERLINK(1)\t+1"),
    "NFC": ("e\u0301", "é"),
}


@pytest.mark.parametrize("case", STORED)
def test_hostile_text_comes_back_as_text(address: Endpoint, suffix: str, case: str) -> None:
    sent, expected = STORED[case]
    found = address.one(address.posted_id(description=sent), suffix)
    assert found["description"] == expected


@pytest.mark.parametrize(
    ("raw", "read"),
    [(b"%E9t%E9", "été"), (b"%C0%AF", "À¯"), (b"\xe9", "é"), (b"%C3%A9", "é"), (b"%80", "€")],
)
def test_a4_a6_bytes_are_read_in_one_encoding_for_the_whole_body(
    address: Endpoint, raw: bytes, read: str
) -> None:
    response = address.post_raw(address.right.encode() + b"&description=" + raw)
    assert address.one(response.json[0]["service_request_id"])["description"] == read


def test_b4_b14_what_is_missing_is_named_before_the_key_is_asked(
    address: Endpoint, suffix: str
) -> None:
    """B14: an empty body has no key either; with one, service_code is named."""
    url = f"{address.base}/requests.{suffix}"
    query = {"api_key": address.key, **address.query}
    response = address.world.client.post(url, query_string=query)
    named = [error["description"].split(" ")[0] for error in errors_of(response, suffix)]
    assert response.status_code == 400
    assert named[0] == "service_code"


def test_k11_k12_what_rides_in_a_photo_is_gone(address: Endpoint) -> None:
    exif = Image.Exif()
    exif[0x010F] = "CANARY-MAKER"
    exif.get_ifd(0x8825)[2] = (48.0, 48.0, 48.0)
    exif.get_ifd(0x8825)[29] = "CANARY-GPS"
    picture = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(picture, "JPEG", exif=exif, comment=b"CANARY-COMMENT")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("CANARY.txt", "CANARY")
    photo = picture.getvalue() + b"<?php CANARY ?>" + archive.getvalue()
    response = parts(photo)(address, "json")
    id_ = response.json[0]["service_request_id"]
    url = address.one(id_)["media_url"].removeprefix("http://open311.test")
    served = address.world.client.get(url, buffered=True)
    assert served.status_code == 200
    assert served.headers["Content-Type"] == "image/jpeg"
    assert served.headers["X-Content-Type-Options"] == "nosniff"
    assert b"CANARY" not in served.data
    assert b"Exif" not in served.data
    with Image.open(io.BytesIO(served.data)) as opened:
        assert opened.size == (64, 48)
        assert not opened.getexif()
