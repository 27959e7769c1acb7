"""Of all copies of a database one delivers: the one that a person named."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from open311.operations import copies as desk_of_copies
from open311.operations.alerts import troubles_of
from open311.operations.copies import hold_restored, settle_in, take_over
from open311.storage import copies
from open311.storage.database import Database
from open311.worker import Worker
from tests.delivery.conftest import NAME, Delivering
from tests.delivery.delivery_site import await_

Make = Callable[..., Delivering]


@contextmanager
def working(delivering: Delivering) -> Iterator[None]:
    """A real worker, with the fake tool."""
    worker = Worker(
        delivering.world.installation,
        delivering.desk,
        look_s=0.02,
        make=lambda _: delivering.tool,
    )
    stopping = threading.Event()

    def work() -> None:
        worker.run(stopping)
        delivering.database.end_thread()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        worker.stop_soon()
        thread.join()


def routed(delivering: Delivering) -> bool:
    return bool(delivering.deliveries())


def test_a_restored_database_speaks_to_no_tool_until_somebody_says_so(
    delivering: Delivering,
) -> None:
    delivering.world.posted_id()
    delivering.database.write(lambda c: hold_restored(c, "2026-11-15", delivering.clock()))
    delivering.world.posted_id()  # it may be served all the same
    with working(delivering):
        assert await_(lambda: len(delivering.deliveries()) == 2, guard_s=20)
        assert delivering.tool.said == []
        found = troubles_of(delivering.world.installation, delivering.clock())[NAME]
        assert [trouble.kind for trouble in found] == ["held"]
        assert "take-over" in found[0].sentence
        assert take_over(delivering.database)
        assert await_(lambda: len(delivering.tool.tickets) == 1, guard_s=20)
        delivering.clock.advance(minutes=5)
        assert await_(lambda: delivering.states() == ["create done"] * 2, guard_s=20)
    first, second = sorted(each.split()[0] for each in delivering.tool.said[:2])
    assert (first, second) in {("create", "lookup"), ("create", "create")}
    assert sum(said.startswith("lookup") for said in delivering.tool.said) == 1
    assert not take_over(delivering.database)


def test_a_copy_made_by_other_means_is_held_at_its_first_worker(delivering: Delivering) -> None:
    database, now = delivering.database, delivering.clock()
    assert settle_in(database, now) is None
    assert settle_in(database, now) is None  # the same place again, a restart
    delivering.world.posted_id()
    delivering.route()
    database.write(lambda c: copies.let_go(c, "another place"))
    assert "copie" in (settle_in(database, now) or "")
    assert [each.sent_datetime for each in delivering.deliveries()] == [now]
    assert settle_in(database, now) is not None
    with working(delivering):
        assert delivering.tool.said == []
    assert take_over(database)
    assert settle_in(database, now) is None
    assert desk_of_copies.held_sentence(database) is None


def test_every_copy_has_a_home_of_its_own(delivering: Delivering, tmp_path: Path) -> None:
    """On PostgreSQL a copy is another database, and a replica that takes over is not."""
    own = copies.home_of(delivering.database)
    assert own
    assert copies.home_of(delivering.database) == own
    if delivering.database.engine.dialect.name != "sqlite":
        found = delivering.database.first("SELECT oid FROM pg_database WHERE datname = 'postgres'")
        assert found is not None
        assert own.rpartition("/")[2] != str(found[0])
        return
    path = Path(str(delivering.database.engine.url.database))
    copy = Database(f"sqlite:///{shutil.copy(path, tmp_path / 'copy.sqlite3')}")
    moved = Database(f"sqlite:///{path.rename(tmp_path / 'moved.sqlite3')}")
    assert copies.home_of(copy) != own
    assert copies.home_of(moved) == own
    moved.engine.dispose()


def test_a_postgresql_that_hides_its_number_is_served_all_the_same(
    delivering: Delivering,
) -> None:
    """As hosters do: the real refusal, of a role that owns nothing."""
    database, now = delivering.database, delivering.clock()
    if database.dialect == "sqlite":
        pytest.skip("a file has nobody to hide its number")
    with database.begin() as connection:
        for statement in (
            "DROP ROLE IF EXISTS plain",
            "CREATE ROLE plain LOGIN PASSWORD 'plain'",
            "GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO plain",
            "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC",
        ):
            connection.exec_driver_sql(statement)
    url = database.engine.url.set(username="plain", password="plain")
    plain = Database(url.render_as_string(hide_password=False))
    try:
        assert copies.home_of(plain) is None
        assert settle_in(plain, now) is None
    finally:
        plain.close()
        with database.begin() as connection:
            for statement in (
                "GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC",
                "DROP OWNED BY plain",
                "DROP ROLE plain",
            ):
                connection.exec_driver_sql(statement)


@pytest.mark.parametrize("sees", [True, False])
def test_a_place_that_cannot_be_told_holds_nothing(
    delivering: Delivering, monkeypatch: pytest.MonkeyPatch, sees: bool
) -> None:
    if not sees:
        monkeypatch.setattr(copies, "home_of", lambda _: None)
        delivering.database.write(lambda c: copies.let_go(c, "another place"))
    assert settle_in(delivering.database, delivering.clock()) is None
