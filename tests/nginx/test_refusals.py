"""What nginx refuses by itself: every time a GeoReport `errors` document, in the asked format."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from tests.acceptance.conftest import City
from tests.nginx.front import Answer, Front, read_answer, request
from tests.schemas.conftest import refused_by

pytestmark = pytest.mark.acceptance

FORM = "Content-Type: application/x-www-form-urlencoded"
POST = "/open311/gentilly.fr/v2/requests"
GET = "/open311/gentilly.fr/v2/requests"
SUFFIXES = ("xml", "json")


def check_errors(answer: Answer, status: int, suffix: str) -> None:
    """One error of this status, in a document that the schemas know."""
    assert answer.status == status, answer
    expected = {"xml": "text/xml; charset=utf-8", "json": "application/json; charset=utf-8"}
    assert answer.headers["Content-Type"] == expected[suffix]
    assert not refused_by("errors", suffix, answer.body), answer.body
    if suffix == "json":
        (error,) = json.loads(answer.body)
    else:
        (element,) = etree.fromstring(answer.body)
        error = {child.tag: child.text for child in element}
    assert int(error["code"]) == status
    assert error["description"].endswith((".", ")."))


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


#: trust.md's name of the input: the status, and the request for a suffix.
REFUSED = {
    "B3: a body over the limit": (
        413,
        lambda s: request("POST", f"{POST}.{s}", FORM, "Content-Length: 99999999"),
    ),
    "B3: a chunked body over the limit": (
        413,
        lambda s: request(
            "POST",
            f"{POST}.{s}",
            FORM,
            "Transfer-Encoding: chunked",
            body=b"3000000\r\n" + b"a" * 100_000,
        ),
    ),
    "B10: a header of 20 kB": (
        431,
        lambda s: request("GET", f"{GET}.{s}", "X-Long: " + "a" * 20_000),
    ),
    "B10: 150 headers": (
        431,
        lambda s: request("GET", f"{GET}.{s}", *(f"X-Header-{n}: {n}" for n in range(150))),
    ),
    "B10: 1,500 headers": (
        431,
        lambda s: request("GET", f"{GET}.{s}", *(f"X-Header-{n}: {'a' * 30}" for n in range(1500))),
    ),
    "B11: an address of 50 kB": (414, lambda s: request("GET", f"{GET}.{s}?q=" + "a" * 50_000)),
    "B12: a control character in the idempotency key": (
        400,
        lambda s: request("POST", f"{POST}.{s}", FORM, "Idempotency-Key: a\x01b", body=b"a=b"),
    ),
    "F9: 10,000 ids": (
        414,
        lambda s: request(
            "GET", f"{GET}.{s}?service_request_id=" + ",".join(map(str, range(10_000)))
        ),
    ),
    "G7: raw bytes in the path": (400, lambda s: request("GET", f"/open311/v2/req\xe9.{s}")),
    "H7: Content-Length and Transfer-Encoding": (
        400,
        lambda s: request(
            "POST",
            f"{POST}.{s}",
            FORM,
            "Content-Length: 3",
            "Transfer-Encoding: chunked",
            body=chunked(b"a=b"),
        ),
    ),
    "H8: Transfer-Encoding: xchunked": (
        501,
        lambda s: request(
            "POST", f"{POST}.{s}", FORM, "Transfer-Encoding: xchunked", body=chunked(b"a=b")
        ),
    ),
    "H8: two codings": (
        501,
        lambda s: request(
            "POST", f"{POST}.{s}", FORM, "Transfer-Encoding: gzip, chunked", body=chunked(b"a=b")
        ),
    ),
    "a method in small letters": (400, lambda s: f"get {GET}.{s} HTTP/1.1\r\n\r\n".encode()),
    "a broken chunk": (
        400,
        lambda s: request(
            "POST", f"{POST}.{s}", FORM, "Transfer-Encoding: chunked", body=b"zz\r\na=b\r\n"
        ),
    ),
    "H11: a negative Content-Length": (
        400,
        lambda s: request("POST", f"{POST}.{s}", FORM, "Content-Length: -1", body=b"a=b"),
    ),
    "H11: two lengths": (
        400,
        lambda s: request(
            "POST", f"{POST}.{s}", FORM, "Content-Length: 3", "Content-Length: 4", body=b"a=bc"
        ),
    ),
    "H12: a body shorter than announced": (
        408,
        lambda s: request("POST", f"{POST}.{s}", FORM, "Content-Length: 100", body=b"a=b"),
    ),
    "H16: TRACE": (405, lambda s: request("TRACE", f"{GET}.{s}")),
    "H19: Expect: 100-continue before a body over the limit": (
        413,
        lambda s: request(
            "POST", f"{POST}.{s}", FORM, "Expect: 100-continue", "Content-Length: 99999999"
        ),
    ),
    "no Host": (400, lambda s: f"GET {GET}.{s} HTTP/1.1\r\n\r\n".encode()),
    "two Hosts": (400, lambda s: request("GET", f"{GET}.{s}", "Host: elsewhere")),
    "an encoded NUL in the path": (400, lambda s: request("GET", f"/open311/v2/%00.{s}")),
    "a version that does not exist": (505, lambda s: f"GET {GET}.{s} HTTP/7.x\r\n\r\n".encode()),
}  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("what", REFUSED)
def test_a_request_that_nginx_refuses_is_answered_in_the_asked_format(
    front: Front, what: str, suffix: str
) -> None:
    status, made = REFUSED[what]
    answer = front.answer(made(suffix))
    check_errors(answer, status, suffix)
    assert answer.headers["Connection"] == "close"
    assert status != 405 or answer.headers["Allow"]


def test_a_tls_hello_on_the_plain_port_is_refused_at_once(front: Front) -> None:
    hello = bytes.fromhex("16030100c8010000c40303") + b"\x00" * 180
    check_errors(front.answer(hello), 400, "xml")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_http_0_9_gets_the_errors_document_alone(front: Front, suffix: str) -> None:
    with front.connect() as connection:
        connection.sendall(f"GET {GET}.{suffix}\r\n".encode())
        body = b"".join(iter(lambda: connection.recv(65536), b""))
    assert not refused_by("errors", suffix, body)
    assert b"400" in body


def test_smuggled_requests_are_not_answered(front: Front) -> None:
    """What follows an ambiguous request on its connection is never read as a request (H7)."""
    ambiguous = request(
        "POST", f"{POST}.json", FORM, "Content-Length: 5", "Transfer-Encoding: chunked"
    ).replace(b"Connection: close", b"Connection: keep-alive")
    with front.connect() as connection:
        connection.sendall(ambiguous + b"0\r\n\r\n" + request("GET", "/healthz"))
        said = b"".join(iter(lambda: connection.recv(65536), b""))
    assert said.count(b"HTTP/1.1 ") == 1
    assert b'"ok"' not in said


@pytest.fixture
def deaf() -> Iterator[socket.socket]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_server_that_is_down_is_a_502_and_one_that_hangs_a_504(
    deaf: socket.socket, tmp_path: Path, suffix: str
) -> None:
    port = deaf.getsockname()[1]
    with Front(tmp_path, port, {"proxy_read_timeout 60s;": "proxy_read_timeout 1s;"}) as front:
        for method in ("GET", "POST"):
            hung = front.answer(request(method, f"{GET}.{suffix}"))
            check_errors(hung, 504, suffix)
            assert hung.headers["Retry-After"] == "5"
        deaf.close()
        down = front.answer(request("POST", f"{GET}.{suffix}", FORM, body=b"a=b"))
        check_errors(down, 502, suffix)
        assert down.headers["Retry-After"] == "5"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_too_many_reports_from_one_address_are_429_with_errors(
    proxied_city: City, tmp_path: Path, suffix: str
) -> None:
    port = int(proxied_city.base.split(":")[2].split("/")[0])
    with Front(tmp_path, port, {"rate=50r/s": "rate=1r/m", "burst=500": "burst=2"}) as front:
        post = request("POST", f"{POST}.{suffix}", FORM, body=b"service_code=proprete")
        answers = [front.answer(post) for _ in range(4)]
        assert [each.status for each in answers[:3]] == [403, 403, 403]
        check_errors(answers[3], 429, suffix)
        assert answers[3].headers["Retry-After"] == "5"
        assert {front.get(f"{GET}.{suffix}").status for _ in range(20)} == {200}


def test_error_pages_cannot_be_asked_for(front: Front) -> None:
    for suffix in SUFFIXES:
        assert b"interne" not in front.get(f"/-errors/error.{suffix}").body


def test_a_lost_piece_of_body_closes_the_connection(front: Front) -> None:
    with front.connect() as connection:
        connection.sendall(request("POST", f"{POST}.json", FORM, "Content-Length: 9", body=b"a"))
        assert read_answer(connection).status == 408
        assert connection.recv(1) == b""
