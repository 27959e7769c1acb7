"""What becomes of a request: moderation, tokens, updates, photos, erasure."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from open311.domain.status import STAGE_OF_UPDATE, Stage, Visibility
from open311.operations.follow_up import Step, erase_request, set_visibility, take_step
from tests.conftest import GENTILLY, PUBLIC_URL, World, age_photos, spark
from tests.http.conftest import errors_of, multipart, refused
from tests.schemas.conftest import refused_by

BASE = "/open311/gentilly.fr/v2"
PHOTO = (Path(__file__).parents[2] / "fixtures/photos/lampadaire.png").read_bytes()


def step(world: World, id_: str, *args: Any, **kwargs: Any) -> None:
    world.database.write(
        lambda connection: take_step(
            connection,
            world.side(),
            int(id_),
            Step(*args, **kwargs),
            public_url=PUBLIC_URL,
            now=world.clock.now,
        )
    )


def show(world: World, id_: str, visibility: Visibility) -> None:
    world.database.write(
        lambda connection: set_visibility(
            connection,
            world.side(),
            int(id_),
            visibility,
            internal_note="secret reason",
            public_url=PUBLIC_URL,
            now=world.clock.now,
        )
    )


def erase(world: World, id_: str) -> None:
    side, now = world.side(), world.clock.now
    erase_request(world.database, world.media, side, int(id_), public_url=PUBLIC_URL, now=now)


def post_photo(world: World, **more: str) -> tuple[str, str]:
    """A request with a photo: its id, the photo's path."""
    form = {"api_key": world.key, "service_code": "proprete", **GENTILLY, **more}
    response = world.client.post(f"{BASE}/requests.json", **multipart(form, PHOTO))
    assert response.status_code == 200, response.get_data(as_text=True)
    id_ = response.json[0]["service_request_id"]
    shown = world.get(f"/requests/{id_}.json").json[0]["media_url"]
    return id_, (shown or "").removeprefix(PUBLIC_URL)


def ids(world: World, **query: Any) -> list[str]:
    return [each["service_request_id"] for each in world.get("/requests.json", **query).json]


def one(world: World, id_: str, suffix: str = "json") -> dict[str, Any]:
    (found,) = spark(world.get(f"/requests/{id_}.{suffix}", extensions="true").data, suffix)
    assert isinstance(found, dict)
    return found


# --- moderation (X-16) ---------------------------------------------------------


def test_x16_from_pending_to_public(world: World, suffix: str) -> None:
    values = {"service_code": "tag", "description": "SECRET mot", "title": "SECRET titre"}
    values |= {"address_string": "SECRET rue", "media_url": "https://a.example.org/SECRET.jpg"}
    id_ = world.posted_id(**values)
    waiting = world.get(f"/requests/{id_}.{suffix}", extensions="true")
    assert waiting.status_code == 200
    assert b"SECRET" not in waiting.data
    assert id_ not in ids(world)
    assert ids(world, q="secret") == []
    assert ids(world, service_request_id=id_) == []
    assert world.get("/servicerequestupdates.json", start_date="2001-01-01").json == []
    assert world.get("/requests.json", count="true").headers["X-Result-Count"] == "0"
    show(world, id_, Visibility.PUBLIC)
    found = one(world, id_, suffix)
    assert found["description"] == "SECRET mot"
    assert found["address"] == "SECRET rue"
    assert found["media_url"].endswith("SECRET.jpg")
    assert ids(world) == ids(world, q="secret") == [id_]


@pytest.mark.parametrize("visibility", [Visibility.REJECTED, Visibility.SPAM])
def test_l9_what_is_hidden_is_gone_everywhere_and_may_come_back(
    world: World, suffix: str, visibility: Visibility
) -> None:
    id_, photo = post_photo(world, description="mot unique")
    assert world.client.get(photo, buffered=True).status_code == 200
    show(world, id_, visibility)
    refused(world.get(f"/requests/{id_}.{suffix}"), 404, suffix)
    assert ids(world) == ids(world, q="unique") == ids(world, service_request_id=id_) == []
    assert world.get("/servicerequestupdates.json", start_date="2001-01-01").json == []
    assert world.client.get(photo).status_code == 404
    show(world, id_, Visibility.PUBLIC)
    assert ids(world) == [id_]
    assert world.client.get(photo, buffered=True).status_code == 200
    assert "secret reason" not in world.get("/requests.json", extensions="true").text


def test_x16_a_whole_jurisdiction_may_be_moderated(make_world: Any) -> None:
    world = make_world(moderated=True)
    id_ = world.posted_id()
    assert ids(world) == []
    show(world, id_, Visibility.PUBLIC)
    assert ids(world) == [id_]


def test_c104_a_blackbox_is_in_no_public_answer(world: World) -> None:
    when = {"attribute[WHEN]": "2026-11-15"}
    world.post(service_code="bruit", description="SECRET", **when)
    found = world.database.first("SELECT service_request_id FROM service_request")
    assert found is not None
    for path in (f"/requests/{found[0]}.json", "/requests.json", "/servicerequestupdates.json"):
        assert b"SECRET" not in world.get(path, start_date="2026-10-01").data
    assert world.get(f"/requests/{found[0]}.json").status_code == 404
    assert ids(world, cursor="0") == []


# --- tokens --------------------------------------------------------------------


def test_c150_to_c154_a_token_gives_its_id_after_its_delay(world: World, suffix: str) -> None:
    batch = {"service_code": "encombrants-rdv", "attribute[VOLUME_M3]": "1"}
    token = world.post(**batch).json[0]["token"]
    world.clock.advance(seconds=world.side().jurisdiction.token_delay_s - 1)
    assert spark(world.get(f"/tokens/{token}.{suffix}").data, suffix) == [{"token": token}]
    world.clock.advance(seconds=1)
    response = world.get(f"/tokens/{token}.{suffix}")
    assert not refused_by("token", suffix, response.data)
    (found,) = spark(response.data, suffix)
    assert found["token"] == token
    assert world.get(f"/requests/{found['service_request_id']}.{suffix}").status_code == 200
    world.clock.advance(days=400)
    assert world.get(f"/tokens/{token}.{suffix}").data == response.data
    refused(world.get(f"/tokens/{token}x.{suffix}"), 404, suffix)


def test_c154_tokens_do_not_repeat_or_count(shared: World) -> None:
    batch = {"service_code": "encombrants-rdv", "attribute[VOLUME_M3]": "1"}
    tokens = [shared.post(**batch).json[0]["token"] for _ in range(30)]
    assert len(set(tokens)) == 30
    assert len({token[:6] for token in tokens}) == 30
    assert min(map(len, tokens)) * 6 >= 128


# --- updates (X-12, X-13) ------------------------------------------------------


def update(world: World, suffix: str = "json", **values: Any) -> Any:
    form = {
        "api_key": world.key,
        "update_id": "u-1",
        "status": "UNCHANGED",
        "updated_datetime": "2026-11-16T09:00:00Z",
        "description": "Toujours là.",
    } | values
    sent = {name: value for name, value in form.items() if value is not None}
    return world.client.post(f"{BASE}/servicerequestupdates.{suffix}", data=sent)


def feed(world: World, suffix: str = "json", **query: Any) -> list[dict[str, Any]]:
    response = world.get(f"/servicerequestupdates.{suffix}", **query)
    assert response.status_code == 200
    assert not refused_by("service_request_updates", suffix, response.data)
    found = spark(response.data, suffix)
    assert isinstance(found, list)
    return found


def test_x12_the_feed_holds_what_lies_in_the_asked_window(world: World, suffix: str) -> None:
    id_ = world.posted_id()  # 09:30:00
    world.clock.advance(minutes=10)
    step(world, id_, Stage.IN_PROGRESS, note="Équipe en route", internal_note="secret")
    world.clock.advance(minutes=10)
    step(world, id_, Stage.DONE, note="Nettoyé", media_urls=("https://a.fr/1", "https://a.fr/2"))
    found = feed(world, suffix)
    assert [each["status"] for each in found] == ["open", "in_progress", "fixed"]
    assert [each["description"] for each in found] == [None, "Équipe en route", "Nettoyé"]
    assert {each["service_request_id"] for each in found} == {id_}
    edges = {"start_date": "2026-11-16T09:40:00Z", "end_date": "2026-11-16T09:50:00Z"}
    assert len(feed(world, suffix, **edges)) == 2
    assert feed(world, suffix, start_date="2026-11-16T09:50:01Z") == []
    world.clock.advance(hours=2, seconds=1)
    assert feed(world, suffix) == []  # two hours when nothing is asked
    text = world.get(f"/servicerequestupdates.{suffix}", start_date="2026-11-16").text
    assert "secret" not in text
    assert text.count("https://a.fr/") == {"xml": 2, "json": 1}[suffix]


def test_x13_a_resident_s_comment(world: World, suffix: str) -> None:
    id_ = world.posted_id()
    world.clock.advance(minutes=5)
    response = update(world, suffix, service_request_id=id_, email="a@b.fr", first_name="Ann")
    assert response.status_code == 200
    assert not refused_by("update_receipt", suffix, response.data)
    found = one(world, id_, suffix)
    assert found["status"] == "open"
    assert found["updated_datetime"] == "2026-11-16T09:35:00Z"
    assert found["status_notes"] is None, "a resident's word is not the city's"
    assert found["extended_attributes"]["notes"][-1]["description"] == "Toujours là."
    rows = world.count("request_update")
    again = update(world, suffix, service_request_id=id_)
    assert again.data == response.data
    assert world.count("request_update") == rows
    assert update(world, suffix, service_request_id=id_, update_id="u-2").data != response.data


def test_x13_the_same_id_in_another_jurisdiction_is_another_update(world: World) -> None:
    mine = world.posted_id()
    place = {"lat": None, "long": None, "address_string": "ici", "service_code": "102"}
    theirs = world.posted_id(base="/open311/nogent-sur-marne.fr/v2", **place)
    first = update(world, service_request_id=mine)
    form = {
        "api_key": world.key,
        "service_request_id": theirs,
        "update_id": "u-1",
        "status": "UNCHANGED",
        "updated_datetime": "2026-11-16T09:00:00Z",
        "description": "x",
    }
    url = "/open311/nogent-sur-marne.fr/v2/servicerequestupdates.json"
    second = world.client.post(url, data=form)
    assert second.status_code == 200
    assert second.json != first.json


@pytest.mark.parametrize("status", STAGE_OF_UPDATE)
def test_x14_an_agent_moves_a_request_by_any_status(shared: World, status: str) -> None:
    id_ = shared.posted_id()
    values = {"service_request_id": id_, "api_key": shared.staff_key, "update_id": f"s{id_}"}
    response = update(shared, status=status.lower().replace("_", " "), **values)
    stage = STAGE_OF_UPDATE[status]
    if stage is Stage.REOPENED:
        refused(response, 400, "json")
        return
    assert response.status_code == 200, response.get_data(as_text=True)
    closed = status in (
        *("CLOSED", "FIXED", "DUPLICATE", "NO_FURTHER_ACTION", "CANCELLED"),
        *("NOT_COUNCILS_RESPONSIBILITY", "NOT_RESPONSIBLE"),
    )
    assert one(shared, id_)["status"] == ("closed" if closed else "open")


def test_x13_only_an_agent_s_key_moves_a_request(world: World, suffix: str) -> None:
    id_ = world.posted_id()
    refused(update(world, suffix, service_request_id=id_, status="FIXED"), 403, suffix, "status")
    assert one(world, id_)["status"] == "open"
    closing = {"service_request_id": id_, "status": "FIXED", "api_key": world.staff_key}
    assert update(world, suffix, **closing).status_code == 200
    world.clock.advance(minutes=1)
    late = {"service_request_id": id_, "status": "IN_PROGRESS", "api_key": world.staff_key}
    refused(update(world, suffix, **late, update_id="u-9"), 400, suffix)


WRONG_UPDATES: list[tuple[dict[str, Any], int, str]] = [
    ({"service_request_id": "999999"}, 404, "service_request_id"),
    ({"service_request_id": "é"}, 404, "service_request_id"),
    ({"service_request_id": None}, 400, "service_request_id"),
    ({"update_id": None}, 400, "update_id"),
    ({"status": None}, 400, "status"),
    ({"status": "MAYBE"}, 400, "status"),
    ({"updated_datetime": None}, 400, "updated_datetime"),
    ({"updated_datetime": "hier"}, 400, "updated_datetime"),
    ({"description": None}, 400, "description"),
    ({"description": "é" * 4001}, 400, "description"),
    ({"media_url": "http://127.0.0.1/"}, 400, "media_url"),
    ({"media_url": ["https://a.fr/1"] + [f"https://a.fr/{n}" for n in range(2, 7)]}, 400, "media"),
    ({"api_key": None}, 403, "api_key"),
]


@pytest.mark.parametrize(
    ("values", "status", "named"), WRONG_UPDATES, ids=lambda value: str(value)[:50]
)
def test_x13_what_is_wrong_is_refused_and_nothing_written(
    shared: World, suffix: str, values: dict[str, Any], status: int, named: str
) -> None:
    id_ = shared.posted_id()
    rows = shared.count("request_update")
    response = update(shared, suffix, **{"service_request_id": id_} | values)
    assert named in errors_of(response, suffix)[0]["description"]
    assert response.status_code == status
    assert shared.count("request_update") == rows


def test_i6_a_public_date_never_goes_back(world: World) -> None:
    id_ = world.posted_id()
    world.clock.advance(minutes=10)
    step(world, id_, note="un")
    world.clock.advance(minutes=-9)
    step(world, id_, note="deux")
    assert one(world, id_)["updated_datetime"] == "2026-11-16T09:40:00Z"


def test_an_internal_note_moves_nothing_in_public(world: World) -> None:
    id_ = world.posted_id()
    before = world.get("/requests.json", extensions="true")
    world.clock.advance(minutes=10)
    step(world, id_, internal_note="SECRET")
    after = world.get("/requests.json", extensions="true")
    assert (after.data, after.headers["ETag"]) == (before.data, before.headers["ETag"])


# --- photos and erasure --------------------------------------------------------


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


def test_an_erased_request_leaves_only_a_trace(
    world: World, suffix: str, tmp_path: Path
) -> None:
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


def test_nothing_that_a_reporter_wrote_is_read_before_moderation(
    make_world: Callable[..., World],
) -> None:
    world = make_world(moderated=True)
    names = ("description", "title", "address_string", "address_id", "zipcode", "channel")
    names += ("service_object_id", "service_object_type")
    id_ = world.posted_id(**{name: f"zz-{name}"[:10] for name in names})
    for suffix in ("xml", "json", "geojson"):
        shown = world.get(f"/requests/{id_}.{suffix}", extensions="true")
        assert shown.status_code == 200
        assert b"zz-" not in shown.data
    show(world, id_, Visibility.PUBLIC)
    assert world.get(f"/requests/{id_}.json", extensions="true").data.count(b"zz-") == len(names)
