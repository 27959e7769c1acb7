"""The short form of `make prove-delivery`: real workers, killed; a peer that fails; one ticket."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.delivery.delivery_site import GRADES, DeliverySite, await_, workers_on
from tests.delivery.prove import run
from tests.delivery.toxic_peer import ToxicPeer
from tests.postgres import PrivateCluster

pytestmark = pytest.mark.acceptance


@pytest.fixture
def empty_url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if engine == "sqlite":
        return f"sqlite:///{tmp_path / 'open311.sqlite3'}"
    cluster: PrivateCluster = request.getfixturevalue("postgres")
    return cluster.create_database()


def test_every_ticket_arrives_once_or_somebody_knows(empty_url: str, tmp_path: Path) -> None:
    findings = run(empty_url, tmp_path, workers=2, tickets=24, kills=4, seed=11)
    assert findings.faults == []
    assert findings.is_good(tickets=24, kills=4)


def test_a_photo_and_a_note_whose_answers_were_lost_are_there_once(
    empty_url: str, tmp_path: Path
) -> None:
    """Reset after commit: found, dropped by the tool, or shown to a person; the rest goes on."""
    with ToxicPeer() as peer:
        peer.healthy = True
        for grade in GRADES:
            for what in ("files", "notes"):
                peer.forced[f"/{grade}/tickets/1/{what}"] = "reset after"
        site = DeliverySite(empty_url, tmp_path, peer.url)
        try:
            id_ = site.post(with_photo=True)
            site.note(id_, "Toujours là.")
            site.note(id_, "Réparé.", status="FIXED")
            with workers_on(site, 1):
                assert await_(lambda: site.unfinished() == 0, guard_s=60)
            for grade in GRADES:
                end = "unknown" if grade == "none" else "done"
                assert [state for _, _, state in site.steps(grade)] == [end, end]
                assert sorted(peer.added(grade, "files").values()) == [1]
                assert sorted(peer.added(grade, "notes").values()) == [1, 1]
            assert peer.forced == {}
            found = site.database.rows("SELECT state FROM delivery WHERE kind = 'status'")
            assert [row[0] for row in found] == ["done"] * 3
        finally:
            site.close()


def test_a_worker_that_is_told_to_stop_finishes_its_call_and_leaves_no_lease(
    empty_url: str, tmp_path: Path
) -> None:
    with ToxicPeer(toxics={"late answer": 1}) as peer:
        site = DeliverySite(empty_url, tmp_path, peer.url, ("native",))
        try:
            for _ in range(3):
                site.post()
            with workers_on(site, 1) as workers:
                arrived = []
                peer.on_call = lambda moment, pid: arrived.append(moment)
                assert await_(lambda: arrived, guard_s=30)
                started = time.monotonic()
                assert workers.stop() == [0]
                assert time.monotonic() - started < 20
            found = site.database.rows("SELECT count(*) FROM delivery WHERE state = 'leased'")
            assert found[0][0] == 0
        finally:
            site.close()
