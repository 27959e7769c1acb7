"""Following what changes: the cursor stream, ETags and 304, languages of errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text

from open311.domain.status import Stage, Visibility
from open311.operations.follow_up import Step, erase_request, set_visibility, take_step
from open311.operations.publishing import publish_document
from open311.storage import requests
from tests.conftest import PUBLIC_URL, World, spark
from tests.http.conftest import errors_of

# --- the cursor ----------------------------------------------------------------


class Reader:
    """A client that keeps a copy in step by the cursor alone."""

    def __init__(self, world: World, suffix: str = "json", **query: Any) -> None:
        self.world, self.suffix, self.query = world, suffix, query
        self.cursor = "0"
        self.copy: dict[str, dict[str, Any]] = {}
        self.seen: list[str] = []

    def page(self) -> int:
        """Read one page; how many requests came or went."""
        response = self.world.get(f"/requests.{self.suffix}", cursor=self.cursor, **self.query)
        assert response.status_code == 200, response.get_data(as_text=True)
        assert response.headers["Cache-Control"] == "no-store"
        self.cursor = response.headers["X-Next-Cursor"]
        found = spark(response.data, self.suffix)
        gone = [id_ for id_ in response.headers.get("X-Withdrawn-Ids", "").split(",") if id_]
        for request in found:
            self.copy[request["service_request_id"]] = request
            self.seen.append(request["service_request_id"])
        for id_ in gone:
            self.copy.pop(id_, None)
        return len(found) + len(gone)

    def catch_up(self) -> None:
        for _ in range(100):
            if not self.page():
                return
        raise AssertionError("the stream does not end")


def step(world: World, id_: str, stage: Stage, note: str | None = None) -> None:
    world.database.write(
        lambda connection: take_step(
            connection,
            world.side(),
            int(id_),
            Step(stage, note=note),
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
            public_url=PUBLIC_URL,
            now=world.clock.now,
        )
    )


def test_a_cursor_gives_each_change_once_and_tells_who_left(world: World, suffix: str) -> None:
    old, first, second, third = (world.posted_id() for _ in range(4))
    world.clock.advance(days=200)  # the stream knows no window
    waiting = world.posted_id(service_code="tag")
    reader = Reader(world, suffix, page_size="2")
    reader.catch_up()
    assert reader.seen == [old, first, second, third]
    step(world, first, Stage.DONE, "fait")
    show(world, second, Visibility.REJECTED)
    show(world, waiting, Visibility.PUBLIC)
    side, now = world.side(), world.clock.now
    erase_request(world.database, world.media, side, int(third), public_url=PUBLIC_URL, now=now)
    reader.seen.clear()
    reader.catch_up()
    assert reader.seen == [first, waiting]
    assert set(reader.copy) == {old, first, waiting}
    assert reader.copy[first]["status"] == "closed"
    show(world, second, Visibility.PUBLIC)
    reader.catch_up()
    assert second in reader.copy
    assert reader.page() == 0


def test_a_cursor_may_be_filtered_and_still_tells_who_left(world: World) -> None:
    dirty, animal = world.posted_id(), world.posted_id(service_code="animal")
    reader = Reader(world, service_code="animal")
    reader.catch_up()
    assert set(reader.copy) == {animal}
    show(world, animal, Visibility.SPAM)
    show(world, dirty, Visibility.SPAM)
    reader.catch_up()
    assert reader.copy == {}


def test_a_request_that_never_was_public_is_not_told_as_gone(world: World) -> None:
    waiting = world.posted_id(service_code="tag")
    show(world, waiting, Visibility.REJECTED)
    response = world.get("/requests.json", cursor="0")
    assert response.json == []
    assert "X-Withdrawn-Ids" not in response.headers


def test_a_cursor_of_before_a_restore_starts_again(world: World) -> None:
    id_ = world.posted_id()
    reader = Reader(world)
    reader.catch_up()
    world.database.write(
        lambda connection: connection.execute(
            text(
                "UPDATE installation SET cursor_epoch = cursor_epoch + 1, "
                "configuration_version = configuration_version + 1"
            )
        )
    )
    reader.seen.clear()
    reader.catch_up()
    assert reader.seen == [id_]
    reader.seen.clear()
    assert reader.page() == 0


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_transaction_that_commits_late_is_not_missed(world: World) -> None:
    """PostgreSQL commits out of order; SQLite has one writer, where order is the commit's."""
    early = world.posted_id()
    with _open_change(world, early) as commit:
        late = world.posted_id()  # commits while the older transaction still runs
        reader = Reader(world)
        reader.catch_up()
        assert late not in reader.seen, "its place is behind the one that still runs"
        commit()
    reader.catch_up()
    assert sorted(reader.seen, key=int)[-2:] == [early, late]
    assert reader.copy[early]["status_notes"] == "tardif"


@contextmanager
def _open_change(world: World, id_: str) -> Iterator[Callable[[], None]]:
    """A change of a request in a transaction that another thread holds open."""
    from dataclasses import replace

    begun, release, done = threading.Event(), threading.Event(), threading.Event()

    def hold() -> None:
        side = world.side()
        with world.database.begin() as connection:
            stored = requests.find_request(connection, side.scope, int(id_), lock=True)
            assert stored is not None
            noted = replace(stored, request=replace(stored.request, status_notes="tardif"))
            publish_document(connection, side, noted, public_url=PUBLIC_URL)
            begun.set()
            release.wait(30)
        world.database._drop_held()
        done.set()

    def commit() -> None:
        release.set()
        assert done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert begun.wait(30)
    try:
        yield commit
    finally:
        release.set()
        thread.join()


def test_paging_goes_on_by_cursor_where_pages_end(world: World) -> None:
    deep = world.get("/requests.json", page="102", page_size="1000")
    assert "cursor=0" in deep.json[0]["description"]


# --- ETags ---------------------------------------------------------------------

TAGGED = ["/services", "/services/depot-sauvage", "/requests", "/requests/{id}"]


@pytest.mark.parametrize("path", TAGGED)
def test_the_same_version_is_304_and_another_is_not(world: World, suffix: str, path: str) -> None:
    url = f"{path.format(id=world.posted_id())}.{suffix}"
    first = world.get(url)
    etag = first.headers["ETag"]
    for asked in (etag, f'"x", {etag}', "*"):
        for _ in range(2):
            again = _if_none(world, url, asked)
            assert (again.status_code, again.data) == (304, b"")
            assert again.headers["ETag"] == etag
            assert "Accept-Language" in again.headers["Vary"]
            assert again.headers["Access-Control-Allow-Origin"] == "*"
    for asked in ('W/"other"', '"', ""):
        other = _if_none(world, url, asked)
        assert (other.status_code, other.data) == (200, first.data)


def _if_none(world: World, url: str, etag: str, base: str = "/open311/gentilly.fr/v2") -> Any:
    return world.client.get(base + url, headers={"If-None-Match": etag})


CHANGES: dict[str, Callable[[World, str], Any]] = {
    "a new request": lambda world, _: world.posted_id(),
    "a step": lambda world, id_: step(world, id_, Stage.PLANNED),
    "a public note": lambda world, id_: step(world, id_, Stage.RECEIVED, "vu"),
    "a rejection": lambda world, id_: show(world, id_, Visibility.REJECTED),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_moves_the_etag_of_the_list(world: World, suffix: str, change: str) -> None:
    id_ = world.posted_id()
    etag = world.get(f"/requests.{suffix}").headers["ETag"]
    CHANGES[change](world, id_)
    after = _if_none(world, f"/requests.{suffix}", etag)
    assert after.status_code == 200
    assert after.headers["ETag"] != etag


def test_another_jurisdiction_s_change_does_not_move_it(world: World) -> None:
    world.posted_id()
    etag = world.get("/requests.json").headers["ETag"]
    place = {"lat": None, "long": None, "address_string": "ici", "service_code": "102"}
    world.posted_id(base="/open311/nogent-sur-marne.fr/v2", **place)
    test = {"api_key": world.test_key, "base": "/open311/gentilly.fr/test/v2"}
    world.posted_id(**test)
    assert _if_none(world, "/requests.json", etag).status_code == 304


def test_time_alone_does_not_move_it_but_the_window_does(world: World) -> None:
    world.posted_id()
    world.clock.advance(days=10)
    kept = world.posted_id()
    etag = world.get("/requests.json").headers["ETag"]
    world.clock.advance(days=80)
    assert _if_none(world, "/requests.json", etag).status_code == 304
    world.clock.advance(seconds=1)  # the first is 90 days and a second old now
    moved = _if_none(world, "/requests.json", etag)
    assert moved.status_code == 200
    assert [each["service_request_id"] for each in moved.json] == [kept]


def test_formats_filters_and_addresses_have_etags_of_their_own(world: World) -> None:
    world.posted_id()
    etags = [
        world.client.get(f"/open311/gentilly.fr/v2{url}").headers["ETag"]
        for url in (
            *("/requests.json", "/requests.xml", "/requests.geojson"),
            *("/requests.json?status=open", "/requests.json?extensions=true"),
            *(
                "/requests.json?page=2",
                "/services.json",
                "/services.xml",
                "/services.json?locale=en",
            ),
        )
    ]
    assert len(set(etags)) == len(etags)


def test_head_and_compression_keep_the_etag(world: World) -> None:
    for path in ("/services.json", "/requests.json"):
        plain = world.get(path)
        packed = world.client.get(
            f"/open311/gentilly.fr/v2{path}", headers={"Accept-Encoding": "gzip"}
        )
        head = world.client.head(f"/open311/gentilly.fr/v2{path}")
        assert plain.headers["ETag"] == packed.headers["ETag"] == head.headers["ETag"]
        assert plain.headers["ETag"].startswith('W/"')


# --- the language of errors (C-235) --------------------------------------------


@pytest.mark.parametrize(
    ("query", "headers", "english"),
    [
        ({}, {}, False),
        ({"locale": "en"}, {}, True),
        ({"locale": "en_GB"}, {}, True),
        ({"locale": "fr"}, {"Accept-Language": "en"}, False),
        ({"locale": "de"}, {}, False),
        ({}, {"Accept-Language": "en-GB,fr;q=0.8"}, True),
        ({}, {"Accept-Language": "de,fr;q=0.8,en;q=0.5"}, False),
    ],
)
def test_c235_errors_are_french_unless_english_is_asked(
    shared: World, suffix: str, query: dict[str, str], headers: dict[str, str], english: bool
) -> None:
    url = f"/open311/gentilly.fr/v2/requests.{suffix}"
    form = {"api_key": shared.key, "service_code": "depot-sauvage", "lat": "x", "long": "2.3"}
    response = shared.client.post(url, data=form, query_string=query, headers=headers)
    told = [error["description"] for error in errors_of(response, suffix)]
    for line in told:
        assert line.startswith(("lat", "attribute[HOWMANY]", "Le champ")), "names are untouched"
    assert ("this value" in told[0]) == english
    assert any("(HOWMANY required)" in line for line in told)
    assert "Accept-Language" in response.headers["Vary"]


@pytest.mark.parametrize(
    "wrong",
    [{"service_code": None}, {"service_code": "inconnu"}, {"api_key": "x"}, {"lat": "x"}],
    ids=str,
)
@pytest.mark.parametrize("path", ["requests", "servicerequestupdates"])
def test_a_form_says_the_language_of_its_own_errors(
    shared: World, suffix: str, wrong: dict[str, Any], path: str
) -> None:
    form = {"api_key": shared.key, "service_code": "proprete", "lat": "48.8", "long": "2.3"} | wrong
    send = {"locale": "en-GB"}
    sent = {name: value for name, value in form.items() if value is not None}
    url = f"/open311/gentilly.fr/v2/{path}.{suffix}"

    def said(**more: str) -> str:
        return str(errors_of(shared.client.post(url, data=sent | more), suffix)[0]["description"])

    english = ("required", "needed", "not found", "not acceptable")
    assert any(words in said(**send) for words in english), said(**send)
    assert not said(locale="fr").startswith(said(**send)[:25])
    # The body stands over the query (C-131).
    response = shared.client.post(f"{url}?locale=fr", data=sent | send)
    assert errors_of(response, suffix)[0]["description"] == said(**send)
