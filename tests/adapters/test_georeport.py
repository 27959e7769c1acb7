"""GeoReport peers: the contract against our own server, and other servers' ways.

The server is the real one, in this process, behind a failing proxy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from open311.adapters.contract import Adapter
from open311.adapters.registry import make_adapter
from open311.adapters.testing import AdapterContract, HttpContract, Seen, Tool
from open311.adapters.testing.fake_server import FakeTool, Handler, Reply, Request, running_fake
from open311.adapters.testing.faulty_proxy import faulty_proxy
from open311.config.jurisdiction_file import read_jurisdiction_file
from open311.config.settings import Settings
from open311.domain.delivery import (
    Destination,
    Idempotency,
    OutcomeUnknown,
    ToolBusy,
    ToolRefused,
)
from open311.domain.status import STAGE_OF_UPDATE, Stage
from open311.http.app import create_app
from open311.operations.follow_up import Step, take_step
from open311.operations.installation import Installation
from open311.operations.keys import create_key
from open311.storage import catalogue, migrate, origins, requests
from open311.storage.group_commit import GroupCommitDatabase
from open311.storage.media import DiskMediaStore
from tests.adapters.tickets import LOOPBACK, ticket
from tests.adapters.worker_proof import WorkerProof

GENTILLY = Path(__file__).parents[2] / "fixtures" / "jurisdictions" / "gentilly.fr.toml"


class _Silent(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        """Say nothing."""


class Peer:
    """Our own server as its agents use it."""

    def __init__(self, folder: Path) -> None:
        path = folder / "open311.sqlite3"
        self.database = GroupCommitDatabase(f"sqlite:///{path}")
        migrate.upgrade(self.database)
        now = datetime.now(UTC)

        def prepare(connection: Any) -> str:
            document = read_jurisdiction_file(GENTILLY)
            catalogue.put_jurisdiction(connection, "gentilly.fr", document, now)
            return create_key(
                connection, label="peer", jurisdictions=["*"], rights=["create", "update", "peer"],
                environment="production", now=now,
            )  # fmt: skip

        self.key = self.database.write(prepare)
        media = DiskMediaStore(folder / "media")
        self.installation = Installation(self.database, media, public_url="http://peer.test")
        app = create_app(Settings(), self.installation)
        self.server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Silent)

    @property
    def side(self) -> Any:
        return self.installation.side("gentilly.fr", "production")

    def tickets(self, key: str) -> list[Seen]:
        server_id, _, origin_id = key.rpartition("-")
        with self.database.connect() as connection:
            id_ = origins.find_origin(connection, self.side.scope, server_id, origin_id)
            if id_ is None:
                return []
            stored = requests.find_request(connection, self.side.scope, id_)
            assert stored is not None
        history = self.database.rows(
            "SELECT description FROM request_update WHERE request_key = :key "
            "AND description IS NOT NULL",
            {"key": self.side.scope.request_key(id_)},
        )
        text = f"{stored.request.title} {stored.request.description}"
        notes = tuple(row[0] for row in history)
        return [Seen(str(id_), text, str(stored.request.stage), notes)]

    def move(self, ticket_id: str, word: str) -> None:
        self.database.write(
            lambda connection: take_step(
                connection,
                self.side,
                int(ticket_id),
                Step(stage=STAGE_OF_UPDATE[word]),
                public_url="http://peer.test",
                now=datetime.now(UTC).replace(microsecond=0),
            )
        )


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    peer = Peer(tmp_path_factory.mktemp("peer"))
    thread = Thread(target=peer.server.serve_forever, args=(0.02,))
    thread.start()
    yield peer
    peer.server.shutdown()
    thread.join(10)
    peer.server.server_close()
    peer.database.close()


@pytest.fixture(scope="module")
def tool(peer: Peer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tool]:
    profile = tmp_path_factory.mktemp("profile") / "voisin.toml"
    profile.write_text(
        'extends = "georeport"\n[tables.service_code]\nunknown = "error"\n'
        'values = { voirie = "proprete", proprete = "proprete" }\n'
    )
    with faulty_proxy(f"http://127.0.0.1:{peer.server.server_port}") as proxy:
        yield Tool(
            destination=Destination(
                "voisin",
                str(profile),
                settings={"base_url": f"{proxy.url}/open311/gentilly.fr/v2"},
                secrets={"api_key": "env:PEER_KEY"},
                allowed_networks=LOOPBACK,
            ),
            environment={"PEER_KEY": peer.key},
            behind=peer,
            proxy=proxy,
            create="POST /open311/gentilly.fr/v2/requests.json",
            comment="POST /open311/gentilly.fr/v2/servicerequestupdates.json",
            moves=("ACTION_SCHEDULED", Stage.PLANNED),
        )


class TestOurOwnServer(AdapterContract, HttpContract, WorkerProof):
    """Every clause of the contract."""

    profile = "georeport"


def test_the_probe_tells_the_peers_id(
    tool: Tool, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEER_KEY", peer.key)
    with peer.database.connect() as connection:
        own = origins.own_server_id(connection)
    assert own in make_adapter(tool.destination).probe()


@pytest.mark.parametrize(
    ("settings", "origin", "told"),
    [
        ({"peer_id": "s9"}, ("s1/x.fr/1", "s9/y.fr/4"), "n'y retourne pas"),
        ({"peer_id": "s9/y.fr"}, ("s1/x.fr/1", "s9/y.fr/4"), "n'y retourne pas"),
        ({"peer_id": "s9/y.fr"}, ("s9/4",), "n'y retourne pas"),
        ({}, ("s1/1", "s2/2", "s3/3"), "3 collectivités"),
    ],
)
def test_what_goes_round_or_too_far_is_refused_before_it_is_sent(
    tool: Tool,
    peer: Peer,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    origin: tuple[str, ...],
    told: str,
) -> None:
    monkeypatch.setenv("PEER_KEY", peer.key)
    destination = replace(tool.destination, settings=tool.destination.settings | settings)
    found = peer.database.first("SELECT count(*) FROM service_request")
    with pytest.raises(ToolRefused, match=told):
        make_adapter(destination).create(ticket(service_code="voirie", origin=origin))
    assert peer.database.first("SELECT count(*) FROM service_request") == found


# Servers of others


class FakeOther(FakeTool):
    """A FAKE of a GeoReport v2 server without extensions, as the specification writes it."""

    def __init__(self, *, looks: int = 0) -> None:
        super().__init__()
        self.looks = looks
        self.forms: list[dict[str, str]] = []

    def refuse(self, request: Request) -> Reply | None:
        return None

    def routes(self) -> list[tuple[str, str, Handler]]:
        return [
            ("GET", "/v2/services.json", lambda _: Reply(200, [{"service_code": "1"}])),
            ("POST", "/v2/requests.json", self._create),
            ("GET", "/v2/tokens/T1.json", self._token),
            ("GET", "/v2/requests/([0-9]+).json", self._read),
        ]

    def _create(self, request: Request) -> Reply:
        self.forms.append(request.form())
        if request.form().get("description", "").endswith("html"):
            return Reply(200, b"<html></html>", {"Content-Type": "text/html"})
        self.hold(request.form())
        return Reply(201, [{"token": "T1"}])

    def _token(self, _: Request) -> Reply:
        self.looks -= 1
        id_ = "1" if self.looks < 0 else None
        return Reply(200, [{"token": "T1", "service_request_id": id_}])

    def _read(self, _: Request, id_: str) -> Reply:
        return Reply(200, [{"service_request_id": id_, "status": "closed"}])


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[FakeOther, Adapter]]:
    monkeypatch.setenv("PEER_KEY", "k" * 20)
    fake = FakeOther()
    with running_fake(fake) as url:
        adapter = make_adapter(
            Destination(
                "ailleurs",
                "georeport-other",
                settings={"base_url": f"{url}/v2", "jurisdiction_id": "ville.example"},
                secrets={"api_key": "env:PEER_KEY"},
                allowed_networks=LOOPBACK,
            )
        )
        yield fake, adapter
        adapter.close()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    from open311.adapters import georeport

    monkeypatch.setattr(georeport, "_TOKEN_WAIT_S", 0)


def test_another_server_gets_the_fields_of_the_standard_only(
    other: tuple[FakeOther, Adapter],
) -> None:
    fake, adapter = other
    assert adapter.capabilities.idempotency is Idempotency.NONE
    receipt = adapter.create(ticket())
    assert receipt.ticket_id == "1"
    assert fake.forms == [
        {
            "api_key": "k" * 20, "jurisdiction_id": "ville.example", "service_code": "proprete",
            "lat": "48.813", "long": "2.3444", "description": f"Gravats\n{ticket().description}",
            "zipcode": "94250", "address_string": "12 rue de l’Église",
            "attribute[TYPE]": "gravats",
        }
    ]  # fmt: skip
    read = adapter.read(receipt)
    assert adapter.stage_of(read.status or "") == "done"
    assert "1 services" in adapter.probe()


def test_a_token_without_a_number_yet_is_followed_later(
    other: tuple[FakeOther, Adapter],
) -> None:
    fake, adapter = other
    fake.looks = 100
    receipt = adapter.create(ticket())
    assert receipt.ticket_id == "token:T1"
    assert adapter.read(receipt) == receipt
    fake.looks = 0
    read = adapter.read(receipt)
    assert (read.ticket_id, read.number, read.status) == ("token:T1", "1", "closed")
    assert len(fake.forms) == 1


def test_an_answer_that_is_no_document_is_an_unknown_outcome(
    other: tuple[FakeOther, Adapter],
) -> None:
    with pytest.raises(OutcomeUnknown):
        other[1].create(ticket(description="html"))


def test_a_batch_service_of_ours_is_asked_again_with_the_same_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PEER_KEY", "k" * 20)
    fake = FakeOther(looks=4)
    with running_fake(fake) as url:
        destination = Destination(
            "ailleurs", "georeport", settings={"base_url": f"{url}/v2"},
            secrets={"api_key": "env:PEER_KEY"}, allowed_networks=LOOPBACK,
        )  # fmt: skip
        adapter = make_adapter(destination)
        with pytest.raises(ToolBusy):
            adapter.create(ticket())
        assert adapter.create(ticket()).ticket_id == "1"
        adapter.close()


def test_codes_of_services_may_differ(
    tmp_path: Path, other: tuple[FakeOther, Adapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, adapter = other
    profile = tmp_path / "mine.toml"
    profile.write_text(
        'extends = "georeport-other"\n[tables.service_code]\nunknown = "error"\n'
        'values = { proprete = "001" }\n'
    )
    del adapter
    with running_fake(fake) as url:
        mine = Destination(
            "ailleurs", str(profile), settings={"base_url": f"{url}/v2"},
            secrets={"api_key": "env:PEER_KEY"}, allowed_networks=LOOPBACK,
        )  # fmt: skip
        adapter = make_adapter(mine)
        adapter.create(ticket())
        with pytest.raises(ToolRefused, match="service_code"):
            adapter.create(ticket(service_code="voirie"))
        adapter.close()
    assert [form["service_code"] for form in fake.forms] == ["001"]
