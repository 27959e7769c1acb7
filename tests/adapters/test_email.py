"""Tickets by mail, over a real SMTP server with STARTTLS and AUTH; answers from a maildir."""

from __future__ import annotations

import mailbox
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from open311.adapters.contract import Adapter
from open311.adapters.registry import make_adapter
from open311.domain.delivery import (
    Destination,
    OutcomeUnknown,
    ToolBusy,
    ToolRefused,
    ToolUnauthorized,
    ToolUnreachable,
)
from open311.domain.signed_link import check_link
from tests.adapters.mail_server import PASSWORD, USER, MailServer, mail_server
from tests.adapters.tickets import LOOPBACK, photo, ticket, ticket_with_photos

KEY = "k" * 40


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    with mail_server(tmp_path / "smtp") as running:
        yield running


@pytest.fixture
def destination(server: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Destination:
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    monkeypatch.setenv("LINK_KEY", KEY)
    mailbox.Maildir(tmp_path / "retours", create=True)
    return Destination(
        name="gentilly-voirie",
        profile="email",
        allowed_networks=LOOPBACK,
        settings={
            "host": "localhost",
            "port": str(server.port),
            "ca_file": str(server.ca_file),
            "user": USER,
            "sender": "demandes@ville.example",
            "recipients": "voirie@ville.example, secretariat@ville.example",
            "links_url": "https://demandes.example/",
            "reply_to": "retours@ville.example",
            "mailbox": str(tmp_path / "retours"),
        },
        secrets={"password": "env:MAIL_PASSWORD", "link_key": "env:LINK_KEY"},
    )


@pytest.fixture
def adapter(destination: Destination) -> Adapter:
    return make_adapter(destination)


def changed(destination: Destination, **settings: str) -> Destination:
    return replace(destination, settings=destination.settings | settings)


def test_a_new_report_reaches_the_mailbox_with_all_that_an_agent_needs(
    adapter: Adapter, server: MailServer
) -> None:
    receipt = adapter.create(ticket_with_photos(2))
    assert (receipt.ticket_id, receipt.number) == ("12", "12")
    [mail] = server.mails
    assert "n° 12" in mail["Subject"]
    assert mail["To"] == "voirie@ville.example, secretariat@ville.example"
    for kind in ("plain", "html"):
        text = mail.get_body((kind,)).get_content()
        for told in (
            "n° 12", "Dépôt sauvage", "12 rue de l’Église", "94250", "16/11/2026 à 10:30",
            "48.813000, 2.344400", "EPSG:2154", "Gravats", "passage « bloqué »",
            "Deuxième ligne", "Prendre en charge", "Refuser", "Planifier",
        ):  # fmt: skip
            assert told in text, (kind, told)
    files = {part.get_filename(): part.get_content() for part in mail.iter_attachments()}
    assert files == {"12-1.jpg": photo(1).content, "12-2.jpg": photo(2).content}


def test_the_mail_says_where_it_is_how_to_answer_and_that_no_robot_should(
    adapter: Adapter, server: MailServer
) -> None:
    adapter.create(ticket_with_photos(1))
    [mail] = server.mails
    map_ = "https://www.openstreetmap.org/?mlat=48.813000&mlon=2.344400#map=18/48.813000/2.344400"
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert map_ in text
    assert map_.replace("&", "&amp;") in html
    assert html.count("/agent?t=") == text.count("/agent?t=") == 4
    for told in (text, html):
        assert told.index("Répondez au-dessus") < told.index("Gravats")
        assert "note publique" in told
    assert re.fullmatch(r"retours\+12\.[a-z2-7]{26}@ville\.example", mail["Reply-To"])
    assert len(mail["Reply-To"].partition("@")[0]) <= 64  # RFC 5321, 4.5.3.1.1
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Auto-Response-Suppress"] == "OOF, AutoReply"
    assert len(mail["Subject"]) <= 120


def test_the_reporter_is_named_only_where_the_destination_lets_it(
    destination: Destination, server: MailServer
) -> None:
    make_adapter(destination).create(ticket())
    told = changed(destination, reporter_fields="email, last_name")
    make_adapter(told).create(ticket())
    texts = [mail.get_body(("plain",)).get_content() for mail in server.mails]
    assert "Blé" not in texts[0]
    assert "a.b@example.org" not in texts[0]
    assert "Blé, a.b@example.org" in texts[1]
    assert "Ana" not in texts[1]


def test_text_of_the_public_cannot_add_markup_or_headers(
    adapter: Adapter, server: MailServer
) -> None:
    adapter.create(
        ticket(
            description="<script>x</script>",
            address="1 rue\r\nBcc: mal@ve.il",
            service_name="A\nB\x00",
        )
    )
    [mail] = server.mails
    assert "<script>" not in mail.get_body(("html",)).get_content()
    assert mail["Bcc"] is None
    assert "Bcc: mal@ve.il" in mail["Subject"]


def test_the_same_ticket_sent_twice_is_the_same_message(
    adapter: Adapter, server: MailServer
) -> None:
    adapter.create(ticket())
    adapter.create(ticket())
    adapter.comment(ticket(), adapter.create(ticket(key="s0123456789-13")), "note", "k1")
    ids = [mail["Message-ID"] for mail in server.mails]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    note = server.mails[-1]
    assert note["In-Reply-To"] == ids[0] == note["References"]
    assert "note" in note.get_body(("plain",)).get_content()


def test_a_new_status_is_told_in_french_words(adapter: Adapter, server: MailServer) -> None:
    receipt = adapter.create(ticket())
    adapter.set_status(ticket(), receipt, "no_follow_up", "Voie privée.")
    text = server.mails[-1].get_body(("plain",)).get_content()
    assert "sans suite" in text
    assert "Voie privée." in text


def test_photos_beyond_the_servers_limit_go_as_links(
    destination: Destination, tmp_path: Path
) -> None:
    room = int(len(photo().content) * 2.2) + 12_000  # one in base64, and the text
    with mail_server(tmp_path / "small", size_limit=room) as small:
        near = changed(destination, port=str(small.port), ca_file=str(small.ca_file))
        make_adapter(near).create(ticket_with_photos(3))
    [mail] = small.mails
    assert [part.get_filename() for part in mail.iter_attachments()] == ["12-1.jpg"]
    text = mail.get_body(("plain",)).get_content()
    assert "12-1.jpg" not in text
    assert photo(2).url in text
    assert photo(3).url in text


def test_a_server_that_finds_the_mail_too_large_gets_links(
    adapter: Adapter, server: MailServer
) -> None:
    server.answers = ["552 too much"]
    adapter.create(ticket_with_photos(1))
    [mail] = server.mails
    assert not list(mail.iter_attachments())
    assert photo(1).url in mail.get_body(("plain",)).get_content()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("451 plus tard", ToolBusy),
        ("452 plein", ToolBusy),
        ("550 jamais", ToolRefused),
        ("554 non", ToolRefused),
        ("cut", OutcomeUnknown),
    ],
)
def test_what_the_server_answers_decides_what_follows(
    adapter: Adapter, server: MailServer, answer: str, error: type[Exception]
) -> None:
    server.answers = [answer]
    with pytest.raises(error) as raised:
        adapter.create(ticket())
    assert type(raised.value) is error
    adapter.create(ticket())
    assert len(server.mails) == (2 if answer == "cut" else 1)


@pytest.mark.parametrize(
    ("answer", "error"), [("450 occupé", ToolBusy), ("550 inconnu", ToolRefused)]
)
def test_a_refused_recipient_stops_the_whole_mail(
    adapter: Adapter, server: MailServer, answer: str, error: type[Exception]
) -> None:
    server.rcpt_answers = ["250 OK", answer]
    with pytest.raises(error):
        adapter.create(ticket())
    assert server.mails == []


def test_a_wrong_password_stops_the_destination(
    destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "faux")
    with pytest.raises(ToolUnauthorized):
        make_adapter(destination).create(ticket())


@pytest.mark.parametrize(
    "settings",
    [{"ca_file": ""}, {"port": "1"}, {"host": "nulle-part.invalid"}, {"tls": "implicit"}],
)
def test_nothing_is_sent_to_a_server_that_is_not_the_right_one(
    destination: Destination, server: MailServer, settings: dict[str, str]
) -> None:
    if settings.get("ca_file") == "":  # the system's certificates do not know this server
        kept = {k: v for k, v in destination.settings.items() if k != "ca_file"}
        elsewhere = replace(destination, settings=kept)
    else:
        elsewhere = changed(destination, **settings)
    with pytest.raises(ToolUnreachable):
        make_adapter(elsewhere).create(ticket())
    assert server.mails == []


def test_a_private_server_that_the_destination_does_not_allow_is_not_reached(
    destination: Destination, server: MailServer
) -> None:
    with pytest.raises(ToolUnreachable, match="allowed_networks"):
        make_adapter(replace(destination, allowed_networks=())).create(ticket())
    assert server.mails == []


def test_the_probe_authenticates_and_sends_nothing(adapter: Adapter, server: MailServer) -> None:
    assert "SMTP localhost" in adapter.probe()
    assert server.mails == []


def test_the_preview_shows_the_mail_but_no_code(adapter: Adapter) -> None:
    shown = adapter.preview(ticket_with_photos(1))
    assert "gravats" in shown.lower()
    assert "/agent?t=***" in shown
    assert "12-1.jpg" in shown
    assert "eyJ" not in shown


def test_each_link_is_signed_for_one_act_on_one_request(
    adapter: Adapter, server: MailServer
) -> None:
    adapter.create(ticket())
    text = server.mails[0].get_body(("plain",)).get_content()
    tokens = [line.partition("?t=")[2] for line in text.splitlines() if "/agent?t=" in line]
    now = datetime.now(UTC)
    links = [check_link(token, KEY.encode(), now=now) for token in tokens]
    assert {link.action for link in links} == {"accept", "plan", "refuse", "close"}
    assert {(link.destination, link.ticket_id) for link in links} == {("gentilly-voirie", "12")}
    assert all(timedelta(days=58) < link.expires_datetime - now for link in links)
    assert {adapter.stage_of(link.action) for link in links} == {
        "qualified", "planned", "no_follow_up", "done",
    }  # fmt: skip


# Answers


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
