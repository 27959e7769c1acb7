"""Profiles of tools that cannot be installed here, against labelled FAKES of them.

What passes here is what the profile's author meant, not what the real tool does: each
profile says so of itself, and so does each fake.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from open311.adapters.contract import Adapter
from open311.adapters.testing import AdapterContract, HttpContract, Tool, a_ticket
from open311.adapters.testing.fake_server import FakeTool, running_fake
from open311.adapters.testing.faulty_proxy import faulty_proxy
from open311.domain.delivery import Destination, OutcomeUnknown
from open311.domain.status import Stage
from tests.adapters.completed import completed
from tests.adapters.fakes import astech, atal_v6, carl_source, glpi, odoo, salesforce, zammad
from tests.adapters.worker_proof import WorkerProof


class OnAFake(AdapterContract, HttpContract, WorkerProof):
    """The contract over a fake; each class below says which, and what the contract asks."""

    fake: ClassVar[type[FakeTool]]
    settings: ClassVar[dict[str, str]] = {}
    secret: ClassVar[dict[str, str]]
    about: ClassVar[dict[str, object]]

    #: What a city would complete, in a profile of its own that extends the shipped one.
    completed: ClassVar[str | None] = None


@pytest.fixture(scope="class")
def tool(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tool]:
    """The fake of the test's class, served behind a failing proxy."""
    about: type[OnAFake] = request.cls
    behind, profile = about.fake(), about.profile
    if about.completed is not None:
        path = tmp_path_factory.mktemp("profiles") / "city.toml"
        path.write_text(f'extends = "{profile}"\n{about.completed}', encoding="utf-8")
        profile = str(path)
    with running_fake(behind) as url, faulty_proxy(url) as proxy:
        yield Tool(
            destination=Destination(
                "ville",
                profile,
                settings={"base_url": proxy.url, **about.settings},
                secrets={name: f"env:FAKE_{name.upper()}" for name in about.secret},
                allowed_networks=("127.0.0.0/8",),
                epsg=2154,
            ),
            environment={f"FAKE_{name.upper()}": value for name, value in about.secret.items()},
            behind=behind,
            proxy=proxy,
            patience_s=1.5,
            **about.about,
        )


class TestAtalV6(OnAFake):
    """ATAL v6, grade none: it takes no reference of ours."""

    fake = atal_v6.FakeAtalV6
    profile = "atal-v6"
    settings: ClassVar = {"requester_id": "13", "recipient_id": "1004", "department_id": "690"}
    secret: ClassVar = {"api_key": atal_v6.KEY}
    completed = '[tables.status_in.values]\n1 = "received"\n4 = "done"\n'
    about: ClassVar = {
        "create": "POST /api/WorksRequests$",
        "attach": "POST .*/Attachments",
        "moves": ("4", Stage.DONE),
        "unmapped": "9",
    }

    @pytest.mark.parametrize(("is_old", "told"), [(False, "Hors délai"), (True, None)])
    def test_answers_come_with_the_ticket_where_the_server_knows_them(
        self, tool: Tool, adapter: Adapter, is_old: bool, told: str | None
    ) -> None:
        fake = tool.behind
        assert isinstance(fake, atal_v6.FakeAtalV6)
        receipt = adapter.create(a_ticket())
        fake.held[receipt.ticket_id].notes += ["Bien reçu", "Hors délai"]
        fake.is_old = is_old
        try:
            read = adapter.read(receipt)
        finally:
            fake.is_old = False
        assert (read.status, read.note) == ("1", told)


class TestCarlSource(OnAFake):
    """CARL Source: login, codes resolved to ids, JSON:API."""

    fake = carl_source.FakeCarl
    profile = "carl-source"
    settings: ClassVar = {"login": carl_source.LOGIN, "site": "GENTILLY"}
    secret: ClassVar = {"password": carl_source.PASSWORD}
    about: ClassVar = {
        "create": "POST .*/mr$",
        "lookup": "GET .*/mr[?]",
        "moves": ("INPROGRESS", Stage.IN_PROGRESS),
        "unmapped": "CANCELLED",
    }

    def test_a_revoked_token_is_renewed_within_the_call(self, tool: Tool, adapter: Adapter) -> None:
        assert isinstance(tool.behind, carl_source.FakeCarl)
        adapter.probe()
        tool.behind.tokens.clear()
        ticket = a_ticket()
        adapter.create(ticket)
        assert len(tool.behind.tickets(ticket.key)) == 1

    def test_a_server_that_ignores_the_filter_is_not_believed(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        """Ten tickets of others do not say that ours is not there."""
        assert isinstance(tool.behind, carl_source.FakeCarl)
        for _ in range(10):
            adapter.create(a_ticket())
        tool.behind.knows_no_filter = True
        try:
            with pytest.raises(OutcomeUnknown, match="ne liste pas tout"):
                adapter.lookup("absent-1")
        finally:
            tool.behind.knows_no_filter = False

    def test_codes_are_resolved_once(self, tool: Tool, adapter: Adapter) -> None:
        assert tool.proxy is not None
        adapter.create(a_ticket())
        adapter.create(a_ticket())
        asked = [line for line in tool.proxy.seen if "filter%5Bcode%5D" in line]
        assert len(asked) == 2  # one site, one symptom


class TestGlpi(OnAFake):
    """GLPI ≤ 10: session, HTML texts, uploadManifest, local dates."""

    fake = glpi.FakeGlpi
    profile = "glpi"
    secret: ClassVar = {"user_token": glpi.USER_TOKEN}
    about: ClassVar = {
        "create": "POST /apirest.php/Ticket$",
        "lookup": "GET /apirest.php/Ticket[?]",
        "attach": "POST /apirest.php/Document",
        "comment": "POST /apirest.php/ITILFollowup",
        "moves": ("5", Stage.DONE),
        "unmapped": "4",
        "ours": (Stage.PLANNED, "3"),
    }


class TestOdoo(OnAFake):
    """Odoo 19 Maintenance: every call is a POST, stages are resolved by name."""

    fake = odoo.FakeOdoo
    profile = "odoo-maintenance"
    secret: ClassVar = {"api_key": odoo.API_KEY}
    about: ClassVar = {
        "create": "POST .*/maintenance.request/create",
        "lookup": "POST .*/maintenance.request/search_read",
        "attach": "POST .*/ir.attachment/create",
        "comment": "POST .*/message_post",
        "moves": ("Repaired", Stage.DONE),
        "unmapped": "Scrap",
        "ours": (Stage.IN_PROGRESS, "In Progress"),
    }


class TestZammad(OnAFake):
    """Zammad: photos in base64 inside JSON, states by name."""

    fake = zammad.FakeZammad
    profile = "zammad"
    settings: ClassVar = {"group": "Voirie", "customer": "usager@ville.test"}
    secret: ClassVar = {"token": zammad.TOKEN}
    about: ClassVar = {
        "create": "POST /api/v1/tickets$",
        "attach": "POST /api/v1/ticket_articles",
        "comment": "POST /api/v1/ticket_articles",
        "moves": ("closed", Stage.DONE),
        "unmapped": "removed",
        "ours": (Stage.IN_PROGRESS, "open"),
    }


class TestSalesforce(OnAFake):
    """Salesforce, grade native: OAuth2 client credentials, upsert by our key."""

    fake = salesforce.FakeSalesforce
    profile = "salesforce"
    settings: ClassVar = {"client_id": salesforce.CLIENT_ID}
    secret: ClassVar = {"client_secret": salesforce.CLIENT_SECRET}
    about: ClassVar = {
        "create": "PATCH .*/Open311_Id__c/",
        "attach": "POST .*/ContentVersion",
        "comment": "POST .*/CaseComment",
        "moves": ("Closed", Stage.DONE),
        "unmapped": "Escalated",
        "ours": (Stage.IN_PROGRESS, "Working"),
    }

    def test_a_wrong_secret_stops_the_destination(
        self, tool: Tool, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from open311.adapters.registry import make_adapter
        from open311.domain.delivery import ToolUnauthorized

        monkeypatch.setenv("FAKE_CLIENT_SECRET", "wrong-secret")
        refused = make_adapter(tool.destination)
        with pytest.raises(ToolUnauthorized, match="bad secret"):
            refused.create(a_ticket())
        refused.close()


class TestAstechTemplate(OnAFake):
    """The AS-TECH template against a server invented for it: no claim about AS-TECH."""

    fake = astech.InventedAstech
    profile = "astech-rest"
    settings: ClassVar = {"login": astech.LOGIN, "workshop": "A1"}
    secret: ClassVar = {"password": astech.PASSWORD}
    completed = completed("rest")
    about: ClassVar = {
        "create": "POST /api/demandes$",
        "attach": "POST .*/documents",
        "moves": ("Soldée", Stage.DONE),
        "unmapped": "En attente",
    }

    def test_a_service_without_a_nature_is_refused_before_anything_is_sent(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        from open311.domain.delivery import ToolRefused

        assert tool.proxy is not None
        tool.proxy.calm()
        with pytest.raises(ToolRefused, match="nature"):
            adapter.create(replace(a_ticket(), service_code="tag"))
        assert not [line for line in tool.proxy.seen if "demandes" in line]


@pytest.mark.parametrize("fake", sorted(Path(__file__).parent.glob("fakes/*.py")), ids=str)
def test_every_fake_says_that_it_is_one(fake: Path) -> None:
    first = fake.read_text(encoding="utf-8").splitlines()[0]
    assert "FAKE" in first or "INVENTED" in first
