"""Servers of ours that pass requests on: no loop, one ticket, statuses and notes follow."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.peers import Peer, connected, until

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


def test_two_servers_that_pass_on_to_each_other(tmp_path: Path) -> None:
    with connected(tmp_path, {"a": "b", "b": "a"}) as peers:
        a, b = peers["a"], peers["b"]
        id_a = a.post(title="Gravats", email="citoyen@example.org")
        there = one(b)
        assert there["description"] == "Gravats"
        assert quiet([a, b]) == [[("create", "done")], []]
        assert [len(peer.shown()) for peer in (a, b)] == [1, 1]
        found = b.database.first("SELECT count(*) FROM reporter WHERE email IS NOT NULL")
        assert found is not None
        assert found[0] == 0

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
                assert peer.notes().count(note) == 1, (peer.server_id, peer.notes())
            assert len(peer.shown()) == 1


def test_a_ring_of_three_makes_one_request_of_each(tmp_path: Path) -> None:
    with connected(tmp_path, {"a": "b", "b": "c", "c": "a"}) as peers:
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
