"""A ring of three servers, or of three jurisdictions of one: it ends, and statuses follow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.delivery.peers import EVERY_WAY, connected, has_status, quiet, until

pytestmark = pytest.mark.acceptance


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
