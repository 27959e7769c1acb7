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
    "# nginx",
}
SQLITE_ONLY = {"# Look at a backup in a place of its own, without touching the service"}
POSTGRESQL_ONLY = {"# PostgreSQL: the server, a role and a database"}
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
        for old, new in places.items():
            text = text.replace(old, new)
        return text

    @property
    def settings(self) -> dict[str, str]:
        """What the service would be started with."""
        lines = (self.folder / "etc" / "open311.env").read_text().splitlines()
        pairs = (line.split("=", 1) for line in lines)
        return {name: value.strip('"') for name, value in pairs}


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
    left_out = BY_HAND | (SQLITE_ONLY if engine == "postgresql" else POSTGRESQL_ONLY)
    tried = []
    for block in blocks(DOCUMENT):
        if block.language == "ini" and engine == "postgresql":
            use_postgresql(sandbox, block.text)
        if block.language != "sh" or block.title in left_out:
            continue
        if block.title in WHILE_SERVING:
            with Running(
                "serve", "--port", "0", folder=sandbox.folder, **sandbox.settings
            ) as server:
                parts = urlsplit(server.await_line("BASE"))
                sandbox.environment["SERVED"] = f"{parts.scheme}://{parts.netloc}"
                sandbox.run(block)
                server.process.send_signal(signal.SIGTERM)
                assert server.ends() == 0
        else:
            sandbox.run(block)
        tried.append(block.title)
        if block.title.startswith("# Tables"):
            (key,) = _keys(sandbox)
            sandbox.environment["KEY_ID"] = key["api_key_id"]
    assert len(tried) >= 10
    states = {each["api_key_id"]: each["state"] for each in _keys(sandbox)}
    assert sorted(states.values()) == ["retirée", "valable"]  # rotated, then revoked


def _keys(sandbox: Sandbox) -> list[dict[str, str]]:
    said = sandbox.run(Block("sh", "open311 key list --json\n"))
    found: list[dict[str, str]] = json.loads(said)
    return found


def test_every_block_is_either_tried_here_or_known_to_be_tried_by_hand() -> None:
    titles = [block.title for block in blocks(DOCUMENT) if block.language == "sh"]
    assert all(title.startswith("# ") for title in titles)
    named = BY_HAND | SQLITE_ONLY | POSTGRESQL_ONLY | WHILE_SERVING
    assert named <= set(titles)
    assert len(titles) == len(set(titles))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="SKIPPED: no systemd-analyze")
def test_systemd_finds_nothing_to_say_against_the_unit(tmp_path: Path) -> None:
    shipped = (ROOT / "docs" / "deploy" / "open311.service").read_text()
    assert "ExecStart=/opt/open311/bin/open311 serve\n" in shipped
    unit = tmp_path / "open311.service"
    unit.write_text(shipped.replace("/opt/open311/bin/open311", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
