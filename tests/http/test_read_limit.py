"""A read that costs too much is ended by the engine, told as 503, and harms nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from open311.domain.errors import TooCostly
from open311.storage import sql
from open311.storage.database import Database
from open311.storage.group_commit import GroupCommitDatabase
from open311.storage.sql import Parameters, Row
from tests.conftest import World, spark
from tests.schemas.conftest import refused_by

_COUNT = "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number{until}) "
_ENDLESS = _COUNT.format(until="") + "SELECT count(*) FROM number"
_LONG = _COUNT.format(until=" WHERE n < 1000000") + "SELECT max(n) FROM number"
#: Eight words that are almost found at every letter of a text that ends with them.
_COSTLY = " ".join("z" * 20 + last for last in "abcdefgh")
_TEXT = {"text": "z" * 2000 + _COSTLY}


@pytest.fixture
def database(database_url: str, engine: str) -> Iterator[Database]:
    """As the server opens it, with a tenth of a second for each read."""
    opened = GroupCommitDatabase if engine == "sqlite" else Database
    database = opened(database_url, read_limit_s=0.1)
    yield database
    database.close()


def test_an_endless_query_is_ended_once_and_its_connection_kept(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []
    read = database._read

    def counted(text: str, parameters: Parameters) -> list[Row]:
        tries.append(text)
        return read(text, parameters)

    assert database.first("SELECT 1") == (1,)
    cursor = database._held.cursor
    monkeypatch.setattr(database, "_read", counted)
    for _ in range(2):
        with pytest.raises(TooCostly):
            database.rows(_ENDLESS)
    assert len(tries) == 2
    assert database._held.cursor is cursor
    assert database.first("SELECT 1") == (1,)


def test_writes_and_the_looks_of_commands_have_the_time_they_need(database: Database) -> None:
    with database.connect() as connection:
        assert sql.first(connection, _LONG) == (1_000_000,)
    assert database.write(lambda connection: sql.first(connection, _LONG)) == (1_000_000,)


def test_a_command_reads_without_limit(database_url: str) -> None:
    database = Database(database_url)
    assert database.first(_LONG) == (1_000_000,)
    database.close()


@pytest.mark.parametrize("suffix", ["xml", "json"])
def test_a_costly_search_is_told_as_503_and_the_next_list_is_served(
    make_world: Callable[..., World], suffix: str
) -> None:
    world = make_world()
    world.posted_id()
    _multiply_the_document(world, 2000)
    response = world.get(f"/requests.{suffix}", q=_COSTLY)
    assert response.status_code == 503, response.get_data(as_text=True)[:300]
    assert not refused_by("errors", suffix, response.data)
    assert "trop de travail" in spark(response.data, suffix)[0]["description"]
    assert int(response.headers["Retry-After"]) > 0
    english = world.get(f"/requests.{suffix}", q=_COSTLY, locale="en")
    assert "too much work" in spark(english.data, suffix)[0]["description"]
    assert world.get(f"/requests.{suffix}", page_size="2").status_code == 200


def _multiply_the_document(world: World, times: int) -> None:
    """Copies of the one request and its document, each with a long text to search through."""
    new = {
        "request_key": "old.request_key + n",
        "service_request_id": "old.service_request_id + n",
        "search_text": ":text",
    }
    for table in ("service_request", "public_document"):
        columns = [column.name for column in sql.table_of(table).columns]
        values = ", ".join(new.get(name, f"old.{name}") for name in columns)
        copied = (
            f"INSERT INTO {table} ({', '.join(columns)}) "
            + _COUNT.format(until=f" WHERE n < {times}")
            + f"SELECT {values} FROM {table} old, number"
        )

        world.database.write(lambda connection, sent=copied: sql.execute(connection, sent, _TEXT))
