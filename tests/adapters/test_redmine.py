"""The profile `redmine` against a real Redmine, where it is installed (marker slow_tools)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from open311.adapters.testing import AdapterContract, HttpContract, Seen, Tool
from open311.adapters.testing.faulty_proxy import faulty_proxy
from open311.domain.delivery import Destination
from open311.domain.status import Stage
from tests.adapters.tools import redmine
from tests.adapters.tools.redmine import Redmine, running_redmine
from tests.adapters.worker_proof import WorkerProof

pytestmark = [
    pytest.mark.slow_tools,
    pytest.mark.skipif(redmine.missing() is not None, reason=str(redmine.missing())),
]


class Tracker:
    """The tracker as its agents use it."""

    def __init__(self, server: Redmine) -> None:
        self._server = server

    def tickets(self, key: str) -> list[Seen]:
        field = self._server.fields["open311_id"]
        query = {"status_id": "*", "limit": "100", f"cf_{field}": key}
        listed = self._server.call("GET", "/issues.json", params=query)["issues"]
        return [self._seen(each["id"]) for each in listed]

    def _seen(self, id_: int) -> Seen:
        path = f"/issues/{id_}.json?include=journals,attachments"
        issue = self._server.call("GET", path)["issue"]
        return Seen(
            ticket_id=str(id_),
            text=f"{issue['subject']} {issue['description']}",
            status=issue["status"]["name"],
            notes=tuple(each["notes"] or "" for each in issue["journals"]),
            files=tuple(each["filename"] for each in issue["attachments"]),
        )

    def move(self, ticket_id: str, word: str) -> None:
        statuses = self._server.call("GET", "/issue_statuses.json")["issue_statuses"]
        (id_,) = (each["id"] for each in statuses if each["name"] == word)
        change = {"issue": {"status_id": id_}}
        self._server.call("PUT", f"/issues/{ticket_id}.json", json=change)


@pytest.fixture(scope="module")
def tool() -> Iterator[Tool]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_redmine(Path(folder)) as server,
        faulty_proxy(server.url) as proxy,
    ):
        yield Tool(
            destination=Destination(
                "voirie",
                "redmine",
                settings={
                    "base_url": proxy.url,
                    "project": "voirie",
                    "key_field": str(server.fields["open311_id"]),
                    "lat_field": str(server.fields["lat"]),
                    "long_field": str(server.fields["lon"]),
                    "own_account": server.account_id,
                },
                secrets={"api_key": "env:REDMINE_KEY"},
                allowed_networks=("127.0.0.0/8",),
            ),
            environment={"REDMINE_KEY": server.key},
            behind=Tracker(server),
            create="POST /issues.json",
            lookup="GET /issues.json[?]",
            attach="POST /uploads.json",
            comment="PUT /issues/",
            moves=("Resolved", Stage.DONE),
            unmapped="Feedback",
            ours=(Stage.IN_PROGRESS, "In Progress"),
            proxy=proxy,
        )


class TestRedmine(AdapterContract, HttpContract, WorkerProof):
    """Every clause of the contract."""

    profile = "redmine"
