"""Servers and jurisdictions that pass requests on: no loop, one ticket, statuses follow."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.peers import Peer, connected, until
from tests.postgres import PrivateCluster

pytestmark = pytest.mark.acceptance


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


EVERY_WAY = pytest.mark.parametrize(
    "one_server", [False, True], ids=["servers of their own", "jurisdictions of one server"]
)


@pytest.fixture
def new_url(engine: str, request: pytest.FixtureRequest) -> Callable[[], str | None]:
    """The URL of an empty database of the engine; None stands for a SQLite file."""
    if engine == "sqlite":
        return lambda: None
    cluster: PrivateCluster = request.getfixturevalue("postgres")
    return cluster.create_database


@EVERY_WAY
def test_two_that_pass_on_to_each_other(
    tmp_path: Path, new_url: Callable[[], str | None], one_server: bool
) -> None:
    ways = {"a": "b", "b": "a"}
    with connected(tmp_path, ways, one_server=one_server, new_url=new_url) as peers:
        a, b = peers["a"], peers["b"]
        id_a = a.post(title="Gravats", email="citoyen@example.org")
        there = one(b)
        assert there["description"] == "Gravats"
        assert quiet([a, b]) == [[("create", "done")], []]
        assert [len(peer.shown()) for peer in (a, b)] == [1, 1]
        found = b.database.rows(
            "SELECT request_key & 1099511627775 FROM reporter WHERE email IS NOT NULL"
        )
        assert there["service_request_id"] not in [str(row[0]) for row in found]

        b.move(there["service_request_id"], "ACTION_SCHEDULED", "Passage mardi.", 1)
        until(lambda: "Passage mardi." in a.notes() or None)
        b.move(there["service_request_id"], "FIXED", "Enlevé.", 2)
        until(lambda: has_status(a, "closed") or None)
        [row] = a.shown()
        assert row["status_notes"] == "Enlevé."
        assert row["service_request_id"] == id_a

        a.move(id_a, "UNCHANGED", "Merci beaucoup", 3)
        until(lambda: "Merci beaucoup" in b.notes() or None)
        assert quiet([a, b])[1] == []
        for peer in (a, b):
            for note in ("Passage mardi.", "Enlevé.", "Merci beaucoup"):
                assert peer.notes().count(note) == 1, (peer.place, peer.notes())
            assert len(peer.shown()) == 1


@EVERY_WAY
def test_a_ring_of_three_makes_one_request_of_each(
    tmp_path: Path, new_url: Callable[[], str | None], one_server: bool
) -> None:
    ways = {"a": "b", "b": "c", "c": "a"}
    with connected(tmp_path, ways, one_server=one_server, new_url=new_url) as peers:
        a, b, c = (peers[name] for name in "abc")
        a.post()
        until(lambda: c.shown() or None)
        assert quiet([a, b, c]) == [[("create", "done")], [("create", "done")], []]
        assert [len(peer.shown()) for peer in (a, b, c)] == [1, 1, 1]

        c.move(c.shown()[0]["service_request_id"], "FIXED", "Fait par C.", 1)
        until(lambda: has_status(a, "closed") or None)
        assert quiet([a, b, c])[2] == []
        for peer in (a, b, c):
            assert peer.notes().count("Fait par C.") == 1
            assert has_status(peer, "closed")
