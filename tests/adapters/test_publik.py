"""Signed URLs of Publik, against a vector that openssl made and a check written apart."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open311.adapters.publik import check_query, sign_query
from open311.adapters.registry import make_adapter
from open311.domain.delivery import Destination
from tests.adapters.tickets import ticket

KEY = "clé"
NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
#: printf '%s' QUERY | openssl dgst -sha256 -hmac clé -binary | base64
UNSIGNED = "a=1&algo=sha256&timestamp=2026-11-22T05%3A00%3A00Z&nonce=abc&orig=ville.example"
SIGNATURE = "F3iKvHw8YQKfeHxEGyv8Co4m5VrF+iRk2iD1fEMHbaI="
PROFILE = """
format = 1
name = "publik-essai"
version = "1"
kind = "rest"
title = "Essai"
idempotency = "none"
[tried]
fake = "un serveur de ce test"
[settings]
orig = { label = "notre nom" }
key = { label = "clé partagée", secret = true }
[auth]
scheme = "publik"
orig = "{settings.orig}"
key = "{settings.key}"
[operations.probe]
method = "GET"
path = "/api/ping"
query = [{ to = "q", const = "été & +" }]
[operations.create]
method = "POST"
path = "/api/formdefs/voirie/submit"
body = "json"
fields = [{ to = "text", from = "description" }]
answer = { ticket_id = "id" }
[tables.status_in]
unknown = "error"
values = { new = "received" }
"""


def signed(query: str = "a=1", **changes: object) -> str:
    told = {"orig": "ville.example", "moment": NOW, "nonce": "abc"} | changes
    return sign_query(query, KEY, **told)  # type: ignore[arg-type]


def test_the_signature_is_openssls() -> None:
    query, _, signature = signed().partition("&signature=")
    assert query == UNSIGNED
    assert parse_qs(f"s={signature}")["s"] == [SIGNATURE]
    assert check_query(signed(), KEY, NOW) == "abc"


@given(st.text(st.characters(codec="utf-8"), max_size=20), st.text(min_size=1, max_size=20))
def test_what_is_signed_is_taken_with_its_own_key_only(value: str, key: str) -> None:
    query = sign_query(urlencode({"a": value}), key, orig=value, moment=NOW, nonce="n")
    assert check_query(query, key, NOW) == "n"
    assert check_query(query, key + "x", NOW) is None


@pytest.mark.parametrize("seconds", [-30, 0, 30])
def test_a_clock_half_a_minute_off_is_forgiven(seconds: int) -> None:
    assert check_query(signed(), KEY, NOW + timedelta(seconds=seconds)) == "abc"


WRONG = {
    "late": signed(moment=NOW - timedelta(seconds=31)),
    "early": signed(moment=NOW + timedelta(seconds=31)),
    "more-before": "b=2&" + signed(),
    "more-after": signed() + "&b=2",
    "changed": signed().replace("a=1", "a=2"),
    "unsigned": UNSIGNED,
    "empty": "",
    "two-signatures": signed() + "&signature=AAAA",
    "not-base64": UNSIGNED + "&signature=%C3%A9",
    "no-nonce": signed(nonce=""),
    "endless-nonce": signed(nonce="a" * 201),
    "algo": signed().replace("sha256", "md5"),
    "many": "&".join(["a=1"] * 200) + "&" + signed(),
}


@pytest.mark.parametrize("query", WRONG.values(), ids=WRONG)
def test_all_else_is_refused(query: str) -> None:
    assert check_query(query, KEY, NOW) is None


@pytest.fixture
def tool() -> Iterator[tuple[str, list[str]]]:
    """A FAKE that keeps the addresses it was called by."""
    called: list[str] = []

    class Tool(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            called.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Silent."""

    with HTTPServer(("127.0.0.1", 0), Tool) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", called
        server.shutdown()


def test_a_profile_signs_each_call_as_it_is_sent(
    tool: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIK_KEY", KEY)
    profile = tmp_path / "publik.toml"
    profile.write_text(PROFILE)
    destination = Destination(
        "ville",
        str(profile),
        settings={"base_url": tool[0], "orig": "ville.example"},
        secrets={"key": "env:PUBLIK_KEY"},
        allowed_networks=("127.0.0.0/8",),
    )
    adapter = make_adapter(destination)
    adapter.probe()
    adapter.probe()
    queries = [urlsplit(path).query for path in tool[1]]
    for query in queries:
        unsigned, _, _ = query.partition("&signature=")
        digest = hmac.new(KEY.encode(), unsigned.encode(), hashlib.sha256).digest()
        told = parse_qs(query)
        assert base64.b64decode(told["signature"][0]) == digest
        assert (told["orig"], told["q"]) == (["ville.example"], ["été & +"])
    assert len({parse_qs(query)["nonce"][0] for query in queries}) == 2
    shown = adapter.preview(ticket())
    assert "orig=ville.example" in shown
    assert KEY not in shown
