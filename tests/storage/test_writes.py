"""Many writers at once: each is answered for his own work, after the commit that holds it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from open311.domain.errors import NotAllowed, Unavailable
from open311.storage import sql
from open311.storage.database import Database, unsafe_durability

_ADD = "UPDATE installation SET cursor_epoch = cursor_epoch + 1 RETURNING cursor_epoch"


def _add(connection: Connection) -> int:
    found = sql.first(connection, _ADD)
    assert found is not None
    return int(found[0])


def _refuse_after_adding(connection: Connection) -> int:
    _add(connection)
    raise NotAllowed("non")


def _all_at_once(works: list[Callable[[], Any]]) -> list[Any]:
    results: list[Any] = [None] * len(works)
    start = threading.Barrier(len(works))

    def run(number: int) -> None:
        start.wait()
        try:
            results[number] = works[number]()
        except NotAllowed as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def _epoch(database: Database) -> int:
    found = database.first("SELECT cursor_epoch FROM installation")
    assert found is not None
    return int(found[0])


def test_what_one_refuses_does_not_touch_the_others(database: Database) -> None:
    works: list[Callable[[], Any]] = [
        lambda: database.write(_add),
        lambda: database.write(_refuse_after_adding),
    ] * 40
    results = _all_at_once(works)
    kept = sorted(result for result in results if isinstance(result, int))
    assert kept == list(range(1, 41))
    assert sum(isinstance(result, NotAllowed) for result in results) == 40
    assert _epoch(database) == 40


def test_a_queue_longer_than_one_group_is_served_to_the_last(database: Database) -> None:
    if database.dialect != "sqlite":
        pytest.skip("groups are SQLite's; PostgreSQL commits for itself")
    results = _all_at_once([lambda: database.write(_add)] * 150)
    assert sorted(results) == list(range(1, 151))


def test_whoever_waits_is_served_though_the_one_who_leads_is_interrupted(
    database: Database,
) -> None:
    begun, others_wait, results = threading.Event(), threading.Event(), []

    def interrupted(connection: Connection) -> int:
        begun.set()
        others_wait.wait(60)
        raise KeyboardInterrupt

    def lead() -> None:
        with pytest.raises(KeyboardInterrupt):
            database.write(interrupted)

    leader = threading.Thread(target=lead)
    leader.start()
    assert begun.wait(60)
    waiting = [
        threading.Thread(target=lambda: results.append(database.write(_add)), daemon=True)
        for _ in range(3)
    ]
    for thread in waiting:
        thread.start()
    others_wait.set()
    for thread in (leader, *waiting):
        thread.join(60)
    assert sorted(results) == [1, 2, 3]


def test_an_answer_comes_after_the_commit_that_holds_it(
    database: Database, database_url: str
) -> None:
    database.write(_add)
    other = Database(database_url)
    assert _epoch(other) == 1
    other.close()


def test_a_full_database_is_told_as_unavailable_and_works_again_with_room(
    database: Database,
) -> None:
    if database.dialect != "sqlite":
        pytest.skip("PostgreSQL has no limit of pages to set")

    def overfill(connection: Connection) -> None:
        sql.execute(connection, "PRAGMA max_page_count = 1")  # the size it has now
        row = {"text": "x" * 1_000_000}
        sql.execute(connection, "UPDATE installation SET rendered_for = :text", row)

    def make_room(connection: Connection) -> int:
        sql.execute(connection, "PRAGMA max_page_count = 1000000")
        return _add(connection)

    with pytest.raises(Unavailable) as refused:
        database.write(overfill)
    assert isinstance(refused.value.__cause__, sqlite3.OperationalError)
    assert database.write(make_room) == 1


def test_a_restarted_postgresql_is_found_again_without_an_error(
    database: Database, postgres: Any
) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no server to restart")
    database.write(_add)
    assert _epoch(database) == 1
    postgres.stop()
    postgres.start()
    assert database.write(_add) == 2
    assert _epoch(database) == 2


def test_a_write_waits_for_a_lock_only_as_long_as_it_is_told(
    database: Database, database_url: str
) -> None:
    hasty = Database(database_url, lock_wait_s=0.1)
    with database.begin() as holder:
        _add(holder)
        with pytest.raises(Unavailable):
            hasty.write(_add)
    assert hasty.write(_add) == 2
    hasty.close()


def test_durability_is_read_back_from_the_engine(database: Database, database_url: str) -> None:
    assert unsafe_durability(database) is None
    if database.dialect == "sqlite":
        weak = Database(database_url, synchronous="NORMAL")
        assert "synchronous=1" in str(unsafe_durability(weak))
        weak.close()


def test_a_reader_finds_a_restarted_postgresql_again_whatever_the_pool_holds(
    database: Database, postgres: Any
) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no server to restart")
    assert _epoch(database) == 0
    pooled = [database.engine.connect() for _ in range(3)]
    for each in pooled:
        each.close()  # back to the pool, where they die with the server
    postgres.stop()
    postgres.start()
    assert _epoch(database) == 0
