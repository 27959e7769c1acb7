"""`open311 delivery` and `open311 destination`, beside a worker that really runs."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog

from open311.domain.retry import Pace
from open311.operations.delivery import Desk
from open311.operations.installation import Installation
from open311.storage.database import Database
from open311.storage.media import DiskMediaStore
from open311.storage.shared_clock import SharedClock
from open311.worker import Worker, worker_name
from tests.cli.conftest import Shell
from tests.cli.worlds import FILES
from tests.delivery.delivery_site import await_

Post = Callable[..., str]
NAME = "gentilly-essai"

DESTINATION = """
[[destinations]]
name = "gentilly-essai"
profile = "tool.toml"
allowed_networks = ["127.0.0.0/8"]
settings = {{ base_url = "{url}" }}
"""
PROFILE = """
format = 1
name = "essai"
version = "1"
kind = "rest"
title = "Outil d'essai"
idempotency = "{grade}"
frame = "wgs84"
[tried]
untried = "Tout : cet outil est une imitation pour les tests."
[attachments]
mode = "none"
[tables.nature]
unknown = "error"
[tables.nature.values]
{nature}
[operations.create]
method = "POST"
path = "/tickets"
body = "json"
fields = [
  {{ to = "nature", from = "service_code", transforms = [{{ table = "nature" }}] }},
  {{ to = "key", from = "key" }},
]
answer = {{ ticket_id = "id", number = "number" }}
[operations.lookup]
method = "GET"
path = "/tickets"
query = [{{ to = "key", from = "key" }}]
items = "found"
answer = {{ ticket_id = "id", key = "key" }}
[operations.probe]
method = "GET"
path = "/version"
"""


class FakePeer(ThreadingHTTPServer):
    """A fake tool over HTTP. `moods`: how the next POSTs end, 201 unless told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _FakeAnswers)
        self.tickets: list[dict[str, Any]] = []
        self.moods: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _FakeAnswers(BaseHTTPRequestHandler):
    server: FakePeer

    def do_GET(self) -> None:
        key = self.path.partition("key=")[2]
        found = [
            {"id": str(at), "key": each["key"]}
            for at, each in enumerate(self.server.tickets, 1)
            if each["key"] == key
        ]
        self._answer(200, {"found": found})

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.moods.pop(0) if self.server.moods else 201
        if status == 201:
            self.server.tickets.append(sent)
        number = len(self.server.tickets)
        self._answer(status, {"id": str(number), "number": f"DI-{number}", "error": "non"})

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture(autouse=True)
def _silent_worker() -> Iterator[None]:
    """The worker runs in this process: its log lines are no answers of commands."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.fixture
def peer() -> Iterator[FakePeer]:
    with FakePeer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def profile(bare_shell: Shell) -> Path:
    return bare_shell.folder / "jurisdictions" / "tool.toml"


@pytest.fixture
def shell(bare_shell: Shell, peer: FakePeer, profile: Path) -> Shell:
    """Gentilly with one destination, whose profile knows no nature for any service."""
    shutil.copytree(FILES.parent / "boundaries", bare_shell.folder / "boundaries")
    profile.parent.mkdir()
    write_profile(profile, nature="")
    path = profile.parent / "gentilly.fr.toml"
    source = (FILES / "gentilly.fr.toml").read_text(encoding="utf-8")
    path.write_text(source + DESTINATION.format(url=peer.url), encoding="utf-8")
    bare_shell.done("jurisdiction", "apply", str(path))
    return bare_shell


def write_profile(profile: Path, *, nature: str, grade: str = "lookup") -> None:
    profile.write_text(PROFILE.format(nature=nature, grade=grade), encoding="utf-8")


@contextmanager
def worker(shell: Shell, database: Database, *, base_s: float = 0.01) -> Iterator[None]:
    """A worker in this process; after a failure it waits `base_s` and more."""
    media = DiskMediaStore(shell.folder / "media")
    here = Installation(database, media, public_url="http://a.test", refresh_s=0.05)
    clock = SharedClock(database, here.now)
    desk = Desk(here, worker_name(), clock, Pace(base_s=base_s), chance=lambda _, high: high)
    stopping = threading.Event()
    working = Worker(here, desk, look_s=0.05)

    def run() -> None:
        working.run(stopping)
        database.end_thread()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def listed(shell: Shell, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(shell.done("delivery", "list", "--json", *options))
    return found


def await_state(shell: Shell, state: str) -> dict[str, Any]:
    """The only delivery, once it is in a state."""
    assert await_(lambda: [d["state"] for d in listed(shell)] == [state], guard_s=30), listed(shell)
    return listed(shell)[0]


def test_a_dead_letter_goes_by_one_command_once_its_mapping_is_corrected(
    shell: Shell, post: Post, database: Database, peer: FakePeer, profile: Path
) -> None:
    with worker(shell, database):
        id_ = post()
        dead = await_state(shell, "dead")
        assert "nature" in dead["last_error"]
        assert f"{dead['delivery']}" in shell.done("delivery", "list", "--state", "dead")
        assert "replay" in shell.done("destination", "list")
        write_profile(profile, nature='proprete = "SALE"')
        assert shell.done("delivery", "replay", str(dead["delivery"])) == "1 envoi rejoué.\n"
        await_state(shell, "done")
    assert [(each["nature"], each["key"]) for each in peer.tickets] == [
        ("SALE", dead["idempotency_key"])
    ]
    assert "DI-1" in shell.done("request", "show", id_)
    whole = json.loads(shell.done("delivery", "show", str(dead["delivery"]), "--json"))
    assert whole["ticket"]["number"] == "DI-1"
    assert [each["outcome"] for each in whole["tries"]] == ["refused", "created"]
    assert "POST" in shell.done("delivery", "show", str(dead["delivery"]))


def test_what_nobody_knows_is_decided_by_a_person(
    shell: Shell, post: Post, database: Database, peer: FakePeer, profile: Path
) -> None:
    write_profile(profile, nature='proprete = "SALE"', grade="none")
    peer.moods.extend([500])
    with worker(shell, database):
        id_ = post()
        unknown = await_state(shell, "unknown")
        number = str(unknown["delivery"])
        assert "unknown" in shell.done("request", "show", id_)
        assert "ne peut pas" not in shell.refused("delivery", "replay", number)
        shell.refused("delivery", "resolve", number, code=2)
        shell.refused("delivery", "resolve", number, "--arrived")  # under which id?
        shell.done("delivery", "resolve", number, "--absent")
        await_state(shell, "done")
        assert "done" in shell.refused("delivery", "resolve", number, "--absent")
    assert len(peer.tickets) == 1


def test_a_ticket_that_a_person_found_is_the_ticket(
    shell: Shell, post: Post, database: Database, peer: FakePeer, profile: Path
) -> None:
    write_profile(profile, nature='proprete = "SALE"', grade="none")
    peer.moods.append(500)
    with worker(shell, database):
        post()
        number = str(await_state(shell, "unknown")["delivery"])
    shell.done("delivery", "resolve", number, "--ticket", "OLD-7")
    whole = json.loads(shell.done("delivery", "show", number, "--json"))
    assert (whole["state"], whole["ticket"]["ticket_id"]) == ("done", "OLD-7")


def test_a_stopped_destination_waits_until_it_is_resumed(
    shell: Shell, post: Post, database: Database, peer: FakePeer, profile: Path
) -> None:
    write_profile(profile, nature='proprete = "SALE"')
    shell.done("destination", "pause", NAME, "--reason", "migration")
    with worker(shell, database):
        post()
        await_state(shell, "pending")
        assert "migration" in shell.done("destination", "list")
        shell.done("destination", "resume", NAME)
        await_state(shell, "done")
    (told,) = json.loads(shell.done("destination", "list", "--json"))
    assert (told["state"], told["deliveries"], told["oldest_s"]) == ("sert", {"done": 1}, None)


def test_an_abandoned_ticket_takes_its_later_steps_with_it(
    shell: Shell, post: Post, database: Database
) -> None:
    with worker(shell, database):
        id_ = post()
        number = str(await_state(shell, "dead")["delivery"])
        shell.done("request", "update", id_, "--note", "Vu")
        assert await_(lambda: len(listed(shell)) == 2, guard_s=30)
    shell.done("delivery", "abandon", number)
    assert [each["state"] for each in listed(shell)] == ["cancelled", "cancelled"]
    shell.refused("delivery", "abandon", number)
    with worker(shell, database):
        shell.done("request", "update", id_, "--note", "Encore")
        assert await_(lambda: database.first(_PENDING) is None, guard_s=30)
    assert len(listed(shell)) == 2


_PENDING = "SELECT 1 FROM outbox WHERE state = 'pending'"


def test_waiting_deliveries_can_be_hurried(
    shell: Shell, post: Post, database: Database, peer: FakePeer, profile: Path
) -> None:
    write_profile(profile, nature='proprete = "SALE"')
    peer.moods.append(429)
    with worker(shell, database, base_s=3600):
        post()
        assert await_(lambda: [d for d in listed(shell) if d["attempts"]], guard_s=30)
        assert listed(shell)[0]["state"] == "pending"
    assert shell.done("delivery", "retry", "--destination", NAME) == "1 envoi avancé.\n"
    with worker(shell, database):
        await_state(shell, "done")


def test_what_waits_for_a_destination_that_left_its_file_is_told_and_can_be_given_up(
    shell: Shell, post: Post, database: Database, profile: Path
) -> None:
    with worker(shell, database):
        post()
        await_state(shell, "dead")
    path = profile.parent / "gentilly.fr.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(f'name = "{NAME}"', 'name = "autre"'), encoding="utf-8")
    way_out = f"delivery abandon --destination {NAME}"
    assert way_out in shell("jurisdiction", "check", str(path)).output
    assert way_out in shell("jurisdiction", "apply", str(path)).output
    assert way_out in shell("delivery", "list").output
    gone = json.loads(shell.done("destination", "list", "--json"))[-1]
    assert (gone["name"], gone["state"], gone["deliveries"]) == (NAME, "inconnue", {"dead": 1})
    assert shell.done("delivery", "abandon", "--destination", NAME) == "1 envoi abandonné.\n"
    assert NAME not in shell.done("destination", "list")
    assert way_out not in shell("jurisdiction", "apply", str(path)).output


def test_a_probe_says_whether_the_tool_answers(shell: Shell, peer: FakePeer, profile: Path) -> None:
    assert NAME in shell.done("destination", "probe", NAME)
    peer.shutdown()
    peer.server_close()
    assert "Unreachable" in shell.refused("destination", "probe", NAME)
    assert NAME in shell.refused("destination", "probe", "autre")


def test_a_choice_that_chooses_nothing_is_refused(shell: Shell) -> None:
    shell.refused("delivery", "replay", code=2)
    shell.refused("delivery", "replay", "99")
    shell.refused("delivery", "show", "99")
    assert shell.done("delivery", "replay", "--destination", NAME) == "0 envoi rejoué.\n"


def test_a_name_of_a_destination_is_taken_once_in_the_installation(
    shell: Shell, profile: Path
) -> None:
    source = (FILES / "nogent-sur-marne.fr.toml").read_text(encoding="utf-8")
    path = profile.parent / "nogent.toml"
    path.write_text(source + DESTINATION.format(url="http://b.test"), encoding="utf-8")
    said = shell.refused("jurisdiction", "apply", str(path))
    assert "gentilly-essai" in said
    assert "gentilly.fr" in said
