"""An `open311` command line on a database of its own, on both engines."""

from __future__ import annotations

import json
from collections.abc import Callable
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
from tests.cli.worlds import FILES

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
