"""The profile `roundup` against a real Roundup, and a failing proxy before it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from open311.adapters.testing import AdapterContract, HttpContract, Seen, Tool
from open311.adapters.testing.faulty_proxy import faulty_proxy
from open311.domain.delivery import Destination
from open311.domain.status import Stage
from tests.adapters.tools.roundup import PASSWORD, Roundup, running_roundup
from tests.adapters.worker_proof import WorkerProof


class Tracker:
    """The tracker as its agents use it."""

    def __init__(self, roundup: Roundup) -> None:
        self._roundup = roundup

    def tickets(self, key: str) -> list[Seen]:
        return [
            Seen(
                ticket_id=issue["id"],
                text=" ".join([issue["title"], *self._texts(issue)]),
                status=issue["status"]["name"],
                notes=tuple(self._texts(issue)),
                files=tuple(each["name"] for each in issue["files"]),
            )
            for issue in self._roundup.issues(key)
            if issue["open311_id"] == key
        ]

    def _texts(self, issue: dict[str, list[dict[str, str]]]) -> list[str]:
        return [self._roundup.message(each["id"]) for each in issue["messages"]]

    def move(self, ticket_id: str, word: str) -> None:
        self._roundup.patch(ticket_id, status=word)


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tool]:
    with faulty_proxy() as proxy:
        folder = tmp_path_factory.mktemp("roundup")
        with running_roundup(folder, public_url=proxy.url) as roundup:
            proxy.upstream = roundup.url
            yield Tool(
                destination=Destination(
                    "voirie",
                    "roundup",
                    settings={"base_url": proxy.url, "user": "open311"},
                    secrets={"password": "env:ROUNDUP_PASSWORD"},
                    allowed_networks=("127.0.0.0/8",),
                ),
                environment={"ROUNDUP_PASSWORD": PASSWORD},
                behind=Tracker(roundup),
                create="POST /rest/data/issue",
                lookup="GET /rest/data/issue[?]",
                attach="POST /rest/data/file",
                comment="PATCH /rest/data/issue/",
                moves=("resolved", Stage.DONE),
                unmapped="waiting-for-parts",
                ours=(Stage.IN_PROGRESS, "in-progress"),
                proxy=proxy,
            )


class TestRoundup(AdapterContract, HttpContract, WorkerProof):
    """Every clause of the contract."""

    profile = "roundup"
