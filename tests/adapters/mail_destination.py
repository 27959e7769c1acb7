"""Fixtures: a destination by mail, with a real SMTP server and a maildir for its answers."""

from __future__ import annotations

import mailbox
from collections.abc import Iterator
from pathlib import Path

import pytest

from open311.adapters.contract import Adapter
from open311.adapters.registry import make_adapter
from open311.domain.delivery import Destination
from tests.adapters.mail_server import PASSWORD, USER, MailServer, mail_server
from tests.adapters.tickets import LOOPBACK

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
