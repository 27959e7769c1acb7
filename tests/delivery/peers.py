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

import pytest
import requests

from open311.config.jurisdiction_file import read_jurisdiction_file
from open311.operations.keys import create_key
from open311.storage import catalogue, migrate, origins
from open311.storage.database import Database
from tests.delivery.delivery_site import FAST, GENTILLY, REPOSITORY

_GUARD_S = 60.0
_SERVE = [sys.executable, "-c", "from open311.cli import main; main()", "serve", "--with-worker"]
_OWN = (
    "jurisdiction_key = (SELECT jurisdiction_key FROM jurisdiction "
    "WHERE jurisdiction_id = :id AND environment = 'production')"
)

EVERY_WAY = pytest.mark.parametrize(
    "one_server", [False, True], ids=["servers of their own", "jurisdictions of one server"]
)


class Server:
    """One server: its database here, its processes apart."""

    def __init__(self, folder: Path, database_url: str | None = None) -> None:
        folder.mkdir()
        self.folder = folder
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = Database(database_url or f"sqlite:///{folder / 'open311.sqlite3'}")
        migrate.upgrade(self.database)
        self.secrets: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self.key = self.database.write(_new_key)
        with self.database.connect() as connection:
            self.server_id = origins.own_server_id(connection)

    def start(self) -> None:
        """Serve, with a worker beside."""
        foreign = {k: v for k, v in os.environ.items() if not k.startswith("OPEN311_")}
        environment = {
            **foreign,
            **FAST,
            **self.secrets,
            "PYTHONPATH": str(REPOSITORY),
            "OPEN311_DATABASE_URL": self.database.engine.url.render_as_string(False),
            "OPEN311_MEDIA_URL": str(self.folder / "media"),
            "OPEN311_PUBLIC_URL": self.url,
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

    def answers(self, url: str) -> bool:
        """Whether it serves; a server that ended is a failure."""
        try:
            return requests.get(url, timeout=5).status_code == 200
        except requests.ConnectionError:
            assert self._process is not None
            told = (self.folder / "serve.log").read_text(errors="replace")
            assert self._process.poll() is None, told[-2000:]
            return False

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


class Peer:
    """One jurisdiction of a server, which passes its requests on.

    Attributes:
        place: what others know it by.
        base_url: its own endpoint.
    """

    def __init__(self, server: Server, jurisdiction_id: str) -> None:
        self.server = server
        self.jurisdiction_id = jurisdiction_id
        self.database, self.key = server.database, server.key
        self.place = f"{server.server_id}/{jurisdiction_id}"
        self.base_url = f"{server.url}/open311/{jurisdiction_id}/v2"

    def configure(self, peers: Sequence[Peer]) -> None:
        """Declare where this one passes its requests on to."""
        document = read_jurisdiction_file(GENTILLY) | {
            "jurisdiction_id": self.jurisdiction_id,
            "destinations": [self._destination(peer) for peer in peers],
        }
        self.database.write(
            lambda connection: catalogue.put_jurisdiction(
                connection, self.jurisdiction_id, document, datetime.now(UTC)
            )
        )

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
        found = self.database.rows(
            f"SELECT kind, state FROM delivery WHERE {_OWN} ORDER BY delivery_key",
            {"id": self.jurisdiction_id},
        )
        return [(row[0], row[1]) for row in found]

    def notes(self) -> list[str]:
        """The public texts of every history."""
        found = self.database.rows(
            f"SELECT description FROM request_update WHERE description IS NOT NULL AND {_OWN}",
            {"id": self.jurisdiction_id},
        )
        return [row[0] for row in found]

    def _destination(self, peer: Peer) -> dict[str, Any]:
        name = f"PEER_{secrets.token_hex(4)}".upper()
        self.server.secrets[name] = peer.key
        return {
            "name": f"{self.jurisdiction_id}-vers-{peer.place}".replace(".", "-").replace("/", "-"),
            "profile": "georeport",
            "services": [],
            "settings": {"base_url": peer.base_url, "peer_id": peer.place},
            "secrets": {"api_key": f"env:{name}"},
            "allowed_networks": ["127.0.0.0/8"],
            "epsg": None,
            "alert_after_s": 86_400,
            "poll_s": 1,
        }


@contextmanager
def connected(
    folder: Path,
    ways: Mapping[str, str],
    *,
    one_server: bool = False,
    new_url: Callable[[], str | None] = lambda: None,
) -> Iterator[dict[str, Peer]]:
    """Peers by name, each with those (one letter each) that it passes on to.

    Args:
        one_server: they are jurisdictions of one server; else each has a server.
        new_url: gives the URL of an empty database; None for SQLite.
    """
    homes = {name: "server" if one_server else name for name in ways}
    servers = {home: Server(folder / home, new_url()) for home in sorted(set(homes.values()))}
    peers = {name: Peer(servers[homes[name]], f"{name}.example.fr") for name in ways}
    try:
        for name, others in ways.items():
            peers[name].configure([peers[other] for other in others])
        for server in servers.values():
            server.start()
        for peer in peers.values():
            until(lambda peer=peer: peer.server.answers(f"{peer.base_url}/services.json") or None)
        yield peers
    finally:
        for server in servers.values():
            server.terminate()
        for server in servers.values():
            server.stop()


def until(look: Callable[[], Any]) -> Any:
    """Look until there is something; a guard against hanging, not a measure."""
    deadline = time.monotonic() + _GUARD_S
    while (found := look()) is None:
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
    return found


def _new_key(connection: Any) -> str:
    """Lets others, and the test, create, comment and move."""
    return create_key(
        connection,
        label="peer",
        jurisdictions=["*"],
        rights=["create", "update", "staff", "peer"],
        environment="production",
        now=datetime.now(UTC),
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def one(peer: Peer) -> Any:
    """The only request of a server, once it is there."""
    return until(lambda: next(iter(peer.shown()), None))


def settled(peer: Peer) -> bool:
    """Whether nothing waits to be sent."""
    found = peer.database.first("SELECT count(*) FROM outbox WHERE state = 'pending'")
    assert found is not None
    return found[0] == 0 and all(state == "done" for _, state in peer.deliveries())


def has_status(peer: Peer, status: str) -> bool:
    [row] = peer.shown()
    return bool(row["status"] == status)


def quiet(peers: list[Peer]) -> list[list[tuple[str, str]]]:
    """The deliveries of all, when nothing moves any more over several polls."""
    until(lambda: all(settled(peer) for peer in peers) or None)
    time.sleep(2.5)  # two polls: a loop would have come round
    return [peer.deliveries() for peer in peers]
