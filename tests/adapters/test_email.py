"""Tickets by mail, over a real SMTP server with STARTTLS and AUTH."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
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
from tests.adapters.mail_destination import KEY, adapter, destination, server
from tests.adapters.mail_server import MailServer, mail_server
from tests.adapters.tickets import photo, ticket, ticket_with_photos

__all__ = ["adapter", "destination", "server"]  # fixtures


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
