"""`/hooks/…` and `/agent` through nginx: bounded, never kept in a cache, no secret in a log."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from open311.adapters.publik import sign_query
from tests.acceptance.conftest import City
from tests.acceptance.mailed_links import SECRET, link_to, reported
from tests.nginx.front import Answer, Front, request
from tests.nginx.test_refusals import check_errors

pytestmark = pytest.mark.acceptance

FORM = "Content-Type: application/x-www-form-urlencoded"
BODY = json.dumps({"ticket": 1}).encode()
LIMIT = 262_144


def hub(body: bytes) -> str:
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return f"X-Hub-Signature-256: sha256={digest}"


def post(front: Front, path: str, *headers: str, body: bytes = BODY) -> Answer:
    return front.answer(
        request("POST", path, "Content-Type: application/json", *headers, body=body)
    )


def test_a_signed_webhook_arrives_as_it_was_sent(front: Front, proxied_city: City) -> None:
    body = b'{"note": "\xc3\xa9\\u0000"}'
    assert post(front, "/hooks/signe", hub(body), body=body).status == 202
    assert post(front, "/hooks/signe", hub(body), body=body).status == 200
    query = sign_query("q=%C3%A9+%26", SECRET, orig="o", moment=datetime.now(UTC), nonce="n1")
    assert post(front, f"/hooks/publik?{query}").status == 202
    assert post(front, f"/hooks/publik?{query}").status == 200


def test_a_secret_in_the_path_counts_by_the_address_that_nginx_saw(front: Front) -> None:
    claim = "X-Forwarded-For: 10.1.2.3"
    assert post(front, f"/hooks/chemin/{SECRET}", claim).status == 202
    assert post(front, f"/hooks/ailleurs/{SECRET}", claim).status == 401


def test_no_secret_of_a_path_or_link_is_logged(front: Front, proxied_city: City) -> None:
    post(front, f"/hooks/chemin/{SECRET}x")
    front.get("/agent?t=jeton-de-ce-test")
    front.logged("/hooks/chemin/***", 1)
    front.logged('"GET /agent"', 1)
    logs = [*front.folder.rglob("*.log"), proxied_city.server.log]
    assert len(logs) >= 3
    for log in logs:
        text = log.read_text(errors="replace")
        assert SECRET not in text, log
        assert "jeton-de-ce-test" not in text, log


def test_who_is_refused_learns_nothing(front: Front) -> None:
    answers = [
        post(front, "/hooks/signe"),
        post(front, "/hooks/signe", "X-Hub-Signature-256: sha256=00"),
        post(front, "/hooks/publik"),
        post(front, "/hooks/chemin"),
        post(front, "/hooks/boite"),
        post(front, "/hooks/personne"),
        post(front, "/hooks/personne/x"),
    ]
    told = {(answer.status, answer.body) for answer in answers}
    assert len(told) == 1
    assert answers[0].status == 401
    names = [
        sorted(name for name in answer.headers if name != "Content-Length") for answer in answers
    ]
    assert all(each == names[0] for each in names)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_webhook_over_its_limit_is_refused_in_json(front: Front, chunked: bool) -> None:
    sent = request("POST", "/hooks/signe", "Content-Length: 300000")
    if chunked:
        piece = b"%x\r\n%s\r\n" % (LIMIT + 1, b"a" * (LIMIT + 1))
        sent = request("POST", "/hooks/signe", "Transfer-Encoding: chunked", body=piece)
    check_errors(front.answer(sent), 413, "json")


def test_a_webhook_of_the_limits_size_passes(front: Front) -> None:
    body = b"a" * LIMIT
    assert post(front, "/hooks/signe", hub(body), body=body).status == 202


def test_hooks_take_post_only(front: Front) -> None:
    assert front.get("/hooks/signe").status == 405


@pytest.fixture
def link(proxied_city: City) -> str:
    """The address of a link that closes a request whose ticket is in the mailbox."""
    return link_to(reported(proxied_city, "Dépôt <b>sauvage</b>"), "close")


def test_a_link_shows_then_acts_and_no_cache_keeps_it(front: Front, link: str) -> None:
    for _ in range(2):
        page = front.get(link)
        assert page.status == 200
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["X-Robots-Tag"] == "noindex"
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
        assert "Dépôt &lt;b&gt;sauvage&lt;/b&gt;" in page.body.decode()
        assert "<form" in page.body.decode()
    note = urlencode({"note": "Enlevé à l'aube."}).encode()
    done = front.answer(request("POST", link, FORM, body=note))
    assert (done.status, done.headers["Cache-Control"]) == (200, "no-store")
    assert "<form" not in front.get(link).body.decode()


def test_who_follows_a_link_reads_a_page_whatever_goes_wrong(front: Front, link: str) -> None:
    long = front.get(f"/agent?t={'a' * 20_000}")
    large = front.answer(request("POST", link, FORM, "Content-Length: 99999999"))
    refused = front.get("/agent?t=faux")
    method = front.answer(request("DELETE", link))
    statuses = [long.status, large.status, refused.status, method.status]
    assert statuses == [414, 413, 403, 405]
    for answer in (long, large, refused):
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert 'lang="fr"' in answer.body.decode()
        assert 'role="alert"' in answer.body.decode()
        assert answer.headers["Cache-Control"] == "no-store"
