"""Clients that hold connections open keep nobody else waiting (H12, H13)."""

from __future__ import annotations

import contextlib
import json
import socket

import pytest

from tests.nginx.front import Front, read_answer, request

pytestmark = pytest.mark.acceptance

HALF_OPEN = 200
HEAD = request(
    "POST",
    "/open311/gentilly.fr/v2/requests.json",
    "Content-Type: application/x-www-form-urlencoded",
    "Content-Length: 1000",
)


@pytest.fixture
def crowd() -> contextlib.ExitStack:
    """Whoever is in it leaves at the end."""
    return contextlib.ExitStack()


def begun(front: Front, crowd: contextlib.ExitStack, sent: bytes) -> list[socket.socket]:
    """Many connections on which a request was begun."""
    connections = [crowd.enter_context(front.connect()) for _ in range(HALF_OPEN)]
    for connection in connections:
        connection.sendall(sent)
    return connections


def healthy(front: Front) -> int:
    """How many of twenty who ask are answered."""
    return sum(front.get("/healthz").status == 200 for _ in range(20))


def test_two_hundred_half_sent_headers_and_bodies_hold_nobody_up(
    front: Front, crowd: contextlib.ExitStack
) -> None:
    with crowd:
        heads = begun(front, crowd, HEAD[:60])
        bodies = begun(front, crowd, HEAD + b"service_code=")
        assert healthy(front) == 20
        for connection in bodies:
            answer = read_answer(connection)
            assert answer.status == 408
            assert json.loads(answer.body)[0]["code"] == 408
        for connection in heads:
            with contextlib.suppress(ConnectionResetError):  # closed is closed
                assert connection.recv(1) == b""
        assert healthy(front) == 20


def test_two_hundred_who_never_read_hold_nobody_up(
    front: Front, crowd: contextlib.ExitStack
) -> None:
    asked = request("GET", "/open311/gentilly.fr/v2/services.json").replace(b"close", b"keep-alive")
    with crowd:
        begun(front, crowd, asked * 20)
        assert healthy(front) == 20
