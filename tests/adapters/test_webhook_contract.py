"""The contract by signed events, to a receiver that checks and folds them as it should."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from open311.adapters.contract import Adapter
from open311.adapters.testing import AdapterContract, Case, HttpContract, Seen, Tool, a_ticket
from open311.adapters.testing.cases import MEANINGLESS, proves
from open311.adapters.testing.contract import the_ticket
from open311.adapters.testing.faulty_proxy import faulty_proxy
from open311.adapters.testing.fixtures import SetClock
from open311.domain.delivery import Destination, ToolUnauthorized
from open311.domain.status import Stage
from tests.adapters.tickets import LOOPBACK
from tests.adapters.worker_proof import WorkerProof

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I="


class Receiver:
    """Keeps each event once, by its id, as Standard Webhooks asks of every receiver."""

    def __init__(self) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def take(self, headers: dict[str, str], body: bytes) -> int:
        try:
            Webhook(SECRET).verify(body, headers)
        except WebhookVerificationError:
            return 401
        with self._lock:
            self.events.setdefault(headers["webhook-id"], json.loads(body))
        return 200

    def tickets(self, key: str) -> list[Seen]:
        with self._lock:
            all_ = [event for event in self.events.values() if event["data"].get("key") == key]
        later = [event["data"] for event in all_ if event["type"] != "service_request.created"]
        notes = tuple(data["note"] for data in later if "note" in data)
        return [
            Seen(
                event["data"]["service_request_id"],
                json.dumps(event, ensure_ascii=False),
                later[-1]["stage"] if later else event["data"]["stage"],
                notes,
            )
            for event in all_
            if event["type"] == "service_request.created"
        ]

    def move(self, ticket_id: str, word: str) -> None:
        raise AssertionError("an address tells nothing back")


class _Door(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver: Receiver = self.server.receiver  # type: ignore[attr-defined]
        code = receiver.take(headers, body)
        self.send_response(code)
        self.send_header("Content-Length", "12")
        self.end_headers()
        self.wfile.write(b'{"ok": true}')

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture(scope="module")
def tool() -> Iterator[Tool]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Door)
    behind = server.receiver = Receiver()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    with faulty_proxy(f"http://127.0.0.1:{server.server_address[1]}") as proxy:
        yield Tool(
            destination=Destination(
                "observatoire",
                "webhook",
                allowed_networks=LOOPBACK,
                settings={"base_url": f"{proxy.url}/hook", "payload": "full"},
                secrets={"secret": "env:WEBHOOK_SECRET"},
            ),
            environment={"WEBHOOK_SECRET": SECRET},
            behind=behind,
            proxy=proxy,
            create="POST /hook",
            comment="POST /hook",
            moves=("", None),
            ours=(Stage.DONE, "done"),
            takes_any_stage=True,
            patience_s=1.5,
        )
    server.shutdown()
    thread.join(10)
    server.server_close()


class TestWebhook(AdapterContract, HttpContract, WorkerProof):
    """Every clause of the contract, grade native."""

    profile = "webhook"
    meaningless = MEANINGLESS["webhook"]
    repeats_are_safe = True

    @proves(Case.CLOCK_SKEW)
    @pytest.mark.parametrize("hours", [-5, 5])
    def test_a_wrong_clock_of_ours_loses_no_ticket_and_no_change(
        self, tool: Tool, adapter: Adapter, set_clock: SetClock, hours: int
    ) -> None:
        """A signature of another hour is refused: the destination stops until it is right."""
        ticket = a_ticket()
        set_clock(hours)
        with pytest.raises(ToolUnauthorized):
            adapter.create(ticket)
        assert tool.behind.tickets(ticket.key) == []
        set_clock(0)
        adapter.create(ticket)
        the_ticket(tool, ticket)
