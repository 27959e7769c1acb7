"""Servers and jurisdictions that pass on to each other: one ticket, no loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.delivery.peers import EVERY_WAY, connected, has_status, one, quiet, until

pytestmark = pytest.mark.acceptance


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
