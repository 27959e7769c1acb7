"""What the server remembers of questions is bounded, whatever is asked."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable

import pytest
from werkzeug.test import EnvironBuilder

from tests.conftest import World

_BASE = "/open311/gentilly.fr/v2"
_MANY_IDS = ",".join(str(number) for number in range(1000, 2500))


def held_after(world: World, path: str, queries: Iterable[str]) -> int:
    """Bytes that stay in memory after these questions; no client that remembers URLs."""
    environ = EnvironBuilder(path=f"{_BASE}{path}").get_environ()

    def ask(query: str) -> None:
        told: list[str] = []
        asked = environ | {"QUERY_STRING": query}
        answer = world.app(asked, lambda status, *_: told.append(status))  # type: ignore[arg-type, return-value]
        b"".join(answer)
        assert told == ["200 OK"]

    ask("first=1")
    tracemalloc.start()
    for query in queries:
        ask(query)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held


@pytest.mark.parametrize(
    ("path", "query"),
    [("/requests.json", f"service_request_id={_MANY_IDS}"), ("/services.json", "x=" + "y" * 8000)],
)
def test_long_questions_are_not_remembered(world: World, path: str, query: str) -> None:
    """Two thousand of them would hold hundreds of megabytes in each process."""
    held = held_after(world, path, (f"{query}&n={number}" for number in range(40)))
    assert held < 40 * 4_000


def test_a_catalogue_asked_in_many_ways_is_kept_within_bounds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("open311.http.fast_lane._MAX_KEPT_BYTES", 20_000)
    size = len(world.get("/services.json").data)
    held = held_after(world, "/services.json", (f"n={number}" for number in range(200)))
    assert held < 200 * size
