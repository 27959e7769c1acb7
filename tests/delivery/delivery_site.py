"""An installation whose requests go to the toxic peer, and worker processes to kill."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from open311.config.jurisdiction_file import read_jurisdiction_file
from open311.config.settings import Settings
from open311.http.app import create_app
from open311.operations.installation import Installation
from open311.operations.jurisdictions import apply_jurisdiction
from open311.operations.keys import create_key
from open311.storage import migrate
from open311.storage.database import Database
from open311.storage.group_commit import GroupCommitDatabase
from open311.storage.media import DiskMediaStore
from tests.formats.pictures import small

REPOSITORY = Path(__file__).parents[2]
GENTILLY = REPOSITORY / "fixtures" / "jurisdictions" / "gentilly.fr.toml"
GRADES = ("lookup", "native", "none")
#: Days become seconds: the rules are the same, the waits are short.
FAST = {
    "OPEN311_WORKER_LOOK_S": "0.1",
    "OPEN311_DELIVERY_LEASE_S": "4",
    "OPEN311_DELIVERY_SETTLE_S": "3",
    "OPEN311_DELIVERY_RETRY_S": "0.2",
    "OPEN311_DELIVERY_RETRY_CAP_S": "1",
    "OPEN311_DELIVERY_CIRCUIT_S": "0.03",
    "OPEN311_LOG_LEVEL": "ERROR",
}


class DeliverySite:
    """Gentilly with one destination for each grade, served in this process.

    Args:
        url: of an empty database.
        peer_url: where the toxic peer listens.
    """

    def __init__(
        self, url: str, folder: Path, peer_url: str, grades: tuple[str, ...] = GRADES
    ) -> None:
        self.url, self.folder = url, folder
        opened = GroupCommitDatabase if url.startswith("sqlite") else Database
        self.database = opened(url)
        migrate.upgrade(self.database)
        self._key = self._configure([_destination(grade, peer_url) for grade in grades])
        media = DiskMediaStore(folder / "media")
        self.installation = Installation(self.database, media, public_url="http://open311.test")
        self.client = create_app(Settings(), self.installation).test_client()
        self.environment = worker_environment(folder, url)

    def post(self, *, with_photo: bool = False) -> str:
        """One report; its number."""
        form: dict[str, Any] = {
            "api_key": self._key, "service_code": "proprete", "lat": 48.813, "long": 2.3444,
        }  # fmt: skip
        if with_photo:
            form["media"] = (BytesIO(small("JPEG")), "photo.jpg")
        answer = self.client.post("/open311/gentilly.fr/v2/requests.json", data=form)
        assert answer.status_code == 200, answer.data
        return str(answer.json[0]["service_request_id"])

    def note(self, service_request_id: str, text: str, status: str = "UNCHANGED") -> None:
        """An agent's note, or step."""
        form = {
            "api_key": self._key, "service_request_id": service_request_id,
            "update_id": f"{status}-{service_request_id}", "status": status,
            "updated_datetime": datetime.now(UTC).isoformat(), "description": text,
        }  # fmt: skip
        url = "/open311/gentilly.fr/v2/servicerequestupdates.json"
        answer = self.client.post(url, data=form)
        assert answer.status_code == 200, answer.data

    def states(self) -> dict[tuple[str, str], int]:
        """How many deliveries of each (grade, state)."""
        found = self.database.rows(
            "SELECT destination, state, count(*) FROM delivery GROUP BY destination, state"
        )
        return {(row[0], row[1]): int(row[2]) for row in found}

    def unfinished(self) -> int:
        """What still has to be routed, sent or settled; not what waits for a person's word."""
        found = self.database.first(
            "SELECT (SELECT count(*) FROM outbox WHERE state = 'pending') + "
            "(SELECT count(*) FROM delivery d WHERE state IN ('pending', 'leased') AND NOT EXISTS "
            "(SELECT 1 FROM delivery c WHERE c.destination = d.destination AND c.kind = 'create' "
            "AND c.request_key = d.request_key AND c.state = 'unknown'))"
        )
        assert found is not None
        return int(found[0])

    def keys(self, destination: str, *states: str) -> set[str]:
        """Idempotency keys of the deliveries in these states; all without any."""
        found = self.database.rows(
            "SELECT idempotency_key, state FROM delivery "
            "WHERE destination = :d AND kind = 'create'",
            {"d": destination},
        )
        return {row[0] for row in found if not states or row[1] in states}

    def steps(self, destination: str) -> list[tuple[str, str, str]]:
        """Of each photo and note: `files` or `notes`, its name in the peer, its state."""
        found = self.database.rows(
            "SELECT kind, idempotency_key, state FROM delivery "
            "WHERE destination = :d AND kind IN ('photo', 'comment')",
            {"d": destination},
        )
        return [(*_name_in_peer(kind, key), state) for kind, key, state in found]

    def close(self) -> None:
        self.database.close()

    def _configure(self, destinations: list[dict[str, Any]]) -> str:
        document = read_jurisdiction_file(GENTILLY) | {"destinations": destinations}
        now = datetime.now(UTC).replace(microsecond=0)

        def configure(connection: Any) -> str:
            apply_jurisdiction(connection, document, now=now)
            return create_key(
                connection, label="proof", jurisdictions=["*"],
                rights=["create", "update", "staff"],
                environment="production", now=now,
            )  # fmt: skip

        return self.database.write(configure)


class Workers:
    """Real worker processes, started again when one is killed.

    Attributes:
        kills: how many were killed so far.
    """

    def __init__(self, environment: Mapping[str, str], count: int, log: Path) -> None:
        self._environment = dict(environment)
        self._log = log
        self._running = [self._start() for _ in range(count)]
        self.kills = 0

    def kill(self, pid: int) -> bool:
        """Kill -9 one worker; False when it is not (or no longer) one of ours."""
        for process in self._running:
            if process.pid == pid and process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
                self.kills += 1
                return True
        return False

    def pids(self) -> list[int]:
        return [process.pid for process in self._running if process.poll() is None]

    def revive(self) -> None:
        """Start a new worker for each that is gone."""
        self._running = [
            process if process.poll() is None else self._start() for process in self._running
        ]

    def stop(self) -> list[int]:
        """Ask all to stop; their exit codes."""
        for process in self._running:
            process.send_signal(signal.SIGTERM)
        codes = []
        for process in self._running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            if process.poll() is None:
                process.kill()
            codes.append(process.wait())
        return codes

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-c", "from open311.cli import main; main()", "worker"],
                env=self._environment, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip


@contextlib.contextmanager
def workers_on(site: DeliverySite, count: int) -> Iterator[Workers]:
    workers = Workers(site.environment, count, site.folder / "workers.log")
    try:
        yield workers
    finally:
        workers.stop()


def worker_environment(folder: Path, url: str) -> dict[str, str]:
    """What a worker process needs to find database, code and the adapter's entry point."""
    package = folder / "entry_points" / "toxic-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: toxic\nVersion: 1\n")
    (package / "entry_points.txt").write_text(
        "[open311.adapters]\ntoxic = tests.delivery.toxic_adapter:ToxicAdapter\n"
    )
    inherited = {key: text for key, text in os.environ.items() if not key.startswith("OPEN311")}
    return inherited | FAST | {
        "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{package.parent}",
        "OPEN311_DATABASE_URL": url,
        "OPEN311_MEDIA_URL": str(folder / "media"),
    }  # fmt: skip


def await_(condition: Any, *, guard_s: float) -> bool:
    """Wait for a condition; False when it did not come in time."""
    deadline = time.monotonic() + guard_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _name_in_peer(kind: str, key: str) -> tuple[str, str]:
    if kind == "comment":
        return "notes", key
    _, id_, number = key.rsplit("-", 2)
    return "files", f"{id_}-{number.removeprefix('p')}.jpg"


def _destination(grade: str, peer_url: str) -> dict[str, Any]:
    return {
        "name": grade, "profile": "toxic", "services": [],
        "settings": {"base_url": peer_url, "grade": grade}, "secrets": {},
        "allowed_networks": ["127.0.0.0/8"], "epsg": None, "alert_after_s": 86_400,
        "poll_s": 300,
    }  # fmt: skip
