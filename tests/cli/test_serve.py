"""`open311 serve` as a real process: when it starts, how it ends, what it survives."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

import pytest

from open311.formats.public_documents import RENDERER_VERSION
from open311.storage import catalogue
from open311.storage.database import Database
from tests.cli.running import GUARD_S, Running
from tests.cli.worlds import make_site
from tests.postgres import PrivateCluster

pytestmark = pytest.mark.acceptance

FORM = {"service_code": "proprete", "lat": "48.8130", "long": "2.3444", "description": "Été"}


@pytest.fixture
def site(migrated_sqlite: Path, tmp_path: Path) -> tuple[str, str]:
    """The URL of a database with Gentilly, and a key."""
    path = tmp_path / "open311.sqlite3"
    path.write_bytes(migrated_sqlite.read_bytes())
    url = f"sqlite:///{path}"
    return url, make_site(url)


@pytest.fixture
def server(site: tuple[str, str], tmp_path: Path) -> Iterator[Running]:
    with Running("serve", "--port", "0", folder=tmp_path, OPEN311_DATABASE_URL=site[0]) as running:
        running.await_line("BASE")
        yield running


def address(server: Running) -> tuple[str, int]:
    parts = urlsplit(server.said["BASE"])
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


def post(server: Running, key: str) -> str:
    form = FORM | {"api_key": key}
    url = f"{server.said['BASE']}/requests.json?jurisdiction_id=gentilly.fr"
    with urlopen(url, data=urlencode(form).encode(), timeout=30) as response:
        return str(json.loads(response.read())[0]["service_request_id"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_slow_post_under_way_is_answered_before_the_server_ends(
    server: Running, site: tuple[str, str], number: int
) -> None:
    body = urlencode(FORM | {"api_key": site[1]}).encode()
    with socket.create_connection(address(server), timeout=30) as slow:
        head = (
            "POST /open311/gentilly.fr/v2/requests.json HTTP/1.1\r\nHost: here\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        slow.sendall(head.encode() + body[:20])
        post(server, site[1])  # by now the server has met the slow one
        os.kill(server.process.pid, number)
        refused = False
        while not refused:  # until nobody listens any more: the stop is under way
            try:
                socket.create_connection(address(server), timeout=5).close()
            except ConnectionError:
                refused = True
        slow.sendall(body[20:])
        answer = b"".join(iter(lambda: slow.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert server.ends() == 0
    id_ = json.loads(answer.partition(b"\r\n\r\n")[2])[0]["service_request_id"]
    database = Database(site[0])
    found = database.first(
        "SELECT description FROM service_request WHERE service_request_id = :id", {"id": int(id_)}
    )
    database.close()
    assert found == ("Été",)


def test_a_stopped_server_leaves_one_whole_file(server: Running, site: tuple[str, str]) -> None:
    post(server, site[1])
    folder = Path(site[0].removeprefix("sqlite:///")).parent
    assert (folder / "open311.sqlite3-wal").exists()
    os.kill(server.process.pid, signal.SIGTERM)
    assert server.ends() == 0
    assert not (folder / "open311.sqlite3-wal").exists()


def test_several_workers_share_a_postgresql(postgres: PrivateCluster, tmp_path: Path) -> None:
    url = postgres.create_database(template="migrated")
    key = make_site(url)
    options = ("serve", "--port", "0", "--workers", "2", "--threads", "2")
    with Running(*options, folder=tmp_path, OPEN311_DATABASE_URL=url) as running:
        running.await_line("BASE")
        running.wait_until(lambda: len(running.workers) == 2)
        assert len({post(running, key) for _ in range(6)}) == 6
        os.kill(running.process.pid, signal.SIGTERM)
        assert running.ends() == 0
    postgres.drop_database(url.rsplit("/", 1)[1])


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"OPEN311_HOST": "0.0.0.0"}, "--naked"),
        ({"OPEN311_MEDIA_URL": "ftp://x"}, "OPEN311_MEDIA_URL"),
        ({"OPEN311_MEDIA_URL": "/dev/null/media"}, "/dev/null/media ne peut pas être ouvert"),
        ({"OPEN311_DATABASE_URL": "sqlite:////dev/null/x"}, "pas de base de données ici"),
        ({"OPEN311_DATABASE_URL": f"sqlite:///{__file__}"}, "n'est pas une base SQLite"),
        ({"OPEN311_WORKERS": "3"}, "SQLite n'admet qu'un processus"),
        ({"OPEN311_PORT": "eighty"}, "OPEN311_PORT"),
    ],
)
def test_it_refuses_to_start_with_a_reason(
    site: tuple[str, str], tmp_path: Path, environment: dict[str, str], said: str
) -> None:
    environment = {"OPEN311_DATABASE_URL": site[0]} | environment
    with Running("serve", folder=tmp_path, **environment) as running:
        assert running.ends() == 1
        assert said in running.log.read_text()
        assert "Traceback" not in running.log.read_text()


def test_durability_given_up_on_purpose_is_said_loudly(
    site: tuple[str, str], tmp_path: Path
) -> None:
    environment = {"OPEN311_DATABASE_URL": site[0], "OPEN311_SQLITE_SYNCHRONOUS": "NORMAL"}
    with Running("serve", "--port", "0", folder=tmp_path, **environment) as running:
        running.await_line("BASE")
        assert "PERDRA" in running.log.read_text()


def test_a_worker_that_dies_is_replaced(server: Running, site: tuple[str, str]) -> None:
    (first,) = server.workers
    os.kill(first, signal.SIGKILL)
    server.wait_until(lambda: server.workers - {first} and _answers(server))
    assert int(post(server, site[1])) > 0
    os.kill(server.process.pid, signal.SIGTERM)
    assert server.ends() == 0


def test_workers_do_not_outlive_their_parent(server: Running) -> None:
    (worker,) = server.workers
    server.process.kill()
    server.wait_until(lambda: not Path(f"/proc/{worker}").exists())


def test_it_refuses_a_port_that_is_taken(
    server: Running, migrated_sqlite: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.sqlite3"
    other.write_bytes(migrated_sqlite.read_bytes())
    port, url = str(address(server)[1]), f"sqlite:///{other}"
    with Running("serve", "--port", port, folder=tmp_path, OPEN311_DATABASE_URL=url) as second:
        assert second.ends() == 1
        assert "prenez un autre port" in second.log.read_text()
    assert _answers(server)


def test_documents_follow_a_new_public_address(site: tuple[str, str], tmp_path: Path) -> None:
    environment = {"OPEN311_DATABASE_URL": site[0]}
    database = Database(site[0])
    for url in ("https://a.example", "https://b.example/base"):
        with Running(
            "serve", "--port", "0", folder=tmp_path, OPEN311_PUBLIC_URL=url, **environment
        ) as running:
            running.await_line("BASE")
            wanted = f"{RENDERER_VERSION} {url}"
            running.wait_until(lambda wanted=wanted: catalogue.rendered_for(database) == wanted)
            os.kill(running.process.pid, signal.SIGTERM)
            assert running.ends() == 0
    database.close()


def _answers(server: Running) -> bool:
    healthz = server.said["BASE"].replace("/open311/v2", "/healthz")
    with contextlib.suppress(OSError), urlopen(healthz) as response:
        return bool(response.status == 200)
    return False


def _worker_of(server: Running) -> int | None:
    """The process id of the worker that a server started."""
    for pid in _children(server.process.pid):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"worker\0--with-parent\0"):
                return pid
    return None


def _children(pid: int) -> list[int]:
    """Children of every thread: the one that starts the worker is not the first."""
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in found for child in path.read_text().split()]


@pytest.mark.parametrize(
    "command", [("serve", "--with-worker"), ("demo", "--reports", "0")], ids=str
)
def test_a_worker_beside_a_server_is_replaced_when_it_dies_and_ends_with_it(
    command: tuple[str, ...], site: tuple[str, str], tmp_path: Path
) -> None:
    started = [*command, "--port", "0"]
    with Running(*started, folder=tmp_path, OPEN311_DATABASE_URL=site[0]) as server:
        server.await_line("BASE")
        server.wait_until(lambda: _worker_of(server))
        first = _worker_of(server)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        server.wait_until(lambda: _worker_of(server) not in (None, first))
        second = _worker_of(server)
        os.kill(server.process.pid, signal.SIGTERM)
        assert server.ends() == 0
        assert not Path(f"/proc/{second}").exists()


def test_a_worker_does_not_outlive_a_server_that_is_killed(
    site: tuple[str, str], tmp_path: Path
) -> None:
    with Running(
        "serve", "--with-worker", "--port", "0", folder=tmp_path, OPEN311_DATABASE_URL=site[0]
    ) as server:
        server.await_line("BASE")
        server.wait_until(lambda: _worker_of(server))
        orphan = Path(f"/proc/{_worker_of(server)}/cmdline")
        server.process.kill()
        deadline = time.monotonic() + GUARD_S
        while orphan.exists() and orphan.read_bytes() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not (orphan.exists() and orphan.read_bytes())
