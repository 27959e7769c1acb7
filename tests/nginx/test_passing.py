"""What is in order goes through nginx as if it were not there."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.acceptance.conftest import FIXTURES, LAT, LONG, City
from tests.nginx.front import Front, read_answer, request

pytestmark = pytest.mark.acceptance

FORM = "Content-Type: application/x-www-form-urlencoded"
V2 = "/open311/gentilly.fr/v2"
MULTIPART = "Content-Type: multipart/form-data; boundary=limit"


def form(city: City, **values: Any) -> bytes:
    told = {"service_code": "proprete", "api_key": city.key, "lat": LAT, "long": LONG}
    return urlencode(told | values).encode()


def multipart(city: City, photo: bytes) -> bytes:
    fields = {"service_code": "proprete", "api_key": city.key, "lat": LAT, "long": LONG}
    parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts.append(b'name="media"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n' + photo)
    start = b"--limit\r\nContent-Disposition: form-data; "
    return b"".join(start + part + b"\r\n" for part in parts) + b"--limit--\r\n"


def test_a_report_with_a_photo_is_kept_and_its_photo_is_answered_from_the_cache(
    front: Front, proxied_city: City
) -> None:
    photo = (FIXTURES / "photos" / "depot-sauvage.jpg").read_bytes()
    body = multipart(proxied_city, photo)
    posted = front.answer(request("POST", f"{V2}/requests.json", MULTIPART, body=body))
    assert posted.status == 200, posted
    id_ = json.loads(posted.body)[0]["service_request_id"]
    (found,) = json.loads(front.get(f"{V2}/requests/{id_}.json").body)
    address = urlsplit(found["media_url"])
    assert address[:2] == ("https", "open311.example.fr")
    first, second = (front.get(address.path) for _ in range(2))
    assert first.body == second.body
    assert first.headers["Content-Type"] == "image/jpeg"
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    lines = front.logged(f"GET {address.path}", 2)
    assert lines[1].endswith(" -"), "the server was asked for what nginx has"


def test_a_chunked_body_is_a_body(front: Front, proxied_city: City) -> None:
    body = form(proxied_city, description="En morceaux")
    pieces = b"".join(b"1\r\n%c\r\n" % each for each in body) + b"0\r\n\r\n"
    chunked = request(
        "POST", f"{V2}/requests.json", FORM, "Transfer-Encoding: chunked", body=pieces
    )
    assert front.answer(chunked).status == 200


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "words"),
    [
        ("GET", "/nothing", (), 404, "n'existe pas"),
        ("GET", "/requests/999999999", (), 404, "999999999"),
        ("GET", "/requests", ("X-HTTP-Method-Override: DELETE",), 200, ""),
        ("DELETE", "/requests", (), 405, "méthode"),
        ("POST", "/requests", (FORM,), 403, "api_key"),
        ("POST", "/requests", (FORM, "Idempotency-Key: " + "a" * 7000), 400, "Idempotency-Key"),
        ("GET", "/requests", ("User-Agent: " + "a" * 9000,), 200, ""),
    ],
)
@pytest.mark.parametrize("suffix", ["json", "xml"])
def test_the_servers_own_answers_pass_untouched(
    front: Front, proxied_city: City, method: str, path: str, headers: tuple[str, ...],
    status: int, words: str, suffix: str,
) -> None:  # fmt: skip
    body = b""
    if method == "POST":
        body = form(proxied_city) if "Idem" in headers[-1] else b"service_code=proprete"
    sent = request(method, f"{V2}{path}.{suffix}", *headers, body=body)
    through = front.answer(sent)
    with proxied_city.connect() as connection:
        connection.sendall(sent)
        direct = read_answer(connection)
    assert through.status == direct.status == status, through
    assert through.body == direct.body
    assert words in through.body.decode()
    dropped = {"date", "server", "connection", "transfer-encoding", "content-length", "keep-alive"}
    for name, value in direct.headers.items():
        assert name.lower() in dropped or through.headers[name] == value


def test_800_ids_are_not_too_many(front: Front) -> None:
    ids = ",".join(str(number) for number in range(1_000_000, 1_000_800))
    assert front.get(f"{V2}/requests.json?service_request_id={ids}").status == 200


def test_an_unchanged_list_is_a_304_and_gzip_is_the_servers(front: Front) -> None:
    first = front.get(f"{V2}/services.json")
    etag = first.headers["ETag"]
    again = front.get(f"{V2}/services.json", f"If-None-Match: {etag}")
    assert (again.status, again.body) == (304, b"")
    packed = front.get(f"{V2}/services.json", "Accept-Encoding: gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == first.body


def test_neither_keys_nor_query_strings_are_logged(front: Front, proxied_city: City) -> None:
    front.get(f"{V2}/requests/1.json?api_key={proxied_city.key}&q=Camille")
    log = "\n".join(front.logged(f"GET {V2}/requests/1.json", 1))
    log += (front.folder / "log" / "error.log").read_text()
    assert proxied_city.key not in log
    assert "Camille" not in log


class _Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what arrived, as JSON."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = {"headers": self.headers.items(), "path": self.path, "body": body.decode()}
        answer = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a program that shows what nginx sends to the server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_the_server_is_told_the_truth_about_its_client(echo: int, tmp_path: Path) -> None:
    sent = request(
        "POST",
        "/open311//v2/%C3%A9%2F.json?q=%2B",
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-Proto: gopher",
        "X-Forwarded-Host: evil.example",
        "Transfer-Encoding: chunked",
        body=b"3\r\na=b\r\n0\r\n\r\n",
    )
    with Front(tmp_path, echo) as front:
        told = json.loads(front.answer(sent).body)
    headers = dict(told["headers"])
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["X-Forwarded-Proto"] == "http"
    assert headers["X-Forwarded-Host"] == headers["Host"] == "here"
    assert "Transfer-Encoding" not in headers
    assert told["path"] == "/open311//v2/%C3%A9%2F.json?q=%2B"
    assert told["body"] == "a=b"
