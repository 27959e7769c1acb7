"""From a report to a mailbox and back: real SMTP out, a real IMAP server (dovecot) in."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import SMTP
from typing import Any

import pytest

from open311.adapters.contract import Adapter
from open311.adapters.registry import make_adapter
from open311.domain.delivery import Destination, ToolUnreachable
from open311.domain.retry import Pace
from open311.domain.status import Stage
from open311.operations.alerts import troubles_of
from open311.operations.delivery import Desk, deliver_next
from open311.operations.delivery_desk import replay
from open311.operations.follow_up import Step, take_step
from open311.operations.polling import Poll, poll_destination
from open311.operations.routing import route_events
from open311.storage import destinations
from open311.storage.delivery_records import DeliveryFilter, list_deliveries
from tests.adapters.imap_server import PASSWORD, ImapServer, imap_server
from tests.adapters.mail_server import PASSWORD as SMTP_PASSWORD
from tests.adapters.mail_server import USER, MailServer, mail_server
from tests.conftest import PUBLIC_URL, Clock, World

NAME = "gentilly-voirie"


@pytest.fixture(scope="module")
def boxes() -> Iterator[ImapServer]:
    with imap_server() as running:
        yield running


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    with mail_server(tmp_path_factory.mktemp("smtp")) as running:
        yield running


@dataclass
class Office:
    """Gentilly whose roads department has a mailbox and nothing else."""

    world: World
    destination: Destination
    desk: Desk
    boxes: ImapServer
    post: MailServer
    user: str

    @property
    def adapter(self) -> Adapter:
        return make_adapter(self.destination)  # as a worker that has just started

    def deliver(self) -> EmailMessage:
        """Send what waits; the last mail."""
        while route_events(self.world.installation, now=self.world.clock()):
            pass
        while deliver_next(self.desk, self.world.side(), self.destination, self.adapter):
            pass
        return self.post.mails[-1]

    def look(self) -> int:
        """Read the box, as the worker does."""
        self.world.clock.advance(minutes=10)
        return poll_destination(self.poll())

    def poll(self) -> Poll:
        return Poll(self.desk, self.world.side(), self.destination, self.adapter)

    def receive(self, mail: EmailMessage) -> None:
        self.boxes.put(self.user, mail)

    def step(self, id_: str, step: Step) -> None:
        side, now = self.world.side(), self.world.clock.now
        self.world.database.write(
            lambda c: take_step(c, side, int(id_), step, public_url=PUBLIC_URL, now=now)
        )

    def notes(self, id_: str) -> list[str]:
        answer = self.world.get("/servicerequestupdates.json", service_request_id=id_)
        return [each["description"] for each in answer.json if each["description"]]

    def states(self) -> list[str]:
        with self.world.database.connect() as connection:
            found = list_deliveries(connection, DeliveryFilter())
        return [f"{each.kind} {each.state}" for each in found]

    def troubles(self) -> list[str]:
        found = troubles_of(self.world.installation, self.world.clock())[NAME]
        return [trouble.kind for trouble in found]


@pytest.fixture
def office(
    make_world: Callable[..., World],
    clock: Clock,
    boxes: ImapServer,
    post: MailServer,
    monkeypatch: pytest.MonkeyPatch,
) -> Office:
    monkeypatch.setenv("SMTP_PASSWORD", SMTP_PASSWORD)
    monkeypatch.setenv("IMAP_PASSWORD", PASSWORD)
    monkeypatch.setenv("LINK_KEY", "k" * 40)
    user = uuid.uuid4().hex
    document: dict[str, Any] = {
        "name": NAME, "profile": "email", "services": [], "epsg": None,
        "allowed_networks": ["127.0.0.0/8", "::1/128"], "alert_after_s": 86_400, "poll_s": 300,
        "settings": {
            "host": "localhost", "port": str(post.port), "ca_file": str(post.ca_file), "user": USER,
            "sender": "demandes@ville.example", "recipients": "voirie@ville.example",
            "reply_to": "retours@ville.example", "return_path": "retours@ville.example",
            "imap_host": "localhost", "imap_port": str(boxes.imaps), "imap_user": user,
            "imap_ca_file": str(boxes.ca_file),
        },
        "secrets": {
            "password": "env:SMTP_PASSWORD", "imap_password": "env:IMAP_PASSWORD",
            "link_key": "env:LINK_KEY",
        },
    }  # fmt: skip
    world = make_world(destinations=[document])
    (destination,) = world.side().jurisdiction.destinations
    desk = Desk(world.installation, "worker-1", clock, Pace(), lambda _, high: high)
    office = Office(world, destination, desk, boxes, post, user)
    poll_destination(office.poll())  # the worker has looked before: « from now on »
    return office


def answer(mail: EmailMessage, text: str, **headers: str) -> EmailMessage:
    """What a mail program makes of « reply »."""
    reply = EmailMessage()
    told = {
        "From": "agent@ville.example", "To": mail["Reply-To"], "Subject": f"Re: {mail['Subject']}",
        "In-Reply-To": mail["Message-ID"], "Message-ID": f"<{uuid.uuid4()}@ville.example>",
        "Return-Path": "<agent@ville.example>",
    }  # fmt: skip
    for name, value in (told | {k.replace("_", "-"): v for k, v in headers.items()}).items():
        reply[name] = value
    reply.set_content(f"{text}\n\nLe 16/11/2026 à 10:31, Demandes a écrit :\n> Demande\n")
    return reply


def bounce(mail: EmailMessage, *, action: str = "failed") -> EmailMessage:
    """The report that Postfix sends to the envelope's sender (RFC 3464)."""
    report = MIMEMultipart("report", report_type="delivery-status")
    report["From"] = "MAILER-DAEMON@relais.example (Mail Delivery System)"
    report["To"] = "retours@ville.example"
    report["Subject"] = "Undelivered Mail Returned to Sender"
    report["Return-Path"] = "<>"
    report["Auto-Submitted"] = "auto-replied"
    report["Message-ID"] = f"<{uuid.uuid4()}@relais.example>"
    report.attach(MIMEText("This is the mail system at host relais.example.\n"))
    status = MIMEMessage(EmailMessage(), "delivery-status")
    domain, recipient = EmailMessage(), EmailMessage()
    domain["Reporting-MTA"] = "dns; relais.example"
    recipient["Final-Recipient"] = "rfc822; voirie@ville.example"
    recipient["Action"] = action
    recipient["Diagnostic-Code"] = "smtp; 550 5.1.1 User unknown"
    status.set_payload([domain, recipient])
    report.attach(status)
    report.attach(MIMEMessage(mail))
    return report  # type: ignore[return-value]


def test_an_agents_answer_reaches_the_public_once_and_the_box_is_left_as_it_was(
    office: Office,
) -> None:
    id_ = office.world.posted_id()
    mail = office.deliver()
    office.receive(answer(mail, "Réparé ce matin."))
    assert office.look() == 1
    assert office.notes(id_) == ["Réparé ce matin."]
    assert office.look() == 0
    assert office.notes(id_) == ["Réparé ce matin."]
    assert not any(b"Seen" in line for line in office.boxes.flags(office.user))


def test_a_worker_that_dies_between_reading_and_committing_loses_and_doubles_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = office.world.posted_id()
    mail = office.deliver()
    office.receive(answer(mail, "Une."))
    office.receive(answer(mail, "Deux."))

    def die(*_: object) -> None:
        raise SystemExit("killed")

    with monkeypatch.context() as patched:
        patched.setattr(destinations, "put_cursor", die)
        with pytest.raises(SystemExit):
            office.look()
    assert office.notes(id_) == []
    assert office.look() == 2
    assert sorted(office.notes(id_)) == ["Deux.", "Une."]
    office.receive(answer(mail, "Trois."))
    assert office.look() == 1


def test_a_box_that_was_rebuilt_is_read_again_and_nothing_is_published_twice(
    office: Office,
) -> None:
    id_ = office.world.posted_id()
    mail = office.deliver()
    for number in (1, 2, 3):
        office.receive(answer(mail, f"Avant {number}."))
    assert office.look() == 3
    office.boxes.rebuild(office.user, keep=1)
    office.receive(answer(mail, "Après."))
    assert office.look() == 1
    assert sorted(office.notes(id_)) == ["Après.", "Avant 1.", "Avant 2.", "Avant 3."]
    assert office.look() == 0


def test_more_mail_than_one_turn_takes_is_read_to_its_end(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("open311.adapters.imap_mailbox._TURN", 2)
    id_ = office.world.posted_id()
    mail = office.deliver()
    for number in range(5):
        office.receive(answer(mail, f"Note {number}."))
    assert office.look() == 5
    assert len(office.notes(id_)) == 5


ROBOTS: dict[str, dict[str, str]] = {
    "rfc3834": {"Auto_Submitted": "auto-replied"},
    "exchange": {"X_Auto_Response_Suppress": "All"},
    "precedence": {"Precedence": "auto_reply"},
    "no-return-path": {"Return_Path": "<>"},
    "subject": {"Subject": "Réponse automatique : Re: [gentilly.fr n° 1]"},
    "list": {"List_Id": "<agents.ville.example>"},
}


@pytest.mark.parametrize("headers", ROBOTS.values(), ids=ROBOTS)
def test_what_a_robot_answers_is_never_published(office: Office, headers: dict[str, str]) -> None:
    id_ = office.world.posted_id()
    before = office.world.get(f"/requests/{id_}.json").json
    mail = office.deliver()
    office.receive(
        answer(mail, "Je suis absent jusqu'au 30, appelez le 06 00 00 00 00.", **headers)
    )
    assert office.look() == 0
    assert office.notes(id_) == []
    assert office.world.get(f"/requests/{id_}.json").json == before
    assert office.troubles() == []


def test_a_mail_that_comes_back_alerts_and_is_sent_again_once_the_address_is_right(
    office: Office,
) -> None:
    id_ = office.world.posted_id()
    mail = office.deliver()
    assert office.post.envelopes[-1].mail_from == "retours@ville.example"
    office.receive(bounce(mail, action="delayed"))
    office.look()
    assert office.states() == ["create done"]
    office.receive(bounce(mail))
    office.look()
    assert office.notes(id_) == []
    assert "create dead" in office.states()
    assert office.troubles() == ["dead"]
    with office.world.database.connect() as connection:
        (dead,) = [d for d in list_deliveries(connection, DeliveryFilter()) if d.state == "dead"]
    assert "550 5.1.1" in str(dead.last_error)
    office.world.database.write(
        lambda connection: replay(connection, DeliveryFilter(), office.world.clock())
    )
    again = office.deliver()
    assert again["Message-ID"] == mail["Message-ID"]
    assert office.troubles() == []


def headers_only(mail: EmailMessage) -> EmailMessage:
    """The same report from a relay that returns the headers alone (RFC 3462, section 3)."""
    report = bounce(mail)
    *parts, _ = report.get_payload()
    head = mail.as_bytes(policy=SMTP).partition(b"\r\n\r\n")[0].decode("ascii")
    report.set_payload([*parts, MIMEText(head, "rfc822-headers")])
    return report


@pytest.mark.parametrize("returned", [bounce, headers_only])
def test_the_mail_that_came_back_is_the_one_that_counts_as_lost(
    office: Office, returned: Callable[[EmailMessage], EmailMessage]
) -> None:
    """Not a note for agents, which was never sent; and a second report of it changes no other."""
    id_ = office.world.posted_id()
    create = office.deliver()
    office.step(id_, Step(note="Un mot"))
    first = office.deliver()
    office.step(id_, Step(stage=Stage.IN_PROGRESS))
    office.deliver()
    office.step(id_, Step(internal_note="Pour nous"))
    office.deliver()
    assert len({create["Message-ID"], first["Message-ID"]}) == 2
    assert office.states() == ["create done", "comment done", "status done", "comment done"]
    for _ in range(2):
        office.receive(returned(first))
        office.look()
        assert office.states() == ["create done", "comment dead", "status done", "comment done"]


def test_a_return_that_does_not_say_which_is_of_the_last_mail_that_was_sent(
    office: Office,
) -> None:
    id_ = office.world.posted_id()
    mail = office.deliver()
    office.step(id_, Step(internal_note="Pour nous"))
    office.deliver()
    told = EmailMessage()
    told["In-Reply-To"] = mail["Message-ID"]
    told.set_content("…")
    report = bounce(told)
    report["In-Reply-To"] = mail["Message-ID"]
    office.receive(report)
    office.look()
    assert office.states() == ["create dead", "comment done"]


def test_a_forged_report_changes_nothing(office: Office) -> None:
    office.world.posted_id()
    mail = office.deliver()
    forged = EmailMessage()
    forged["Message-ID"] = str(mail["Message-ID"]).replace(".", ".a", 1)
    forged.set_content("x")
    office.receive(bounce(forged))
    office.look()
    assert office.states() == ["create done"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"imap_user": "x", "password": "faux"}, "illisible"),
        ({"imap_folder": "Rien"}, "illisible"),
        ({"imap_port": "1"}, "illisible"),
        ({"imap_ca_file": None}, "CERTIFICATE_VERIFY_FAILED"),
        ({"networks": ()}, "allowed_networks"),
    ],
    ids=["password", "folder", "port", "certificate", "network"],
)
def test_a_box_that_cannot_be_read_is_told_and_sending_goes_on(
    office: Office, settings: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dict(settings)
    if "password" in settings:
        monkeypatch.setenv("IMAP_PASSWORD", settings.pop("password"))
    networks = settings.pop("networks", office.destination.allowed_networks)
    told = {k: v for k, v in (office.destination.settings | settings).items() if v is not None}
    broken = replace(office.destination, settings=told, allowed_networks=networks)
    with pytest.raises(ToolUnreachable, match=words):
        make_adapter(broken).changes(f"{datetime.now(UTC).isoformat()} 1/0")
    office.destination = broken
    office.look()
    assert office.troubles() == ["fault"]
    with office.world.database.connect() as connection:
        assert not destinations.find_state(connection, NAME).paused


def test_starttls_serves_as_well_and_no_password_goes_in_clear(office: Office) -> None:
    told = office.destination.settings | {
        "imap_tls": "starttls",
        "imap_port": str(office.boxes.starttls),
    }
    office.destination = replace(office.destination, settings=told)
    assert "IMAP localhost INBOX : 0 courriel" in office.adapter.probe()
