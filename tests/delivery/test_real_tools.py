"""From a citizen's POST to a ticket in real software, and back: Roundup, django-helpdesk."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from open311.adapters.registry import make_adapter
from open311.adapters.testing.faulty_proxy import cut_after, status
from open311.adapters.testing.harness import Tool
from open311.domain.retry import Pace
from open311.operations.delivery import Desk
from open311.operations.polling import Poll, poll_destination
from open311.operations.routing import ticket_key
from open311.storage import outbox, sql
from tests.adapters.test_helpdesk import tool as helpdesk
from tests.adapters.test_roundup import tool as roundup
from tests.conftest import FIXTURES, Clock, World
from tests.delivery.conftest import Delivering, destination_document

__all__ = ["helpdesk", "roundup"]  # fixtures of the module: each tool is started once

PHOTO = FIXTURES / "photos" / "nid-de-poule.jpg"


@pytest.fixture(params=["roundup", "helpdesk"])
def tool(request: pytest.FixtureRequest) -> Tool:
    found: Tool = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def served(
    tool: Tool,
    make_world: Callable[..., World],
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Delivering]:
    """Gentilly, whose destination is the real tool; the clock is the tool's, a minute late."""
    for name, value in tool.environment.items():
        monkeypatch.setenv(name, value)
    clock.now = datetime.now(UTC) - timedelta(minutes=1)
    told = tool.destination
    document = destination_document(
        name=told.name,
        profile=told.profile,
        settings=told.settings,
        secrets=told.secrets,
        allowed_networks=list(told.allowed_networks),
    )
    world = make_world(destinations=[document])
    _be_another_server(world)
    desk = Desk(world.installation, "worker-1", clock, Pace(), lambda _, high: high)
    adapter = make_adapter(told)
    yield Delivering(world, adapter, desk, told.name)
    adapter.close()
    assert tool.proxy is not None
    tool.proxy.calm()


def _be_another_server(world: World) -> None:
    """Databases of the tests are copies of one, and the tool outlives each of them."""
    statement, own_id = "UPDATE installation SET server_id = :id", f"s{secrets.token_hex(5)}"
    world.database.write(lambda connection: sql.execute(connection, statement, {"id": own_id}))


def look(served: Delivering) -> None:
    """The worker looks at what changed in the tool."""
    poll = Poll(served.desk, served.side, served.destination, served.tool)
    poll_destination(poll, at_once=True)


def key_of(served: Delivering) -> str:
    """What the ticket of the only request carries."""
    installation = served.world.installation
    request_id = served.deliveries()[0].service_request_id
    return ticket_key(outbox.server_id(installation.database), request_id)


def test_a_report_with_its_photo_becomes_one_ticket_and_its_end_comes_back(
    served: Delivering, tool: Tool
) -> None:
    look(served)  # where the feed begins
    with PHOTO.open("rb") as photo:
        id_ = served.world.posted_id(description="Tag sur la façade de l’école", media=photo)
    served.run()
    assert sorted(served.states()) == ["create done", "photo done"]
    (seen,) = tool.behind.tickets(key_of(served))
    assert "Tag sur la façade de l’école" in seen.text
    assert seen.files == (f"{id_}-1.jpg",)
    tool.behind.move(seen.ticket_id, tool.moves[0])
    served.clock.now = datetime.now(UTC)
    look(served)
    look(served)
    public = served.public(id_, extensions="true")
    assert public["status"] == "closed"
    assert public["extended_attributes"]["detailed_status"] == "PROCESSED"


def test_a_lost_answer_makes_no_second_ticket(served: Delivering, tool: Tool) -> None:
    assert tool.proxy is not None
    served.world.posted_id()
    tool.proxy.fail(cut_after, at=tool.create)
    served.run()
    assert "create done" not in served.states()
    served.clock.advance(hours=1)
    served.run()
    assert served.states() == ["create done"]
    assert len(tool.behind.tickets(key_of(served))) == 1


def test_a_tool_in_trouble_gets_its_ticket_when_it_is_well_again(
    served: Delivering, tool: Tool
) -> None:
    assert tool.proxy is not None
    served.world.posted_id()
    tool.proxy.fail(status(503, Retry_After="60"), at=tool.create, times=2)
    for _ in range(3):
        served.run()
        served.clock.advance(hours=2)
    assert served.states() == ["create done"]
    assert len(tool.behind.tickets(key_of(served))) == 1
