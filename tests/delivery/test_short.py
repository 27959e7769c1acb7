"""The short form of `make prove-delivery`: real workers, killed; a peer that fails; one ticket."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.delivery.delivery_site import DeliverySite, await_, workers_on
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
