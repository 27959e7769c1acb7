"""What a server does beside requests, one process of all at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from open311.http.upkeep import Upkeep
from open311.operations.rerender import needs_rerender
from open311.storage.database import Database
from open311.storage.turn import only_process
from tests.conftest import World


@contextmanager
def upkeep(world: World) -> Iterator[Upkeep]:
    thread = Upkeep(world.installation, idempotency_hours=48)
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()


def test_answers_older_than_promised_are_forgotten_and_younger_ones_kept(world: World) -> None:
    world.posted_id(headers={"Idempotency-Key": "old"})
    world.clock.advance(hours=47)
    world.posted_id(headers={"Idempotency-Key": "young"})
    world.clock.advance(hours=2)
    assert world.count("idempotency") == 2
    with upkeep(world):
        wait_until(lambda: world.count("idempotency") == 1)
    assert world.database.first("SELECT claim FROM idempotency") == ("key:young",)


def test_documents_are_rendered_again_at_the_start(world: World) -> None:
    world.posted_id()
    world.installation.public_url = "https://other.example"
    with upkeep(world):
        wait_until(lambda: not needs_rerender(world.installation))


def test_one_process_has_the_turn(database_url: str, engine: str) -> None:
    if engine == "sqlite":
        pytest.skip("SQLite has one server process")
    first, second = Database(database_url), Database(database_url)
    with only_process(first) as ours:
        assert ours
        with only_process(second) as also:
            assert not also
    with only_process(second) as ours:
        assert ours
    first.close()
    second.close()


def test_it_waits_while_another_process_has_the_turn(
    world: World, database_url: str, engine: str
) -> None:
    if engine == "sqlite":
        pytest.skip("SQLite has one server process")
    other = Database(database_url)
    world.installation.public_url = "https://other.example"
    with only_process(other), upkeep(world):
        pass  # it had its first look, was refused, and ended when asked
    assert needs_rerender(world.installation)
    other.close()


def wait_until(condition: object) -> None:
    assert callable(condition)
    waiting = threading.Event()
    for _ in range(3000):  # a hang guard, not a measure
        if condition():
            return
        waiting.wait(0.01)
    raise AssertionError("it never came")
