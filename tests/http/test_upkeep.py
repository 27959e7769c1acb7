"""What a server does beside requests, one process of all at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from open311.http.upkeep import Upkeep
from open311.operations.keys import LONGEST_SAME_BODY_WINDOW_S, create_key
from open311.operations.rerender import needs_rerender
from open311.storage.database import Database
from open311.storage.turn import only_process
from tests.conftest import World, age_photos


@contextmanager
def upkeep(world: World, idempotency_hours: int = 48) -> Iterator[Upkeep]:
    thread = Upkeep(world.installation, idempotency_hours=idempotency_hours)
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


def test_each_kind_of_claim_is_forgotten_after_its_own_life(world: World) -> None:
    """An identical body may be the same report for a day, though answers are kept for an hour."""
    wide = _wide_key(world)
    for hours, name in ((0, "old"), (12, "day"), (11, "young")):
        world.clock.advance(hours=hours)
        world.posted_id(api_key=wide, description=name, headers={"Idempotency-Key": name})
    world.clock.advance(hours=1)
    assert world.count("idempotency") == 6
    with upkeep(world, idempotency_hours=1):
        wait_until(lambda: world.count("idempotency") == 4)
    kept = [claim for (claim,) in world.database.rows("SELECT claim FROM idempotency")]
    assert sorted(claim.partition(":")[0] for claim in kept) == ["body", "body", "body", "key"]
    world.clock.advance(hours=1)
    with upkeep(world, idempotency_hours=1):
        wait_until(lambda: world.count("idempotency") == 2)


def test_photos_are_swept_an_hour_after_the_start_and_not_at_once(
    world: World, tmp_path: Path
) -> None:
    """Who serves a wrong place can still see it."""
    orphan = world.media.put(b"orphan", suffix=".jpg")
    age_photos(tmp_path / "media", days=30)
    thread = Upkeep(world.installation, idempotency_hours=48)
    thread._take_turn()
    assert world.media.exists(orphan)
    thread._next_sweep -= 3600
    thread._take_turn()
    assert not world.media.exists(orphan)


def _wide_key(world: World) -> str:
    return world.database.write(
        lambda connection: create_key(
            connection,
            label="wide",
            jurisdictions=["*"],
            rights=["create"],
            environment="production",
            now=world.clock.now,
            same_body_window_s=LONGEST_SAME_BODY_WINDOW_S,
        )
    )


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
