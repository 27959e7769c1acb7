"""A city's server, really started: once on SQLite, once on PostgreSQL."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.durability.server import ServerProcess
from tests.postgres import PrivateCluster

FIXTURES = Path(__file__).parents[2] / "fixtures"
JURISDICTION_ID = "gentilly.fr"
LAT, LONG = 48.8133, 2.3444  # degrees, WGS 84: Gentilly's town hall


@dataclass(frozen=True)
class City:
    """Gentilly, served: `base` is the multi-jurisdiction base, `own_base` Gentilly's."""

    server: ServerProcess
    key: str

    @property
    def base(self) -> str:
        return self.server.base

    @property
    def own_base(self) -> str:
        return self.base.replace("/open311/", f"/open311/{JURISDICTION_ID}/")

    def connect(self) -> socket.socket:
        """A bare connection to the server."""
        parts = urlsplit(self.base)
        assert parts.hostname
        assert parts.port
        return socket.create_connection((parts.hostname, parts.port), timeout=30)


def open_city(folder: Path, database_url: str, *, destinations: str = "", **settings: str) -> City:
    """Set up Gentilly as `docs/deploy.md` says, with these destinations, and start its server.

    The delay of a token is a second instead of five: nobody learns more by waiting.
    """
    text = (FIXTURES / "jurisdictions" / "gentilly.fr.toml").read_text()
    assert "token_delay_s = 5" in text
    text = text.replace("token_delay_s = 5", "token_delay_s = 1")
    text = text.replace("../boundaries", str(FIXTURES / "boundaries"))
    jurisdiction_file = folder / "gentilly.fr.toml"
    jurisdiction_file.write_text(text + destinations)
    server = ServerProcess(folder, database_url, settings)
    key = server.prepare(jurisdiction_file, JURISDICTION_ID)
    server.start()
    return City(server, key)


def empty_database(request: pytest.FixtureRequest, folder: Path) -> str:
    """The URL of a new database on the engine that the fixture's parameter names."""
    if request.param == "sqlite":
        return f"sqlite:///{folder / 'open311.sqlite3'}"
    cluster: PrivateCluster = request.getfixturevalue("postgres")
    return cluster.create_database()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def city(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[City]:
    """One server per engine, for all who only send and read requests."""
    folder = tmp_path_factory.mktemp("city")
    city = open_city(folder, empty_database(request, folder))
    yield city
    city.server.kill()
