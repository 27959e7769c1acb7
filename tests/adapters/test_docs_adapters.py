"""docs/adapters.md: its profile passes the contract, against a FAKE built from its API page."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from open311.adapters.profile_file import shipped_profiles
from open311.adapters.registry import KINDS, read_profile
from open311.adapters.testing import AdapterContract, HttpContract, Tool
from open311.adapters.testing.fake_server import (
    FakeTool,
    Handler,
    Held,
    Reply,
    Request,
    running_fake,
)
from open311.adapters.testing.faulty_proxy import faulty_proxy
from open311.domain.delivery import Destination
from open311.domain.status import Stage

DOC = (Path(__file__).parents[2] / "docs" / "adapters.md").read_text(encoding="utf-8")
KEY = "balai-key-123456789"


def blocks() -> list[str]:
    """The TOML blocks of the page."""
    return re.findall(r"^```toml\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)


class FakeBalai(FakeTool):
    """A FAKE of a tool that does not exist, as the page describes it."""

    key_field = "ref"
    text_fields = ("subject", "text")
    first_status = "NEW"

    def refuse(self, request: Request) -> Reply | None:
        good = request.headers.get("X-Balai-Key") == KEY
        return None if good else Reply(401, {"message": "unknown key"})

    def routes(self) -> list[tuple[str, str, Handler]]:
        job = "/api/v1/jobs/([0-9]+)"
        return [
            ("GET", "/api/v1/me", lambda _: Reply(200, {"login": "open311"})),
            ("POST", "/api/v1/jobs", self._create),
            ("GET", "/api/v1/jobs", self._search),
            ("GET", job, lambda _, id_: Reply(200, {"job": _job(self.held[id_])})),
            ("POST", f"{job}/remarks", self._remark),
            ("GET", f"{job}/remarks", self._remarks),
            ("POST", f"{job}/files", self._file),
            ("GET", f"{job}/files", self._files),
        ]

    def _create(self, request: Request) -> Reply:
        fields = request.json()
        assert len(fields["ref"]) <= 60
        return Reply(201, {"job": _job(self.hold(fields))})

    def _search(self, request: Request) -> Reply:
        ref = request.query["ref"]
        found = [each for each in self.held.values() if each.fields["ref"].startswith(ref)]
        return Reply(200, {"jobs": [_job(each) for each in found]})

    def _remark(self, request: Request, id_: str) -> Reply:
        self.held[id_].notes.append(request.json()["text"])
        return Reply(201, {})

    def _remarks(self, _: Request, id_: str) -> Reply:
        return Reply(200, {"remarks": [{"text": note} for note in self.held[id_].notes]})

    def _file(self, request: Request, id_: str) -> Reply:
        self.held[id_].files.append(request.parts()["file"][0])
        return Reply(201, {})

    def _files(self, _: Request, id_: str) -> Reply:
        return Reply(200, {"files": [{"name": name} for name in self.held[id_].files]})


def _job(held: Held) -> dict[str, object]:
    return {
        "id": int(held.id),
        "code": f"B-{held.id}",
        "ref": held.fields["ref"],
        "state": held.status,
    }


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tool]:
    path = tmp_path_factory.mktemp("docs") / "balai.toml"
    path.write_text(blocks()[0], encoding="utf-8")
    behind = FakeBalai()
    with running_fake(behind) as url, faulty_proxy(url) as proxy:
        yield Tool(
            destination=Destination(
                "gentilly-balai",
                str(path),
                settings={"base_url": proxy.url},
                secrets={"api_key": "env:BALAI_KEY"},
                allowed_networks=("127.0.0.0/8",),
            ),
            environment={"BALAI_KEY": KEY},
            behind=behind,
            proxy=proxy,
            create="POST /api/v1/jobs",
            lookup="GET /api/v1/jobs[?]",
            attach="POST /api/v1/jobs/[0-9]+/files",
            comment="POST /api/v1/jobs/[0-9]+/remarks",
            moves=("SCHEDULED", Stage.PLANNED),
            unmapped="ON_HOLD",
        )


class TestTheExampleOfThePage(AdapterContract, HttpContract):
    """Every clause of the contract."""


def test_the_destination_of_the_page_is_toml_that_names_the_profile() -> None:
    [destination] = tomllib.loads(blocks()[1])["destinations"]
    assert destination["profile"].endswith("balai.toml")
    assert set(destination["settings"]) | set(destination["secrets"]) == {"base_url", "api_key"}


def test_the_page_names_every_kind() -> None:
    assert [kind for kind in KINDS if f"`{kind}`" not in DOC] == []


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_shipped_profile_is_sound_and_says_what_was_tried(name: str) -> None:
    profile = read_profile(name)
    assert profile.tried.real or profile.tried.fake or profile.tried.untried
    assert profile.name == name
