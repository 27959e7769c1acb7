"""A server that is told to stop answers what it has begun."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.acceptance.conftest import LAT, LONG, City, open_city
from tests.durability.load import Client, Target
from tests.postgres import PrivateCluster

pytestmark = pytest.mark.acceptance

SLOW_CLIENTS = 12


@pytest.fixture
def mortal_city(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[City]:
    """A server of one's own, to be stopped."""
    if engine == "sqlite":
        url = f"sqlite:///{tmp_path / 'open311.sqlite3'}"
    else:
        cluster: PrivateCluster = request.getfixturevalue("postgres")
        url = cluster.create_database()
    city = open_city(tmp_path, url, OPEN311_WORKERS="0", OPEN311_THREADS="16")
    yield city
    city.server.kill()


def half_sent(city: City, number: int, closing: ExitStack) -> tuple[socket.socket, bytes]:
    """A POST whose last bytes are held back, and those bytes.

    The server has asked for the body (100 Continue): the request is in its hands.
    """
    form = {"service_code": "proprete", "api_key": city.key, "lat": LAT, "long": LONG}
    body = urlencode(form | {"description": f"Lente {number}"}).encode()
    connection = closing.enter_context(city.connect())
    connection.sendall(
        b"POST /open311/gentilly.fr/v2/requests.json HTTP/1.1\r\nHost: here\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    )
    said = b""
    while not said.endswith(b"\r\n\r\n"):
        said += connection.recv(1)
    assert said.startswith(b"HTTP/1.1 100")
    connection.sendall(body[:-10])
    return connection, body[-10:]


def test_sigterm_answers_twelve_slow_posts_under_way(mortal_city: City) -> None:
    ids = set()
    with ExitStack() as closing:
        slow = [half_sent(mortal_city, number, closing) for number in range(SLOW_CLIENTS)]
        mortal_city.server.signal(signal.SIGTERM)
        _await_deaf(mortal_city)
        for connection, rest in slow:
            connection.sendall(rest)
        for connection, _ in slow:
            answer = b"".join(iter(lambda reading=connection: reading.recv(65536), b""))
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), answer
            ids.add(json.loads(body)[0]["service_request_id"])
    assert mortal_city.server.ended() == 0
    assert len(ids) == SLOW_CLIENTS

    mortal_city.server.start()  # what was promised is still there
    target = Target("gentilly.fr", mortal_city.key, "proprete", LAT, LONG)
    with Client(mortal_city.base, target) as reader:
        found = [reader.read(each) for each in ids]
    assert {each["description"] for each in found if each} == {
        f"Lente {number}" for number in range(SLOW_CLIENTS)
    }


def _await_deaf(city: City) -> None:
    """Until nobody listens any more: the stop is under way."""
    while True:
        try:
            city.connect().close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:  # it stopped listening while we knocked
            continue
