"""One world for a whole module, its four kinds of endpoint, and the judge of answers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from open311.config.settings import Settings
from open311.http.app import create_app
from open311.operations.installation import Installation
from open311.storage.database import Database
from open311.storage.group_commit import GroupCommitDatabase
from open311.storage.media import DiskMediaStore
from tests.conftest import GENTILLY, PUBLIC_URL, Clock, World, _apply, spark
from tests.schemas.conftest import refused_by

SUFFIXES = ("xml", "json")
_numbers = itertools.count()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    jurisdiction_documents: dict[str, dict[str, Any]],
) -> Iterator[World]:
    """A world that the tests of one module share: they only add to it, and move no clock."""
    folder = tmp_path_factory.mktemp("shared")
    database = _open_database(request, folder)
    clock = Clock()
    documents = {id_: jurisdiction_documents[id_] for id_ in ("gentilly.fr", "nogent-sur-marne.fr")}
    keys = _apply(database, documents, clock.now)
    media = DiskMediaStore(folder / "media")
    installation = Installation(database, media, public_url=PUBLIC_URL, refresh_s=0, clock=clock)
    app = create_app(Settings(), installation)
    yield World(app, app.test_client(), installation, database, clock, media, **keys)
    database.close()


def _open_database(request: pytest.FixtureRequest, folder: Path) -> Database:
    if request.param == "postgresql":
        return Database(request.getfixturevalue("postgres").create_database(template="migrated"))
    path = folder / "open311.sqlite3"
    path.write_bytes(request.getfixturevalue("migrated_sqlite").read_bytes())
    return GroupCommitDatabase(f"sqlite:///{path}")


@dataclass
class Endpoint:
    """Gentilly behind one of the addresses that serve it."""

    world: World
    base: str
    key: str
    query: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, suffix: str = "json", **query: Any) -> Any:
        headers = query.pop("headers", None)
        return self.world.client.get(
            f"{self.base}{path}.{suffix}", query_string=self.query | query, headers=headers
        )

    def post(self, suffix: str = "json", path: str = "/requests", **values: Any) -> Any:
        """A request that is right unless told otherwise; a None value leaves a field out."""
        headers = values.pop("headers", None)
        form: dict[str, Any] = self.right_form | values
        sent = {name: value for name, value in form.items() if value is not None}
        return self.world.client.post(f"{self.base}{path}.{suffix}", data=sent, headers=headers)

    def post_raw(self, body: bytes, suffix: str = "json", **options: Any) -> Any:
        """A body as it is, urlencoded unless told otherwise; a right request stands before it."""
        options.setdefault("content_type", "application/x-www-form-urlencoded")
        return self.world.client.post(f"{self.base}/requests.{suffix}", data=body, **options)

    @property
    def right_form(self) -> dict[str, str]:
        """The fields of a right request."""
        return {"api_key": self.key, "service_code": "proprete", **GENTILLY, **self.query}

    @property
    def right(self) -> str:
        """The urlencoded fields of a right request, for bodies written by hand."""
        return "&".join(f"{name}={value}" for name, value in self.right_form.items())

    def posted_id(self, **values: Any) -> str:
        response = self.post(**values)
        assert response.status_code == 200, response.get_data(as_text=True)
        return str(response.json[0]["service_request_id"])

    def one(self, id_: str, suffix: str = "json", **query: Any) -> dict[str, Any]:
        response = self.get(f"/requests/{id_}", suffix, **query)
        assert response.status_code == 200, response.get_data(as_text=True)
        (found,) = spark(response.data, suffix)
        assert isinstance(found, dict)
        return found

    def ids(self, **query: Any) -> list[str]:
        """The ids of a list, in its order."""
        response = self.get("/requests", **query)
        assert response.status_code == 200, response.get_data(as_text=True)
        return [request["service_request_id"] for request in response.json]


ENDPOINTS = {
    "multi": ("/open311/v2", "key", {"jurisdiction_id": "gentilly.fr"}),
    "own": ("/open311/gentilly.fr/v2", "key", {}),
    "multi-test": ("/open311/test/v2", "test_key", {"jurisdiction_id": "gentilly.fr"}),
    "own-test": ("/open311/gentilly.fr/test/v2", "test_key", {}),
}


@pytest.fixture(params=ENDPOINTS)
def endpoint(request: pytest.FixtureRequest, shared: World) -> Endpoint:
    """Every test that asks for it runs at the four addresses."""
    return endpoint_of(shared, request.param)


@pytest.fixture
def own(shared: World) -> Endpoint:
    """Gentilly's own production endpoint."""
    return endpoint_of(shared, "own")


def endpoint_of(world: World, name: str) -> Endpoint:
    base, key, query = ENDPOINTS[name]
    return Endpoint(world, base, getattr(world, key), query)


@pytest.fixture(params=SUFFIXES)
def suffix(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def errors_of(response: Any, suffix: str) -> list[dict[str, Any]]:
    """The errors of an answer, after all that every error document owes (C-230 to C-234)."""
    text = response.get_data(as_text=True)
    assert 400 <= response.status_code < 500, text
    assert not refused_by("errors", suffix, response.data), text
    kind = "text/xml" if suffix == "xml" else "application/json"
    assert response.headers["Content-Type"] == f"{kind}; charset=utf-8"
    found: list[dict[str, Any]] = spark(response.data, suffix)
    assert found, text
    assert "Traceback" not in text
    return found


def refused(response: Any, status: int, suffix: str, *words: str) -> None:
    """The answer is an error of this status whose first sentence holds these words."""
    found = errors_of(response, suffix)
    assert response.status_code == status, found
    for word in words:
        assert word in found[0]["description"], found


def plain(value: Any) -> Any:
    """JSON with its leaves as XML writes them, to compare the two formats (C-022)."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def multipart(fields: dict[str, str], *files: bytes, name: str = "photo.jpg") -> dict[str, Any]:
    """The body of a form with photos and its Content-Type, for the test client."""
    line, parts = b"boundary-7f3a", []
    for field_name, value in fields.items():
        parts.append(f'name="{field_name}"\r\n\r\n{value}'.encode())
    for content in files:
        head = f'name="media"; filename="{name}"\r\nContent-Type: image/jpeg\r\n\r\n'
        parts.append(head.encode() + content)
    body = b"".join(
        b"--" + line + b"\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts
    )
    kind = f"multipart/form-data; boundary={line.decode()}"
    return {"data": body + b"--" + line + b"--\r\n", "content_type": kind}


def unique_text(word: str = "texte") -> str:
    """A text that no other test wrote."""
    return f"{word} {next(_numbers)}"
