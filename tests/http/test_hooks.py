"""`POST /hooks/<destination>`: tools say that something changed (trust.md L12)."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from open311.adapters.publik import sign_query
from open311.storage import inbox
from tests.conftest import World

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I="
OTHER = "whsec_" + "YXV0cmUtYXV0cmUtYXV0cmUtYXV0cmUtYXV0cmUtYXU="
BODY = json.dumps({"ticket": {"id": 42}}).encode()


def destination(name: str = "voirie", **hook: str) -> dict[str, Any]:
    return {
        "name": name,
        "profile": "webhook",
        "services": [],
        "allowed_networks": [],
        "settings": {"base_url": "https://outil.example/", **hook},
        "secrets": {"secret": "env:HOOK_SECRET", "hook_secret": "env:HOOK_SECRET"},
    }


@pytest.fixture
def served(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., World]:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    monkeypatch.setenv("OTHER_SECRET", OTHER)

    def serve(**hook: str) -> World:
        other = destination("eclairage", hook_scheme="standard", hook_ticket="ticket.id")
        other["secrets"]["hook_secret"] = "env:OTHER_SECRET"
        return make_world(
            destinations=[destination(**({"hook_ticket": "ticket.id"} | hook)), other]
        )

    return serve


def signed(
    moment: datetime, *, secret: str = SECRET, body: bytes = BODY, event_id: str = "msg_1"
) -> dict[str, str]:
    """Headers as the reference library of Standard Webhooks makes them."""
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(event_id, moment, body.decode()),
    }


def kept(world: World, name: str = "voirie") -> list[inbox.InboxEvent]:
    return inbox.events(world.database, name, inbox.WAITING)


def post(world: World, headers: dict[str, str], body: bytes = BODY, path: str = "voirie") -> int:
    response = world.client.post(f"/hooks/{path}", data=body, headers=headers)
    return int(response.status_code)


def test_a_signed_webhook_waits_for_the_worker(served: Callable[..., World]) -> None:
    world = served(hook_scheme="standard")
    assert post(world, signed(world.clock.now)) == 202
    [event] = kept(world)
    assert (event.ticket_id, event.raw) == ("42", "")  # what it says is nobody's to keep


def test_the_same_event_again_is_answered_without_effect(served: Callable[..., World]) -> None:
    world = served(hook_scheme="standard")
    assert post(world, signed(world.clock.now)) == 202
    world.clock.advance(seconds=30)
    assert post(world, signed(world.clock.now)) == 200
    assert len(kept(world)) == 1


@pytest.mark.parametrize("seconds", [-299, 299])
def test_a_clock_a_little_off_is_forgiven(served: Callable[..., World], seconds: int) -> None:
    world = served(hook_scheme="standard")
    headers = signed(world.clock.now)
    world.clock.advance(seconds=seconds)
    assert post(world, headers) == 202


def _changed(**changes: str | None) -> Callable[[dict[str, str]], dict[str, str]]:
    def change(headers: dict[str, str]) -> dict[str, str]:
        merged: dict[str, str | None] = headers | {
            k.replace("_", "-"): v for k, v in changes.items()
        }
        return {name: value for name, value in merged.items() if value is not None}

    return change


@pytest.mark.parametrize(
    "spoil",
    [
        _changed(webhook_id="msg_2"),
        _changed(webhook_id=None),
        _changed(webhook_signature=None),
        _changed(webhook_signature="v1,AAAA"),
        _changed(webhook_signature="é"),
        _changed(webhook_timestamp="1"),
        _changed(webhook_timestamp="-1"),
        _changed(webhook_timestamp="9" * 400),
        _changed(webhook_timestamp="１７００００００００"),
    ],
)
def test_a_spoilt_signature_is_refused_and_keeps_nothing(
    served: Callable[..., World], spoil: Callable[[dict[str, str]], dict[str, str]]
) -> None:
    world = served(hook_scheme="standard")
    headers = {k: v.encode().decode("latin-1") for k, v in spoil(signed(world.clock.now)).items()}
    assert post(world, headers) == 401
    assert kept(world) == []


@pytest.mark.parametrize("seconds", [-301, 301])
def test_an_old_or_early_timestamp_is_refused(served: Callable[..., World], seconds: int) -> None:
    world = served(hook_scheme="standard")
    headers = signed(world.clock.now)
    world.clock.advance(seconds=seconds)
    assert post(world, headers) == 401


def test_another_body_another_secret_another_door_are_refused(
    served: Callable[..., World],
) -> None:
    world = served(hook_scheme="standard")
    now = world.clock.now
    assert post(world, signed(now), body=BODY + b" ") == 401
    assert post(world, signed(now, secret=OTHER)) == 401
    assert post(world, signed(now), path="eclairage") == 401
    assert post(world, signed(now), path="inconnue") == 401
    assert post(world, signed(now, secret=OTHER), path="eclairage") == 202
    assert kept(world) == []


def test_either_secret_is_good_while_it_is_rotated(
    served: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = served(hook_scheme="standard")
    monkeypatch.setenv("HOOK_SECRET", f"{OTHER} {SECRET}")
    assert post(world, signed(world.clock.now)) == 202
    assert post(world, signed(world.clock.now, secret=OTHER, event_id="m2")) == 202


def test_a_destination_without_a_scheme_takes_no_webhooks(served: Callable[..., World]) -> None:
    world = served()
    assert post(world, signed(world.clock.now)) == 401


def _hex(algorithm: str, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), BODY, algorithm).hexdigest()


@pytest.mark.parametrize(
    ("scheme", "header", "value"),
    [
        ("hmac-sha256", "X-Webhook-Signature", _hex("sha256")),
        ("hub-sha1", "X-Hub-Signature", "sha1=" + _hex("sha1")),
        ("hub-sha256", "X-Hub-Signature-256", "sha256=" + _hex("sha256")),
    ],
)
def test_other_schemes_of_tools(
    served: Callable[..., World], scheme: str, header: str, value: str
) -> None:
    world = served(hook_scheme=scheme)
    assert post(world, {header: value, "X-Webhook-Id": "a"}) == 202
    assert post(world, {header: value, "X-Webhook-Id": "a"}) == 200
    assert post(world, {header: value, "X-Webhook-Id": "b"}) == 202
    assert post(world, {header: value[:-1] + ("0" if value[-1] != "0" else "1")}) == 401
    assert post(world, {header: value}, body=b"{}") == 401
    assert post(world, {}) == 401
    assert len(kept(world)) == 2


def test_publiks_signed_urls_serve_once_and_for_half_a_minute(
    served: Callable[..., World],
) -> None:
    world = served(hook_scheme="publik")

    def call(query: str, body: bytes = BODY) -> int:
        return int(world.client.post(f"/hooks/voirie?{query}", data=body).status_code)

    def signed_now(nonce: str, key: str = SECRET) -> str:
        return sign_query("a=%C3%A9", key, orig="publik", moment=world.clock.now, nonce=nonce)

    query = signed_now("n1")
    assert call(query) == 202
    assert call(query, body=b'{"ticket": {"id": 7}}') == 200
    assert call(query.replace("a=", "b=")) == 401
    assert call(signed_now("n2", key=OTHER)) == 401
    world.clock.advance(seconds=31)
    assert call(query) == 401
    assert call("") == 401
    assert [event.ticket_id for event in kept(world)] == ["42"]


@pytest.mark.parametrize(
    ("networks", "secret", "status"),
    [
        ("127.0.0.0/8", SECRET, 202),
        ("10.0.0.0/8, 127.0.0.1", SECRET, 202),
        ("10.0.0.0/8", SECRET, 401),
        ("127.0.0.0/8", "faux", 401),
        (None, SECRET, 401),
    ],
)
def test_a_secret_in_the_path_counts_from_known_networks_only(
    served: Callable[..., World], networks: str | None, secret: str, status: int
) -> None:
    world = served(hook_scheme="path", **({"hook_networks": networks} if networks else {}))
    assert post(world, {}, path=f"voirie/{secret}") == status
    assert post(world, {}) == 401


def test_a_secret_in_the_path_stays_out_of_the_log(
    served: Callable[..., World], capsys: pytest.CaptureFixture[str]
) -> None:
    world = served(hook_scheme="path", hook_networks="127.0.0.0/8")
    post(world, {}, path=f"voirie/{SECRET}")
    told = capsys.readouterr()
    assert "/hooks/voirie" in told.out + told.err
    assert SECRET not in told.out + told.err


UNNAMED = [b"", b"no json", b"[" * 5000, b'{"ticket": {}}', b"\xff\x00",
           b'{"ticket": {"id": true}}', b'{"ticket": {"id": ""}}']  # fmt: skip


@pytest.mark.parametrize("told", ["\\ud800", "\\u0000"])
def test_an_id_that_no_database_can_keep_is_cleaned(
    served: Callable[..., World], told: str
) -> None:
    world = served(hook_scheme="path", hook_networks="127.0.0.0/8")
    body = f'{{"ticket": {{"id": "4{told}2"}}}}'.encode()
    assert post(world, {}, body=body, path=f"voirie/{SECRET}") == 202
    [event] = kept(world)
    assert event.ticket_id == "4\ufffd2"


@pytest.mark.parametrize("body", UNNAMED)
def test_a_body_that_names_no_ticket_is_still_a_hint(
    served: Callable[..., World], body: bytes
) -> None:
    world = served(hook_scheme="hub-sha256")
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert post(world, {"X-Hub-Signature-256": f"sha256={digest}"}, body=body) == 202
    [event] = kept(world)
    assert event.ticket_id is None


def test_a_body_without_end_is_refused(served: Callable[..., World]) -> None:
    world = served(hook_scheme="standard")
    assert post(world, signed(world.clock.now), body=b"x" * 300_000) == 413


def test_only_post_is_served(served: Callable[..., World]) -> None:
    assert served().client.get("/hooks/voirie").status_code == 405


def test_the_clock_of_the_tests_is_not_the_machines(world: World) -> None:
    assert abs((world.clock.now - datetime.now(UTC)).total_seconds()) > 600
