"""What every test can ask for: the same application on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from lxml import etree

from open311.config.jurisdiction_file import read_jurisdiction_file
from open311.config.settings import Settings
from open311.http.app import create_app
from open311.operations.installation import Installation, Side
from open311.operations.keys import create_key
from open311.storage import catalogue, migrate
from open311.storage.database import Database
from open311.storage.group_commit import GroupCommitDatabase
from open311.storage.media import DiskMediaStore
from tests.postgres import PrivateCluster

FIXTURES = Path(__file__).parent.parent / "fixtures"
GENTILLY = {"lat": "48.8130", "long": "2.3444"}
NOGENT = {"lat": "48.8370", "long": "2.4830"}
PUBLIC_URL = "http://open311.test"

# A suite started in the background by a script ignores Ctrl-C, and so would every
# program that the tests start and stop by it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass
class Clock:
    """A clock that tests move by hand."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 16, 9, 30, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class World:
    """One installation with two jurisdictions, its application and its keys.

    `key` may create and comment in both jurisdictions; `staff_key` is an agent's in
    Gentilly; `nogent_key` is good in Nogent only; `test_key` at test endpoints only.
    """

    app: Flask
    client: FlaskClient
    installation: Installation
    database: Database
    clock: Clock
    media: DiskMediaStore
    key: str
    staff_key: str
    nogent_key: str
    test_key: str

    def side(self, jurisdiction_id: str = "gentilly.fr", environment: str = "production") -> Side:
        return self.installation.side(jurisdiction_id, environment)

    def post(
        self, base: str = "/open311/gentilly.fr/v2", suffix: str = "json", **values: Any
    ) -> Any:
        """POST a request that is right unless told otherwise; a None value leaves a field out."""
        headers = values.pop("headers", None)
        form = {"api_key": self.key, "service_code": "proprete", **GENTILLY} | values
        sent = {name: value for name, value in form.items() if value is not None}
        return self.client.post(f"{base}/requests.{suffix}", data=sent, headers=headers)

    def posted_id(self, **values: Any) -> str:
        """The id of a new request."""
        response = self.post(**values)
        assert response.status_code == 200, response.get_data(as_text=True)
        return str(response.json[0]["service_request_id"])

    def get(self, path: str, base: str = "/open311/gentilly.fr/v2", **query: Any) -> Any:
        return self.client.get(f"{base}{path}", query_string=query)

    def count(self, table: str) -> int:
        found = self.database.first(f"SELECT count(*) FROM {table}")
        assert found is not None
        return int(found[0])


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivateCluster]:
    """A private PostgreSQL, with one migrated database that others are copied from."""
    with PrivateCluster() as cluster:
        database = Database(cluster.create_database("migrated"))
        migrate.upgrade(database)
        database.close()
        yield cluster


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that others are copied from."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.sqlite3"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    """Every test that asks for a database runs on both."""
    return str(request.param)


@pytest.fixture
def database_url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh migrated database."""
    if engine == "sqlite":
        path = tmp_path / "open311.sqlite3"
        path.write_bytes(request.getfixturevalue("migrated_sqlite").read_bytes())
        yield f"sqlite:///{path}"
        return
    cluster: PrivateCluster = request.getfixturevalue("postgres")
    url = cluster.create_database(template="migrated")
    yield url
    cluster.drop_database(url.rsplit("/", 1)[1])


@pytest.fixture
def database(engine: str, database_url: str) -> Iterator[Database]:
    """A fresh database, as the server opens it."""
    opened = GroupCommitDatabase if engine == "sqlite" else Database
    database = opened(database_url)
    yield database
    database.close()


@pytest.fixture(scope="session")
def jurisdiction_documents() -> dict[str, dict[str, Any]]:
    """The checked fixture files, read once."""
    files = (FIXTURES / "jurisdictions").glob("*.toml")
    documents = (read_jurisdiction_file(path) for path in files)
    return {document["jurisdiction_id"]: document for document in documents}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_world(
    database: Database,
    jurisdiction_documents: dict[str, dict[str, Any]],
    clock: Clock,
    tmp_path: Path,
) -> Callable[..., World]:
    """Build a world; keyword arguments replace settings or keys of Gentilly's document."""

    def make(settings: Settings | None = None, **gentilly: Any) -> World:
        documents = {
            "gentilly.fr": jurisdiction_documents["gentilly.fr"] | gentilly,
            "nogent-sur-marne.fr": jurisdiction_documents["nogent-sur-marne.fr"],
        }
        keys = _apply(database, documents, clock.now)
        media = DiskMediaStore(tmp_path / "media")
        installation = Installation(
            database, media, public_url=PUBLIC_URL, refresh_s=0, clock=clock
        )
        app = create_app(settings or Settings(), installation)
        app.testing = False  # errors are answered as in production
        return World(app, app.test_client(), installation, database, clock, media, **keys)

    return make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """Gentilly and Nogent-sur-Marne, served."""
    return make_world()


def _apply(
    database: Database, documents: dict[str, dict[str, Any]], now: datetime
) -> dict[str, str]:
    def keep(connection: Any) -> dict[str, str]:
        for id_, document in documents.items():
            catalogue.put_jurisdiction(connection, id_, document, now)

        def key(jurisdictions: list[str], rights: list[str], environment: str) -> str:
            return create_key(
                connection,
                label="test",
                jurisdictions=jurisdictions,
                rights=rights,
                environment=environment,
                now=now,
            )

        return {
            "key": key(["*"], ["create", "update", "peer"], "production"),
            "staff_key": key(["gentilly.fr"], ["create", "update", "staff", "peer"], "production"),
            "nogent_key": key(["nogent-sur-marne.fr"], ["create", "update"], "production"),
            "test_key": key(["*"], ["create", "update"], "test"),
        }

    return database.write(keep)


def age_photos(folder: Path, **by: float) -> None:
    """Make the photos of a folder as old as that: `hours=2`."""
    moment = (datetime.now(UTC) - timedelta(**by)).timestamp()
    for path in folder.rglob("*.jpg"):
        os.utime(path, (moment, moment))


def spark(body: bytes, suffix: str) -> Any:
    """A GeoReport answer in one shape whatever its format: lists of dicts of texts."""
    if suffix == "json":
        return json.loads(body)
    return _spark(etree.fromstring(body))


_CONTAINERS = {
    *("services", "service_requests", "service_request_updates", "errors", "attributes"),
    *("values", "endpoints", "formats", "media_urls", "notes"),
}


def _spark(element: etree._Element) -> Any:
    if element.tag in _CONTAINERS:
        return [_spark(child) for child in element]
    if len(element):
        return {child.tag: _spark(child) for child in element}
    return element.text
