"""What the record of attempts tells, and what it must not: canaries of persons and secrets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from open311.adapters.contract import Adapter
from open311.adapters.registry import make_adapter
from open311.domain.delivery import DeliveryState, Exchange, OutcomeUnknown, Throughput, ToolRefused
from open311.domain.status import Stage
from open311.operations import delivery_desk
from open311.operations.delivery import deliver_next
from open311.operations.follow_up import Step, erase_request, take_step
from open311.storage import deliveries
from tests.conftest import PUBLIC_URL
from tests.delivery.conftest import Delivering
from tests.delivery.test_leases import claim

Make = Callable[..., Delivering]
EMAIL, PHONE, SECRET = "canary.ada@example.org", "06 12 34 56 78", "canary-secret-0042"
CITIZEN = {
    "email": EMAIL, "phone": PHONE, "first_name": "Adalberte", "last_name": "Canarivet",
    "device_id": "canary-device", "account_id": "canary-account",
}  # fmt: skip
CANARIES = ("canary.ada", "612345678", "6 12 34 56 78", "6.12.34.56.78", "canary-", "Canarivet",
            "Adalberte", "canary%2Eada", "canary.ada%40")  # fmt: skip

PROFILE = """
format = 1
name = "essai"
version = "1"
kind = "rest"
title = "Outil d'essai"
idempotency = "lookup"
frame = "wgs84"
[tried]
untried = "Tout : cet outil est une imitation pour les tests."
[attachments]
mode = "none"
[settings]
token = { label = "jeton", secret = true, required = true }
[auth]
scheme = "header"
name = "X-Token"
value = "{settings.token}"
[privacy]
reporter_fields = ["email", "phone"]
[operations.probe]
method = "GET"
path = "/version"
[operations.create]
method = "POST"
path = "/tickets"
body = "json"
error = "error"
fields = [
  { to = "key", from = "key" },
  { to = "mail", from = "reporter.email" },
  { to = "phone", from = "reporter.phone", transforms = ["phone_fr"] },
]
answer = { ticket_id = "id" }
[operations.lookup]
method = "GET"
path = "/tickets"
items = "found"
query = [{ to = "key", from = "key" }]
answer = { ticket_id = "id", key = "key" }
"""


class Parrot(BaseHTTPRequestHandler):
    """A FAKE tool that repeats whatever it is told, in every answer; `ends`: their statuses."""

    ends: list[int]
    heard: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        token = self.headers["X-Token"]
        self.heard.append(f"{body} {token}")
        said = json.loads(body)
        error = f"refusé : {said} (+33 6.12.34.56.78, {token})"
        self._answer(self.ends.pop(0), {"id": 7, "error": error, **said})

    def do_GET(self) -> None:
        self._answer(200, {"found": [], "last": self.heard, "tél": "+33612345678"})

    def _answer(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Silent."""


@pytest.fixture
def parrot() -> Iterator[ThreadingHTTPServer]:
    Parrot.ends, Parrot.heard = [500, 422, 201], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def everything_kept(delivering: Delivering) -> str:
    """Whatever the delivery keeps of requests, as one text."""
    tables = ("delivery", "delivery_attempt", "destination_state", "ticket", "inbox_event")
    return "\n".join(
        repr([tuple(row) for row in delivering.database.rows(f"SELECT * FROM {table}")])
        for table in tables
    )


def test_no_person_and_no_secret_is_in_the_record_whatever_the_tool_repeats(
    make_delivering: Make,
    parrot: ThreadingHTTPServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The profile sends them on purpose: the tool has them, the record does not."""
    monkeypatch.setenv("CANARY", SECRET)
    (tmp_path / "essai.toml").write_text(PROFILE, "utf-8")
    delivering = make_delivering(
        profile=str(tmp_path / "essai.toml"),
        settings={"base_url": f"http://127.0.0.1:{parrot.server_address[1]}"},
        secrets={"token": "env:CANARY"},
        allowed_networks=["127.0.0.0/8"],
    )
    adapter = make_adapter(delivering.destination)
    delivering.world.posted_id(**CITIZEN)
    delivering.route()
    for _ in range(3):  # lost, refused, made
        while deliver(delivering, adapter):
            delivering.clock.advance(hours=1)
        for each in delivering.deliveries(state=DeliveryState.DEAD):
            delivering.database.write(
                lambda c, key=each.delivery_key: delivery_desk.replay(
                    c, delivery_desk.DeliveryFilter(delivery_key=key), delivering.clock()
                )
            )
        delivering.clock.advance(hours=1)
    adapter.close()
    assert delivering.states() == ["create done"]
    assert [EMAIL in each and SECRET in each for each in Parrot.heard] == [True] * 3
    kept = everything_kept(delivering)
    assert "POST" in kept
    assert "refusé" in kept
    for canary in CANARIES:
        assert canary not in kept, canary


def test_a_profile_says_how_much_its_tool_bears(
    make_delivering: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a destination of its own mind is asked first."""
    monkeypatch.setenv("CANARY", SECRET)
    limited = PROFILE.replace("[auth]", "[transport]\nmax_per_minute = 30\n[auth]")
    (tmp_path / "essai.toml").write_text(limited, "utf-8")
    destination = make_delivering(
        profile=str(tmp_path / "essai.toml"),
        settings={"base_url": "http://127.0.0.1:9"},
        secrets={"token": "env:CANARY"},
        allowed_networks=["127.0.0.0/8"],
        max_at_once=2,
    ).destination
    throughput = make_adapter(destination).capabilities.throughput
    assert throughput.under(destination.throughput) == Throughput(at_once=2, per_minute=30)


def deliver(delivering: Delivering, adapter: Adapter) -> bool:
    return deliver_next(delivering.desk, delivering.side, delivering.destination, adapter)


@pytest.mark.parametrize("error", [ToolRefused, OutcomeUnknown, RuntimeError])
def test_an_adapter_that_masks_nothing_leaks_nothing_of_the_reporter(
    delivering: Delivering, error: type[Exception]
) -> None:
    told = f"{EMAIL} / {PHONE} / 0612345678 / Canarivet"

    def create(_: object) -> Any:
        if error is RuntimeError:
            raise RuntimeError(told)
        raise error(told, exchange=Exchange(told, told, 422))  # type: ignore[call-arg]

    delivering.tool.create = create  # type: ignore[method-assign]
    delivering.world.posted_id(**CITIZEN)
    delivering.run()
    kept = everything_kept(delivering)
    assert ("•••" in kept) is (error is not RuntimeError)  # its words stay in the log
    for canary in CANARIES:
        assert canary not in kept, canary


def test_an_erasure_leaves_no_words_even_of_what_is_being_sent(delivering: Delivering) -> None:
    world = delivering.world
    id_ = int(world.posted_id(description="Chez Mme Untel"))
    slow = delivering.tool.create

    def create_slowly(ticket: Any) -> Any:
        erase_request(
            world.database, world.media, world.side(), id_, public_url=PUBLIC_URL, now=world.clock()
        )
        slow(ticket)
        raise ToolRefused("Mme Untel ?", exchange=Exchange("Chez Mme Untel", "Mme Untel"))

    delivering.tool.create = create_slowly  # type: ignore[method-assign]
    delivering.run()
    assert "Untel" not in everything_kept(delivering)
    assert delivering.outcomes() == ["refused"]


def test_an_erasure_empties_what_every_step_carries(delivering: Delivering) -> None:
    world = delivering.world
    id_ = int(world.posted_id())
    step(delivering, id_, Step(note="Chez Mme Untel"))
    delivering.run()
    erase_request(
        world.database, world.media, world.side(), id_, public_url=PUBLIC_URL, now=world.clock()
    )
    assert [each.payload for each in delivering.deliveries()] == [{}, {}]
    assert "Untel" not in everything_kept(delivering)


# What a person expects of a step that came while nobody knew whether there is a ticket


def step(delivering: Delivering, id_: int, taken: Step) -> None:
    delivering.database.write(
        lambda c: take_step(
            c, delivering.side, id_, taken, public_url=PUBLIC_URL, now=delivering.clock()
        )
    )


@pytest.mark.parametrize("mood", ["refused", "lost"])
def test_a_status_waits_for_what_becomes_of_the_ticket(make_delivering: Make, mood: str) -> None:
    from open311.domain.delivery import Idempotency

    delivering = make_delivering(Idempotency.NONE)
    id_ = int(delivering.world.posted_id())
    delivering.tool.moods.append(mood)
    delivering.run()
    step(delivering, id_, Step(stage=Stage.DONE, note="Fait"))
    delivering.clock.advance(days=8)
    delivering.run()
    (create, status) = delivering.deliveries()
    assert status.state is DeliveryState.PENDING
    assert len(delivering.tool.said) == 1
    delivering.database.write(
        lambda c: delivery_desk.resolve(
            c, create.delivery_key, delivering.clock(), arrived=True, ticket_id="T77"
        )
    )
    delivering.run()
    assert delivering.tool.said[-1] == "status T77 done Fait"
    assert delivering.states() == ["create done", "status done"]


@pytest.mark.parametrize("mood", ["refused", "lost"])
def test_an_abandoned_ticket_takes_its_steps_with_it_those_to_come_too(
    make_delivering: Make, mood: str
) -> None:
    from open311.domain.delivery import Idempotency

    delivering = make_delivering(Idempotency.NONE)
    id_ = int(delivering.world.posted_id())
    delivering.tool.moods.append(mood)
    delivering.run()
    step(delivering, id_, Step(note="Routée avant"))
    delivering.run()
    step(delivering, id_, Step(note="Pas encore routée"))
    key = delivering.deliveries()[0].delivery_key
    delivering.database.write(lambda c: delivery_desk.abandon(c, key, delivering.clock()))
    step(delivering, id_, Step(note="Après"))
    delivering.run()
    assert delivering.states() == ["create cancelled", "comment cancelled"]
    assert len(delivering.tool.said) == 1


def test_a_half_open_circuit_is_tried_by_one_of_all_workers(delivering: Delivering) -> None:
    for _ in range(8):
        delivering.world.posted_id()
    delivering.tool.moods.extend(["unreachable"] * 5)
    delivering.run()
    delivering.clock.advance(hours=7)
    found = [claim(delivering, f"worker-{number}") for number in range(3)]
    assert [each is not None for each in found] == [True, False, False]
    first = found[0]
    assert first is not None
    delivering.clock.advance(seconds=delivering.desk.pace.lease_s + 1)  # the prober was killed
    found = [claim(delivering, f"worker-{number}") for number in range(3)]
    assert [each is not None for each in found] == [True, False, False]


def test_two_workers_never_hold_the_same_step(delivering: Delivering) -> None:
    """On PostgreSQL the second passes over what the first is about to take."""
    for _ in range(2):
        delivering.world.posted_id()
    delivering.route()
    if delivering.database.engine.dialect.name == "sqlite":
        found = [claim(delivering, name) for name in ("a", "b")]
    else:
        moments: dict[str, Any] = {"now": delivering.clock(), "lease_s": 60.0}
        database = delivering.database
        with database.engine.begin() as one, database.engine.begin() as other:
            found = [
                deliveries.claim(connection, delivering.name, name, **moments)
                for connection, name in ((one, "a"), (other, "b"))
            ]
    keys = [each.delivery_key for each in found if each is not None]
    assert len(set(keys)) == 2
