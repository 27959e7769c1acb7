"""An `open311` command line on a database of its own, or beside a world that serves it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from open311.cli import main
from open311.config.settings import Settings
from open311.http.app import create_app
from open311.operations.installation import Installation
from open311.storage.database import Database
from open311.storage.media import DiskMediaStore
from tests.cli import backing_up
from tests.cli.transferring import PAST, Run
from tests.cli.worlds import FILES
from tests.conftest import PUBLIC_URL, Clock, World
from tests.postgres import PrivateCluster

GENTILLY = str(FILES / "gentilly.fr.toml")


@dataclass
class Shell:
    """Runs commands as an operator types them."""

    database_url: str
    folder: Path

    def __call__(self, *arguments: str, **given: Any) -> Result:
        environment = {
            "OPEN311_DATABASE_URL": self.database_url,
            "OPEN311_MEDIA_URL": str(self.folder / "media"),
        }
        return CliRunner().invoke(main, arguments, env=environment, prog_name="open311", **given)

    def done(self, *arguments: str, **given: Any) -> str:
        """What a command that must succeed printed."""
        result = self(*arguments, **given)
        assert result.exit_code == 0, result.output
        return result.stdout

    def refused(self, *arguments: str, code: int = 1) -> str:
        """The sentence of a command that must be refused, and no traceback."""
        result = self(*arguments)
        assert result.exit_code == code, result.output
        assert isinstance(result.exception, SystemExit)
        assert "Traceback" not in result.output
        return result.stderr

    def key(self, *options: str) -> str:
        made = self.done("key", "create", "--jurisdiction", "gentilly.fr", "--json", *options)
        return str(json.loads(made)["key"])


@pytest.fixture
def bare_shell(database_url: str, tmp_path: Path) -> Shell:
    """A migrated database without any jurisdiction."""
    return Shell(database_url, tmp_path)


@pytest.fixture
def shell(bare_shell: Shell) -> Shell:
    """Gentilly in force."""
    bare_shell.done("jurisdiction", "apply", GENTILLY)
    return bare_shell


@pytest.fixture
def client(shell: Shell, database: Database) -> Any:
    """The server on the same database, through Flask's client."""
    media = DiskMediaStore(shell.folder / "media")
    installation = Installation(database, media, public_url="http://a.test", refresh_s=0)
    app = create_app(Settings(), installation)
    return app.test_client()


@pytest.fixture
def post(shell: Shell, client: Any) -> Callable[..., str]:
    """Post a request to the server; its id."""
    key = shell.key()

    def send(**values: Any) -> str:
        form = {"api_key": key, "service_code": "proprete", "lat": "48.813", "long": "2.3444"}
        answer = client.post("/open311/gentilly.fr/v2/requests.json", data=form | values)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return str(answer.json[0]["service_request_id"])

    return send


@pytest.fixture
def past_world(clock: Clock, make_world: Callable[..., World]) -> World:
    clock.now = PAST
    return make_world()


@pytest.fixture
def run(database_url: str, past_world: World, tmp_path: Path) -> Run:
    """The command, on the world's own database, beside the application that serves it."""
    environment = {
        "OPEN311_DATABASE_URL": database_url.replace("+psycopg", ""),
        "OPEN311_MEDIA_URL": str(tmp_path / "media"),
        "OPEN311_PUBLIC_URL": PUBLIC_URL,
    }

    def call(*arguments: str, input: bytes | None = None) -> Result:
        given = [*arguments, "-j", "gentilly.fr"]
        return CliRunner().invoke(main, given, input=input, env=environment)

    return call


@pytest.fixture
def backed_up(world: World, database_url: str, tmp_path: Path) -> Callable[..., Path]:
    """Make a backup of the world with the command; the archive."""

    def make(name: str = "sauvegarde.tar.gz", *options: str) -> Path:
        archive = tmp_path / name
        result = backing_up.call(database_url, tmp_path / "media", "backup", str(archive), *options)
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
