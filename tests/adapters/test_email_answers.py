"""Answers to tickets by mail, from a maildir: what becomes a note, and what costs nothing."""

from __future__ import annotations

import mailbox
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import pytest

from open311.adapters.contract import Adapter
from open311.adapters.mail_answers import MAX_BYTES, read_mail
from open311.domain.delivery import Destination
from open311.domain.signed_link import reply_code
from tests.adapters.mail_destination import KEY, adapter, destination, server
from tests.adapters.mail_server import MailServer
from tests.adapters.tickets import ticket

__all__ = ["adapter", "destination", "server"]  # fixtures


def answer_to(mail: EmailMessage, text: str, **headers: str) -> EmailMessage:
    """What a mail program makes of "reply"."""
    reply = EmailMessage()
    reply["From"] = "agent@ville.example"
    reply["To"] = mail["Reply-To"]
    reply["Subject"] = f"Re: {mail['Subject']}"
    reply["In-Reply-To"] = mail["Message-ID"]
    reply["Message-ID"] = "<reponse-1@ville.example>"
    for name, value in headers.items():
        del reply[name.replace("_", "-")]
        reply[name.replace("_", "-")] = value
    quoted = "\n".join(f"> {line}" for line in "Demande\nvoir ci-dessous".splitlines())
    reply.set_content(f"{text}\n\nLe 16/11/2026 à 10:31, Demandes a écrit :\n{quoted}\n")
    return reply


def deliver(destination: Destination, mail: EmailMessage, *, seconds: float = 1.0) -> None:
    """What a mail server does with the mail of this box; `seconds` after now."""
    box = mailbox.Maildir(destination.settings["mailbox"])
    path = Path(destination.settings["mailbox"]) / "new" / box.add(mail.as_bytes())
    moment = datetime.now(UTC).timestamp() + seconds
    if not path.exists():
        path = Path(destination.settings["mailbox"]) / "cur" / path.name
    os.utime(next(Path(destination.settings["mailbox"]).rglob(f"{path.name}*")), (moment, moment))


@pytest.fixture
def sent(adapter: Adapter, server: MailServer) -> EmailMessage:
    adapter.create(ticket())
    return server.mails[0]


def test_an_answer_becomes_a_note_of_its_ticket_once(
    adapter: Adapter, destination: Destination, sent: EmailMessage
) -> None:
    cursor = adapter.changes(None).cursor
    deliver(destination, answer_to(sent, "C’est réparé.\nBonne journée"))
    page = adapter.changes(cursor)
    [change] = page.changes
    assert (change.ticket_id, change.note) == ("12", "C’est réparé.\nBonne journée")
    assert change.status is None
    again = adapter.changes(page.cursor)
    assert [each.event_id for each in again.changes] in ([], [change.event_id])


@pytest.mark.parametrize(
    ("headers", "read"),
    [
        ({}, True),
        ({"To": "retours@ville.example"}, True),  # the thread proves it
        ({"In_Reply_To": "<autre@ville.example>"}, True),  # the address proves it
        ({"To": "retours@ville.example", "In_Reply_To": "<autre@x>"}, False),
        ({"Auto_Submitted": "auto-replied"}, False),
        ({"Precedence": "bulk"}, False),
    ],
    ids=["reply", "thread", "address", "neither", "absence", "bulk"],
)
def test_only_mail_that_holds_a_code_and_that_a_person_wrote_is_read(
    adapter: Adapter,
    destination: Destination,
    sent: EmailMessage,
    headers: dict[str, str],
    read: bool,
) -> None:
    cursor = adapter.changes(None).cursor
    deliver(destination, answer_to(sent, "Fait.", **headers))
    assert len(adapter.changes(cursor).changes) == int(read)


def test_the_code_of_one_ticket_does_not_answer_for_another(
    adapter: Adapter, destination: Destination, sent: EmailMessage
) -> None:
    cursor = adapter.changes(None).cursor
    forged = sent["Reply-To"].replace("+12.", "+13.")
    deliver(destination, answer_to(sent, "Fait.", To=forged, In_Reply_To="<x@y>"))
    assert adapter.changes(cursor).changes == ()


@pytest.mark.parametrize(
    ("body", "note"),
    [
        ("Fait.\n\n-- \nJean, 06 00 00 00 00\n", "Fait."),
        ("Fait.\n-----Message d'origine-----\nDe : x\n", "Fait."),
        ("Fait.\n________________________________\nDe : Demandes <d@v.fr>\n", "Fait."),
        ("Fait.\n\nOn Mon, Nov 16, 2026 at 10:31 AM X <x@y.fr> wrote:\n> a", "Fait."),
        ("Fait.\n— Répondez au-dessus de cette ligne —\nDemande", "Fait."),
        ("> seulement la citation", ""),
        ("Fait.\n\nBien cordialement,\nJean Dupont\n06 00 00 00 00\n", "Fait."),
        ("Fait.\n\nEnvoyé de mon iPhone\n\n> a", "Fait."),
        ("Fait.\n\nLe lun. 16 nov. 2026 à 10:31, Demandes\n<d@v.fr> a écrit :\nDemande", "Fait."),
        ("Fait.\n\n*De :* Demandes <d@v.fr>\n*Envoyé :* lundi", "Fait."),
        (
            "Passage de : 8 h à 9 h\nLe mur est repeint.",
            "Passage de : 8 h à 9 h\nLe mur est repeint.",
        ),
        ("À voir : demain -- ou après\n", "À voir : demain -- ou après"),
    ],
)
def test_the_note_is_what_stands_above_the_quote_and_the_signature(
    adapter: Adapter, destination: Destination, sent: EmailMessage, body: str, note: str
) -> None:
    cursor = adapter.changes(None).cursor
    reply = answer_to(sent, "")
    reply.set_content(body)
    deliver(destination, reply)
    assert [each.note for each in adapter.changes(cursor).changes] == ([note] if note else [])


def test_an_answer_in_html_only_is_read_as_text(
    adapter: Adapter, destination: Destination, sent: EmailMessage
) -> None:
    cursor = adapter.changes(None).cursor
    reply = answer_to(sent, "")
    reply.set_content(
        "<p>Fait &amp; vu<br>hier</p><blockquote><p>Demande</p></blockquote>", subtype="html"
    )
    deliver(destination, reply)
    assert [each.note for each in adapter.changes(cursor).changes] == ["Fait & vu\nhier"]


# Hostile mail: anyone may write to the mailbox.

_PROOF = f"To: retours+12.{reply_code('12', KEY.encode())}@ville.example\n"
_HTML = "Content-Type: text/html\n"


def nested(fill: str) -> str:
    """Multiparts in multiparts, the innermost of many lines."""
    parts = [f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(200)]
    return "".join(parts) + "\n" + fill * MAX_BYTES


HOSTILE = {
    "blank lines": "\nFait\n" + "\n" * MAX_BYTES,
    "blank lines after wrote": "\nOn wrote" + "\n" * MAX_BYTES,
    "blanks": "\nFait\n" + " " * MAX_BYTES,
    "quotes in quotes": "\nFait\n" + "> " * (MAX_BYTES // 2),
    "open brackets": f"{_HTML}\nFait" + "<" * MAX_BYTES,
    "open styles": f"{_HTML}\nFait" + "<style" * (MAX_BYTES // 6),
    "styles without end": f"{_HTML}\nFait" + "<style>" * (MAX_BYTES // 7),
    "breaks without end": f"{_HTML}\nFait" + "<br" * (MAX_BYTES // 3),
    "one long tag": f"{_HTML}\nFait<" + "a" * MAX_BYTES,
    "quotations in quotations": f"{_HTML}\nFait" + "<blockquote>" * (MAX_BYTES // 12),
    "a mail in a mail": "Content-Type: message/rfc822\n\n" * (MAX_BYTES // 30),
    "parts in parts": nested("\n"),
    "many addresses": "Cc: a" + ",a" * (MAX_BYTES // 2 - 100) + "\n\nFait",
}


@pytest.fixture
def hang_guard() -> Iterator[None]:
    """Interrupts what takes ever so long: a hang, not a slow machine."""

    def hung(*_: object) -> None:
        raise KeyboardInterrupt("hung")

    before = signal.signal(signal.SIGALRM, hung)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_mail_holds_up_the_worker(hang_guard: None, kind: str) -> None:
    """Not even of somebody who holds a code."""
    mail = f"From: a@b.example\n{_PROOF}{HOSTILE[kind]}".encode()
    notes = [each.note or "" for each in read_mail(mail, KEY.encode(), datetime.now(UTC))]
    assert len(notes) <= 1
    assert all(len(note) <= 4000 for note in notes)


def test_a_mail_without_a_valid_code_is_not_even_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    whole = BytesParser.parsebytes

    def counted(self: BytesParser, content: bytes) -> EmailMessage:
        parsed.append(content)
        return whole(self, content)

    monkeypatch.setattr(BytesParser, "parsebytes", counted)
    forged = _PROOF.replace("+12.", "+13.")
    for headers in ("", forged, f"From: mailer-daemon@b.example\n{forged}"):
        mail = f"From: a@b.example\n{headers}\nFait".encode()
        assert read_mail(mail, KEY.encode(), datetime.now(UTC)) == []
    assert parsed == []
    assert read_mail(f"{_PROOF}\nFait".encode(), KEY.encode(), datetime.now(UTC))
    assert len(parsed) == 1


def test_of_a_maildir_only_the_beginning_of_a_mail_is_read(
    adapter: Adapter,
    destination: Destination,
    sent: EmailMessage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cursor = adapter.changes(None).cursor
    read = []

    def spied(content: bytes, key: bytes, moment: datetime) -> list[object]:
        read.append(len(content))
        return list(read_mail(content, key, moment))

    monkeypatch.setattr("open311.adapters.mailbox.read_mail", spied)
    reply = answer_to(sent, "Fait.")
    reply.add_attachment(bytes(2 * MAX_BYTES), maintype="application", subtype="octet-stream")
    deliver(destination, reply)
    assert [each.note for each in adapter.changes(cursor).changes] == ["Fait."]
    assert read == [MAX_BYTES]


@pytest.mark.parametrize(
    ("html", "note"),
    [
        ("<head><style>p{}</style><title>x</title></head><body>Fait</body>", "Fait"),
        ("<head><title>x</title><body>Fait<br/>hier", "Fait\nhier"),
        ("Fait<blockquote>a<blockquote>b</blockquote>c</blockquote>", "Fait"),
        ("Fait<blockquote><html><body>a</body></html></blockquote> hier", "Fait hier"),
        ("a &lt; b, 3 < 4<script>if (1<2) x()</script>", "a < b, 3 < 4"),
    ],
)
def test_what_is_hidden_or_quoted_in_html_is_left_out(html: str, note: str) -> None:
    mail = f"{_PROOF}{_HTML}\n{html}".encode()
    [change] = read_mail(mail, KEY.encode(), datetime.now(UTC))
    assert change.note == note
