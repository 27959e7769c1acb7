"""The profile `django-helpdesk` against a real one, and a failing proxy before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from open311.adapters.contract import Adapter
from open311.adapters.registry import make_adapter
from open311.adapters.testing import (
    AdapterContract,
    HttpContract,
    Seen,
    Tool,
    a_ticket,
    changes_of,
)
from open311.adapters.testing.faulty_proxy import faulty_proxy
from open311.domain.delivery import Destination, TicketChange
from open311.domain.status import Stage
from tests.adapters.tools.helpdesk import Helpdesk, running_helpdesk
from tests.adapters.worker_proof import WorkerProof


class Desk:
    """The helpdesk as its agents use it."""

    def __init__(self, helpdesk: Helpdesk) -> None:
        self.helpdesk = helpdesk

    def tickets(self, key: str) -> list[Seen]:
        return [
            Seen(
                ticket_id=str(each["id"]),
                text=f"{each['title']} {each['description']} {each['submitter_email']}",
                status=str(each["status"]),
                notes=tuple(step["comment"] or "" for step in each["followup_set"]),
                files=tuple(
                    file["filename"]
                    for step in each["followup_set"]
                    for file in step["followupattachment_set"]
                ),
            )
            for each in self.helpdesk.tickets()
            if each["custom_open311_id"] == key
        ]

    def move(self, ticket_id: str, word: str) -> None:
        self.helpdesk.follow_up(ticket_id, new_status=int(word), comment="Vu.", public=True)


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tool]:
    folder = tmp_path_factory.mktemp("helpdesk")
    with running_helpdesk(folder) as helpdesk, faulty_proxy(helpdesk.url) as proxy:
        yield Tool(
            destination=Destination(
                "voirie",
                "django-helpdesk",
                settings={
                    "base_url": proxy.url,
                    "queue": helpdesk.queue,
                    "submitter_email": "open311@voirie.test",
                    "own_account": helpdesk.account_id,
                },
                secrets={"token": "env:HELPDESK_TOKEN"},
                allowed_networks=("127.0.0.0/8",),
            ),
            environment={"HELPDESK_TOKEN": helpdesk.token},
            behind=Desk(helpdesk),
            create="POST /api/tickets/",
            lookup="GET /api/user_tickets/",
            attach="POST /api/followups/",
            comment="POST /api/followups/",
            moves=("3", Stage.DONE),
            unmapped="4",
            ours=(Stage.IN_PROGRESS, "2"),
            proxy=proxy,
        )


class TestHelpdesk(AdapterContract, HttpContract, WorkerProof):
    """Every clause of the contract, and what only this tool shows."""

    profile = "django-helpdesk"

    def test_a_public_note_comes_back_with_its_author_and_an_internal_one_does_not(
        self, tool: Tool, adapter: Adapter
    ) -> None:
        assert isinstance(tool.behind, Desk)
        receipt = adapter.create(a_ticket())
        cursor = adapter.changes(None).cursor
        tool.behind.helpdesk.follow_up(receipt.ticket_id, comment="Réparé mardi.", public=True)
        tool.behind.helpdesk.follow_up(receipt.ticket_id, comment="Facture 12.", public=False)
        (change,) = _by_others(tool, changes_of(adapter, cursor, receipt.ticket_id))
        assert change.note == "Réparé mardi."
        assert change.author is not None

    def test_changes_beyond_one_page_are_all_told_once(
        self, tool: Tool, adapter: Adapter, tmp_path: Path
    ) -> None:
        assert isinstance(tool.behind, Desk)
        small = tmp_path / "small-pages.toml"
        small.write_text('extends = "django-helpdesk"\n[watermark]\npage_size = 5\n')
        paged = make_adapter(replace(tool.destination, profile=str(small)))
        receipt = adapter.create(a_ticket())
        cursor = paged.changes(None).cursor
        for number in range(12):
            tool.behind.helpdesk.follow_up(receipt.ticket_id, comment=f"n{number}", public=True)
        told = _by_others(tool, changes_of(paged, cursor, receipt.ticket_id))
        paged.close()
        assert [each.note for each in told] == [f"n{number}" for number in range(12)]
        assert len({each.event_id for each in told}) == 12


def _by_others(tool: Tool, changes: list[TicketChange]) -> list[TicketChange]:
    """Changes less our own echoes (creating a ticket is one)."""
    return [each for each in changes if each.author != tool.destination.settings["own_account"]]
