"""Signed webhooks to a real HTTP server that checks them with the reference library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from standardwebhooks import Webhook

from open311.adapters.contract import Adapter
from open311.adapters.profile import ProfileFaults
from open311.adapters.registry import make_adapter
from open311.domain.delivery import (
    Destination,
    Idempotency,
    ToolBusy,
    ToolRefused,
    ToolUnauthorized,
    ToolUnreachable,
)
from tests.adapters.tickets import LOOPBACK, ticket

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I="
OLD = "whsec_" + "YXV0cmUtYXV0cmUtYXV0cmUtYXV0cmUtYXV0cmUtYXU="


@dataclass
class Receiver:
    """What was received, each checked; `answers` are given first, then 204."""

    url: str
    answers: list[int] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            Webhook(SECRET).verify(body, headers)
            found.events.append(json.loads(body))
            found.ids.append(headers["webhook-id"])
            self.send_response(found.answers.pop(0) if found.answers else 204)
            self.send_header("Retry-After", "9")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    found = Receiver(f"http://127.0.0.1:{server.server_address[1]}/hook")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def adapter_for(receiver: Receiver, **settings: str) -> Adapter:
    return make_adapter(
        Destination(
            name="observatoire",
            profile="webhook",
            allowed_networks=LOOPBACK,
            settings={"base_url": receiver.url, **settings},
            secrets={"secret": "env:WEBHOOK_SECRET"},
        )
    )


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)


def test_a_thin_event_holds_ids_and_a_link_and_nothing_of_the_citizen(receiver: Receiver) -> None:
    adapter = adapter_for(receiver, reporter_fields="email")
    receipt = adapter.create(ticket())
    assert receipt.ticket_id == "12"
    [event] = receiver.events
    assert event["type"] == "service_request.created"
    assert event["timestamp"] == "2026-11-16T09:30:00+00:00"
    assert event["data"]["service_request_id"] == "12"
    assert set(event["data"]) == {
        "key", "service_request_id", "jurisdiction_id", "service_code", "stage", "public_url"
    }  # fmt: skip
    adapter.comment(ticket(), receipt, "mon nom est Blé", "k-u1")
    assert "Blé" not in json.dumps(receiver.events, ensure_ascii=False)


def test_a_full_event_tells_the_reporter_only_where_let(receiver: Receiver) -> None:
    adapter_for(receiver, payload="full").create(ticket())
    adapter_for(receiver, payload="full", reporter_fields="email").create(ticket())
    silent, told = (event["data"] for event in receiver.events)
    assert silent["description"] == ticket().description
    assert not any(name.startswith("reporter") for name in silent)
    assert told["reporter.email"] == "a.b@example.org"
    assert "reporter.last_name" not in told


def test_a_repeat_has_the_same_id_and_steps_have_their_own(receiver: Receiver) -> None:
    adapter = adapter_for(receiver)
    assert adapter.capabilities.idempotency is Idempotency.NATIVE
    receipt = adapter.create(ticket())
    adapter.create(ticket())
    adapter.comment(ticket(), receipt, "a", "k-u1")
    adapter.comment(ticket(), receipt, "a", "k-u1")
    adapter.set_status(ticket(), receipt, "done", None)
    assert receiver.ids[0] == receiver.ids[1] == ticket().key
    assert receiver.ids[2] == receiver.ids[3]
    assert len(set(receiver.ids)) == 3
    assert receiver.events[-1]["data"]["stage"] == "done"


def test_both_secrets_sign_during_a_rotation(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", f"{OLD} {SECRET}")
    adapter_for(receiver).create(ticket())
    assert len(receiver.events) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, ToolBusy),
        (502, ToolBusy),
        (429, ToolBusy),
        (400, ToolRefused),
        (404, ToolRefused),
        (401, ToolUnauthorized),
        (410, ToolUnauthorized),
        (302, ToolUnauthorized),
    ],
)
def test_what_the_receiver_answers_decides_what_follows(
    receiver: Receiver, status: int, error: type[Exception]
) -> None:
    receiver.answers = [status]
    with pytest.raises(error) as raised:
        adapter_for(receiver).create(ticket())
    assert type(raised.value) is error
    if error is ToolBusy:
        assert raised.value.retry_after_s == 9  # type: ignore[attr-defined]


def test_a_private_address_that_is_not_allowed_is_not_reached(receiver: Receiver) -> None:
    destination = Destination(
        "x",
        "webhook",
        settings={"base_url": receiver.url},
        secrets={"secret": "env:WEBHOOK_SECRET"},
    )
    with pytest.raises(ToolUnreachable, match="allowed_networks"):
        make_adapter(destination).create(ticket())
    assert receiver.events == []


@pytest.mark.parametrize("secret", ["court", "whsec_AAAA", "whsec_é"])
def test_a_weak_secret_is_refused(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", secret)
    with pytest.raises(ProfileFaults, match=r"secrets\.secret"):
        adapter_for(receiver)


def test_probe_and_preview(receiver: Receiver) -> None:
    adapter = adapter_for(receiver)
    assert "service_request.created" in adapter.preview(ticket())
    assert receiver.events == []
    assert "204" in adapter.probe()
    assert receiver.events[0]["type"] == "open311.probe"
