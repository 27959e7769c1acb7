"""What a destination may say of the mailbox that takes its answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from open311.adapters.profile import ProfileFaults
from open311.adapters.registry import make_adapter
from open311.domain.delivery import Destination, ToolUnreachable

SETTINGS = {"host": "x", "sender": "a@ville.example", "recipients": "b@ville.example"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"imap_host": "imap.ville.example", "mailbox": "/var/mail/retours"}, "pas les deux"),
        ({"imap_host": "imap.ville.example"}, "imap_password"),
        ({"mailbox": "/var/mail/retours"}, "link_key"),
        ({"imap_tls": "none"}, "imap_tls"),
        ({"imap_folder": 'a"b'}, "imap_folder"),
    ],
)
def test_a_mailbox_that_cannot_be_meant_is_told_at_once(
    settings: dict[str, str], words: str
) -> None:
    with pytest.raises(ProfileFaults, match=words):
        make_adapter(Destination("ville", "email", settings=SETTINGS | settings))


def test_a_mailbox_that_is_gone_is_told_not_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINK_KEY", "k" * 40)
    destination = Destination(
        "ville",
        "email",
        settings=SETTINGS | {"mailbox": str(tmp_path / "rien")},
        secrets={"link_key": "env:LINK_KEY"},
    )
    with pytest.raises(ToolUnreachable, match="illisible"):
        make_adapter(destination).changes("2026-11-16T00:00:00+00:00")
