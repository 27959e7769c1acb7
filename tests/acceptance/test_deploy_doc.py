"""`docs/deploy.md`: what it tells to type is typed, in a sandbox, in its order, on both engines.

Only places are changed (folders, port, the user that root becomes). What changes the
machine itself (packages, users, services) is in BY_HAND: tried by hand, not here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest
from sqlalchemy import make_url

from open311.config.settings import Settings
from tests.cli.running import Running
from tests.documents import ROOT, Block, blocks
from tests.postgres import PrivateCluster

pytestmark = pytest.mark.acceptance

DOCUMENT = ROOT / "docs" / "deploy.md"
BY_HAND = {
    "# Install the program for a user of its own",
    "# The service",
    "# A worker of its own",
    "# nginx",
}
#: Says nothing about the engine, or is SQLite's alone.
SQLITE_IS_ENOUGH = {
    "# Look at a backup in a place of its own, without touching the service",
    "# Upgrade: a backup, the new program, the tables",
    "# Replace a key: both are good for fourteen days",
    "# A key has leaked: it ends now",
    "# Is anything wrong?",
}
POSTGRESQL_ONLY = {"# PostgreSQL: the server, a role and a database", "# The same on PostgreSQL"}
WHILE_SERVING = {
    "# Is it ready?",
    "# A backup, checked; the server may run",
    "# Is anything wrong?",
}
_OF_THE_MACHINE = re.compile(r"^(?:apt-get|chown|systemctl|/opt/\S+/pip) .*\n", re.MULTILINE)


@dataclass
class Sandbox:
    """A folder that stands for the machine, and what commands there may see."""

    folder: Path
    environment: dict[str, str]
    cluster: PrivateCluster | None

    def run(self, block: Block) -> str:
        """Run one block of the document as bash does, stopping at the first fault."""
        text = _OF_THE_MACHINE.sub("", self.moved(block.text))
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", text],
            check=False,
            capture_output=True,
            cwd=ROOT,
            env=self.environment,
            text=True,
        )
        assert done.returncode == 0, f"{block.text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def moved(self, text: str) -> str:
        """A text of the document with its places changed to those of the sandbox."""
        places = {
            "/opt/open311/bin/open311": f"{self.folder}/bin/program",
            "/usr/local/bin/open311": f"{self.folder}/bin/open311",
            "/etc/open311": f"{self.folder}/etc",
            "/var/lib/open311": f"{self.folder}/lib",
            "/var/backups/open311": f"{self.folder}/backups",
            "runuser -u open311 -- ": "",
            "runuser -u postgres -- ": "",
            " --owner open311 --mode 700": "",
            " --locale C.UTF-8": " --locale C",
            "http://127.0.0.1:8311": self.environment.get("SERVED", "http://127.0.0.1:8311"),
        }
        if self.cluster is not None:
            trial = "postgresql://open311@/open311_trial?host=/var/run/postgresql"
            places[trial] = self.cluster.url_of("open311_trial")
        for old, new in places.items():
            text = text.replace(old, new)
        return text

    @property
    def settings(self) -> dict[str, str]:
        """What the service would be started with."""
        lines = (self.folder / "etc" / "open311.env").read_text().splitlines()
        pairs = (line.split("=", 1) for line in lines)
        return {name: value.strip('"') for name, value in pairs}


class Service:
    """The server as the unit would start it: running when a block needs it, else stopped."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._server: Running | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.__exit__()

    def be(self, *, running: bool) -> None:
        """Start or stop it, unless it is as wanted."""
        if running and self._server is None:
            settings = self._sandbox.settings
            self._server = Running("serve", "--port", "0", folder=self._sandbox.folder, **settings)
            parts = urlsplit(self._server.await_line("BASE"))
            self._sandbox.environment["SERVED"] = f"{parts.scheme}://{parts.netloc}"
        elif not running and self._server is not None:
            self._server.process.send_signal(signal.SIGTERM)
            assert self._server.ends() == 0
            self._server.__exit__()
            self._server = None


@pytest.fixture
def sandbox(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sandbox]:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment["PATH"] = f"{tmp_path / 'bin'}:{environment['PATH']}"
    environment["PYTHONPATH"] = str(ROOT)
    for name in ("bin", "lib", "backups"):
        (tmp_path / name).mkdir()
    program = tmp_path / "bin" / "program"
    program.write_text(f"#!{sys.executable}\nfrom open311.cli import main\nmain()\n")
    program.chmod(0o755)
    cluster = None
    if engine == "postgresql":
        if not (shutil.which("createuser") and shutil.which("createdb")):
            pytest.skip("SKIPPED: PostgreSQL's createuser and createdb are not installed")
        cluster = request.getfixturevalue("postgres")
        url = make_url(cluster.url)
        environment |= {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(cluster.port),
            "PGUSER": str(url.username),
            "PGPASSWORD": str(url.password),
        }
    yield Sandbox(tmp_path, environment, cluster)
    if cluster is not None:
        cluster.drop_database("open311")
        cluster.drop_database("open311_trial")


def use_postgresql(sandbox: Sandbox, settings: str) -> None:
    """Put the document's PostgreSQL address into the settings, with the test cluster's way in."""
    assert sandbox.cluster is not None
    assert Settings.from_environment(dict([_pair(settings)]))
    file = sandbox.folder / "etc" / "open311.env"
    lines = [
        line for line in file.read_text().splitlines() if not line.startswith("OPEN311_DATABASE")
    ]
    address = sandbox.cluster.url_of("open311")
    file.write_text("\n".join([f'OPEN311_DATABASE_URL="{address}"', *lines, ""]))


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.strip().partition("=")
    return name, value.strip('"')


def test_the_document_can_be_followed(sandbox: Sandbox, engine: str) -> None:
    left_out = BY_HAND | (POSTGRESQL_ONLY if engine == "sqlite" else SQLITE_IS_ENOUGH)
    tried = 0
    with Service(sandbox) as service:
        for block in blocks(DOCUMENT):
            if block.language == "ini" and engine == "postgresql":
                use_postgresql(sandbox, block.text)
            if block.language != "sh" or block.title in left_out:
                continue
            service.be(running=block.title in WHILE_SERVING)
            sandbox.run(block)
            tried += 1
            if block.title.startswith("# Tables"):
                (key,) = _keys(sandbox)
                sandbox.environment["KEY_ID"] = key["api_key_id"]
    assert tried >= 7
    if engine == "sqlite":  # rotated, then revoked
        assert sorted(each["state"] for each in _keys(sandbox)) == ["retirée", "valable"]


def _keys(sandbox: Sandbox) -> list[dict[str, str]]:
    said = sandbox.run(Block("sh", "open311 key list --json\n"))
    found: list[dict[str, str]] = json.loads(said)
    return found


def test_every_block_is_either_tried_here_or_known_to_be_tried_by_hand() -> None:
    titles = [block.title for block in blocks(DOCUMENT) if block.language == "sh"]
    assert all(title.startswith("# ") for title in titles)
    named = BY_HAND | SQLITE_IS_ENOUGH | POSTGRESQL_ONLY | WHILE_SERVING
    assert named <= set(titles)
    assert len(titles) == len(set(titles))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="SKIPPED: no systemd-analyze")
@pytest.mark.parametrize(
    ("name", "verb"), [("open311.service", "serve"), ("open311-worker.service", "worker")]
)
def test_systemd_finds_nothing_to_say_against_the_units(
    tmp_path: Path, name: str, verb: str
) -> None:
    shipped = (ROOT / "docs" / "deploy" / name).read_text()
    assert f"ExecStart=/opt/open311/bin/open311 {verb}\n" in shipped
    unit = tmp_path / name
    unit.write_text(shipped.replace("/opt/open311/bin/open311", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
