"""The contract by mail: a real SMTP server with TLS and AUTH, and a maildir of answers."""

from __future__ import annotations

import mailbox
from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest

from open311.adapters.contract import Adapter
from open311.adapters.registry import make_adapter
from open311.adapters.testing import AdapterContract, Case, Seen, Tool, a_photo, a_ticket, proves
from open311.adapters.testing.cases import MEANINGLESS
from open311.domain.delivery import (
    Destination,
    OutcomeUnknown,
    ToolBusy,
    ToolError,
    ToolRefused,
    ToolUnauthorized,
    ToolUnreachable,
)
from open311.domain.status import Stage
from tests.adapters.mail_server import PASSWORD, USER, MailServer, mail_server
from tests.adapters.mute_server import HTML, saying
from tests.adapters.tickets import LOOPBACK
from tests.adapters.worker_proof import WorkerProof

KEY = "k" * 40


class Office:
    """The mailbox of a service as its agents use it."""

    def __init__(self, server: MailServer, answers: Path) -> None:
        self._server = server
        self._answers = mailbox.Maildir(answers, create=True)

    def tickets(self, key: str) -> list[Seen]:
        mails = [mail for mail in self._server.mails if mail["X-Open311-Request"] == key]
        later = [mail for mail in mails if mail["In-Reply-To"]]
        return [self._seen(mail, later) for mail in mails if mail not in later]

    def move(self, ticket_id: str, word: str) -> None:
        """An agent answers the mail of a ticket."""
        first = self._first(ticket_id)
        answer = EmailMessage()
        answer["From"] = "agent@ville.example"
        answer["To"] = first["Reply-To"]
        answer["In-Reply-To"] = first["Message-ID"]
        answer["Message-ID"] = f"<reponse-{len(self._answers)}@ville.example>"
        answer.set_content(f"{word}\n\nLe 16/11/2026, Demandes a écrit :\n> Demande\n")
        self._answers.add(answer.as_bytes())

    def repeat(self, ticket_id: str) -> None:
        """A list or a rule sends all mail of the ticket to the mailbox of answers too."""
        key = self._first(ticket_id)["X-Open311-Request"]
        for mail in self._server.mails:
            if mail["X-Open311-Request"] == key:
                self._answers.add(mail.as_bytes())

    def _first(self, ticket_id: str) -> EmailMessage:
        return next(m for m in self._server.mails if f"n° {ticket_id}]" in m["Subject"])

    def _seen(self, mail: EmailMessage, later: list[EmailMessage]) -> Seen:
        told = [_text(each) for each in later]
        titles = [line[8:] for text in told for line in text.splitlines() if line[:8] == "Objet : "]
        files = tuple(str(part.get_filename()) for part in mail.iter_attachments())
        id_ = mail["Subject"].partition("n° ")[2].partition("]")[0]
        return Seen(id_, _text(mail), titles[-1] if titles else "", tuple(told), files)


def _text(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    with mail_server(tmp_path_factory.mktemp("smtp")) as running:
        yield running


@pytest.fixture
def tool(server: MailServer, tmp_path: Path) -> Iterator[Tool]:
    answers = tmp_path / "retours"
    office = Office(server, answers)
    yield Tool(
        destination=Destination(
            "gentilly-voirie",
            "email",
            allowed_networks=LOOPBACK,
            settings={
                "host": "localhost",
                "port": str(server.port),
                "ca_file": str(server.ca_file),
                "user": USER,
                "sender": "demandes@ville.example",
                "recipients": "voirie@ville.example",
                "links_url": "https://demandes.example/",
                "reply_to": "retours@ville.example",
                "mailbox": str(answers),
                "read_timeout_s": "2",
            },
            secrets={"password": "env:MAIL_PASSWORD", "link_key": "env:LINK_KEY"},
        ),
        environment={"MAIL_PASSWORD": PASSWORD, "LINK_KEY": KEY},
        behind=office,
        moves=("C’est réparé.", None),
        ours=(Stage.DONE, "faite"),
        takes_any_stage=True,
        repeat=office.repeat,
        lose=lambda: server.answers.append("cut"),
    )
    server.answers.clear()
    server.rcpt_answers.clear()


class TestMail(AdapterContract, WorkerProof):
    """Every clause of the contract, grade none."""

    profile = "email"
    meaningless = MEANINGLESS["smtp"]

    @proves(Case.INVALID, Case.BUSY, Case.BROKEN)
    @pytest.mark.parametrize(
        ("at", "answer", "error"),
        [
            ("DATA", "554 non", ToolRefused),
            ("DATA", "451 plus tard", ToolBusy),
            ("DATA", "421 je ferme", ToolBusy),
            ("RCPT", "550 inconnu", ToolRefused),
            ("RCPT", "450 occupé", ToolBusy),
            ("RCPT", "421 je ferme", ToolBusy),
            ("RCPT", "cut", ToolUnreachable),
            ("RCPT", HTML, ToolUnreachable),
        ],
    )
    def test_a_refused_mail_says_what_is_certain(
        self,
        tool: Tool,
        adapter: Adapter,
        server: MailServer,
        at: str,
        answer: str,
        error: type[ToolError],
    ) -> None:
        (server.answers if at == "DATA" else server.rcpt_answers).append(answer)
        ticket = a_ticket()
        with pytest.raises(ToolError) as caught:
            adapter.create(ticket)
        assert type(caught.value) is error
        assert tool.behind.tickets(ticket.key) == []

    @proves(Case.LOST_ANSWER, Case.TRUNCATED, Case.HTML, Case.SLOW)
    @pytest.mark.parametrize("answer", ["cut", "half", HTML, "silence"])
    def test_without_a_reply_to_the_last_dot_nobody_knows(
        self, tool: Tool, adapter: Adapter, server: MailServer, answer: str
    ) -> None:
        server.answers.append(answer)
        ticket = a_ticket()
        with pytest.raises(OutcomeUnknown):
            adapter.create(ticket)
        assert len(tool.behind.tickets(ticket.key)) == 1

    @proves(Case.UNAUTHORIZED, Case.BROKEN, Case.HTML, Case.SLOW)
    @pytest.mark.parametrize(
        ("greeting", "error"),
        [
            (b"554 5.7.1 votre adresse est bannie\r\n", ToolUnauthorized),
            (b"421 trop de connexions\r\n", ToolBusy),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n<html>", ToolUnreachable),
            (b"", ToolUnreachable),
            (None, ToolUnreachable),
        ],
        ids=["banned", "busy", "web page", "hung up", "silence"],
    )
    def test_nothing_is_buried_for_a_server_that_is_ill(
        self, tool: Tool, adapter: Adapter, greeting: bytes | None, error: type[ToolError]
    ) -> None:
        """A ticket is refused for itself only, never for what the server is today."""
        with saying(greeting) as port:
            settings = tool.destination.settings | {"port": str(port)}
            with pytest.raises(ToolError) as caught:
                make_adapter(replace(tool.destination, settings=settings)).create(a_ticket())
        assert type(caught.value) is error

    @proves(Case.UNAUTHORIZED)
    def test_a_wrong_password_stops_the_destination(
        self, tool: Tool, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MAIL_PASSWORD", "faux")
        with pytest.raises(ToolUnauthorized):
            make_adapter(tool.destination).create(a_ticket())

    @proves(Case.REFUSED_PHOTO)
    def test_a_mail_that_is_too_large_goes_again_with_links(
        self, tool: Tool, adapter: Adapter, server: MailServer
    ) -> None:
        server.answers.append("552 trop gros")
        ticket = a_ticket()
        photo = a_photo(ticket)
        adapter.create(replace(ticket, photos=(photo,)))
        (seen,) = tool.behind.tickets(ticket.key)
        assert seen.files == ()
        assert photo.url in seen.text

    @proves(Case.UNKNOWN_STATUS)
    @pytest.mark.parametrize("act", ["delete", "reopen", ""])
    def test_a_link_of_another_act_means_nothing(self, adapter: Adapter, act: str) -> None:
        assert adapter.stage_of(act) is None
