"""Signed links of mails: GET shows, POST acts, on one request and until they expire."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from open311.domain.delivery import TicketReceipt
from open311.domain.signed_link import SignedLink, sign_link
from open311.operations.follow_up import erase_request
from open311.storage import tickets
from tests.conftest import PUBLIC_URL, World

KEY = "k" * 40


@pytest.fixture
def served(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("LINK_KEY", KEY)
    monkeypatch.setenv("OTHER_KEY", "a" * 40)

    def mailbox(name: str, key: str) -> dict[str, Any]:
        return {
            "name": name,
            "profile": "email",
            "services": [],
            "allowed_networks": [],
            "settings": {"host": "x", "sender": "a@ville.example", "recipients": "b@ville.example"},
            "secrets": {"link_key": f"env:{key}"},
        }

    return make_world(destinations=[mailbox("voirie", "LINK_KEY"), mailbox("eau", "OTHER_KEY")])


@pytest.fixture
def id_(served: World) -> str:
    """A request whose ticket is in the mailbox."""
    id_ = served.posted_id(
        description="Nid-de-poule <b>profond</b>", email="secret@example.org", last_name="Cachette"
    )
    key = served.side().scope.request_key(int(id_))
    served.database.write(
        lambda connection: tickets.put_ticket(
            connection, "voirie", key, TicketReceipt(id_, number=id_), served.clock.now
        )
    )
    return id_


def token(world: World, id_: str, action: str, *, key: str = KEY, **changes: Any) -> str:
    told = {"destination": "voirie", "ticket_id": id_, "action": action} | changes
    link = SignedLink(expires_datetime=world.clock.now + timedelta(days=60), **told)
    return sign_link(link, key.encode())


def shown(world: World, id_: str) -> dict[str, Any]:
    found: dict[str, Any] = world.get(f"/requests/{id_}.json", extensions="true").json[0]
    return found


def act(world: World, token: str, **form: str) -> Any:
    world.clock.advance(seconds=60)
    return world.client.post("/agent", query_string={"t": token}, data=form)


def test_looking_shows_the_request_and_changes_nothing(served: World, id_: str) -> None:
    before = shown(served, id_)
    for action in ("accept", "plan", "refuse", "close"):
        page = served.client.get("/agent", query_string={"t": token(served, id_, action)})
        text = page.get_data(as_text=True)
        assert page.status_code == 200
        assert f"demande n° {id_}" in text
        assert "Nid-de-poule &lt;b&gt;profond&lt;/b&gt;" in text
        assert "<form" in text
        assert "Cachette" not in text
        assert "secret@example.org" not in text
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert shown(served, id_) == before


@pytest.mark.parametrize(
    ("action", "note", "status", "detailed"),
    [
        ("accept", "", "open", "IN_PROCESS"),
        ("plan", "Passage mardi.", "open", "IN_PROCESS"),
        ("refuse", "Voie privée.", "closed", "REJECTED"),
        ("close", "Rebouché.", "closed", "PROCESSED"),
    ],
)
def test_sending_the_form_moves_the_request(
    served: World, id_: str, action: str, note: str, status: str, detailed: str
) -> None:
    page = act(served, token(served, id_, action), note=note)
    assert page.status_code == 200
    assert "est enregistré" in page.get_data(as_text=True).replace("&#39;", "'")
    now = shown(served, id_)
    assert (now["status"], now["extended_attributes"]["detailed_status"]) == (status, detailed)
    assert now["status_notes"] == (note or None)


def test_the_form_sends_its_own_token_back(served: World, id_: str) -> None:
    given = token(served, id_, "close")
    page = served.client.get("/agent", query_string={"t": given}).get_data(as_text=True)
    action = re.search(r'action="\?t=([^"]+)"', page)
    assert action is not None
    assert action[1] == given


def test_a_second_click_changes_nothing(served: World, id_: str) -> None:
    close = token(served, id_, "close")
    act(served, close, note="Fait.")
    before = shown(served, id_)
    again = act(served, close, note="Autre chose")
    assert again.status_code == 200
    assert shown(served, id_) == before


def test_links_serve_one_after_the_other_until_the_request_is_closed(
    served: World, id_: str
) -> None:
    for action, status in (("accept", "open"), ("plan", "open"), ("close", "closed")):
        assert act(served, token(served, id_, action)).status_code == 200
        assert shown(served, id_)["status"] == status
    before = shown(served, id_)
    for action in ("accept", "plan", "refuse"):
        link = token(served, id_, action)
        page = served.client.get("/agent", query_string={"t": link}).get_data(as_text=True)
        assert "ce lien ne sert plus" in page
        assert "<form" not in page
        assert act(served, link, note="Trop tard.").status_code == 403
    assert shown(served, id_) == before


def test_a_link_of_an_erased_request_opens_nothing(served: World, id_: str) -> None:
    side, now = served.side(), served.clock.now
    erase_request(served.database, served.media, side, int(id_), public_url=PUBLIC_URL, now=now)
    for send in (served.client.get, served.client.post):
        page = send("/agent", query_string={"t": token(served, id_, "close")})
        assert page.status_code == 404
        assert "Nid-de-poule" not in page.get_data(as_text=True)


def test_heads_and_prefetches_of_mail_filters_change_nothing(served: World, id_: str) -> None:
    before = shown(served, id_)
    close = {"t": token(served, id_, "close")}
    assert served.client.head("/agent", query_string=close).status_code == 200
    for _ in range(3):
        served.client.get("/agent", query_string=close, headers={"Sec-Purpose": "prefetch"})
    assert shown(served, id_) == before


def test_a_refusal_without_a_reason_is_not_taken(served: World, id_: str) -> None:
    page = act(served, token(served, id_, "refuse"), note="  \r\n ")
    assert page.status_code == 400
    assert "Un refus se motive" in page.get_data(as_text=True)
    assert shown(served, id_)["status"] == "open"


def forged(world: World, id_: str) -> dict[str, str]:
    good = token(world, id_, "close")
    payload, _, code = good.partition(".")
    other = token(world, id_, "accept").partition(".")[0]
    return {
        "nothing": "",
        "not-a-token": "abc",
        "no-code": payload,
        "empty-code": payload + ".",
        "other-payload": f"{other}.{code}",
        "cut": good[:-1],
        "not-ascii": good + "é",
        "other-key": token(world, id_, "close", key="z" * 40),
        "other-destination": token(world, id_, "close", destination="eau"),
        "unknown-destination": token(world, id_, "close", destination="rien"),
        "unknown-action": token(world, id_, "erase"),
        "null": "bnVsbA.AAAA",
        "deep": "W1tbW1tb.AAAA",
        "endless": "A" * 100_000,
    }


def test_what_is_not_our_own_link_is_refused_on_a_page(served: World, id_: str) -> None:
    before = shown(served, id_)
    for name, each in forged(served, id_).items():
        for send in (served.client.get, served.client.post):
            page = send("/agent", query_string={"t": each})
            assert page.status_code == 403, (name, page.get_data(as_text=True)[:300])
            assert page.mimetype == "text/html"
            assert "Nid-de-poule" not in page.get_data(as_text=True)
    assert shown(served, id_) == before


def test_a_link_ends_with_its_time(served: World, id_: str) -> None:
    link = token(served, id_, "close")
    served.clock.advance(days=60)
    page = act(served, link)
    assert page.status_code == 403
    assert "expiré" in page.get_data(as_text=True)


def test_a_link_of_a_mailbox_that_never_had_the_request_opens_nothing(
    served: World, id_: str
) -> None:
    link = token(served, id_, "close", destination="eau", key="a" * 40)
    assert served.client.get("/agent", query_string={"t": link}).status_code == 404
    assert (
        served.client.get(
            "/agent", query_string={"t": token(served, str(int(id_) + 1), "close")}
        ).status_code
        == 404
    )


def test_the_access_log_holds_no_token(
    served: World, id_: str, capsys: pytest.CaptureFixture[str]
) -> None:
    link = token(served, id_, "close")
    served.client.get("/agent", query_string={"t": link})
    told = capsys.readouterr()
    assert "/agent" in told.out + told.err
    assert link not in told.out + told.err
