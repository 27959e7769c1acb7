"""Servers of ours, really started with their workers, that pass requests on to one another."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from open311.config.jurisdiction_file import read_jurisdiction_file
from open311.operations.keys import create_key
from open311.storage import catalogue, migrate, origins
from open311.storage.database import Database
from tests.delivery.delivery_site import FAST, GENTILLY, REPOSITORY

_GUARD_S = 60.0
_SERVE = [sys.executable, "-c", "from open311.cli import main; main()", "serve", "--with-worker"]


class Peer:
    """One server: its database here, its processes apart.

    Attributes:
        key: lets others, and the test, create and comment.
        base_url: Gentilly's own endpoint.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.port = _free_port()
        self.base_url = f"http://127.0.0.1:{self.port}/open311/gentilly.fr/v2"
        self.database = Database(f"sqlite:///{folder / 'open311.sqlite3'}")
        migrate.upgrade(self.database)
        self.key = ""
        self.secrets: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._document = read_jurisdiction_file(GENTILLY)
        with self.database.connect() as connection:
            self.server_id = origins.own_server_id(connection)

    def configure(self, peers: Sequence[Peer]) -> None:
        """Declare the servers that this one passes its requests on to."""
        destinations = [self._destination(peer) for peer in peers]
        document = self._document | {"destinations": destinations}

        def keep(connection: Any) -> None:
            now = datetime.now(UTC)
            catalogue.put_jurisdiction(connection, "gentilly.fr", document, now)
            if not self.key:
                self.key = create_key(
                    connection,
                    label="peer",
                    jurisdictions=["*"],
                    rights=["create", "update", "staff"],
                    environment="production",
                    now=now,
                )

        self.database.write(keep)

    def start(self) -> None:
        """Serve, with a worker beside."""
        foreign = {k: v for k, v in os.environ.items() if not k.startswith("OPEN311_")}
        environment = {
            **foreign,
            **FAST,
            **self.secrets,
            "PYTHONPATH": str(REPOSITORY),
            "OPEN311_DATABASE_URL": str(self.database.engine.url),
            "OPEN311_MEDIA_URL": str(self.folder / "media"),
            "OPEN311_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
        }
        with (self.folder / "serve.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*_SERVE, "--port", str(self.port)],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Come back when it answers."""
        until(lambda: self._answers() or None)

    def terminate(self) -> None:
        """Ask the server and its worker to end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Come back when they have ended."""
        if self._process is not None:
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(20)
        self.database.close()

    def post(self, **values: str) -> str:
        """A report of a citizen; its number."""
        form = {"api_key": self.key, "service_code": "proprete", "lat": "48.8130",
                "long": "2.3444", "description": "Gravats"} | values  # fmt: skip
        answer = requests.post(f"{self.base_url}/requests.json", data=form, timeout=30)
        assert answer.status_code == 200, answer.text
        return str(answer.json()[0]["service_request_id"])

    def move(self, id_: str, status: str, note: str, number: int) -> None:
        """An agent's step, through the API."""
        form = {
            "api_key": self.key,
            "service_request_id": id_,
            "update_id": f"agent-{number}",
            "status": status,
            "updated_datetime": datetime.now(UTC).isoformat(),
            "description": note,
        }
        url = f"{self.base_url}/servicerequestupdates.json"
        answer = requests.post(url, data=form, timeout=30)
        assert answer.status_code == 200, answer.text

    def shown(self) -> list[Mapping[str, Any]]:
        """Every request as the public reads it, oldest first."""
        url = f"{self.base_url}/requests.json?extensions=true"
        rows: list[Mapping[str, Any]] = requests.get(url, timeout=30).json()
        return sorted(rows, key=lambda row: int(row["service_request_id"]))

    def deliveries(self) -> list[tuple[str, str]]:
        """Kind and state of every delivery."""
        found = self.database.rows("SELECT kind, state FROM delivery ORDER BY delivery_key")
        return [(row[0], row[1]) for row in found]

    def notes(self) -> list[str]:
        """The public texts of every history."""
        found = self.database.rows(
            "SELECT description FROM request_update WHERE description IS NOT NULL"
        )
        return [row[0] for row in found]

    def _destination(self, peer: Peer) -> dict[str, Any]:
        name = f"PEER_{secrets.token_hex(4)}".upper()
        self.secrets[name] = peer.key
        return {
            "name": f"vers-{peer.server_id}",
            "profile": "georeport",
            "services": [],
            "settings": {"base_url": peer.base_url, "peer_id": peer.server_id},
            "secrets": {"api_key": f"env:{name}"},
            "allowed_networks": ["127.0.0.0/8"],
            "epsg": None,
            "alert_after_s": 86_400,
            "poll_s": 1,
        }

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.base_url}/services.json", timeout=5).status_code == 200
        except requests.ConnectionError:
            assert self._process is not None
            told = (self.folder / "serve.log").read_text(errors="replace")
            assert self._process.poll() is None, told[-2000:]
            return False


@contextmanager
def connected(folder: Path, ways: Mapping[str, str]) -> Iterator[dict[str, Peer]]:
    """Servers by name, each with the servers (one letter each) that it passes on to."""
    peers = {name: Peer(folder / name) for name in ways}
    try:
        for peer in peers.values():
            peer.configure([])  # every key must be there before others name it
        for name, others in ways.items():
            peers[name].configure([peers[other] for other in others])
        for peer in peers.values():
            peer.start()
        for peer in peers.values():
            peer.wait()
        yield peers
    finally:
        for peer in peers.values():
            peer.terminate()
        for peer in peers.values():
            peer.stop()


def until(look: Callable[[], Any]) -> Any:
    """Look until there is something; a guard against hanging, not a measure."""
    deadline = time.monotonic() + _GUARD_S
    while (found := look()) is None:
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
