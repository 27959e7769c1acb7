"""Whether a note that may have arrived is there: against labelled FAKES of tools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from open311.adapters.contract import Adapter
from open311.adapters.registry import make_adapter
from open311.adapters.testing import a_ticket
from open311.adapters.testing.fake_server import FakeTool, running_fake
from open311.domain.delivery import Destination
from tests.adapters.fakes import glpi, salesforce, zammad
from tests.adapters.tickets import LOOPBACK

TOOLS: dict[str, tuple[type[FakeTool], str, dict[str, str], dict[str, str]]] = {
    "zammad": (
        zammad.FakeZammad,
        "zammad",
        {"group": "Voirie", "customer": "usager@ville.test"},
        {"token": zammad.TOKEN},
    ),
    "salesforce": (
        salesforce.FakeSalesforce,
        "salesforce",
        {"client_id": salesforce.CLIENT_ID},
        {"client_secret": salesforce.CLIENT_SECRET},
    ),
    "glpi": (
        glpi.FakeGlpi,
        "glpi",
        {},
        {"user_token": glpi.USER_TOKEN},
    ),
}
#: A tool whose notes tell our key back.
WITH_KEYS = """extends = "zammad"
[operations.comment]
fields = [
  { to = "ticket_id", from = "ticket_id", transforms = [{ number = 0 }] },
  { to = "body", template = "{note.text} #{note.key}" },
]
[operations.notes.answer]
text = { path = "body", pattern = "^(.*) #" }
key = { path = "body", pattern = "#(.+)$" }
"""
Make = Callable[..., Adapter]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Speak to a fake, by its shipped profile or by another one."""
    with ExitStack() as stack:

        def make(tool: str, profile: str | None = None) -> Adapter:
            fake, shipped, settings, secrets = TOOLS[tool]
            for name, value in secrets.items():
                monkeypatch.setenv(f"FAKE_{name.upper()}", value)
            url = stack.enter_context(running_fake(fake()))
            adapter = make_adapter(
                Destination(
                    "ville",
                    profile or shipped,
                    settings={"base_url": url, **settings},
                    secrets={name: f"env:FAKE_{name.upper()}" for name in secrets},
                    allowed_networks=LOOPBACK,
                )
            )
            stack.callback(adapter.close)
            return adapter

        yield make


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    ("said", "found", "not_found"),
    [
        ("Fait à moitié", "Fait à moitié", "Fait"),
        ("Fait\n\nou  presque", "Fait ou presque", "ou presque"),
        ("1 < 2 & « 3 »\nsuite", "1 < 2 & « 3 »\nsuite", "1 < 2"),
        ("mot " * 2000, "mot " * 2000, "mot " * 1999 + "fin"),  # one tool takes 4,000 only
    ],
    ids=["beginning", "lines", "marks", "long"],
)
def test_a_note_is_there_when_its_whole_text_is(
    make: Make, tool: str, said: str, found: str, not_found: str
) -> None:
    if tool == "salesforce" and len(said) > 4000:
        not_found = "mot " * 500  # the beginning of what was shortened
    adapter = make(tool)
    receipt = adapter.create(a_ticket())
    adapter.comment(a_ticket(), receipt, said, "k1")
    assert adapter.lookup_comment(receipt, found, "k1") is not None
    assert adapter.lookup_comment(receipt, not_found, "k2") is None


def test_where_notes_tell_our_key_the_same_words_prove_nothing(make: Make, tmp_path: Path) -> None:
    profile = tmp_path / "keys.toml"
    profile.write_text(WITH_KEYS, encoding="utf-8")
    adapter = make("zammad", str(profile))
    receipt = adapter.create(a_ticket())
    adapter.comment(a_ticket(), receipt, "Relance", "k1")
    assert adapter.lookup_comment(receipt, "Relance", "k1") is not None
    assert adapter.lookup_comment(receipt, "Relance", "k2") is None
