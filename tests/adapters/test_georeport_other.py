"""The contract to a GeoReport v2 server of others, by a FAKE written from the specification."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from open311.adapters.testing import (
    AdapterContract,
    FakeTool,
    Handler,
    Held,
    HttpContract,
    Reply,
    Request,
    Seen,
    Tool,
    faulty_proxy,
    running_fake,
)
from open311.domain.delivery import Destination
from open311.domain.hops import ORIGIN_HEADER
from open311.domain.status import Stage
from tests.adapters.tickets import LOOPBACK
from tests.adapters.worker_proof import WorkerProof

KEY = "k" * 20


class FakeServer(FakeTool):
    """A FAKE of a GeoReport v2 server without any extension.

    It ignores the header of origins, by which the test alone tells tickets apart.
    """

    text_fields = ("description",)
    first_status = "open"

    def refuse(self, request: Request) -> Reply | None:
        if request.method == "GET" or request.form().get("api_key") == KEY:
            return None
        return Reply(403, [{"code": 403, "description": "wrong api_key"}])

    def routes(self) -> list[tuple[str, str, Handler]]:
        return [
            ("GET", "/v2/services.json", lambda _: Reply(200, [{"service_code": "1"}])),
            ("POST", "/v2/requests.json", self._create),
            ("GET", "/v2/requests/([0-9]+).json", self._read),
        ]

    def tickets(self, key: str) -> list[Seen]:
        server_id, _, id_ = key.rpartition("-")
        with self.lock:
            return [
                Seen(each.id, each.fields["description"], each.status)
                for each in self.held.values()
                if _names(each.fields["origin"], server_id, id_)
            ]

    def _create(self, request: Request) -> Reply:
        held = self.hold(request.form() | {"origin": request.headers[ORIGIN_HEADER]})
        return Reply(201, [{"service_request_id": held.id, "service_notice": ""}])

    def _read(self, _: Request, id_: str) -> Reply:
        held: Held = self.held[id_]
        return Reply(200, [{"service_request_id": id_, "status": held.status}])


def _names(hop: str, server_id: str, id_: str) -> bool:
    return hop.startswith(f"{server_id}/") and hop.endswith(f"/{id_}")


@pytest.fixture(scope="module")
def tool() -> Iterator[Tool]:
    behind = FakeServer()
    with running_fake(behind) as url, faulty_proxy(url) as proxy:
        yield Tool(
            destination=Destination(
                "ailleurs",
                "georeport-other",
                settings={"base_url": f"{proxy.url}/v2", "jurisdiction_id": "ville.example"},
                secrets={"api_key": "env:PEER_KEY"},
                allowed_networks=LOOPBACK,
            ),
            environment={"PEER_KEY": KEY},
            behind=behind,
            proxy=proxy,
            create="POST /v2/requests.json",
            moves=("closed", Stage.DONE),
            unmapped="archived by the vendor",
            patience_s=1.5,
        )


class TestAServerOfOthers(AdapterContract, HttpContract, WorkerProof):
    """Every clause of the contract, grade none."""

    profile = "georeport-other"
