"""How long a delivery, and its destination, wait when the tool itself asks for patience."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from open311.domain.delivery import Idempotency, ToolBusy
from open311.domain.retry import Pace
from open311.operations.verdicts import Circuit, verdict_on
from open311.storage import destinations
from tests.delivery.conftest import Delivering

Make = Callable[..., Delivering]


def test_a_term_of_nothing_is_our_own_wait_and_opens_the_circuit(delivering: Delivering) -> None:
    """A tool that says `Retry-After: 0` for days is tried as seldom as one that is down."""
    first, second = delivering.world.posted_id(), delivering.world.posted_id()
    delivering.desk = replace(delivering.desk, chance=lambda low, high: low)
    delivering.tool.moods.extend(["busy 0"] * 200)
    delivering.run()
    assert delivering.tool.said == [f"create {first}", f"create {second}"]  # each once, no loop
    delivering.desk = replace(delivering.desk, chance=lambda _, high: high)
    for _ in range(3):
        delivering.clock.advance(hours=7)
        delivering.run()
    waits = {each.not_before - delivering.clock.now for each in delivering.deliveries()}
    assert max(waits) >= timedelta(seconds=30 * 2**3)
    with delivering.database.connect() as connection:
        state = destinations.find_state(connection, delivering.name)
    assert state.failures >= 5
    assert state.opened_until is not None
    assert state.opened_until > delivering.clock.now


@pytest.mark.parametrize(
    ("asked_s", "failures", "wait_s", "circuit", "rest_s"),
    [
        (0, 1, 30, Circuit.FAULT, None),
        (0.5, 4, 240, Circuit.FAULT, None),
        (1, 1, 30, Circuit.SILENT, 1),
        (90, 1, 90, Circuit.SILENT, 90),
        (90, 6, 960, Circuit.SILENT, 90),
        (10**9, 1, 86_400, Circuit.SILENT, 86_400),
    ],
)
def test_a_delivery_waits_for_the_longer_of_both_and_the_others_as_asked(
    asked_s: float, failures: int, wait_s: float, circuit: Circuit, rest_s: float | None
) -> None:
    error = ToolBusy("429", retry_after_s=asked_s)
    verdict = verdict_on(
        error, Idempotency.NONE, failures=failures, pace=Pace(), chance=lambda _, high: high
    )
    rest = None if rest_s is None else timedelta(seconds=rest_s)
    assert verdict.wait == timedelta(seconds=wait_s)
    assert (verdict.circuit, verdict.rest, verdict.counted) == (circuit, rest, True)


def test_a_number_to_come_keeps_nobody_else_waiting(make_delivering: Make) -> None:
    delivering = make_delivering(Idempotency.NATIVE)
    first, second, third = (delivering.world.posted_id() for _ in range(3))
    delivering.tool.moods.append("number to come")
    delivering.run()
    assert delivering.tool.said == [f"create {each}" for each in (first, second, third)]
    assert delivering.states() == ["create pending", "create done", "create done"]
    delivering.clock.advance(seconds=29)
    delivering.run()
    assert len(delivering.tool.said) == 3
    delivering.clock.advance(seconds=1)
    delivering.run()
    assert delivering.states() == ["create done"] * 3


def test_a_number_to_come_shows_that_the_tool_is_well_again(make_delivering: Make) -> None:
    delivering = make_delivering(Idempotency.NATIVE)
    for _ in range(5):
        delivering.world.posted_id()
    delivering.tool.moods.extend(["unreachable"] * 5)
    delivering.run()
    delivering.tool.moods.append("number to come")
    delivering.clock.advance(minutes=1)
    delivering.run()
    assert delivering.states() == ["create pending", *["create done"] * 4]
