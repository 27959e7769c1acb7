"""What workers agree on through the database: the time, hints, and what a restore forgets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from open311.domain.delivery import Idempotency
from open311.storage import hints
from open311.storage.database import Database
from open311.storage.delivery_records import all_may_have_arrived
from open311.storage.shared_clock import SharedClock
from tests.delivery.conftest import Delivering
from tests.postgres import PrivateCluster

Make = Callable[..., Delivering]


@pytest.fixture
def on_postgresql(postgres: PrivateCluster) -> Iterator[Database]:
    database = Database(postgres.create_database(template="migrated"))
    yield database
    database.close()


def test_workers_with_wrong_clocks_share_the_databases_time(on_postgresql: Database) -> None:
    """On SQLite all workers are on one machine."""
    database = on_postgresql
    wrong = SharedClock(database, lambda: datetime.now(UTC) + timedelta(days=400))
    right = SharedClock(database, lambda: datetime.now(UTC))
    assert abs(wrong() - right()) <= timedelta(seconds=1)
    assert wrong() <= wrong()


def test_a_hint_wakes_those_who_listen(on_postgresql: Database) -> None:
    database = on_postgresql
    stopping, woken = threading.Event(), threading.Event()
    listener = threading.Thread(target=hints.listen, args=(database, stopping, woken.set))
    listener.start()
    try:
        while not woken.is_set():  # until the listener is there; a hang guard ends the test
            database.write(hints.give_hint)
            woken.wait(0.2)
    finally:
        stopping.set()
        listener.join()


@pytest.mark.parametrize(("grade", "states"), [
    (Idempotency.LOOKUP, ["create done", "create done"]),
    (Idempotency.NONE, ["create unknown", "create unknown"]),
])  # fmt: skip
def test_after_a_restore_nothing_is_sent_blindly(
    make_delivering: Make, grade: Idempotency, states: list[str]
) -> None:
    """One delivery waited when the backup was made, one event was not even routed."""
    delivering = make_delivering(grade)
    delivering.world.posted_id()
    delivering.route()
    delivering.world.posted_id()
    delivering.database.write(lambda c: all_may_have_arrived(c, delivering.clock()))
    delivering.clock.advance(minutes=5)
    delivering.run()
    delivering.clock.advance(minutes=5)
    delivering.run()
    assert sorted(delivering.states()) == states
    first = [said.split()[0] for said in delivering.tool.said][:1]
    assert first == (["lookup"] if grade is Idempotency.LOOKUP else [])
