"""The declared grade, held to by the real worker over the adapter and its tool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import pytest

from open311.adapters.contract import Adapter
from open311.adapters.testing import Tool
from open311.domain.delivery import Idempotency
from open311.operations.delivery import Desk
from tests.conftest import World
from tests.delivery.conftest import Delivering


class WorkerProof:
    """To inherit beside the contract; a database of ours is a part of it."""

    #: Service of Gentilly that the tool takes.
    service_code = "proprete"

    @pytest.fixture
    def engine(self) -> str:
        """One database is enough here: the worker's own tests run on both."""
        return "sqlite"

    @pytest.fixture
    def delivering(
        self, tool: Tool, adapter: Adapter, make_world: Callable[..., World]
    ) -> Delivering:
        world = make_world(destinations=[asdict(tool.destination)])
        desk = Desk(world.installation, "worker-1", world.clock, chance=lambda _, high: high)
        return Delivering(world, adapter, desk, tool.destination.name)  # type: ignore[arg-type]

    def test_after_a_lost_answer_the_worker_does_as_the_grade_says(
        self, tool: Tool, adapter: Adapter, delivering: Delivering
    ) -> None:
        """None: flagged, and never sent again. Look-up: found. Native: sent again, once there."""
        delivering.world.posted_id(service_code=self.service_code, description="Papiers")
        while delivering.route():
            pass
        (create,) = delivering.deliveries()
        tool.lose_the_next_answer()
        delivering.deliver()
        assert len(tool.behind.tickets(create.idempotency_key)) == 1
        delivering.clock.advance(days=2)
        delivering.run()
        assert len(tool.behind.tickets(create.idempotency_key)) == 1
        grade = adapter.capabilities.idempotency
        flagged = grade is Idempotency.NONE
        assert delivering.states()[0] == ("create unknown" if flagged else "create done")
        if grade is Idempotency.LOOKUP:
            assert "found" in delivering.outcomes()
