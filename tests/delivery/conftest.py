"""Gentilly with one destination, and a worker's desk moved by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from open311.domain.delivery import Destination, Idempotency
from open311.domain.retry import Pace
from open311.operations.delivery import Desk, deliver_next
from open311.operations.installation import Side
from open311.operations.routing import route_events
from open311.storage.database import Database
from open311.storage.deliveries import StoredDelivery
from open311.storage.delivery_records import DeliveryFilter, attempts_of, list_deliveries
from tests.conftest import Clock, World
from tests.delivery.fake_tool import FakeTool
from tests.postgres import PrivateCluster

NAME = "gentilly-gmao"


def destination_document(**changes: Any) -> dict[str, Any]:
    document = {
        "name": NAME, "profile": "fake", "services": [], "settings": {"own_account": "open311"},
        "secrets": {}, "allowed_networks": [], "epsg": None, "alert_after_s": 86_400, "poll_s": 300,
    }  # fmt: skip
    return document | changes


@dataclass
class Delivering:
    """A world with a destination and its tool, driven step by step."""

    world: World
    tool: FakeTool
    desk: Desk
    name: str = NAME

    @property
    def side(self) -> Side:
        return self.world.side()

    @property
    def destination(self) -> Destination:
        return next(d for d in self.side.jurisdiction.destinations if d.name == self.name)

    @property
    def clock(self) -> Clock:
        return self.world.clock

    @property
    def database(self) -> Database:
        return self.world.database

    def route(self) -> int:
        return route_events(self.world.installation, now=self.clock())

    def deliver(self) -> bool:
        return deliver_next(self.desk, self.side, self.destination, self.tool)

    def run(self) -> None:
        """Route and deliver all that is due now."""
        while self.route():
            pass
        while self.deliver():
            pass

    def deliveries(self, **wanted: Any) -> list[StoredDelivery]:
        with self.database.connect() as connection:
            return list_deliveries(connection, DeliveryFilter(**wanted))

    def states(self) -> list[str]:
        return [f"{each.kind} {each.state}" for each in self.deliveries()]

    def outcomes(self) -> list[str]:
        with self.database.connect() as connection:
            return [
                attempt.outcome
                for each in self.deliveries()
                for attempt in attempts_of(connection, each.delivery_key)
            ]

    def public(self, id_: str, **query: str) -> dict[str, Any]:
        answer = self.world.get(f"/requests/{id_}.json", **query)
        found: dict[str, Any] = json.loads(answer.data)[0]
        return found


@pytest.fixture
def make_delivering(make_world: Callable[..., World], clock: Clock) -> Callable[..., Delivering]:
    """Build one; keyword arguments change the destination, or name what its tool can."""

    def make(
        idempotency: Idempotency = Idempotency.LOOKUP,
        can: dict[str, bool] | None = None,
        more: tuple[dict[str, Any], ...] = (),
        jurisdiction: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Delivering:
        declared = [destination_document(**changes), *more]
        world = make_world(destinations=declared, **(jurisdiction or {}))
        desk = Desk(world.installation, "worker-1", clock, Pace(), lambda _, high: high)
        return Delivering(world, FakeTool(idempotency, **(can or {})), desk)

    return make


@pytest.fixture
def delivering(make_delivering: Callable[..., Delivering]) -> Delivering:
    return make_delivering()


@pytest.fixture
def new_url(engine: str, request: pytest.FixtureRequest) -> Callable[[], str | None]:
    """The URL of an empty database of the engine; None stands for a SQLite file."""
    if engine == "sqlite":
        return lambda: None
    cluster: PrivateCluster = request.getfixturevalue("postgres")
    return cluster.create_database
